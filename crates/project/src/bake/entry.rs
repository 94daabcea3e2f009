//! Outputs, caches, attestations, secrets and agents: `key=value` lists, or objects.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::Error;
use super::csv;
use super::types::go_bool;
use super::value::Value;

/// Keys and values, one of them `type`: an output or a cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Entry(BTreeMap<String, String>);

/// An attestation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attest {
    /// `type`: `sbom` or `provenance`.
    pub kind: String,
    /// Whether it is not wanted.
    pub disabled: bool,
    /// Everything else.
    pub attributes: BTreeMap<String, String>,
}

/// A secret and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The file it is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub src: String,
    /// The variable it is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub env: String,
}

/// An agent or keys for SSH.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ssh {
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Sockets or keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl Entry {
    /// `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.get("type").unwrap_or_default()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// As a flag of `build` has it: `type=...` first.
    #[must_use]
    pub fn to_flag(&self) -> String {
        let rest = self.0.iter().filter(|(key, _)| *key != "type");
        joined(self.0.get_key_value("type").into_iter().chain(rest))
    }

    pub(super) fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
    }

    pub(super) fn put(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// An output: an entry, a directory, or `-`.
    pub(super) fn output(value: &Value) -> Result<Vec<Self>, Error> {
        let Value::String(text) = value else { return Self::typed(texts(value)?, "output") };
        let fields = csv::fields(text)?;
        match &fields[..] {
            [only] if only == "-" => Ok(vec![Self::of([("type", "tar"), ("dest", "-")])]),
            [only] if only == text && !text.starts_with("type=") => {
                Ok(vec![Self::of([("type", "local"), ("dest", text)])])
            }
            _ => Self::typed(pairs(&fields)?, "output"),
        }
    }

    /// Caches: an entry, or references.
    pub(super) fn caches(value: &Value) -> Result<Vec<Self>, Error> {
        let Value::String(text) = value else { return Self::typed(texts(value)?, "cache") };
        let fields = csv::fields(text)?;
        match text.contains('=') {
            true => Self::typed(pairs(&fields)?, "cache"),
            false => Ok(fields.iter().map(|name| Self::of([("type", "registry"), ("ref", name)])).collect()),
        }
    }

    fn typed(mut pairs: BTreeMap<String, String>, what: &str) -> Result<Vec<Self>, Error> {
        if pairs.get("type").is_none_or(String::is_empty) {
            return Err(Error::new(format!("this {what} has no type")).with_hint("such as type=registry"));
        }
        if what == "output" && pairs.get("dest").is_some_and(String::is_empty) {
            pairs.remove("dest");
        }
        Ok(vec![Self(pairs)])
    }

    pub(super) fn value(&self) -> Value {
        Value::Object(self.0.iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect())
    }
}

impl Attest {
    pub(super) fn of(value: &Value) -> Result<Vec<Self>, Error> {
        let pairs = match value {
            Value::String(text) => csv::fields(text)?.iter().map(|field| pair(field)).collect::<Result<_, _>>()?,
            object => texts(object)?,
        };
        let mut attest = Self::default();
        for (key, text) in pairs {
            match key.trim().to_lowercase().as_str() {
                "type" => attest.kind = text,
                "disabled" => attest.disabled = flag(&key, &text)?,
                _ => drop(attest.attributes.insert(key, text)),
            }
        }
        match attest.kind.is_empty() {
            true => Err(Error::new("this attestation has no type").with_hint("such as type=sbom")),
            false => Ok(vec![attest]),
        }
    }

    /// As a flag of `build` has it.
    #[must_use]
    pub fn to_flag(&self) -> String {
        let (kind, disabled) = ("type".to_owned(), "disabled".to_owned());
        let yes = "true".to_owned();
        let head = std::iter::once((&kind, &self.kind)).chain(self.disabled.then_some((&disabled, &yes)));
        joined(head.chain(&self.attributes))
    }

    pub(super) fn value(&self) -> Value {
        let mut items: BTreeMap<String, Value> =
            self.attributes.iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect();
        items.insert("type".to_owned(), self.kind.as_str().into());
        if self.disabled {
            items.insert("disabled".to_owned(), "true".into());
        }
        Value::Object(items)
    }
}

impl Serialize for Attest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut all: BTreeMap<&str, serde_json::Value> =
            self.attributes.iter().map(|(key, text)| (key.as_str(), text.as_str().into())).collect();
        all.insert("type", self.kind.as_str().into());
        if self.disabled {
            all.insert("disabled", true.into());
        }
        to.collect_map(all)
    }
}

impl Secret {
    pub(super) fn of(value: &Value) -> Result<Vec<Self>, Error> {
        let (pairs, plain) = match value {
            Value::String(text) => (pairs(&csv::fields(text)?)?, true),
            object => (texts(object)?, false),
        };
        let mut secret = Self::default();
        for (key, text) in &pairs {
            match key.as_str() {
                "type" if !matches!(text.as_str(), "file" | "env") => {
                    return Err(Error::new(format!("a secret has no type {text}")).meant(text, ["file", "env"]));
                }
                "type" => {}
                "id" => secret.id.clone_from(text),
                "src" | "source" => secret.src.clone_from(text),
                "env" => secret.env.clone_from(text),
                other => {
                    return Err(
                        Error::new(format!("a secret has no {other}")).meant(other, ["id", "src", "env", "type"])
                    );
                }
            }
        }
        if plain && pairs.get("type").is_some_and(|kind| kind == "env") && secret.env.is_empty() {
            secret.env = std::mem::take(&mut secret.src);
        }
        Ok(vec![secret])
    }

    /// As `--secret` has it.
    #[must_use]
    pub fn to_flag(&self) -> String {
        let pairs = [("id", &self.id), ("src", &self.src), ("env", &self.env)];
        let said = pairs.into_iter().filter(|(_, text)| !text.is_empty());
        said.map(|(key, text)| csv::quoted(&format!("{key}={text}"))).collect::<Vec<_>>().join(",")
    }

    pub(super) fn value(&self) -> Value {
        let pairs = [("id", &self.id), ("src", &self.src), ("env", &self.env)];
        Value::Object(pairs.map(|(key, text)| (key.to_owned(), text.as_str().into())).into())
    }
}

impl Ssh {
    pub(super) fn of(value: &Value) -> Result<Vec<Self>, Error> {
        let Value::String(text) = value else { return Self::of_object(value).map(|ssh| vec![ssh]) };
        let (id, paths) = match text.split_once('=') {
            Some((id, paths)) => (id, paths.split(',').map(str::to_owned).collect()),
            None => (text.as_str(), Vec::new()),
        };
        Ok(vec![Self { id: id.to_owned(), paths }])
    }

    fn of_object(value: &Value) -> Result<Self, Error> {
        let mut ssh = Self::default();
        for (key, value) in value.object()? {
            match key.as_str() {
                _ if *value == Value::Null => {}
                "id" => ssh.id = value.text()?,
                "paths" => ssh.paths = value.list()?.iter().map(Value::text).collect::<Result<_, _>>()?,
                other => return Err(Error::new(format!("ssh has no {other}")).meant(other, ["id", "paths"])),
            }
        }
        Ok(ssh)
    }

    /// As `--ssh` has it.
    #[must_use]
    pub fn to_flag(&self) -> String {
        match &self.paths[..] {
            [] => self.id.clone(),
            paths => format!("{}={}", self.id, paths.join(",")),
        }
    }

    pub(super) fn value(&self) -> Value {
        let paths = self.paths.iter().map(String::as_str).collect();
        Value::Object([("id".to_owned(), self.id.as_str().into()), ("paths".to_owned(), paths)].into())
    }
}

/// A bool that is written as text.
pub(super) fn flag(key: &str, text: &str) -> Result<bool, Error> {
    let wrong =
        || Error::new(format!("{text:?} is neither true nor false")).with_hint(format!("{key}=true, {key}=false"));
    go_bool(text).ok_or_else(wrong)
}

fn joined<'p>(pairs: impl Iterator<Item = (&'p String, &'p String)>) -> String {
    pairs.map(|(key, value)| csv::quoted(&format!("{key}={value}"))).collect::<Vec<_>>().join(",")
}

/// An object whose values are plain.
fn texts(value: &Value) -> Result<BTreeMap<String, String>, Error> {
    let items = value.object()?.iter().filter(|(_, item)| **item != Value::Null);
    items.map(|(key, item)| Ok((key.clone(), item.text()?))).collect()
}

fn pairs(fields: &[String]) -> Result<BTreeMap<String, String>, Error> {
    fields.iter().map(|field| pair(field).map(|(key, value)| (key.trim().to_lowercase(), value))).collect()
}

fn pair(field: &str) -> Result<(String, String), Error> {
    let (key, value) = field
        .split_once('=')
        .ok_or_else(|| Error::new(format!("{field:?} is no key=value")).with_hint("key=value,key=value,..."))?;
    Ok((key.to_owned(), value.to_owned()))
}
