//! Sizes, durations and text as they are shown.

use std::borrow::Cow;
use std::time::Duration;

/// Bytes in decimal units, as docker shows them: `12.58MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes}B");
    }
    let mut amount = bytes as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.995 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    format!("{amount:.2}{}", UNITS[unit])
}

/// Seconds with one digit: `0.2s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1}s", duration.as_secs_f64())
}

/// How much of a part is done: `12.58MB / 25.60MB`.
pub(super) fn amount(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{} / {}", size(done), size(total)),
        None => size(done),
    }
}

/// Text that cannot command the terminal it is shown on: control characters, which file names and
/// Dockerfiles may hold, are shown as what they are (`\u{1b}`).
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let controls = |c: char| c.is_control() && c != '\t';
    if !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if controls(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(0), "0B");
        assert_eq!(size(999), "999B");
        assert_eq!(size(1000), "1.00kB");
        assert_eq!(size(12_580_000), "12.58MB");
        assert_eq!(size(999_999), "1.00MB");
        assert_eq!(size(u64::MAX), "18446.74PB");
        assert_eq!(amount(1, Some(2000)), "1B / 2.00kB");
    }

    #[test]
    fn text_commands_no_terminal() {
        assert_eq!(clean("a\tb ü"), "a\tb ü");
        assert_eq!(clean("\u{1b}[2Ja\r\n"), "\\u{1b}[2Ja\\r\\n");
        assert_eq!(clean("\u{9b}31m"), "\\u{9b}31m");
    }
}
