//! Bake files as blocks and attributes, whether they are written as HCL or as JSON.

use hcl_edit::expr::{Array, Expression, Object, ObjectKey, ObjectValue};
use hcl_edit::structure::{Attribute, Block, Body};
use hcl_edit::template::{Element, StringTemplate};
use hcl_edit::{Decorated, Formatted, Ident, Number};
use serde_json::Value as Json;

use super::{Error, File};

/// Reads a file; JSON by its name, and otherwise by what it is.
pub(super) fn read(file: &File) -> Result<Body, Error> {
    let json = file.name.to_lowercase().ends_with(".json");
    if json || !file.name.to_lowercase().ends_with(".hcl") && file.text.trim_start().starts_with('{') {
        return read_json(file);
    }
    hcl_edit::parser::parse_body(&file.text).map_err(|error| {
        let at = error.location().offset();
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        Error::new(message).at(&file.name, &file.text, Some(at..at + 1))
    })
}

fn read_json(file: &File) -> Result<Body, Error> {
    let json: Json = serde_json::from_str(&file.text).map_err(|error| {
        let before: usize = file.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = before + error.column().saturating_sub(1);
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default().to_owned();
        Error::new(message).at(&file.name, &file.text, Some(at..at + 1))
    })?;
    let Json::Object(top) = json else { return Err(Error::new(format!("{} is no JSON object", file.name))) };
    let mut body = Body::new();
    for (key, value) in top {
        match key.as_str() {
            "target" | "group" | "variable" | "function" => blocks(&mut body, &key, &value)?,
            _ => body.push(attribute(&key, &value)?),
        }
    }
    Ok(body)
}

fn blocks(body: &mut Body, kind: &str, value: &Json) -> Result<(), Error> {
    match value {
        Json::Array(all) => all.iter().try_for_each(|one| blocks(body, kind, one)),
        Json::Object(named) => named.iter().try_for_each(|(name, content)| named_blocks(body, kind, name, content)),
        _ => Err(Error::new(format!("{kind} is an object of {kind}s by their names"))),
    }
}

fn named_blocks(body: &mut Body, kind: &str, name: &str, content: &Json) -> Result<(), Error> {
    match content {
        Json::Array(all) => all.iter().try_for_each(|one| named_blocks(body, kind, name, one)),
        Json::Object(fields) => {
            let mut block = Block::new(ident(kind)?);
            block.labels.push(name.to_owned().into());
            for (key, value) in fields {
                match (kind, key.as_str(), value) {
                    ("variable", "validation", Json::Array(rules)) => {
                        rules.iter().try_for_each(|rule| validation(&mut block, rule))?;
                    }
                    ("variable", "validation", rule) => validation(&mut block, rule)?,
                    ("variable", "type", Json::String(text)) => block.body.push(Attribute::new(ident(key)?, raw(text)?)),
                    ("function", "params", Json::Array(names)) => {
                        let names = names.iter().filter_map(Json::as_str).map(raw).collect::<Result<Array, _>>()?;
                        block.body.push(Attribute::new(ident(key)?, names));
                    }
                    ("function", "variadic_params", Json::String(text)) => {
                        block.body.push(Attribute::new(ident(key)?, raw(text)?));
                    }
                    _ => block.body.push(attribute(key, value)?),
                }
            }
            body.push(block);
            Ok(())
        }
        _ => Err(Error::new(format!("{kind} {name:?} is an object of attributes"))),
    }
}

fn validation(block: &mut Block, rule: &Json) -> Result<(), Error> {
    let Json::Object(fields) = rule else { return Err(Error::new("validation is an object")) };
    let mut inner = Block::new(ident("validation")?);
    for (key, value) in fields {
        inner.body.push(attribute(key, value)?);
    }
    block.body.push(inner);
    Ok(())
}

fn ident(name: &str) -> Result<Ident, Error> {
    Ident::try_new(name).map_err(|_| Error::new(format!("{name:?} is no name")))
}

/// An expression in a string.
fn raw(text: &str) -> Result<Expression, Error> {
    hcl_edit::parser::parse_expr(text).map_err(|error| Error::new(format!("{text:?}: {}", error.message())))
}

fn attribute(key: &str, value: &Json) -> Result<Attribute, Error> {
    Ok(Attribute::new(ident(key)?, expression(value)?))
}

/// JSON's values; strings are templates.
fn expression(json: &Json) -> Result<Expression, Error> {
    Ok(match json {
        Json::Null => Expression::null(),
        Json::Bool(yes) => Expression::Bool(Decorated::new(*yes)),
        Json::Number(number) => {
            let number = number.as_f64().and_then(Number::from_f64);
            Expression::Number(Formatted::new(number.ok_or_else(|| Error::new("this number is too large"))?))
        }
        Json::String(text) => string(text)?,
        Json::Array(items) => Expression::Array(items.iter().map(expression).collect::<Result<Array, _>>()?),
        Json::Object(fields) => {
            let mut object = Object::new();
            for (key, value) in fields {
                object.insert(ObjectKey::Expression(string(key)?), ObjectValue::new(expression(value)?));
            }
            Expression::Object(object)
        }
    })
}

fn string(text: &str) -> Result<Expression, Error> {
    if !text.contains("${") && !text.contains("%{") {
        return Ok(Expression::String(Decorated::new(text.to_owned())));
    }
    let template = hcl_edit::parser::parse_template(text)
        .map_err(|error| Error::new(format!("{text:?} is no template: {}", error.message())))?;
    let elements: Vec<Element> = template.into_iter().collect();
    Ok(Expression::StringTemplate(StringTemplate::from_iter(elements)))
}
