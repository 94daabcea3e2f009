//! Text as Go's formatting makes it, for history entries.

use dockerfile::{GoDuration, Healthcheck};
use oci::calendar::Utc;

use super::instruction::probe_test;

/// `%q` of a list of strings: `["a" "b"]`.
pub(super) fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!("[{}]", words.join(" "))
}

/// `%v` of a list of strings: `[a b]`.
pub(super) fn plain(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// `%+v` of a health check.
pub(super) fn healthcheck(check: &Healthcheck) -> String {
    let zero = GoDuration::default();
    let (interval, timeout, start, start_interval, retries) = match check {
        Healthcheck::None => (zero, zero, zero, zero, 0),
        Healthcheck::Cmd(probe) => {
            (probe.interval, probe.timeout, probe.start_period, probe.start_interval, probe.retries)
        }
    };
    let test = plain(&probe_test(check));
    format!(
        "{{Test:{test} Interval:{interval} Timeout:{timeout} StartPeriod:{start} StartInterval:{start_interval} Retries:{retries}}}"
    )
}

/// `strconv.Quote`.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if is_print(char) => out.push(char),
            _ => out.push_str(&escape(u32::from(char))),
        }
    }
    out.push('"');
    out
}

fn escape(code: u32) -> String {
    match code {
        0..0x80 => format!("\\x{code:02x}"),
        0x80..0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}

/// Whether Go prints the character as it is. Rust escapes the same ones, except that it also escapes single quotes, and
/// combining marks at the start of a text.
fn is_print(char: char) -> bool {
    char == '\'' || format!("a{char}").escape_debug().count() == 2
}

/// Seconds since 1970 as RFC 3339 in UTC.
pub(super) fn timestamp(seconds: i64) -> String {
    format!("{}Z", Utc::of_unix(seconds).to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::{quoted, timestamp};

    #[test]
    fn strings_are_quoted_as_in_go() {
        let words = ["a b", "q'\"\\", "\u{1}\t\u{a0}é\u{fe0f}", "\u{10ffff}"].map(str::to_owned);
        assert_eq!(quoted(&words), "[\"a b\" \"q'\\\"\\\\\" \"\\x01\\t\\u00a0é\u{fe0f}\" \"\\U0010ffff\"]");
    }

    #[test]
    fn days_become_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(timestamp(seconds), expected);
        }
    }
}
