//! PAX records (POSIX.1-2001, pax, "Extended Header"): `LENGTH KEY=VALUE\n`.

use crate::Timestamp;

/// The prefix of the records that carry extended attributes, as star, GNU tar and Go use it.
pub(crate) const XATTR: &[u8] = b"SCHILY.xattr.";

/// Appends one record. Its length counts its own digits.
pub(crate) fn push_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + digits(rest);
    if digits(length) != digits(rest) {
        length = rest + digits(length);
    }
    out.extend_from_slice(format!("{length} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// A time as decimal seconds, with a fraction only when there is one. Before 1970 the fraction counts towards the past,
/// as in every decimal number, though nanoseconds of a [`Timestamp`] count forward.
pub(crate) fn format_time(time: Timestamp) -> String {
    if time.nanos == 0 {
        return time.seconds.to_string();
    }
    let (sign, whole, fraction) = match time.seconds {
        seconds if seconds >= 0 => ("", seconds.unsigned_abs(), time.nanos),
        seconds => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - time.nanos.min(999_999_999)),
    };
    let text = format!("{sign}{whole}.{fraction:09}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_length_counts_itself() {
        for (value, text) in [(&b"x"[..], &b"8 key=x\n"[..]), (b"xx", b"9 key=xx\n"), (b"xxx", b"11 key=xxx\n")] {
            let mut out = Vec::new();
            push_record(&mut out, b"key", value);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn times_are_decimal_numbers() {
        let at = |seconds, nanos| format_time(Timestamp { seconds, nanos });
        assert_eq!(at(1, 0), "1");
        assert_eq!(at(1, 500_000_000), "1.5");
        assert_eq!(at(-1, 0), "-1");
        assert_eq!(at(-1, 750_000_000), "-0.25");
        assert_eq!(at(-2, 500_000_000), "-1.5");
    }
}
