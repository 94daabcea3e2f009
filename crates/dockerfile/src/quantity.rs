//! Numbers, sizes and truth values as Go's packages read them.

/// A truth value as `strconv.ParseBool` reads it.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A number of at most 32 bits without a sign.
pub(crate) fn number(text: &str, radix: u32) -> Option<u32> {
    if text.starts_with('+') {
        return None;
    }
    u32::from_str_radix(text, radix).ok()
}

/// A size in bytes as Docker's `units.RAMInBytes` reads it: a number and perhaps a unit such as `k`, `MB` or `GiB`, all
/// powers of 1024.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let last = text.rfind(|char: char| char.is_ascii_digit() || matches!(char, '.' | ' '))?;
    let (number, unit) = text.split_at_checked(last + 1)?;
    let number = number.strip_suffix(' ').unwrap_or(number);
    let size: f64 = number.parse().ok().filter(|size: &f64| size.is_finite() && *size >= 0.0)?;
    Some((size * factor(&unit.to_ascii_lowercase())?) as u64)
}

fn factor(unit: &str) -> Option<f64> {
    if unit.is_empty() || unit == "b" {
        return Some(1.0);
    }
    let prefix = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit);
    let power = ["k", "m", "g", "t", "p"].into_iter().position(|known| known == prefix)?;
    Some(1024_f64.powi(i32::try_from(power).ok()? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("32", Some(32)),
            ("32b", Some(32)),
            ("32k", Some(32 << 10)),
            ("32 KB", Some(32 << 10)),
            ("1.5MiB", Some(3 << 19)),
            ("2g", Some(2 << 30)),
            (".5k", Some(512)),
            ("1e3", Some(1000)),
            ("", None),
            ("k", None),
            ("-1", None),
            ("1x", None),
            ("1bb", None),
            ("1kbb", None),
            ("1  k", None),
            ("1 2k", None),
        ] {
            assert_eq!(bytes(text), expected, "for {text:?}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("0755", 8), Some(0o755));
        assert_eq!(number("8", 8), None);
        assert_eq!(number("+1", 10), None);
        assert_eq!(number("4294967296", 10), None);
    }
}
