//! JSON as Go writes it: what HTML minds is escaped.

use serde_json::Value as Json;

/// On one line.
pub(super) fn compact(json: &Json) -> String {
    escape(&json.to_string())
}

/// Two spaces deep, and a line end.
pub(super) fn pretty(json: &Json) -> String {
    format!("{}\n", escape(&serde_json::to_string_pretty(json).unwrap_or_default()))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}
