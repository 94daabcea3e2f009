//! Values that expressions have.

use std::collections::BTreeMap;

use super::Error;
use super::json;
pub(super) use super::number::Number;

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    /// Lists and tuples.
    List(Vec<Self>),
    /// Each once, in the order of sets.
    Set(Vec<Self>),
    /// Objects and maps.
    Object(BTreeMap<String, Self>),
}

impl Value {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Object(_) => "object",
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Bool(_) | Self::Number(_) | Self::String(_))
    }

    /// As a text, where it has an obvious one.
    pub(super) fn text(&self) -> Result<String, Error> {
        match self {
            Self::String(text) => Ok(text.clone()),
            Self::Bool(yes) => Ok(yes.to_string()),
            Self::Number(number) => Ok(number.to_string()),
            other => Err(other.no("a string")),
        }
    }

    pub(super) fn number(&self) -> Result<Number, Error> {
        match self {
            Self::Number(number) => Ok(number.clone()),
            Self::String(text) => Number::parse(text).ok_or_else(|| self.no("a number")),
            _ => Err(self.no("a number")),
        }
    }

    pub(super) fn bool(&self) -> Result<bool, Error> {
        match self {
            Self::Bool(yes) => Ok(*yes),
            Self::String(text) if text == "true" || text == "1" => Ok(true),
            Self::String(text) if text == "false" || text == "0" => Ok(false),
            other => Err(other.no("a bool")),
        }
    }

    /// The items of a list or a set.
    pub(super) fn list(&self) -> Result<&[Self], Error> {
        match self {
            Self::List(items) | Self::Set(items) => Ok(items),
            other => Err(other.no("a list")),
        }
    }

    pub(super) fn object(&self) -> Result<&BTreeMap<String, Self>, Error> {
        match self {
            Self::Object(items) => Ok(items),
            other => Err(other.no("an object")),
        }
    }

    fn no(&self, wanted: &str) -> Error {
        let what = match self {
            Self::String(text) if text.len() < 40 => format!("{text:?} is none"),
            Self::Null => "this is null".to_owned(),
            other => format!("this is {}", with_article(other.kind())),
        };
        Error::new(format!("{wanted} is needed here, and {what}"))
    }

    /// The items, each once, in the order of sets.
    pub(super) fn set(items: Vec<Self>) -> Self {
        let mut keyed: BTreeMap<(u8, String), Self> = BTreeMap::new();
        for item in items {
            keyed.entry(item.order()).or_insert(item);
        }
        let mut items: Vec<Self> = keyed.into_values().collect();
        if items.iter().all(|item| matches!(item, Self::Number(_))) {
            items.sort_by(|a, b| a.number().ok().partial_cmp(&b.number().ok()).unwrap_or(std::cmp::Ordering::Equal));
        }
        Self::Set(items)
    }

    fn order(&self) -> (u8, String) {
        match self {
            Self::Null => (3, String::new()),
            Self::Bool(yes) => (0, yes.to_string()),
            Self::Number(number) => (1, number.to_string()),
            Self::String(text) => (2, text.clone()),
            other => (4, other.compact()),
        }
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        let inner = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.len(),
            Self::List(items) | Self::Set(items) => items.iter().map(Self::weight).sum(),
            Self::Object(items) => items.iter().map(|(key, item)| key.len() + item.weight()).sum(),
        };
        64 + inner
    }

    /// As JSON on one line; numbers keep all their digits.
    pub(super) fn compact(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(",");
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(yes) => yes.to_string(),
            Self::Number(number) => number.to_string(),
            Self::String(text) => json::text(text),
            Self::List(items) | Self::Set(items) => format!("[{}]", joined(items.iter().map(Self::compact).collect())),
            Self::Object(items) => {
                let pair = |(key, item): (&String, &Self)| format!("{}:{}", json::text(key), item.compact());
                format!("{{{}}}", joined(items.iter().map(pair).collect()))
            }
        }
    }

    /// `value.name`.
    pub(super) fn attribute(&self, name: &str) -> Result<Self, Error> {
        let items = match self {
            Self::Object(items) => items,
            other => {
                let error = format!("{} has no attributes, such as {name}", with_article(other.kind()));
                return Err(Error::new(error));
            }
        };
        items.get(name).cloned().ok_or_else(|| {
            Error::new(format!("there is no attribute {name}")).meant(name, items.keys().map(String::as_str))
        })
    }

    /// `value[index]`.
    pub(super) fn index(&self, index: &Self) -> Result<Self, Error> {
        match self {
            Self::List(items) => {
                let found = index.number()?.whole().and_then(|at| items.get(at));
                found.cloned().ok_or_else(|| {
                    let there = format!("this list has {} items, counted from 0", items.len());
                    Error::new(format!("there is no item {}", index.text().unwrap_or_default())).with_hint(there)
                })
            }
            Self::Object(_) => self.attribute(&index.text()?),
            other => Err(Error::new(format!("{} has no items to choose by an index", with_article(other.kind())))),
        }
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Number(Number::from(count))
    }
}

impl<T: Into<Self>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "null" => kind.to_owned(),
        "object" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}
