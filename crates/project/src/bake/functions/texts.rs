//! Functions over text.

use std::collections::BTreeMap;

use regex::{Captures, Regex, RegexBuilder};
use unicode_segmentation::UnicodeSegmentation;

use super::format::{format, formatlist};
use super::{ANY, Arguments, Function, function};
use crate::bake::Error;
use crate::bake::limits;
use crate::bake::resolve::clean;
use crate::bake::value::Value;

pub(super) const TABLE: &[Function] = &[
    function("basename", 1, 1, |a| Ok(basename(&a.text(0)?).into())),
    function("chomp", 1, 1, |a| Ok(a.text(0)?.trim_end_matches(['\n', '\r']).into())),
    function("dirname", 1, 1, |a| Ok(dirname(&a.text(0)?).into())),
    function("format", 1, ANY, |a| Ok(format(&a.text(0)?, a.rest(1))?.into())),
    function("formatlist", 1, ANY, |a| formatlist(&a.text(0)?, a.rest(1))),
    function("homedir", 0, 0, |a| {
        let home = a.options.variable_of_environment("HOME");
        home.map(Value::String).ok_or_else(|| Error::new("there is no home directory").with_hint("set HOME"))
    }),
    function("indent", 2, 2, |a| Ok(replaced(&a.text(1)?, "\n", &pad(a.count(0)?)?)?.into())),
    function("join", 2, ANY, join),
    function("lower", 1, 1, |a| Ok(a.text(0)?.to_lowercase().into())),
    function("regex", 2, 2, |a| find(&a.text(0)?, &a.text(1)?)),
    function("regex_replace", 3, 3, regex_replace),
    function("regexall", 2, 2, |a| find_all(&a.text(0)?, &a.text(1)?)),
    function("replace", 3, 3, |a| Ok(replaced(&a.text(0)?, &a.text(1)?, &a.text(2)?)?.into())),
    function("reverse", 1, 1, |a| Ok(a.text(0)?.graphemes(true).rev().collect::<String>().into())),
    function("sanitize", 1, 1, |a| Ok(sanitize(&a.text(0)?).into())),
    function("split", 2, 2, |a| Ok(split(&a.text(0)?, &a.text(1)?))),
    function("strlen", 1, 1, |a| Ok(a.text(0)?.graphemes(true).count().into())),
    function("substr", 3, 3, substr),
    function("title", 1, 1, |a| Ok(title(&a.text(0)?).into())),
    function("trim", 2, 2, |a| {
        let cut = a.text(1)?;
        Ok(a.text(0)?.trim_matches(|c| cut.contains(c)).into())
    }),
    function("trimprefix", 2, 2, |a| {
        let text = a.text(0)?;
        Ok(text.strip_prefix(&a.text(1)?).unwrap_or(&text).into())
    }),
    function("trimspace", 1, 1, |a| Ok(a.text(0)?.trim().into())),
    function("trimsuffix", 2, 2, |a| {
        let text = a.text(0)?;
        Ok(text.strip_suffix(&a.text(1)?).unwrap_or(&text).into())
    }),
    function("upper", 1, 1, |a| Ok(a.text(0)?.to_uppercase().into())),
];

/// Every word begins with a capital; letters, digits and `_` make words.
fn title(text: &str) -> String {
    let mut before = ' ';
    let raise = |c: char| {
        let first = !(before.is_alphanumeric() || before == '_');
        before = c;
        if first { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(raise).collect()
}

/// What a target's name may not have becomes `_`.
fn sanitize(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}

fn basename(path: &str) -> String {
    match path.trim_end_matches('/').rsplit('/').next() {
        _ if path.is_empty() => ".".to_owned(),
        Some("") | None => "/".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// What is before the last `/`, without `.`, `..` and doubled `/` where they can go.
fn dirname(path: &str) -> String {
    clean(path.rfind('/').map_or("", |at| &path[..=at]))
}

fn pad(count: usize) -> Result<String, Error> {
    limits::string(Some(count))?;
    Ok(format!("\n{}", " ".repeat(count)))
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let times = text.matches(from).count();
    limits::string(times.checked_mul(to.len()).and_then(|more| more.checked_add(text.len())))?;
    Ok(text.replace(from, to))
}

fn split(separator: &str, text: &str) -> Value {
    match separator {
        "" => text.graphemes(true).collect(),
        separator => text.split(separator).collect(),
    }
}

fn join(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let separator = arguments.text(0)?;
    let mut parts = Vec::new();
    for list in arguments.rest(1) {
        parts.extend(list.list()?.iter().map(Value::text).collect::<Result<Vec<_>, _>>()?);
    }
    let length = parts.iter().map(String::len).sum::<usize>();
    limits::string(separator.len().checked_mul(parts.len()).and_then(|more| more.checked_add(length)))?;
    Ok(parts.join(&separator).into())
}

fn substr(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (text, offset, length) = (arguments.text(0)?, arguments.whole(1)?, arguments.whole(2)?);
    let letters: Vec<&str> = text.graphemes(true).collect();
    let size = |number: i64| usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
    let start = if offset < 0 { letters.len().saturating_sub(size(offset)) } else { size(offset) };
    let length = if length < 0 { letters.len() } else { size(length) };
    Ok(letters.into_iter().skip(start).take(length).collect::<String>().into())
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    let compiled = RegexBuilder::new(pattern).size_limit(1 << 20).build();
    compiled.map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Error::new(format!("{pattern:?} is no regular expression: {why}"))
    })
}

fn find(pattern: &str, text: &str) -> Result<Value, Error> {
    let regex = compile(pattern)?;
    let found = regex.captures(text).map(|captures| captured(&regex, &captures));
    found.ok_or_else(|| Error::new("the pattern is nowhere in the text").with_hint("regexall gives an empty list then"))
}

fn find_all(pattern: &str, text: &str) -> Result<Value, Error> {
    let regex = compile(pattern)?;
    Ok(Value::List(regex.captures_iter(text).map(|captures| captured(&regex, &captures)).collect()))
}

/// The whole match without groups; the groups by name if they have names, otherwise in order.
fn captured(regex: &Regex, captures: &Captures<'_>) -> Value {
    let value = |at: usize| captures.get(at).map_or(Value::Null, |found| found.as_str().into());
    let named = regex.capture_names().enumerate().filter_map(|(at, name)| Some((name?.to_owned(), value(at))));
    let named: BTreeMap<String, Value> = named.collect();
    match captures.len() {
        1 => value(0),
        _ if !named.is_empty() => Value::Object(named),
        count => Value::List((1..count).map(value).collect()),
    }
}

fn regex_replace(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (text, regex, to) = (arguments.text(0)?, compile(&arguments.text(1)?)?, arguments.text(2)?);
    let (mut out, mut end) = (String::new(), 0);
    for captures in regex.captures_iter(&text) {
        let Some(found) = captures.get(0) else { continue };
        out += text.get(end..found.start()).unwrap_or_default();
        captures.expand(&to, &mut out);
        end = found.end();
        limits::string(Some(out.len()))?;
    }
    Ok((out + text.get(end..).unwrap_or_default()).into())
}
