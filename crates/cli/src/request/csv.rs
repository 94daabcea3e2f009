//! `key=value,...` as buildx reads it: one record of RFC 4180, so that a field with a comma in it
//! is quoted as a whole (`type=image,"name=a,b"`).

use super::RequestError;

/// The fields of one value of `flag`.
pub(crate) fn fields(flag: &'static str, text: &str) -> Result<Vec<String>, RequestError> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(flag, text, quoted)?,
            None => bare_field(flag, text, rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// The pairs of one value of `flag`: keys trimmed and in lower case, as buildx has them.
pub(crate) fn pairs(flag: &'static str, text: &str) -> Result<Vec<(String, String)>, RequestError> {
    fields(flag, text)?.iter().map(|field| pair(flag, text, field)).collect()
}

fn pair(flag: &'static str, text: &str, field: &str) -> Result<(String, String), RequestError> {
    let Some((key, value)) = field.split_once('=') else {
        let reason = format!("{field:?} is not KEY=VALUE");
        let hint = r#"a value with a comma in it is quoted together with its key: "name=a,b""#;
        return Err(RequestError::invalid(flag, text, reason).or_hint(hint));
    };
    Ok((key.trim().to_lowercase(), value.to_owned()))
}

type Field<'a> = (String, Option<&'a str>);

fn bare_field<'a>(flag: &'static str, text: &str, rest: &'a str) -> Result<Field<'a>, RequestError> {
    let (field, after) = match rest.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (rest, None),
    };
    if field.contains('"') {
        let key = field.split('=').next().unwrap_or_default();
        let reason = "a quote in the middle of a field";
        let hint = format!("quote the whole field: \"{key}=...\"");
        return Err(RequestError::invalid(flag, text, reason).or_hint(hint));
    }
    Ok((field.to_owned(), after))
}

fn quoted_field<'a>(flag: &'static str, text: &str, quoted: &'a str) -> Result<Field<'a>, RequestError> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(RequestError::invalid(flag, text, "a quote is not closed"));
        };
        field.push_str(part);
        match after.chars().next() {
            None => return Ok((field, None)),
            Some(',') => return Ok((field, Some(&after[1..]))),
            Some('"') => field.push('"'),
            Some(_) => {
                let reason = "text after a closing quote";
                return Err(RequestError::invalid(flag, text, reason));
            }
        }
        rest = &after[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> Vec<String> {
        fields("-o", text).unwrap()
    }

    #[test]
    fn fields_are_separated_by_commas() {
        assert_eq!(ok("type=oci,dest=a"), ["type=oci", "dest=a"]);
        assert_eq!(ok("a"), ["a"]);
        assert_eq!(ok("a,"), ["a", ""]);
    }

    #[test]
    fn a_quoted_field_keeps_its_commas_and_doubled_quotes() {
        assert_eq!(ok(r#"type=image,"name=a,b",push=true"#), ["type=image", "name=a,b", "push=true"]);
        assert_eq!(ok(r#""a""b""#), [r#"a"b"#]);
    }

    #[test]
    fn quotes_in_wrong_places_are_refused_with_the_right_place() {
        let error = fields("--output", r#"type=image,name="a,b""#).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some(r#"quote the whole field: "name=...""#));
        assert!(fields("--output", r#""a"b"#).is_err());
        assert!(fields("--output", r#""a"#).is_err());
    }

    #[test]
    fn keys_are_in_lower_case_and_values_as_they_are() {
        assert_eq!(pairs("-o", "TYPE=Oci").unwrap(), [("type".into(), "Oci".into())]);
        assert!(pairs("-o", "type=oci,dest").is_err());
    }
}
