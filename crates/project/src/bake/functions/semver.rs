//! `semvercmp`: whether a version satisfies a constraint.

use semver::{Version, VersionReq};

use crate::bake::Error;

/// Alternatives are behind `||`; all parts of one, behind commas or blanks, must hold.
pub(super) fn satisfies(version: &str, constraint: &str) -> Result<bool, Error> {
    let version = loose(version).ok_or_else(|| Error::new(format!("{version:?} is no version")))?;
    let mut any = false;
    for alternative in constraint.split("||") {
        any |= all(&version, alternative)?;
    }
    Ok(any)
}

/// With a `v`, and with parts that are missing.
fn loose(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches('v');
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let missing = 3_usize.checked_sub(numbers.split('.').count())?;
    Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

fn all(version: &Version, alternative: &str) -> Result<bool, Error> {
    let (mut holds, mut parts) = (true, 0);
    for part in split(alternative) {
        holds &= one(version, &part)?;
        parts += 1;
    }
    match parts {
        0 => Err(Error::new("a constraint is empty").with_hint("such as >= 1.2")),
        _ => Ok(holds),
    }
}

/// `>= 1.2, < 2` as its parts; `1.2 - 2.3` is a range.
fn split(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let operator = word.chars().all(|c| "<>=!~^".contains(c));
        let next = words.peek().copied();
        match next {
            Some(version) if operator => {
                parts.push(format!("{word}{version}"));
                words.next();
            }
            Some("-") => {
                words.next();
                parts.push(format!(">={word}"));
                parts.extend(words.next().map(|end| format!("<={end}")));
            }
            _ => parts.push(word.to_owned()),
        }
    }
    parts
}

fn one(version: &Version, part: &str) -> Result<bool, Error> {
    let bare = part.trim_start_matches(['<', '>', '=', '!', '~', '^']);
    let (operator, bare) = (&part[..part.len() - bare.len()], bare.trim_start_matches('v'));
    let (operator, negated) = match operator {
        "" | "=" | "==" => ("=", false),
        "!=" => ("=", true),
        "=>" => (">=", false),
        "=<" => ("<=", false),
        "~>" => ("~", false),
        other => (other, false),
    };
    let wild = matches!(bare, "*" | "x" | "X");
    let text = if wild { "*".to_owned() } else { format!("{operator}{bare}") };
    let wanted = VersionReq::parse(&text).map_err(|_| Error::new(format!("{part:?} is no constraint")))?;
    let holds = wanted.matches(version);
    Ok(if negated { !holds } else { holds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_hold_as_in_buildx() {
        for (version, constraint, holds) in [
            ("1.2.3", ">= 1.2, < 2", true),
            ("v1.2.3", ">=1.2 <1.3", true),
            ("2.0.0", "^1.2 || ~2.0", true),
            ("1.2.3", "1.2.x", true),
            ("1.2.3", "!=1.2.3", false),
            ("1.5", "1.2 - 1.6", true),
            ("1.2.3-beta.1", ">=1.2", false),
            ("1.2.3-beta.1", ">=1.2.3-alpha", true),
            ("0.1.0", "*", true),
        ] {
            assert_eq!(satisfies(version, constraint), Ok(holds), "{version} {constraint}");
        }
        assert!(satisfies("1.2", "").is_err());
        assert!(satisfies("one", "1").is_err());
        assert!(satisfies("1", "%").is_err());
    }
}
