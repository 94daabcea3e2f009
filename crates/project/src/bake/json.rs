//! JSON as Go writes it: what HTML minds is escaped.

/// A text in quotes.
pub(super) fn text(text: &str) -> String {
    escape(&serde_json::Value::from(text).to_string())
}

/// Two spaces deep, and a line end.
pub(super) fn pretty(json: &impl serde::Serialize) -> String {
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
