//! A target: its attributes, how they are read, merged and printed.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::Error;
use super::entry::{Entry, Secret, Ssh};
use super::value::{Value, go_bool};

/// Everything that a target may say. Printed as buildx prints it: this order, what is empty left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the attribute of that name, which docs/bake.md explains")]
pub struct Target {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip)]
    pub inherits: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "escaped_list")]
    pub annotations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "attests")]
    pub attest: Vec<Entry>,
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

/// The attributes of a target, for did-you-mean.
pub(super) const ATTRIBUTES: [&str; 30] = [
    "annotations", "args", "attest", "cache-from", "cache-to", "call", "context", "contexts", "description",
    "dockerfile", "dockerfile-inline", "entitlements", "extra-hosts", "inherits", "labels", "matrix", "name", "network",
    "no-cache", "no-cache-filter", "output", "platforms", "pull", "secret", "shm-size", "ssh", "tags", "target",
    "ulimits", "policy",
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
            "attest" => self.attest = entries(value, Entry::attest)?,
            "context" => self.context = Some(value.text()?),
            "contexts" => self.contexts = text_map(value)?,
            "dockerfile" => self.dockerfile = Some(value.text()?),
            "dockerfile-inline" => self.dockerfile_inline = Some(value.text()?),
            "args" => self.args = text_map(value)?,
            "labels" => self.labels = text_map(value)?,
            "tags" => self.tags = Some(texts(value)?),
            "cache-from" => self.cache_from = entries(value, Entry::caches)?,
            "cache-to" => self.cache_to = Some(entries(value, Entry::caches)?),
            "target" => self.target = Some(value.text()?),
            "secret" => self.secret = value.list()?.iter().map(Secret::of).collect::<Result<_, _>>()?,
            "ssh" => self.ssh = value.list()?.iter().map(Ssh::of).collect::<Result<_, _>>()?,
            "platforms" => self.platforms = Some(texts(value)?),
            "output" => self.output = Some(entries(value, Entry::output)?),
            "pull" => self.pull = Some(flag(value)?),
            "no-cache" => self.no_cache = Some(flag(value)?),
            "network" => self.network = Some(value.text()?),
            "no-cache-filter" => self.no_cache_filter = texts(value)?,
            "shm-size" => self.shm_size = Some(value.text()?),
            "ulimits" => self.ulimits = texts(value)?,
            "call" => self.call = Some(value.text()?),
            "entitlements" => self.entitlements = texts(value)?,
            "extra-hosts" => self.extra_hosts = text_map(value)?,
            "name" | "matrix" => {}
            "policy" | "resources" => {
                return Err(Error::new(format!("attribute {name} is not supported yet")).hint_of("leave it out"));
            }
            other => return Err(Error::new(format!("a target has no attribute {other}")).meant(other, ATTRIBUTES)),
        }
        Ok(())
    }

    /// Takes what `other` says: some attributes replace, others add, as in buildx.
    pub(super) fn merge(&mut self, other: &Self) {
        fn replace<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        if !other.description.is_empty() {
            self.description.clone_from(&other.description);
        }
        replace(&mut self.context, &other.context);
        replace(&mut self.dockerfile, &other.dockerfile);
        replace(&mut self.dockerfile_inline, &other.dockerfile_inline);
        replace(&mut self.tags, &other.tags);
        replace(&mut self.cache_to, &other.cache_to);
        replace(&mut self.target, &other.target);
        replace(&mut self.platforms, &other.platforms);
        replace(&mut self.output, &other.output);
        replace(&mut self.pull, &other.pull);
        replace(&mut self.no_cache, &other.no_cache);
        replace(&mut self.network, &other.network);
        replace(&mut self.shm_size, &other.shm_size);
        replace(&mut self.call, &other.call);
        self.contexts.extend(other.contexts.clone());
        self.args.extend(other.args.clone());
        self.labels.extend(other.labels.clone());
        self.extra_hosts.extend(other.extra_hosts.clone());
        self.inherits.extend(other.inherits.clone());
        self.annotations.extend(other.annotations.clone());
        self.attest.extend(other.attest.clone());
        self.secret.extend(other.secret.clone());
        self.ssh.extend(other.ssh.clone());
        self.cache_from.extend(other.cache_from.clone());
        self.no_cache_filter.extend(other.no_cache_filter.clone());
        self.ulimits.extend(other.ulimits.clone());
        self.entitlements.extend(other.entitlements.clone());
    }

    /// Removes what is said twice, and adds what follows.
    pub(super) fn normalize(&mut self) {
        if self.network.as_deref() == Some("host") {
            self.entitlements.push("network.host".to_owned());
        }
        let lists = [&mut self.annotations, &mut self.no_cache_filter, &mut self.ulimits, &mut self.entitlements];
        lists.into_iter().chain(&mut self.tags).chain(&mut self.platforms).for_each(dedup);
        self.attest = self.attest.drain(..).fold(Vec::new(), |mut kept: Vec<Entry>, entry| {
            match kept.iter_mut().find(|other| other.kind() == entry.kind()) {
                Some(other) => *other = entry,
                None => kept.push(entry),
            }
            kept
        });
        dedup(&mut self.secret);
        dedup(&mut self.ssh);
        dedup(&mut self.cache_from);
        self.cache_to.as_mut().map_or((), dedup);
        self.output.as_mut().map_or((), dedup);
        self.contexts.retain(|_, value| !value.is_empty());
    }
}

fn dedup<T: PartialEq>(items: &mut Vec<T>) {
    let all = std::mem::take(items);
    for item in all {
        if !items.contains(&item) {
            items.push(item);
        }
    }
}

pub(super) fn texts(value: &Value) -> Result<Vec<String>, Error> {
    value.list()?.iter().filter(|item| **item != Value::Null).map(Value::text).collect()
}

fn text_map(value: &Value) -> Result<BTreeMap<String, String>, Error> {
    let items = value.object()?.iter().filter(|(_, item)| **item != Value::Null);
    items.map(|(key, item)| Ok((key.clone(), item.text()?))).collect()
}

fn flag(value: &Value) -> Result<bool, Error> {
    match value {
        Value::String(text) => go_bool(text).ok_or_else(|| Error::new(format!("{text:?} is neither true nor false"))),
        other => other.bool(),
    }
}

fn entries(value: &Value, read: fn(&Value) -> Result<Vec<Entry>, Error>) -> Result<Vec<Entry>, Error> {
    Ok(value.list()?.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat())
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

fn attests<S: Serializer>(entries: &[Entry], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(entries.iter().map(Entry::attest_json))
}
