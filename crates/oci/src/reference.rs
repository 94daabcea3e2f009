//! Image references, normalised as Docker does (`distribution/reference`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Digest;

const DEFAULT_REGISTRY: &str = "docker.io";

/// A repository: a registry's `host[:port]` and a path in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Repository {
    registry: String,
    path: String,
}

/// A repository with a tag, a digest, or both; `latest` stands for neither.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid image reference {text:?}: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: String,
}

impl Repository {
    /// The registry, `host[:port]`; `docker.io` when none was written.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path, with Docker Hub's `library/` in front of a single name.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let reference: Reference = text.parse()?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(ReferenceError { text: text.to_owned(), reason: "a repository has no tag or digest".into() });
        }
        Ok(reference.repository)
    }
}

impl Reference {
    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag as written; `None` when none was.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, when one was written.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What to ask a registry for: the digest, else the tag, else `latest`.
    #[must_use]
    pub fn object(&self) -> &str {
        self.digest.as_ref().map(Digest::as_str).or(self.tag()).unwrap_or("latest")
    }

    /// The same with the tag `latest` where neither tag nor digest was written.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// This repository's content `digest`, whatever the tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { repository: self.repository.clone(), tag: None, digest: Some(digest) }
    }

    /// This repository with another tag and no digest.
    ///
    /// # Errors
    /// When `tag` is not a legal tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError { text: tag.to_owned(), reason: "not a legal tag".into() });
        }
        Ok(Self { repository: self.repository.clone(), tag: Some(tag.to_owned()), digest: None })
    }

    /// As people write it: without `docker.io/` and `library/`.
    #[must_use]
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full.strip_prefix("docker.io/").unwrap_or(&full);
        short.strip_prefix("library/").filter(|_| short.len() < full.len()).unwrap_or(short).to_owned()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|reason| ReferenceError { text: text.chars().take(300).collect(), reason })
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;
    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("64 hexadecimal digits name no repository; write NAME@sha256:DIGEST".into());
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(Digest::parse(digest).map_err(|error| error.to_string())?)),
        None => (text, None),
    };
    let (registry, rest) = split_registry(rest);
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (rest, None),
    };
    if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
        return Err(format!("{tag:?} is not a legal tag (letters, digits, `_`, `.`, `-`; at most 128)"));
    }
    check_registry(registry)?;
    let official = registry == DEFAULT_REGISTRY && !path.contains('/');
    let path = if official { format!("library/{path}") } else { path.to_owned() };
    check_path(&path)?;
    let repository = Repository { registry: registry.to_owned(), path };
    Ok(Reference { repository, tag: tag.map(str::to_owned), digest })
}

/// Docker's rule: the first component is a registry if it has a dot or a colon, is `localhost`, or is not lowercase.
fn split_registry(text: &str) -> (&str, &str) {
    let Some((first, rest)) = text.split_once('/') else { return (DEFAULT_REGISTRY, text) };
    let is_host = first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase());
    match first {
        "index.docker.io" => (DEFAULT_REGISTRY, rest),
        _ if is_host => (first, rest),
        _ => (DEFAULT_REGISTRY, text),
    }
}

fn check_registry(registry: &str) -> Result<(), String> {
    let (host, port) = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let hex = address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            (hex && !address.is_empty(), port.strip_prefix(':'))
        }
        None => {
            let (host, port) = registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port)));
            (host.split('.').all(is_host_label), port)
        }
    };
    let port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    if host && port { Ok(()) } else { Err(format!("{registry:?} is not a host name with an optional port")) }
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_path(path: &str) -> Result<(), String> {
    if path.len() > 255 {
        return Err("the repository's path is longer than 255 characters".into());
    }
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("repository names are lowercase".into());
    }
    match path.split('/').find(|part| !is_path_component(part)) {
        Some(part) => Err(format!("{part:?} is not a legal part of a repository's name")),
        None => Ok(()),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators: Vec<&str> = part.split(|c: char| c.is_ascii() && alphanumeric(c as u8)).collect();
    let (Some(first), Some(last)) = (separators.first(), separators.last()) else { return false };
    separators.len() > 1
        && first.is_empty()
        && last.is_empty()
        && separators.iter().all(|s| matches!(*s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_normalised() {
        let digest = Digest::of(b"");
        let pinned = format!("localhost:5000/a/b:t@{digest}");
        for (text, full, familiar) in [
            ("debian", "docker.io/library/debian", "debian"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("me/app", "docker.io/me/app", "me/app"),
            ("index.docker.io/library/x", "docker.io/library/x", "x"),
            ("localhost/x", "localhost/x", "localhost/x"),
            ("localhost:5000/x", "localhost:5000/x", "localhost:5000/x"),
            ("ghcr.io/a/b_c/d--e:v1.0", "ghcr.io/a/b_c/d--e:v1.0", "ghcr.io/a/b_c/d--e:v1.0"),
            ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
            (&pinned, &pinned, &pinned),
        ] {
            let reference: Reference = text.parse().expect(text);
            assert_eq!((reference.to_string().as_str(), reference.familiar().as_str()), (full, familiar));
        }
    }

    #[test]
    fn bad_references_are_refused() {
        for text in [
            "",
            "A",
            "a:",
            "a:-x",
            "a//b",
            "a/",
            "/a",
            "a b",
            "a@sha256:12",
            "x/../y",
            "ex_ample.com/a",
            "h:99999/a",
            "a._b",
            "-a",
            "a-",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        // The length that counts is that with `library/`, or it would not be read back.
        assert!("a".repeat(248).parse::<Reference>().is_err());
        assert!("a".repeat(247).parse::<Reference>().is_ok());
    }

    #[test]
    fn object_is_what_a_registry_is_asked_for() {
        let object = |text: &str| text.parse::<Reference>().map(|r| r.object().to_owned());
        assert_eq!(object("a"), Ok("latest".into()));
        assert_eq!(object("a:b"), Ok("b".into()));
    }
}
