//! Functions over text.

use std::collections::BTreeMap;

use regex::{Captures, Regex};

use super::Error;
use super::value::Value;

/// Every word begins with a capital.
pub(super) fn title(text: &str) -> String {
    let mut before = ' ';
    let raise = |c: char| {
        let first = !before.is_alphanumeric();
        before = c;
        if first { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(raise).collect()
}

/// What a target's name may not have becomes `_`.
pub(super) fn sanitize(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}

pub(super) fn basename(path: &str) -> String {
    match path.trim_end_matches('/').rsplit('/').next() {
        _ if path.is_empty() => ".".to_owned(),
        Some("") | None => "/".to_owned(),
        Some(name) => name.to_owned(),
    }
}

pub(super) fn dirname(path: &str) -> String {
    match path.rsplit_once('/') {
        None => ".".to_owned(),
        Some(("", _)) => "/".to_owned(),
        Some((directory, _)) => directory.trim_end_matches('/').to_owned(),
    }
}

pub(super) fn urlencode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

pub(super) fn compile(pattern: &str) -> Result<Regex, Error> {
    Regex::new(pattern).map_err(|error| Error::new(format!("{pattern:?} is no regular expression: {error}")))
}

pub(super) fn regex(pattern: &str, text: &str) -> Result<Value, Error> {
    let compiled = compile(pattern)?;
    let found = compiled.captures(text).map(|captures| captured(&compiled, &captures));
    found.ok_or_else(|| Error::new("pattern did not match any part of the given string"))
}

pub(super) fn regexall(pattern: &str, text: &str) -> Result<Value, Error> {
    let compiled = compile(pattern)?;
    Ok(Value::List(compiled.captures_iter(text).map(|captures| captured(&compiled, &captures)).collect()))
}

/// The whole match without groups; the groups by name if they have names, otherwise in order.
fn captured(regex: &Regex, captures: &Captures<'_>) -> Value {
    let value = |at: usize| captures.get(at).map_or(Value::Null, |found| Value::String(found.as_str().to_owned()));
    let names: BTreeMap<String, Value> = regex
        .capture_names()
        .enumerate()
        .filter_map(|(at, name)| name.map(|name| (name.to_owned(), value(at))))
        .collect();
    match captures.len() {
        1 => value(0),
        _ if !names.is_empty() => Value::Object(names),
        count => Value::List((1..count).map(value).collect()),
    }
}

/// `format`: `%s`, `%d`, `%q`, `%v`, `%t`, `%f`, `%x`, `%%` with flags, width and precision.
pub(super) fn format_text(spec: &str, args: &[Value]) -> Result<String, Error> {
    let (mut out, mut args, mut rest) = (String::new(), args.iter(), spec);
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        let end = after.find(|c: char| !"-+ #0123456789.".contains(c));
        let verb = end.and_then(|end| after.get(end..)).and_then(|tail| tail.chars().next());
        let (Some(end), Some(verb)) = (end, verb) else { return Err(Error::new("format ends within a verb")) };
        rest = after.get(end + verb.len_utf8()..).unwrap_or_default();
        match verb {
            '%' => out.push('%'),
            verb => {
                let arg = args.next().ok_or_else(|| Error::new(format!("format has no argument for %{verb}")))?;
                out += &Verb::of(after.get(..end).unwrap_or_default()).show(verb, arg)?;
            }
        }
    }
    match args.next() {
        None => Ok(out + rest),
        Some(_) => Err(Error::new("format has more arguments than verbs")),
    }
}

struct Verb {
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

impl Verb {
    fn of(flags: &str) -> Self {
        let digits = flags.trim_start_matches(['-', '+', ' ', '#', '0']);
        let signs = flags.get(..flags.len() - digits.len()).unwrap_or_default();
        let (width, precision) = digits.split_once('.').map_or((digits, None), |(a, b)| (a, Some(b)));
        Self {
            left: signs.contains('-'),
            zero: signs.contains('0'),
            plus: signs.contains('+'),
            width: width.parse().unwrap_or(0),
            precision: precision.map(|text| text.parse().unwrap_or(0)),
        }
    }

    fn show(&self, verb: char, value: &Value) -> Result<String, Error> {
        let cut = |text: String| self.precision.map_or(text.clone(), |count| text.chars().take(count).collect());
        let text = match (verb, value) {
            ('s', value) => cut(value.text()?),
            ('v', Value::List(_) | Value::Object(_) | Value::Null) => super::json::compact(&value.json()),
            ('v', value) => value.text()?,
            ('q', value) => super::json::compact(&serde_json::Value::String(value.text()?)),
            ('t', value) => value.bool()?.to_string(),
            ('d', value) => self.signed(format!("{}", value.number()?.trunc())),
            ('b', value) => format!("{:b}", value.number()? as i64),
            ('o', value) => format!("{:o}", value.number()? as i64),
            ('x', value) => format!("{:x}", value.number()? as i64),
            ('X', value) => format!("{:X}", value.number()? as i64),
            ('f', value) => self.signed(format!("{:.*}", self.precision.unwrap_or(6), value.number()?)),
            (verb, _) => return Err(Error::new(format!("format does not know %{verb}"))),
        };
        Ok(self.padded(text, verb))
    }

    fn signed(&self, text: String) -> String {
        if self.plus && !text.starts_with('-') { format!("+{text}") } else { text }
    }

    fn padded(&self, text: String, verb: char) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        match (self.left, self.zero && verb != 's' && verb != 'q') {
            (true, _) => text + &" ".repeat(missing),
            (false, false) => " ".repeat(missing) + &text,
            (false, true) => {
                let digits = text.trim_start_matches(['-', '+']);
                let sign = text.get(..text.len() - digits.len()).unwrap_or_default();
                format!("{sign}{}{digits}", "0".repeat(missing))
            }
        }
    }
}
