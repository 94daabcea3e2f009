//! Where files and the Dockerfile come from: CONTEXT, `--file` and `--build-context`.

use std::collections::BTreeMap;

use engine::{ContextSource, DockerfileSource};
use oci::Reference;

use super::{RequestError, Surroundings};
use crate::args::BuildArgs;

const STDIN: &str = "-";

/// The main context and the Dockerfile.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) dockerfile: DockerfileSource,
    pub(crate) context: ContextSource,
}

/// Standard input is the Dockerfile for `-f -`; for the context `-` it is a tar stream when it
/// looks like one, else a Dockerfile with no context, as docker has it.
pub(crate) fn sources(args: &BuildArgs, around: &dyn Surroundings) -> Result<Sources, RequestError> {
    let file = args.file.as_deref().filter(|file| !file.is_empty());
    match (args.context.as_str(), file) {
        (STDIN, Some(STDIN)) => Err(RequestError::conflict(
            "the Dockerfile and the context cannot both be read from standard input",
            "give one of them as a path",
        )),
        (STDIN, file) => from_stdin(file, around),
        (context, Some(STDIN)) => {
            let dockerfile = DockerfileSource::Text(text(around)?);
            Ok(Sources { dockerfile, context: located(context) })
        }
        (context, file) => Ok(Sources { dockerfile: dockerfile(file)?, context: located(context) }),
    }
}

fn from_stdin(file: Option<&str>, around: &dyn Surroundings) -> Result<Sources, RequestError> {
    let head = around.peek_stdin().map_err(|error| unreadable(&error))?;
    if is_archive(&head) {
        return Ok(Sources { dockerfile: dockerfile(file)?, context: ContextSource::Stdin });
    }
    if file.is_some() {
        return Err(RequestError::conflict(
            "standard input is no tar archive, so it is the Dockerfile, and so is --file",
            "leave out --file, or send the context as a tar archive",
        ));
    }
    let dockerfile = DockerfileSource::Text(text(around)?);
    Ok(Sources { dockerfile, context: ContextSource::Empty })
}

fn text(around: &dyn Surroundings) -> Result<String, RequestError> {
    around.read_stdin().map_err(|error| unreadable(&error))
}

fn unreadable(error: &std::io::Error) -> RequestError {
    RequestError::invalid("standard input", STDIN, format!("it cannot be read: {error}"))
}

fn dockerfile(file: Option<&str>) -> Result<DockerfileSource, RequestError> {
    match file {
        None => Ok(DockerfileSource::Default),
        Some(file) if is_http(file) => Err(RequestError::unsupported(
            "--file URL",
            "a Dockerfile is read from a path, from standard input or from its context",
            "curl -fsS URL | shipsmith build -f - CONTEXT",
        )),
        Some(file) => Ok(DockerfileSource::Path(file.into())),
    }
}

/// A tar archive, or something compressed that may hold one.
fn is_archive(head: &[u8]) -> bool {
    const COMPRESSED: &[&[u8]] = &[b"BZh", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    let is_tar = head.get(257..262) == Some(b"ustar".as_slice());
    is_tar || COMPRESSED.iter().any(|magic| head.starts_with(magic))
}

/// A context by its place: a URL, or else a directory.
fn located(place: &str) -> ContextSource {
    if is_git(place) {
        ContextSource::Git(place.to_owned())
    } else if is_http(place) {
        ContextSource::Http(place.to_owned())
    } else {
        ContextSource::Directory(place.into())
    }
}

fn is_http(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

/// BuildKit's forms of git remotes: by scheme, in scp style, `github.com/...`, or a web address
/// that ends in `.git`.
fn is_git(place: &str) -> bool {
    let before_fragment = place.split('#').next().unwrap_or_default();
    let path = before_fragment.split('?').next().unwrap_or_default();
    let schemes = ["git://", "ssh://", "git@", "github.com/"];
    schemes.iter().any(|scheme| place.starts_with(scheme)) || is_http(place) && path.ends_with(".git")
}

/// `--build-context NAME=PLACE`.
pub(crate) fn named(texts: &[String]) -> Result<BTreeMap<String, ContextSource>, RequestError> {
    texts.iter().filter(|text| !text.is_empty()).map(|text| named_one(text)).collect()
}

fn named_one(text: &str) -> Result<(String, ContextSource), RequestError> {
    let bad = |reason: String| RequestError::invalid("--build-context", text, reason);
    let (name, place) =
        text.split_once('=').ok_or_else(|| bad("there is no = in it".into()).or_hint("NAME=DIR or NAME=URL"))?;
    let name = self::name(name).map_err(|error| bad(error.to_string()))?;
    let source = if let Some(image) = place.strip_prefix("docker-image://") {
        ContextSource::Image(image.parse().map_err(|error: oci::ReferenceError| bad(error.to_string()))?)
    } else if let Some(layout) = place.strip_prefix("oci-layout://") {
        layout_source(layout)
    } else if place.starts_with("target:") || place.starts_with("input:") {
        return Err(bad("targets and inputs are of bake files".into()).or_hint("name a directory, a URL or an image"));
    } else if place == STDIN || place.is_empty() {
        return Err(bad("it needs a place of its own".into()).or_hint("NAME=DIR or NAME=URL"));
    } else {
        located(place)
    };
    Ok((name, source))
}

/// The name of a context as FROM and COPY say it.
pub(crate) fn name(text: &str) -> Result<String, oci::ReferenceError> {
    let name: Reference = text.parse()?;
    Ok(name.familiar().trim_end_matches(":latest").to_owned())
}

/// Whether a main context is fetched: from a server, or out of standard input.
pub(crate) fn is_remote(place: &str) -> bool {
    place == STDIN || is_git(place) || is_http(place)
}

/// `DIR`, `DIR:TAG` or `DIR@DIGEST`.
fn layout_source(text: &str) -> ContextSource {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    let (parents, name) = text.split_at(last);
    let (name, object) = match name.split_once('@').or_else(|| name.split_once(':')) {
        Some((name, object)) => (name, Some(object.to_owned())),
        None => (name, None),
    };
    let directory = format!("{parents}{name}").into();
    ContextSource::Layout { directory, object }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let git = [
            "https://example.org/a.git",
            "https://example.org/a.git#main:dir",
            "git@example.org:a/b",
            "github.com/a/b",
            "git://h/a",
            "ssh://git@h/a",
        ];
        for place in git {
            assert!(matches!(located(place), ContextSource::Git(_)), "{place}");
        }
        assert!(matches!(located("https://example.org/a.tar.gz"), ContextSource::Http(_)));
        assert!(matches!(located("https://example.org/?x=a.git"), ContextSource::Http(_)));
        for place in [".", "a.git", "/srv/app", "github.community"] {
            assert!(matches!(located(place), ContextSource::Directory(_)), "{place}");
        }
    }

    #[test]
    fn named_contexts_have_a_place() {
        let one = |text: &str| named(&[text.to_owned()]).map(|mut map| map.pop_first().unwrap());
        assert!(matches!(one("src=../lib"), Ok((name, ContextSource::Directory(_))) if name == "src"));
        assert!(matches!(one("alpine:latest=d"), Ok((name, _)) if name == "alpine"));
        assert!(matches!(one("a=docker-image://alpine:3"), Ok((_, ContextSource::Image(_)))));
        assert!(matches!(one("a=https://h/x.git#v1"), Ok((_, ContextSource::Git(_)))));
        for wrong in ["a", "A B=c", "a=", "a=-", "a=target:b", "a=docker-image://UPPER"] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn layouts_have_a_directory_and_perhaps_an_object() {
        let parts = |text| match layout_source(text) {
            ContextSource::Layout { directory, object } => (directory, object),
            other => panic!("{other:?}"),
        };
        assert_eq!(parts("a:b/c"), ("a:b/c".into(), None));
        assert_eq!(parts("/a/b:tag"), ("/a/b".into(), Some("tag".into())));
        assert_eq!(parts("b@sha256:00"), ("b".into(), Some("sha256:00".into())));
    }

    #[test]
    fn archives_are_known_by_their_first_bytes() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(is_archive(&tar));
        assert!(is_archive(b"\x1f\x8b\x08\0"));
        assert!(!is_archive(b"FROM scratch\n"));
        assert!(!is_archive(b""));
    }
}
