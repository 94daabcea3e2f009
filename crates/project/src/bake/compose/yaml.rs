//! YAML with a place for every value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::Input;
use crate::bake::Error;
use crate::bake::syntax::{Span, Word};
use crate::yaml::Wrong;

/// A value and where it is.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Yaml,
    pub(super) span: Span,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Yaml {
    Null,
    /// Numbers and bools are their texts.
    Plain(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Word, Node)>),
}

/// Reads a document; nothing at all is an empty mapping.
pub(super) fn parse(file: usize, input: &Input) -> Result<Node, Error> {
    let empty = Node { kind: Yaml::Map(Vec::new()), span: Span { file, ..Span::default() } };
    if input.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(empty);
    }
    let options = serde_saphyr::options! { strict_booleans: true, legacy_octal_numbers: true };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(&input.text, options).map_err(|error| {
        let at = error.location().map_or(0, |location| offset(&input.text, location));
        let what = format!("this is no YAML: {}", Wrong::new(input, &error).message);
        Error::new(what).at(Span { file, start: at, end: at + 1 })
    })?;
    let node = Node::of(file, raw);
    match node.kind {
        Yaml::Map(_) => Ok(node),
        _ => Err(Error::new("a mapping is needed here").at(node.span)),
    }
}

impl Node {
    fn of(file: usize, raw: Spanned<Raw>) -> Self {
        let span = span(file, raw.referenced);
        let kind = match raw.value {
            Raw::Null => Yaml::Null,
            Raw::Plain(text) => Yaml::Plain(text),
            Raw::Text(text) => Yaml::Text(text),
            Raw::List(items) => Yaml::List(items.into_iter().map(|item| Self::of(file, item)).collect()),
            Raw::Map(fields) => {
                let field = |(key, value): (Spanned<String>, Spanned<Raw>)| {
                    (Word { span: span_of(file, &key), text: key.value }, Self::of(file, value))
                };
                Yaml::Map(fields.into_iter().map(field).collect())
            }
        };
        Self { kind, span }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Yaml::Map(fields) => fields.iter().find(|(name, _)| name.text == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::new(message).at(self.span)
    }

    /// A text, or what is as good as one.
    pub(super) fn text(&self) -> Result<&str, Error> {
        match &self.kind {
            Yaml::Plain(text) | Yaml::Text(text) => Ok(text),
            _ => Err(self.error("a text is needed here")),
        }
    }

    pub(super) fn list(&self) -> Result<&[Self], Error> {
        match &self.kind {
            Yaml::List(items) => Ok(items),
            _ => Err(self.error("a list is needed here")),
        }
    }

    pub(super) fn map(&self) -> Result<&[(Word, Self)], Error> {
        match &self.kind {
            Yaml::Map(fields) => Ok(fields),
            Yaml::Null => Ok(&[]),
            _ => Err(self.error("a mapping is needed here")),
        }
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, Error> {
        self.list()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }

    pub(super) fn bool(&self) -> Result<bool, Error> {
        match self.text()?.to_lowercase().as_str() {
            "true" | "1" | "t" | "y" | "yes" | "on" => Ok(true),
            "false" | "0" | "f" | "n" | "no" | "off" => Ok(false),
            _ => Err(self.error("true or false is needed here")),
        }
    }
}

fn span_of<T>(file: usize, spanned: &Spanned<T>) -> Span {
    span(file, spanned.referenced)
}

fn span(file: usize, location: serde_saphyr::Location) -> Span {
    let start = location.span().byte_offset().map_or(0, size);
    let length = location.span().byte_len().map_or(1, size);
    Span { file, start, end: start + length }
}

/// In bytes, of a line and a column.
fn offset(text: &str, location: serde_saphyr::Location) -> usize {
    let (line, column) = (size(location.line()).saturating_sub(1), size(location.column()).saturating_sub(1));
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX >> 1)
}

/// As serde gives it.
enum Raw {
    Null,
    Plain(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(yes.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(number.to_string()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Raw, E> {
        Ok(Raw::Plain(number.to_string()))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Raw, E> {
        Ok(Raw::Plain(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Raw::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Raw, A::Error> {
        let mut all = Vec::new();
        while let Some(field) = fields.next_entry()? {
            all.push(field);
        }
        Ok(Raw::Map(all))
    }
}
