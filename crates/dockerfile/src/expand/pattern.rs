//! Patterns of substitutions: `*` is any text, `?` any character, a backslash takes either literally.
//!
//! They are matched as BuildKit matches them, as regular expressions: neither matches a newline, and a replacement
//! for every match may name what matched as `$0`.

use regex::Regex;

use super::error::ExpandError;

/// `value` without what `pattern` matches at its start.
pub(super) fn trim_start(pattern: &str, value: &str, greedy: bool) -> Result<String, ExpandError> {
    let regex = compile(pattern, greedy, true)?;
    let end = regex.find(value).map_or(0, |found| found.end());
    Ok(value.get(end..).unwrap_or("").to_owned())
}

/// `value` without what `pattern` matches at its end. Leftmost matching finds no shortest match at the end, so both are
/// turned round.
pub(super) fn trim_end(pattern: &str, value: &str, greedy: bool) -> Result<String, ExpandError> {
    let turned: String = value.chars().rev().collect();
    let trimmed = trim_start(&turn(pattern), &turned, greedy)?;
    Ok(trimmed.chars().rev().collect())
}

/// `value` with the first match of `pattern`, or all of them, replaced by `text`; `limit` bounds the result's length.
pub(super) fn replace(pattern: &str, value: &str, text: &str, all: bool, limit: usize) -> Result<String, ExpandError> {
    let regex = compile(pattern, true, false)?;
    let mut replaced = String::new();
    let mut done = 0;
    for found in regex.find_iter(value).take(if all { usize::MAX } else { 1 }) {
        replaced.push_str(value.get(done..found.start()).unwrap_or(""));
        if all {
            push_template(&mut replaced, text, found.as_str());
        } else {
            replaced.push_str(text);
        }
        done = found.end();
        if replaced.len() > limit {
            return Err(ExpandError::TooLong(limit));
        }
    }
    replaced.push_str(value.get(done..).unwrap_or(""));
    Ok(replaced)
}

/// A pattern from back to front, with escaped characters kept behind their backslash.
fn turn(pattern: &str) -> String {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let escaped = if char == '\\' { chars.next() } else { None };
        pieces.push((char, escaped));
    }
    pieces.into_iter().rev().flat_map(|(char, escaped)| [Some(char), escaped]).flatten().collect()
}

fn compile(pattern: &str, greedy: bool, anchored: bool) -> Result<Regex, ExpandError> {
    let expression = translate(pattern, greedy, anchored)
        .map_err(|reason| ExpandError::BadPattern { pattern: pattern.to_owned(), reason })?;
    let too_large = |_| ExpandError::BadPattern { pattern: pattern.to_owned(), reason: "it is too large".into() };
    Regex::new(&expression).map_err(too_large)
}

/// A pattern as a regular expression, or why it is none.
fn translate(pattern: &str, greedy: bool, anchored: bool) -> Result<String, String> {
    let mut expression = String::from(if anchored { "^" } else { "" });
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '*' => expression.push_str(if greedy { ".*" } else { ".*?" }),
            '?' => expression.push('.'),
            // These two are escaped for the substitution's sake, the pattern does not see it.
            '\\' if matches!(chars.peek(), Some('}' | '/')) => {}
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '?' | '\\')) => push_literal(&mut expression, escaped),
                Some(other) => return Err(format!("{other:?} must not be escaped")),
                None => return Err("it ends in a backslash".into()),
            },
            literal => push_literal(&mut expression, literal),
        }
    }
    Ok(expression)
}

fn push_literal(expression: &mut String, char: char) {
    expression.push_str(&regex::escape(char.encode_utf8(&mut [0; 4])));
}

/// Appends a replacement in the language of Go's `Regexp.Expand`: `$0` and `${0}` are the match, `$$` is a dollar sign,
/// any other name is nothing, and a `$` before anything else stays.
fn push_template(out: &mut String, template: &str, matched: &str) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = match reference(after) {
            Some((name, remainder)) => {
                out.push_str(if is_zero(name) { matched } else { "" });
                remainder
            }
            None => {
                out.push('$');
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    out.push_str(rest);
}

/// The name after a `$`, with or without braces, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let body = braced.unwrap_or(text);
    let length = body.find(|char: char| char != '_' && !char.is_alphanumeric()).unwrap_or(body.len());
    let (name, rest) = body.split_at_checked(length).filter(|(name, _)| !name.is_empty())?;
    if braced.is_some() { rest.strip_prefix('}').map(|rest| (name, rest)) } else { Some((name, rest)) }
}

/// Whether a name is the number of the whole match.
fn is_zero(name: &str) -> bool {
    name == "0"
}
