//! The JSON form of arguments, read as Go's `encoding/json` does.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::words::{Piece, Taken};

/// What arguments are as JSON.
#[derive(Debug)]
pub(super) enum Json {
    /// An array of strings: the JSON form.
    Strings(Vec<Taken>),
    /// An array with something else in it, which is refused.
    OtherArray,
    /// No valid array, which is no mistake: it is the shell form.
    None,
}

/// Whether the arguments are in JSON form.
pub(super) fn is_strings(args: Piece<'_>) -> bool {
    matches!(parse(args), Json::Strings(_))
}

/// Reads arguments as a JSON array.
pub(super) fn parse(args: Piece<'_>) -> Json {
    let args = args.trim();
    if !args.text.starts_with('[') || serde_json::from_str::<IgnoredAny>(args.text).is_err() {
        return Json::None;
    }
    match strings(args) {
        Some(words) => Json::Strings(words),
        // A number that is too large makes it the shell form after all.
        None if serde_json::from_str::<Value>(args.text).is_err() => Json::None,
        None => Json::OtherArray,
    }
}

/// The elements of a valid array, if all are strings.
fn strings(array: Piece<'_>) -> Option<Vec<Taken>> {
    const BETWEEN: [char; 6] = ['[', ',', ' ', '\t', '\n', '\r'];
    let mut found = Vec::new();
    let mut rest = array.after(1);
    loop {
        rest = rest.after(rest.text.len() - rest.text.trim_start_matches(&BETWEEN[1..]).len());
        if rest.text == "]" {
            return Some(found);
        }
        let length = string_length(rest.text)?;
        let element = rest.before(length);
        found.push(Taken { raw: unescape(element.text), range: element.range() });
        rest = rest.after(length);
    }
}

/// The length of the string literal at the start of `text`, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, char) in text.strip_prefix('"')?.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// The value of a valid string literal. As in Go, half a surrogate pair is U+FFFD.
fn unescape(literal: &str) -> String {
    let inner = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(literal);
    let mut units: Vec<u16> = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('\\') {
        units.extend(before.encode_utf16());
        let (unit, remainder) = escape(after);
        units.push(unit);
        rest = remainder;
    }
    units.extend(rest.encode_utf16());
    String::from_utf16_lossy(&units)
}

/// The code unit that an escape stands for, given what follows its backslash, and what follows it.
fn escape(text: &str) -> (u16, &str) {
    let mut chars = text.chars();
    let letter = chars.next().unwrap_or('\\');
    let rest = chars.as_str();
    let unit = match letter {
        'b' => 8,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'u' => {
            let (digits, rest) = rest.split_at_checked(4).unwrap_or((rest, ""));
            return (u16::from_str_radix(digits, 16).unwrap_or(0xfffd), rest);
        }
        other => u16::try_from(u32::from(other)).unwrap_or(0xfffd),
    };
    (unit, rest)
}
