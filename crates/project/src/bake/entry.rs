//! Outputs, caches, attestations, secrets and agents: `key=value` lists, or objects.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::Error;
use super::value::{Value, csv, go_bool, quoted};

/// Keys and values, one of them `type`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Entry(BTreeMap<String, String>);

impl Entry {
    /// `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.get("type").map_or("", String::as_str)
    }

    /// As a flag of `build` has it.
    #[must_use]
    pub fn text(&self) -> String {
        let rest = self.0.iter().filter(|(key, _)| *key != "type");
        let pairs = self.0.get_key_value("type").into_iter().chain(rest);
        pairs.map(|(key, value)| quoted(&format!("{key}={value}"))).collect::<Vec<_>>().join(",")
    }

    pub(super) fn new(kind: &str) -> Self {
        Self([("type".to_owned(), kind.to_owned())].into())
    }

    pub(super) fn put(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// `disabled` is a bool there.
    pub(super) fn attest_json(&self) -> Json {
        let value = |(key, value): (&String, &String)| match (&key[..], go_bool(value)) {
            ("disabled", Some(false)) => None,
            ("disabled", Some(true)) => Some((key.clone(), Json::Bool(true))),
            _ => Some((key.clone(), Json::String(value.clone()))),
        };
        Json::Object(self.0.iter().filter_map(value).collect())
    }

    pub(super) fn output(value: &Value) -> Result<Vec<Self>, Error> {
        match value {
            Value::String(text) if text.is_empty() => Ok(Vec::new()),
            Value::String(text) if text == "-" => Ok(vec![Self::of_pairs([("type", "tar"), ("dest", "-")])]),
            Value::String(text) if csv(text).len() == 1 && !text.starts_with("type=") => {
                Ok(vec![Self::of_pairs([("type", "local"), ("dest", text)])])
            }
            value => Self::typed(value, "output"),
        }
    }

    pub(super) fn caches(value: &Value) -> Result<Vec<Self>, Error> {
        match value {
            Value::String(text) if text.is_empty() => Ok(Vec::new()),
            Value::String(text) if !text.contains('=') => {
                Ok(csv(text).iter().map(|name| Self::of_pairs([("type", "registry"), ("ref", name)])).collect())
            }
            value => Self::typed(value, "cache"),
        }
    }

    pub(super) fn attest(value: &Value) -> Result<Vec<Self>, Error> {
        Self::typed(value, "attest")
    }

    fn typed(value: &Value, what: &str) -> Result<Vec<Self>, Error> {
        let entry = Self(match value {
            Value::Object(items) => plain(items)?,
            other => fields(&other.text()?)?,
        });
        match entry.kind() {
            "" => Err(Error::new(format!("type is required for {what}")).hint_of("such as type=registry")),
            _ => Ok(vec![entry]),
        }
    }

    fn of_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
    }
}

fn plain(items: &BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, Error> {
    let texts = items.iter().filter(|(_, item)| **item != Value::Null).map(|(key, item)| Ok((key.clone(), item.text()?)));
    let all = texts.collect::<Result<Vec<_>, Error>>()?;
    Ok(all.into_iter().filter(|(_, text)| !text.is_empty()).collect())
}

fn fields(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let pair = |field: &String| match field.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_lowercase(), value.to_owned())),
        None => Err(Error::new(format!("invalid value {field}")).hint_of("key=value,key=value,...")),
    };
    csv(text).iter().map(pair).collect()
}

/// `secret`.
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

impl Secret {
    pub(super) fn of(value: &Value) -> Result<Self, Error> {
        let all = match value {
            Value::Object(items) => plain(items)?,
            other => fields(&other.text()?)?,
        };
        let mut secret = Self::default();
        for (key, value) in &all {
            match &key[..] {
                "type" if matches!(&value[..], "file" | "env") => {}
                "id" => secret.id.clone_from(value),
                "src" | "source" => secret.src.clone_from(value),
                "env" => secret.env.clone_from(value),
                other => return Err(Error::new(format!("a secret has no {other}")).meant(other, ["id", "src", "env"])),
            }
        }
        if all.get("type").is_some_and(|kind| kind == "env") && secret.env.is_empty() {
            secret.env = std::mem::take(&mut secret.src);
        }
        Ok(secret)
    }

    /// As `--secret` has it.
    #[must_use]
    pub fn text(&self) -> String {
        let pairs = [("id", &self.id), ("src", &self.src), ("env", &self.env)];
        let said = pairs.iter().filter(|(_, value)| !value.is_empty());
        said.map(|(key, value)| quoted(&format!("{key}={value}"))).collect::<Vec<_>>().join(",")
    }
}

/// `ssh`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ssh {
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Sockets or keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl Ssh {
    pub(super) fn of(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Object(items) => Ok(Self {
                id: items.get("id").map_or(Ok(String::new()), Value::text)?,
                paths: items.get("paths").map_or(Ok(Vec::new()), super::target::texts)?,
            }),
            other => {
                let text = other.text()?;
                let (id, paths) = text.split_once('=').unwrap_or((&text, ""));
                let paths = paths.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect();
                Ok(Self { id: id.to_owned(), paths })
            }
        }
    }

    /// As `--ssh` has it.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.paths[..] {
            [] => self.id.clone(),
            paths => format!("{}={}", self.id, paths.join(",")),
        }
    }
}
