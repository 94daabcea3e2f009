//! Values that expressions have, and the types that variables may ask for.

use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, FuncArgs, ObjectKey};
use serde_json::Value as Json;

use super::Error;

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    List(Vec<Self>),
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
            Self::Object(_) => "object",
        }
    }

    /// As a string, where it has an obvious one.
    pub(super) fn text(&self) -> Result<String, Error> {
        match self {
            Self::String(text) => Ok(text.clone()),
            Self::Bool(yes) => Ok(yes.to_string()),
            Self::Number(number) => Ok(number_text(*number)),
            other => Err(Error::new(format!("a string is needed here, this is {}", other.kind()))),
        }
    }

    pub(super) fn number(&self) -> Result<f64, Error> {
        let parsed = match self {
            Self::Number(number) => Some(*number),
            Self::String(text) => text.parse().ok(),
            _ => None,
        };
        parsed.filter(|number| number.is_finite()).ok_or_else(|| self.not("a number"))
    }

    pub(super) fn bool(&self) -> Result<bool, Error> {
        match self {
            Self::Bool(yes) => Ok(*yes),
            Self::String(text) if text == "true" || text == "1" => Ok(true),
            Self::String(text) if text == "false" || text == "0" => Ok(false),
            other => Err(other.not("a bool")),
        }
    }

    pub(super) fn list(&self) -> Result<&[Self], Error> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(other.not("a list")),
        }
    }

    pub(super) fn object(&self) -> Result<&BTreeMap<String, Self>, Error> {
        match self {
            Self::Object(items) => Ok(items),
            other => Err(other.not("an object")),
        }
    }

    fn not(&self, wanted: &str) -> Error {
        Error::new(format!("{wanted} is needed here, this is {}", self.kind()))
    }

    pub(super) fn of_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(yes) => Self::Bool(*yes),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or_default()),
            Json::String(text) => Self::String(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            Json::Object(items) => Self::Object(items.iter().map(|(k, v)| (k.clone(), Self::of_json(v))).collect()),
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(yes) => Json::Bool(*yes),
            Self::Number(number) => number_text(*number).parse().map_or(Json::Null, Json::Number),
            Self::String(text) => Json::String(text.clone()),
            Self::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Self::Object(items) => Json::Object(items.iter().map(|(k, v)| (k.clone(), v.json())).collect()),
        }
    }
}

/// Whole numbers without a point.
fn number_text(number: f64) -> String {
    format!("{number}")
}

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
    Object(BTreeMap<String, (Self, bool)>),
}

const TYPES: [&str; 9] = ["any", "string", "number", "bool", "list", "set", "map", "tuple", "object"];

impl Type {
    /// Reads a type expression.
    pub(super) fn of(expression: &Expression) -> Result<Self, Error> {
        match expression {
            Expression::Variable(name) => match name.as_str() {
                "any" => Ok(Self::Any),
                "string" => Ok(Self::String),
                "number" => Ok(Self::Number),
                "bool" => Ok(Self::Bool),
                other => Err(Error::new(format!("{other} is no type")).meant(other, TYPES)),
            },
            Expression::FuncCall(call) => Self::compound(call.name.name.as_str(), &call.args),
            Expression::Parenthesis(inner) => Self::of(inner.inner()),
            _ => Err(Error::new("this is no type").hint_of("such as string, number, bool, list(string) or map(number)")),
        }
    }

    fn compound(name: &str, args: &FuncArgs) -> Result<Self, Error> {
        let inner = args.get(0).ok_or_else(|| Error::new(format!("{name} needs the type of its elements")))?;
        match (name, inner) {
            ("list", inner) => Ok(Self::List(Box::new(Self::of(inner)?))),
            ("set", inner) => Ok(Self::Set(Box::new(Self::of(inner)?))),
            ("map", inner) => Ok(Self::Map(Box::new(Self::of(inner)?))),
            ("tuple", Expression::Array(items)) => Ok(Self::Tuple(items.iter().map(Self::of).collect::<Result<_, _>>()?)),
            ("object", Expression::Object(items)) => {
                let field = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
                    let name = match key {
                        ObjectKey::Ident(name) => name.as_str().to_owned(),
                        ObjectKey::Expression(Expression::String(name)) => name.value().clone(),
                        ObjectKey::Expression(Expression::Variable(name)) => name.as_str().to_owned(),
                        ObjectKey::Expression(_) => return Err(Error::new("a field of an object type has a plain name")),
                    };
                    match value.expr() {
                        Expression::FuncCall(call) if call.name.name.as_str() == "optional" => {
                            let inner = call.args.get(0).ok_or_else(|| Error::new("optional needs a type"))?;
                            Ok((name, (Self::of(inner)?, true)))
                        }
                        inner => Ok((name, (Self::of(inner)?, false))),
                    }
                };
                Ok(Self::Object(items.iter().map(field).collect::<Result<_, _>>()?))
            }
            _ => Err(Error::new(format!("{name} is no type")).meant(name, TYPES)),
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Any => "any".to_owned(),
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

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Bool)
    }

    /// The value as this type, if it can be that.
    pub(super) fn convert(&self, value: Value) -> Result<Value, Error> {
        let all = |items: &[Value], inner: &Self| items.iter().map(|item| inner.convert(item.clone())).collect();
        match (self, &value) {
            (Self::Any, _) | (_, Value::Null) => Ok(value),
            (Self::String, _) => value.text().map(Value::String),
            (Self::Number, _) => value.number().map(Value::Number),
            (Self::Bool, _) => value.bool().map(Value::Bool),
            (Self::List(inner), _) => Ok(Value::List(all(value.list()?, inner)?)),
            (Self::Set(inner), _) => Ok(Value::List(distinct(all(value.list()?, inner)?))),
            (Self::Map(inner), _) => {
                let pairs = value.object()?.iter().map(|(k, v)| Ok((k.clone(), inner.convert(v.clone())?)));
                Ok(Value::Object(pairs.collect::<Result<_, Error>>()?))
            }
            (Self::Tuple(types), _) => {
                let items = value.list()?;
                if items.len() != types.len() {
                    return Err(Error::new(format!("{} elements are needed here, these are {}", types.len(), items.len())));
                }
                let pairs = types.iter().zip(items).map(|(kind, item)| kind.convert(item.clone()));
                Ok(Value::List(pairs.collect::<Result<_, _>>()?))
            }
            (Self::Object(fields), _) => {
                let items = value.object()?;
                let field = |(name, (kind, optional)): (&String, &(Self, bool))| match items.get(name) {
                    Some(item) => Ok((name.clone(), kind.convert(item.clone())?)),
                    None if *optional => Ok((name.clone(), Value::Null)),
                    None => Err(Error::new(format!("attribute {name} is required"))),
                };
                Ok(Value::Object(fields.iter().map(field).collect::<Result<_, _>>()?))
            }
        }
    }

    /// A variable of the environment as this type: plain, or comma-separated.
    pub(super) fn parse(&self, name: &str, text: &str) -> Result<Value, Error> {
        let bad = |what: &str| Error::new(format!("variable {name} cannot be {text:?}: it is no {what}"));
        match self {
            Self::String | Self::Any => Ok(Value::String(text.to_owned())),
            Self::Number => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Number).ok_or_else(|| bad("number")),
            Self::Bool => go_bool(text).map(Value::Bool).ok_or_else(|| bad("bool")),
            Self::List(inner) | Self::Set(inner) if inner.is_plain() => {
                let items = csv(text).iter().map(|field| inner.parse(name, field)).collect::<Result<Vec<_>, _>>()?;
                self.convert(Value::List(items))
            }
            Self::Tuple(types) if types.iter().all(Self::is_plain) => {
                let fields = csv(text);
                if fields.len() != types.len() {
                    return Err(bad(&format!("tuple of {} elements", types.len())));
                }
                let items = types.iter().zip(&fields).map(|(kind, field)| kind.parse(name, field));
                Ok(Value::List(items.collect::<Result<_, _>>()?))
            }
            Self::Map(inner) if inner.is_plain() => {
                let pair = |field: &String| {
                    let (key, value) = field.split_once(':').ok_or_else(|| bad("list of key:value"))?;
                    Ok((key.to_owned(), inner.parse(name, value)?))
                };
                Ok(Value::Object(csv(text).iter().map(pair).collect::<Result<_, Error>>()?))
            }
            _ => Err(Error::new(format!("variable {name} is of type {}, which has no plain text", self.name()))
                .hint_of(format!("give it as JSON in {name}_JSON"))),
        }
    }
}

/// The values, each once.
pub(super) fn distinct(items: Vec<Value>) -> Vec<Value> {
    items.into_iter().fold(Vec::new(), |mut seen, item| {
        if !seen.contains(&item) {
            seen.push(item);
        }
        seen
    })
}

/// A bool as Go's `strconv.ParseBool` reads it.
pub(super) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Fields between commas; one in quotes may have commas and doubled quotes.
pub(super) fn csv(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        let Some(field) = fields.last_mut() else { break };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    fields
}

/// One field, in quotes where it needs them.
pub(super) fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}
