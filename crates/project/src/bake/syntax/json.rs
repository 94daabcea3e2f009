//! JSON, with a place for every value: blocks are objects of objects, strings are templates.

use super::cursor::Cursor;
use super::{Attribute, Block, Body, Expr, Kind, Span, Word, parse_expression};
use crate::bake::Error;
use crate::bake::value::{Number, Value};

/// A value of JSON and where it is.
#[derive(Debug)]
pub(in crate::bake) struct Json {
    span: Span,
    kind: JsonKind,
}

#[derive(Debug)]
enum JsonKind {
    Plain(Value),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(Word, Json)>),
}

/// A whole file.
pub(super) fn body(file: usize, text: &str) -> Result<Body, Error> {
    let json = read(file, text)?;
    let mut body = Body::default();
    for (key, value) in json.fields("a bake file")? {
        match key.text.as_str() {
            "target" | "group" | "variable" | "function" => blocks(&mut body, &key, value)?,
            "//" => {}
            _ => body.add(Attribute { name: key, value: value.expression()? })?,
        }
    }
    Ok(body)
}

/// A text of JSON as an expression without templates, for values that come from outside.
pub(in crate::bake) fn expression(text: &str) -> Result<Value, Error> {
    read(0, text).and_then(|json| json.value()).map_err(|error| Error::new(error.message()))
}

fn read(file: usize, text: &str) -> Result<Json, Error> {
    let mut cursor = Cursor::new(file, text);
    cursor.eat("\u{feff}");
    let json = cursor.json()?;
    cursor.space();
    match cursor.peek() {
        None => Ok(json),
        Some(_) => Err(cursor.expected("the end of the file")),
    }
}

fn blocks(body: &mut Body, kind: &Word, json: Json) -> Result<(), Error> {
    if let JsonKind::List(all) = json.kind {
        return all.into_iter().try_for_each(|one| blocks(body, kind, one));
    }
    let what = format!("{} by name", kind.text);
    json.fields(&what)?.into_iter().try_for_each(|(name, content)| named(body, kind, &name, content))
}

fn named(body: &mut Body, kind: &Word, name: &Word, json: Json) -> Result<(), Error> {
    if let JsonKind::List(all) = json.kind {
        return all.into_iter().try_for_each(|one| named(body, kind, name, one));
    }
    let mut block = Block { kind: kind.clone(), labels: vec![name.clone()], body: Body::default() };
    for (key, value) in json.fields(&format!("{} {}", kind.text, name.text))? {
        field(&mut block, key, value)?;
    }
    body.blocks.push(block);
    Ok(())
}

fn field(block: &mut Block, key: Word, json: Json) -> Result<(), Error> {
    let value = match (block.kind.text.as_str(), key.text.as_str()) {
        (_, "//") => return Ok(()),
        ("variable", "validation") => return rules(block, &key, json),
        ("variable", "type") | ("function", "params" | "variadic_params") => json.static_expression()?,
        _ => json.expression()?,
    };
    block.body.add(Attribute { name: key, value })
}

fn rules(block: &mut Block, key: &Word, json: Json) -> Result<(), Error> {
    if let JsonKind::List(all) = json.kind {
        return all.into_iter().try_for_each(|one| rules(block, key, one));
    }
    let mut rule = Block { kind: key.clone(), labels: Vec::new(), body: Body::default() };
    for (name, value) in json.fields("a validation")? {
        rule.body.add(Attribute { name, value: value.expression()? })?;
    }
    block.body.blocks.push(rule);
    Ok(())
}

impl Json {
    fn fields(self, what: &str) -> Result<Vec<(Word, Self)>, Error> {
        match self.kind {
            JsonKind::Object(fields) => Ok(fields),
            _ => Err(Error::new(format!("{what} is an object in JSON")).at(self.span)),
        }
    }

    fn expression(self) -> Result<Expr, Error> {
        let span = self.span;
        let kind = match self.kind {
            JsonKind::Plain(value) => Kind::Literal(value),
            JsonKind::Text(text) => Cursor::within(&text, span).whole_template()?,
            JsonKind::List(items) => Kind::List(items.into_iter().map(Self::expression).collect::<Result<_, _>>()?),
            JsonKind::Object(fields) => {
                let pair = |(key, value): (Word, Self)| Ok((key.template()?, value.expression()?));
                Kind::Object(fields.into_iter().map(pair).collect::<Result<_, Error>>()?)
            }
        };
        Ok(Expr { kind, span })
    }

    /// Strings are expressions themselves: types and names of parameters.
    fn static_expression(self) -> Result<Expr, Error> {
        match self.kind {
            JsonKind::Text(text) => parse_expression(&text, self.span),
            JsonKind::List(items) => {
                let items = items.into_iter().map(Self::static_expression).collect::<Result<_, _>>()?;
                Ok(Expr { kind: Kind::List(items), span: self.span })
            }
            _ => self.expression(),
        }
    }

    fn value(self) -> Result<Value, Error> {
        Ok(match self.kind {
            JsonKind::Plain(value) => value,
            JsonKind::Text(text) => Value::String(text),
            JsonKind::List(items) => Value::List(items.into_iter().map(Self::value).collect::<Result<_, _>>()?),
            JsonKind::Object(fields) => {
                let pair = |(key, value): (Word, Self)| Ok((key.text, value.value()?));
                Value::Object(fields.into_iter().map(pair).collect::<Result<_, Error>>()?)
            }
        })
    }
}

impl Word {
    fn template(&self) -> Result<Expr, Error> {
        Ok(Expr { kind: Cursor::within(&self.text, self.span).whole_template()?, span: self.span })
    }
}

impl Cursor<'_> {
    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn json(&mut self) -> Result<Json, Error> {
        self.space();
        let start = self.at;
        let kind = match self.peek() {
            Some('{') => JsonKind::Object(self.deeper(|cursor| cursor.items('}', Self::json_field))?),
            Some('[') => JsonKind::List(self.deeper(|cursor| cursor.items(']', Self::json))?),
            Some('"') => JsonKind::Text(self.json_text()?),
            _ => JsonKind::Plain(self.json_plain()?),
        };
        Ok(Json { kind, span: self.span(start) })
    }

    fn items<T>(&mut self, close: char, item: fn(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space();
            if items.is_empty() && self.peek() == Some(close) {
                break;
            }
            items.push(item(self)?);
            self.space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(c) if c == close => break,
                _ => return Err(self.expected(&format!("\",\" or \"{close}\""))),
            }
        }
        self.at += 1;
        Ok(items)
    }

    fn json_field(&mut self) -> Result<(Word, Json), Error> {
        let start = self.at;
        if self.peek() != Some('"') {
            return Err(self.expected("a name in quotes"));
        }
        let text = self.json_text()?;
        let key = Word { text, span: self.span(start) };
        self.space();
        self.expect(":")?;
        Ok((key, self.json()?))
    }

    /// The text in quotes; what is in it is serde_json's business.
    fn json_text(&mut self) -> Result<String, Error> {
        let start = self.at;
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let (end, _) = end.ok_or_else(|| self.error("this string has no end"))?;
        let quoted = self.rest().get(..=end).unwrap_or_default();
        self.at += end + 1;
        serde_json::from_str(quoted).map_err(|_| Error::new("this is no string of JSON").at(self.span(start)))
    }

    fn json_plain(&mut self) -> Result<Value, Error> {
        let start = self.at;
        let end = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
        let text = self.rest().get(..end.unwrap_or(self.rest().len())).unwrap_or_default();
        self.at += text.len();
        let number = || Number::parse(text).filter(|_| serde_json::from_str::<serde_json::Number>(text).is_ok());
        match text {
            "" => Err(self.expected("a value")),
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => {
                let known = number().map(Value::Number);
                known.ok_or_else(|| Error::new(format!("{text} is no value of JSON")).at(self.span(start)))
            }
        }
    }
}
