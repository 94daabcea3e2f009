//! `.env` files: `NAME=VALUE` lines with quotes, comments and variables.

use super::interpolate::Variables;
use super::{Environment, Error};

/// Reads the text; variables that are set above in it are seen below.
pub(super) fn parse(file: &str, text: &str, variables: &Variables<'_>) -> Result<Environment, Error> {
    let mut all = Environment::new();
    let mut rest = text;
    while let Some((pair, after)) = next(rest).map_err(|error| error.within(file))? {
        rest = after;
        let Some((name, value)) = pair else { continue };
        let value = match value {
            Value::Raw(text) => text,
            Value::Expanded(text) => {
                let get = |name: &str| variables.get(name).or_else(|| all.get(name).cloned());
                variables.expand_with(&text, &get, 0).map_err(|error| error.within(file))?
            }
            Value::Inherited => match variables.get(&name) {
                Some(value) => value,
                None => continue,
            },
        };
        all.insert(name, value);
    }
    Ok(all)
}

enum Value {
    /// In single quotes.
    Raw(String),
    /// With variables.
    Expanded(String),
    /// A name alone.
    Inherited,
}

type Pair = Option<(String, Value)>;

/// The next line, and what follows; nothing at the end.
fn next(text: &str) -> Result<Option<(Pair, &str)>, Error> {
    let text = text.trim_start();
    if text.is_empty() {
        return Ok(None);
    }
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    if line.starts_with('#') {
        return Ok(Some((None, after)));
    }
    let body = text.strip_prefix("export ").map_or(text, str::trim_start);
    let end = body.find(['=', ':', '\n']).unwrap_or(body.len());
    let name = body[..end].trim();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']')) {
        return Err(Error::new(format!("{:?} is no NAME=VALUE", line.trim_end())));
    }
    if body[end..].is_empty() || body[end..].starts_with('\n') {
        return Ok(Some((Some((name.to_owned(), Value::Inherited)), after)));
    }
    let (value, after) = value(body[end + 1..].trim_start_matches([' ', '\t']))?;
    Ok(Some((Some((name.to_owned(), value)), after)))
}

fn value(text: &str) -> Result<(Value, &str), Error> {
    match text.chars().next() {
        Some('\'') => {
            let (inner, after) = quoted(text, '\'')?;
            Ok((Value::Raw(inner.to_owned()), after))
        }
        Some('"') => {
            let (inner, after) = quoted(text, '"')?;
            Ok((Value::Expanded(unescape(inner)), after))
        }
        _ => {
            let (line, after) = text.split_once('\n').unwrap_or((text, ""));
            let comment = line.find(" #").unwrap_or(line.len());
            let bare = if line.starts_with('#') { "" } else { &line[..comment] };
            Ok((Value::Expanded(bare.trim().to_owned()), after))
        }
    }
}

/// What is in the quotes, and what is in the next lines.
fn quoted(text: &str, quote: char) -> Result<(&str, &str), Error> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    let (end, _) = end.ok_or_else(|| Error::new("a quote is not closed"))?;
    let after = text[end + 1..].split_once('\n').map_or("", |(_, after)| after);
    Ok((&text[1..end], after))
}

fn unescape(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out += "$$",
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}
