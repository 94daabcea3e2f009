//! Durations as Go writes them, which is how Dockerfiles and image configurations do.

use std::fmt;

use serde::Serialize;

/// A length of time in nanoseconds. Its `Display` is that of Go's `time.Duration`: `1m30s`, `1.5s`, `250ms`, `0s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GoDuration(i64);

impl GoDuration {
    /// Reads a duration as `time.ParseDuration` does: an optional sign, then decimal numbers with units, or `0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let mut total: u64 = 0;
        let mut rest = Some(rest).filter(|rest| !rest.is_empty())?;
        while !rest.is_empty() {
            let (nanos, remainder) = component(rest)?;
            total = total.checked_add(nanos).filter(|total| *total <= 1 << 63)?;
            rest = remainder;
        }
        let signed = if negative { -i128::from(total) } else { i128::from(total) };
        i64::try_from(signed).ok().map(Self)
    }

    /// A duration of so many nanoseconds.
    pub fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The number of nanoseconds, which is what image configurations store.
    pub fn as_nanos(self) -> i64 {
        self.0
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        match nanos {
            0 => out.write_str("0s"),
            1..1_000 => write!(out, "{sign}{nanos}ns"),
            1_000..1_000_000 => write!(out, "{sign}{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(out, "{sign}{}ms", decimal(nanos, 1_000_000)),
            _ => write_clock(out, sign, nanos),
        }
    }
}

/// The number with its unit at the start of `text` in nanoseconds, and what follows it.
fn component(text: &str) -> Option<(u64, &str)> {
    let digits = |text: &str| text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at_checked(digits(text))?;
    let fraction = rest.strip_prefix('.').unwrap_or("");
    let (fraction, after) = fraction.split_at_checked(digits(fraction))?;
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let rest = if rest.starts_with('.') { after } else { rest };
    let (unit, rest) =
        rest.split_at_checked(rest.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(rest.len()))?;
    let unit = nanos_of(unit)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos = whole.checked_mul(unit)?.checked_add(part_of(fraction, unit))?;
    (nanos <= 1 << 63).then_some((nanos, rest))
}

/// The decimal fraction `0.digits` of `unit`, rounded down. Digits beyond what fits do not count.
fn part_of(digits: &str, unit: u64) -> u64 {
    let mut value = 0_u64;
    let mut scale = 1.0_f64;
    for digit in digits.bytes().map(|byte| u64::from(byte - b'0')) {
        let Some(next) =
            value.checked_mul(10).and_then(|value| value.checked_add(digit)).filter(|next| *next <= 1 << 63)
        else {
            break;
        };
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

fn nanos_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Hours, minutes and seconds; leading zero units are left out.
fn write_clock(out: &mut fmt::Formatter<'_>, sign: &str, nanos: u64) -> fmt::Result {
    const MINUTE: u64 = 60_000_000_000;
    out.write_str(sign)?;
    if nanos >= 60 * MINUTE {
        write!(out, "{}h", nanos / (60 * MINUTE))?;
    }
    if nanos >= MINUTE {
        write!(out, "{}m", nanos / MINUTE % 60)?;
    }
    write!(out, "{}s", decimal(nanos % MINUTE, 1_000_000_000))
}

/// `value / unit` as a decimal fraction without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_shown() {
        for (text, shown) in [
            ("0", "0s"),
            ("30s", "30s"),
            ("1m30s", "1m30s"),
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            (".5h", "30m0s"),
            ("1.", "error"),
            ("1.s", "1s"),
            ("250ms", "250ms"),
            ("1500us", "1.5ms"),
            ("1µs", "1µs"),
            ("10ns", "10ns"),
            ("-2s", "-2s"),
            ("+2s", "2s"),
            ("1h1ns", "1h0m0.000000001s"),
            ("9223372036854775807ns", "2562047h47m16.854775807s"),
            ("0.100000000000000000000h", "6m0s"),
            ("9223372036854775808ns", "error"),
            ("", "error"),
            ("-", "error"),
            ("30", "error"),
            (".s", "error"),
            ("1d", "error"),
            ("1 s", "error"),
            ("s", "error"),
        ] {
            let result = GoDuration::parse(text).map_or("error".to_owned(), |duration| duration.to_string());
            assert_eq!(result, shown, "for {text:?}");
        }
    }
}
