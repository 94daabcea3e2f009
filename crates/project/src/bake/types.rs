//! The types that variables may ask for, and values as these types.

use std::collections::BTreeMap;

use super::Error;
use super::csv;
use super::syntax::{Call, Expr, Kind, json_expression};
use super::value::{Number, Value};

/// What `type =` says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Any,
    String,
    Number,
    Bool,
    List(Box<Self>),
    Set(Box<Self>),
    Map(Box<Self>),
    Tuple(Vec<Self>),
    /// With which fields may be missing.
    Object(BTreeMap<String, (Self, bool)>),
}

const TYPES: [&str; 9] = ["any", "string", "number", "bool", "list", "set", "map", "tuple", "object"];

impl Type {
    /// Reads a type expression.
    pub(super) fn of(expression: &Expr) -> Result<Self, Error> {
        let read =
            match &expression.kind {
                Kind::Name(name) => Self::plain(name),
                Kind::Call(call) => Self::compound(call),
                _ => Err(Error::new("this is no type")
                    .with_hint("such as string, number, bool, list(string) or map(number)")),
            };
        read.map_err(|error| error.at(expression.span))
    }

    fn plain(name: &str) -> Result<Self, Error> {
        match name {
            "any" => Ok(Self::Any),
            "string" => Ok(Self::String),
            "number" => Ok(Self::Number),
            "bool" => Ok(Self::Bool),
            "list" | "set" | "map" | "tuple" | "object" => {
                Err(Error::new(format!("{name} needs the type of its elements"))
                    .with_hint(format!("such as {name}(string)")))
            }
            other => Err(Error::new(format!("{other} is no type")).meant(other, TYPES)),
        }
    }

    fn compound(call: &Call) -> Result<Self, Error> {
        let name = call.name.text.as_str();
        let [inner] = &call.arguments[..] else {
            return Err(Error::new(format!("{name} needs one type of its elements")));
        };
        match (name, &inner.kind) {
            ("list", _) => Ok(Self::List(Box::new(Self::of(inner)?))),
            ("set", _) => Ok(Self::Set(Box::new(Self::of(inner)?))),
            ("map", _) => Ok(Self::Map(Box::new(Self::of(inner)?))),
            ("tuple", Kind::List(items)) => Ok(Self::Tuple(items.iter().map(Self::of).collect::<Result<_, _>>()?)),
            ("object", Kind::Object(items)) => Ok(Self::Object(items.iter().map(field).collect::<Result<_, _>>()?)),
            _ => Err(Error::new(format!("{name} is no type of this")).meant(name, TYPES)),
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Any => "any type".to_owned(),
            Self::String => "string".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::List(inner) => format!("list of {}", inner.name()),
            Self::Set(inner) => format!("set of {}", inner.name()),
            Self::Map(inner) => format!("map of {}", inner.name()),
            Self::Tuple(_) => "tuple".to_owned(),
            Self::Object(_) => "object".to_owned(),
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Bool)
    }

    /// The value as this type, if it can be that.
    pub(super) fn convert(&self, value: &Value) -> Result<Value, Error> {
        let all = |value: &Value, inner: &Self| {
            value.list()?.iter().map(|item| inner.convert(item)).collect::<Result<_, _>>()
        };
        match (self, value) {
            (Self::Any, _) | (_, Value::Null) => Ok(value.clone()),
            (Self::String, _) => value.text().map(Value::String),
            (Self::Number, _) => value.number().map(Value::Number),
            (Self::Bool, _) => value.bool().map(Value::Bool),
            (Self::List(inner), _) => Ok(Value::List(all(value, inner)?)),
            (Self::Set(inner), _) => Ok(Value::set(all(value, inner)?)),
            (Self::Map(inner), _) => {
                let pairs = value.object()?.iter().map(|(key, item)| Ok((key.clone(), inner.convert(item)?)));
                Ok(Value::Object(pairs.collect::<Result<_, Error>>()?))
            }
            (Self::Tuple(types), _) => tuple(types, value.list()?),
            (Self::Object(fields), _) => object(fields, value.object()?),
        }
    }

    /// An override as this type: plain, or comma-separated.
    pub(super) fn parse(&self, name: &str, text: &str) -> Result<Value, Error> {
        let bad = |what: &str| Error::new(format!("variable {name} cannot be {text:?}: it is no {what}"));
        match self {
            Self::String | Self::Any => Ok(text.into()),
            Self::Number => {
                let float = text.parse().ok().and_then(Number::of_float);
                float.map(Value::Number).ok_or_else(|| bad("number"))
            }
            Self::Bool => go_bool(text).map(Value::Bool).ok_or_else(|| bad("bool")),
            Self::List(inner) | Self::Set(inner) if inner.is_plain() => {
                let items =
                    csv::fields(text)?.iter().map(|field| inner.parse(name, field)).collect::<Result<_, _>>()?;
                self.convert(&Value::List(items))
            }
            Self::Map(inner) if inner.is_plain() => {
                let pair = |field: &String| {
                    let (key, value) = field.split_once(':').ok_or_else(|| bad("list of key:value"))?;
                    Ok((key.to_owned(), inner.parse(name, value)?))
                };
                Ok(Value::Object(csv::fields(text)?.iter().map(pair).collect::<Result<_, Error>>()?))
            }
            Self::Tuple(types) if types.iter().all(Self::is_plain) => {
                let fields = csv::fields(text)?;
                if fields.len() != types.len() {
                    return Err(bad(&format!("list of {} elements", types.len())));
                }
                let items = types.iter().zip(&fields).map(|(kind, field)| kind.parse(name, field));
                Ok(Value::List(items.collect::<Result<_, _>>()?))
            }
            _ => Err(Error::new(format!("variable {name} is a {}, which has no plain text", self.name()))
                .with_hint(format!("give it as JSON in {name}_JSON"))),
        }
    }

    /// An override that is written as JSON.
    pub(super) fn parse_json(&self, name: &str, text: &str) -> Result<Value, Error> {
        let value = json_expression(text).and_then(|value| self.convert(&value));
        value.map_err(|error| error.within(format_args!("variable {name}_JSON")))
    }
}

/// A field of an object type.
fn field((key, value): &(Expr, Expr)) -> Result<(String, (Type, bool)), Error> {
    let Kind::Literal(Value::String(name)) = &key.kind else {
        return Err(Error::new("a field of an object type has a plain name").at(key.span));
    };
    match &value.kind {
        Kind::Call(call) if call.name.text == "optional" => {
            let [inner] = &call.arguments[..] else {
                return Err(Error::new("optional has one type, and no default here").at(value.span));
            };
            Ok((name.clone(), (Type::of(inner)?, true)))
        }
        _ => Ok((name.clone(), (Type::of(value)?, false))),
    }
}

fn tuple(types: &[Type], items: &[Value]) -> Result<Value, Error> {
    if items.len() != types.len() {
        return Err(Error::new(format!("{} elements are needed here, these are {}", types.len(), items.len())));
    }
    let converted = types.iter().zip(items).map(|(kind, item)| kind.convert(item));
    Ok(Value::List(converted.collect::<Result<_, _>>()?))
}

fn object(fields: &BTreeMap<String, (Type, bool)>, items: &BTreeMap<String, Value>) -> Result<Value, Error> {
    let field = |(name, (kind, optional)): (&String, &(Type, bool))| match items.get(name) {
        Some(item) => Ok((name.clone(), kind.convert(item)?)),
        None if *optional => Ok((name.clone(), Value::Null)),
        None => Err(Error::new(format!("attribute {name} is required"))),
    };
    Ok(Value::Object(fields.iter().map(field).collect::<Result<_, _>>()?))
}

/// A bool as Go's `strconv.ParseBool` reads it.
pub(super) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
