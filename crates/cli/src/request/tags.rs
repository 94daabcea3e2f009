//! `--tag`.

use oci::Reference;

use super::RequestError;

/// The names of an image: each once, none with a digest, which only a finished image has.
pub(crate) fn parse(texts: &[String]) -> Result<Vec<Reference>, RequestError> {
    let mut tags: Vec<Reference> = Vec::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let tag = one("--tag", text)?;
        if tags.iter().any(|other| other.clone().or_latest() == tag.clone().or_latest()) {
            let hint = "give each name once";
            return Err(RequestError::invalid("--tag", text, "it is given twice").or_hint(hint));
        }
        tags.push(tag);
    }
    Ok(tags)
}

/// An image that there is: by tag or by digest.
pub(crate) fn reference(text: &str) -> Result<Reference, RequestError> {
    text.parse().map_err(|error: oci::ReferenceError| {
        RequestError::invalid("REF", text, error.to_string()).or_hint("[REGISTRY/]REPOSITORY[:TAG|@DIGEST]")
    })
}

/// A name that is going to be given.
pub(crate) fn one(flag: &'static str, text: &str) -> Result<Reference, RequestError> {
    let bad = |reason: String| RequestError::invalid(flag, text, reason).or_hint("[REGISTRY/]REPOSITORY[:TAG]");
    let tag: Reference = text.parse().map_err(|error: oci::ReferenceError| bad(error.to_string()))?;
    match tag.digest() {
        Some(_) => Err(bad("a name that is going to be given has no digest".into())),
        None => Ok(tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(texts: &[&str]) -> Result<usize, RequestError> {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        parse(&texts).map(|tags| tags.len())
    }

    #[test]
    fn several_repositories_and_tags() {
        assert_eq!(tags(&["a", "a:1", "example.org/b/c:1", ""]), Ok(3));
    }

    #[test]
    fn a_name_once_and_without_a_digest() {
        let error = tags(&["a", "docker.io/library/a:latest"]).unwrap_err();
        assert_eq!(error.to_string(), r#"invalid value "docker.io/library/a:latest" for --tag: it is given twice"#);
        assert!(tags(&["UPPER"]).is_err());
        assert!(tags(&[&format!("a@sha256:{}", "0".repeat(64))]).is_err());
    }
}
