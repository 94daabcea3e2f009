//! Comma-separated fields, as flags and overrides have them.

use super::Error;

/// The fields of one line; one in quotes may have commas and doubled quotes.
pub(super) fn fields(text: &str) -> Result<Vec<String>, Error> {
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                unquote(quoted).ok_or_else(|| Error::new(format!("{text:?} has a quote that is not closed")))?
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if !rest.starts_with('"') && field.contains('"') {
            return Err(Error::new(format!("{text:?} has a quote within a field")).with_hint("quote the whole field"));
        }
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(fields),
            None => return Err(Error::new(format!("{text:?} has something behind a quote"))),
        }
    }
}

/// What is before the closing quote, and what is behind it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let (before, after) = rest.split_once('"')?;
        field += before;
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

/// The fields of all lines that are not empty; a line end in quotes belongs to its field.
pub(super) fn lines(text: &str) -> Result<Vec<Vec<String>>, Error> {
    let text = text.replace("\r\n", "\n");
    let (mut all, mut start, mut quotes) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices().chain([(text.len(), '\n')]) {
        quotes += usize::from(c == '"');
        if c == '\n' && quotes.is_multiple_of(2) {
            let line = &text[start..at];
            all.extend((!line.is_empty()).then(|| fields(line)).transpose()?);
            start = (at + 1).min(text.len());
        }
    }
    match quotes.is_multiple_of(2) {
        true => Ok(all),
        false => Err(Error::new("a quote is not closed")),
    }
}

/// One field, in quotes where it needs them.
pub(super) fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_and_quotes() {
        assert_eq!(fields("a,\"b,\"\"c\"\"\",").unwrap(), ["a", "b,\"c\"", ""]);
        assert_eq!(fields("").unwrap(), [""]);
        assert!(fields("\"a").is_err());
        assert!(fields("\"a\"b").is_err());
        assert!(fields("a\"b").is_err());
    }
}
