//! Durations as Go writes them, which is how Dockerfiles and image configurations do.

use std::fmt;

use serde::Serialize;

/// A length of time in nanoseconds. Its `Display` is that of Go's `time.Duration`: `1m30s`, `1.5s`, `250ms`, `0s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GoDuration(i64);

impl GoDuration {
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
