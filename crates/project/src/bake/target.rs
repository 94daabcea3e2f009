//! A target: its attributes, how they are read, merged and printed.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::Error;
use super::entry::{Attest, Entry, Secret, Ssh};
use super::value::Value;

/// Everything that a target may say. Printed as buildx prints it: in this order, what is empty left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the attribute of that name")]
pub struct Target {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inherits: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "escaped_list")]
    pub annotations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attest: Vec<Attest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "escaped_text")]
    pub dockerfile_inline: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "escaped_map")]
    pub args: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "escaped_map")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_empty")]
    pub tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<Entry>,
    #[serde(skip_serializing_if = "is_empty")]
    pub cache_to: Option<Vec<Entry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret: Vec<Secret>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<Ssh>,
    #[serde(skip_serializing_if = "is_empty")]
    pub platforms: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_empty")]
    pub output: Option<Vec<Entry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cache: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_cache_filter: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "escaped_map")]
    pub extra_hosts: BTreeMap<String, String>,
}

/// The attributes of a target.
pub(super) const ATTRIBUTES: [&str; 27] = [
    "annotations",
    "args",
    "attest",
    "cache-from",
    "cache-to",
    "call",
    "context",
    "contexts",
    "description",
    "dockerfile",
    "dockerfile-inline",
    "entitlements",
    "extra-hosts",
    "inherits",
    "labels",
    "network",
    "no-cache",
    "no-cache-filter",
    "output",
    "platforms",
    "pull",
    "secret",
    "shm-size",
    "ssh",
    "tags",
    "target",
    "ulimits",
];

/// Attributes that buildx has and we do not.
pub(super) const REFUSED: [(&str, &str); 2] = [
    ("policy", "leave it out and pin bases by digest"),
    ("resources", "leave it out and limit the whole build, or use ulimits"),
];

impl Target {
    /// Takes an attribute; null is as if it were not there.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        if *value == Value::Null {
            return Ok(());
        }
        match name {
            "description" => self.description = value.text()?,
            "inherits" => self.inherits = texts(value)?,
            "annotations" => self.annotations = texts(value)?,
            "attest" => self.attest = each(value, Attest::of)?,
            "context" => self.context = Some(value.text()?),
            "contexts" => self.contexts = text_map(value)?,
            "dockerfile" => self.dockerfile = Some(value.text()?),
            "dockerfile-inline" => self.dockerfile_inline = Some(value.text()?),
            "args" => self.args = text_map(value)?,
            "labels" => self.labels = text_map(value)?,
            "tags" => self.tags = Some(texts(value)?),
            "cache-from" => self.cache_from = each(value, Entry::caches)?,
            "cache-to" => self.cache_to = Some(each(value, Entry::caches)?),
            "target" => self.target = Some(value.text()?),
            "secret" => self.secret = each(value, Secret::of)?,
            "ssh" => self.ssh = each(value, Ssh::of)?,
            "platforms" => self.platforms = Some(texts(value)?),
            "output" => self.output = Some(each(value, Entry::output)?),
            "pull" => self.pull = Some(value.bool()?),
            "no-cache" => self.no_cache = Some(value.bool()?),
            "network" => self.network = Some(value.text()?),
            "no-cache-filter" => self.no_cache_filter = texts(value)?,
            "shm-size" => self.shm_size = Some(value.text()?),
            "ulimits" => self.ulimits = texts(value)?,
            "call" => self.call = Some(value.text()?),
            "entitlements" => self.entitlements = texts(value)?,
            "extra-hosts" => self.extra_hosts = text_map(value)?,
            other => return Err(Error::new(format!("a target has no attribute {other}")).meant(other, ATTRIBUTES)),
        }
        Ok(())
    }

    /// An attribute as other targets see it: what is not set is null.
    pub(super) fn get(&self, name: &str) -> Value {
        match name {
            "description" => self.description.as_str().into(),
            "context" => text(&self.context),
            "dockerfile" => text(&self.dockerfile),
            "dockerfile-inline" => text(&self.dockerfile_inline),
            "target" => text(&self.target),
            "network" => text(&self.network),
            "shm-size" => text(&self.shm_size),
            "call" => text(&self.call),
            "pull" => self.pull.map_or(Value::Null, Value::Bool),
            "no-cache" => self.no_cache.map_or(Value::Null, Value::Bool),
            "contexts" => object(&self.contexts),
            "args" => object(&self.args),
            "labels" => object(&self.labels),
            "extra-hosts" => object(&self.extra_hosts),
            "attest" => self.attest.iter().map(Attest::value).collect(),
            "cache-from" => self.cache_from.iter().map(Entry::value).collect(),
            "cache-to" => self.cache_to.iter().flatten().map(Entry::value).collect(),
            "output" => self.output.iter().flatten().map(Entry::value).collect(),
            "secret" => self.secret.iter().map(Secret::value).collect(),
            "ssh" => self.ssh.iter().map(Ssh::value).collect(),
            _ => self.get_texts(name),
        }
    }

    fn get_texts(&self, name: &str) -> Value {
        let texts = match name {
            "inherits" => &self.inherits,
            "annotations" => &self.annotations,
            "no-cache-filter" => &self.no_cache_filter,
            "ulimits" => &self.ulimits,
            "entitlements" => &self.entitlements,
            "tags" => return self.tags.as_ref().map_or(Value::Null, |texts| list(texts)),
            "platforms" => return self.platforms.as_ref().map_or(Value::Null, |texts| list(texts)),
            _ => return Value::Null,
        };
        list(texts)
    }

    /// Takes what `other` says: some attributes replace, others add, as in buildx.
    pub(super) fn merge(&mut self, other: Self) {
        if !other.description.is_empty() {
            self.description = other.description;
        }
        replace(&mut self.context, other.context);
        replace(&mut self.dockerfile, other.dockerfile);
        replace(&mut self.dockerfile_inline, other.dockerfile_inline);
        replace(&mut self.tags, other.tags);
        replace(&mut self.cache_to, other.cache_to);
        replace(&mut self.target, other.target);
        replace(&mut self.platforms, other.platforms);
        replace(&mut self.output, other.output);
        replace(&mut self.pull, other.pull);
        replace(&mut self.no_cache, other.no_cache);
        replace(&mut self.network, other.network);
        replace(&mut self.shm_size, other.shm_size);
        replace(&mut self.call, other.call);
        self.contexts.extend(other.contexts);
        self.args.extend(other.args);
        self.labels.extend(other.labels);
        self.extra_hosts.extend(other.extra_hosts);
        self.inherits.extend(other.inherits);
        self.annotations.extend(other.annotations);
        self.no_cache_filter.extend(other.no_cache_filter);
        self.ulimits.extend(other.ulimits);
        self.entitlements.extend(other.entitlements);
        self.add_entries(other.attest, other.secret, other.ssh, other.cache_from);
    }

    fn add_entries(&mut self, attest: Vec<Attest>, secret: Vec<Secret>, ssh: Vec<Ssh>, cache_from: Vec<Entry>) {
        self.attest.extend(attest);
        self.secret.extend(secret);
        self.ssh.extend(ssh);
        self.cache_from.extend(cache_from);
        self.last_of_each();
        distinct(&mut self.cache_from);
    }

    /// Of entries with one id, the last stays, where the first was.
    fn last_of_each(&mut self) {
        last_of_each(&mut self.attest, |attest| attest.kind.clone());
        last_of_each(&mut self.secret, |secret| secret.id.clone());
        last_of_each(&mut self.ssh, |ssh| ssh.id.clone());
    }

    /// Removes what is said twice, and adds what follows.
    pub(super) fn normalize(&mut self) {
        if self.network.as_deref() == Some("host") {
            self.entitlements.push("network.host".to_owned());
        }
        let lists = [&mut self.annotations, &mut self.no_cache_filter, &mut self.ulimits, &mut self.entitlements];
        lists.into_iter().chain(&mut self.tags).chain(&mut self.platforms).for_each(distinct_texts);
        self.last_of_each();
        distinct(&mut self.cache_from);
        self.cache_to.iter_mut().chain(&mut self.output).for_each(distinct);
        self.contexts.retain(|_, context| !context.is_empty());
    }
}

fn replace<T>(mine: &mut Option<T>, theirs: Option<T>) {
    if theirs.is_some() {
        *mine = theirs;
    }
}

/// What is empty is left out, too.
fn distinct_texts(texts: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    texts.retain(|text| !text.is_empty() && seen.insert(text.clone()));
}

/// In the order that buildx leaves: the last takes the place of one that is removed.
pub(super) fn distinct<T: PartialEq>(items: &mut Vec<T>) {
    for at in (0..items.len().saturating_sub(1)).rev() {
        let twin = (at + 1..items.len()).find(|other| items.get(at) == items.get(*other));
        if let Some(twin) = twin {
            items.swap_remove(twin);
        }
    }
}

fn last_of_each<T>(items: &mut Vec<T>, id: fn(&T) -> String) {
    let mut places = BTreeMap::new();
    let mut kept = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        match places.entry(id(&item)) {
            std::collections::btree_map::Entry::Occupied(place) => kept[*place.get()] = item,
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(item);
            }
        }
    }
    *items = kept;
}

/// A list of texts.
pub(super) fn texts(value: &Value) -> Result<Vec<String>, Error> {
    value.list()?.iter().map(Value::text).collect()
}

/// Texts by name; null is as if it were not there.
pub(super) fn text_map(value: &Value) -> Result<BTreeMap<String, String>, Error> {
    let items = value.object()?.iter().filter(|(_, item)| **item != Value::Null);
    items.map(|(key, item)| Ok((key.clone(), item.text()?))).collect()
}

/// Entries of a list; empty texts are left out.
pub(super) fn each<T>(value: &Value, read: fn(&Value) -> Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    let items = value.list()?.iter().filter(|item| !matches!(item, Value::String(text) if text.is_empty()));
    Ok(items.map(read).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn text(text: &Option<String>) -> Value {
    text.as_deref().map_or(Value::Null, Value::from)
}

fn list(texts: &[String]) -> Value {
    texts.iter().map(String::as_str).collect()
}

fn object(texts: &BTreeMap<String, String>) -> Value {
    Value::Object(texts.iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect())
}

fn is_empty<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

/// What is printed can be read again: `${` stays `${`.
fn escape(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

fn escaped_text<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(escape).serialize(to)
}

fn escaped_list<S: Serializer>(texts: &[String], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(texts.iter().map(|text| escape(text)))
}

fn escaped_map<S: Serializer>(texts: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(texts.iter().map(|(key, text)| (key, escape(text))))
}
