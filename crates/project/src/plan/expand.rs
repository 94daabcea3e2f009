//! `${NAME}` and `$NAME` in values of plans and profiles.

use super::Error;

/// Replaces the variables of `text`.
///
/// # Errors
/// Where `value` knows no such name, and where a brace is not closed.
pub(crate) fn expand(text: &str, value: &mut dyn FnMut(&str) -> Result<String, Error>) -> Result<String, Error> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, left) = name(after).ok_or_else(|| Error::new(format!("{text:?} has a `$` that names nothing")))?;
        expanded.push_str(&value(name)?);
        rest = left;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The name that follows a `$`, and what is left.
fn name(after: &str) -> Option<(&str, &str)> {
    if let Some(braced) = after.strip_prefix('{') {
        return braced.split_once('}').filter(|(name, _)| is_name(name));
    }
    let end = after.find(|c: char| !is_part(c)).unwrap_or(after.len());
    after.split_at_checked(end).filter(|(name, _)| !name.is_empty())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_part)
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Error> {
        expand(text, &mut |name| match name {
            "A" => Ok("1".into()),
            "LONG_2" => Ok("two".into()),
            other => Err(Error::unknown("variable", other, ["A", "LONG_2"])),
        })
    }

    #[test]
    fn names_stand_in_braces_or_alone() {
        assert_eq!(expanded("x/${A}/$LONG_2-$A").unwrap(), "x/1/two-1");
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["a$", "${A", "${}", "${A:-b}", "$-"] {
            assert!(expanded(text).is_err(), "{text}");
        }
        assert_eq!(expanded("$LONG_1").unwrap_err().hint().as_deref(), Some("did you mean \"LONG_2\"?"));
    }
}
