//! `--annotation` and the `annotation.*` keys of `--output`.

use std::str::FromStr;

use engine::{Annotation, AnnotationLevel};
use oci::Platform;

use super::RequestError;
use super::suggest;

const FLAG: &str = "--annotation";
const LEVELS: &[&str] = &["index", "index-descriptor", "manifest", "manifest-descriptor"];

/// The annotations of one `[TYPE[,TYPE...]:]KEY=VALUE`.
pub(crate) fn parse(text: &str) -> Result<Vec<Annotation>, RequestError> {
    let Some((left, value)) = text.split_once('=') else {
        return Err(RequestError::invalid(FLAG, text, "there is no = in it").or_hint("KEY=VALUE"));
    };
    let (types, key) = left.split_once(':').unwrap_or(("manifest", left));
    if key.is_empty() {
        return Err(RequestError::invalid(FLAG, text, "the key is empty"));
    }
    types.split(',').map(|kind| with_type(text, kind, key, value)).collect()
}

fn with_type(text: &str, kind: &str, key: &str, value: &str) -> Result<Annotation, RequestError> {
    let (level, platform) = parse_type(FLAG, text, kind)?;
    Ok(Annotation { level, platform, key: key.to_owned(), value: value.to_owned() })
}

/// The annotation of an output's `annotation[-TYPE][[PLATFORM]].KEY=VALUE`, or nothing when `key`
/// is another key.
pub(crate) fn parse_output_key(key: &str, value: &str) -> Result<Option<Annotation>, RequestError> {
    let Some(rest) = key.strip_prefix("annotation") else { return Ok(None) };
    let (kind, name) = if let Some(name) = rest.strip_prefix('.') {
        ("manifest", name)
    } else if let Some((kind, name)) = rest.strip_prefix('-').and_then(split_kind) {
        (kind, name)
    } else {
        return Ok(None);
    };
    let (level, platform) = parse_type("--output", key, kind)?;
    Ok(Some(Annotation { level, platform, key: name.to_owned(), value: value.to_owned() }))
}

/// Splits `manifest[linux/arm64].key` at the dot after the type.
fn split_kind(text: &str) -> Option<(&str, &str)> {
    text.split_once("].").map(|(kind, name)| (&text[..=kind.len()], name)).or_else(|| text.split_once('.'))
}

fn parse_type(flag: &'static str, text: &str, kind: &str) -> Result<(AnnotationLevel, Option<Platform>), RequestError> {
    let (name, platform) = match kind.strip_suffix(']').and_then(|kind| kind.split_once('[')) {
        Some((name, platform)) => (name, Some(platform)),
        None => (kind, None),
    };
    let level = match name {
        "manifest" | "" => AnnotationLevel::Manifest,
        "manifest-descriptor" => AnnotationLevel::ManifestDescriptor,
        "index" => AnnotationLevel::Index,
        "index-descriptor" => AnnotationLevel::IndexDescriptor,
        _ => {
            let reason = format!("unknown annotation type {name:?}");
            let hint = suggest::hint(name, LEVELS);
            return Err(RequestError::invalid(flag, text, reason).or_hint(hint));
        }
    };
    let platform = platform.map(Platform::from_str).transpose();
    let platform = platform.map_err(|e| RequestError::invalid(flag, text, e.to_string()))?;
    Ok((level, platform))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_type_it_is_the_manifests() {
        let found = parse("org.example.a=b=c").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, AnnotationLevel::Manifest);
        assert_eq!((found[0].key.as_str(), found[0].value.as_str()), ("org.example.a", "b=c"));
    }

    #[test]
    fn several_types_make_several_annotations() {
        let found = parse("index,manifest[linux/arm64]:a=b").unwrap();
        assert_eq!(found[0].level, AnnotationLevel::Index);
        assert_eq!(found[1].level, AnnotationLevel::Manifest);
        assert_eq!(found[1].platform, Some("linux/arm64".parse().unwrap()));
    }

    #[test]
    fn a_wrong_type_finds_the_right_one() {
        let error = parse("indx:a=b").unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("did you mean \"index\"?"));
        assert!(parse("a").is_err());
        assert!(parse("manifest[nonsense/on/so/many]:a=b").is_err());
    }

    #[test]
    fn keys_of_outputs_say_the_same() {
        let found = parse_output_key("annotation.org.example", "v").unwrap().unwrap();
        assert_eq!((found.level, found.key.as_str()), (AnnotationLevel::Manifest, "org.example"));
        let found = parse_output_key("annotation-manifest[linux/amd64].a.b", "v").unwrap().unwrap();
        assert_eq!(found.platform, Some("linux/amd64".parse().unwrap()));
        assert_eq!(found.key, "a.b");
        let found = parse_output_key("annotation-index-descriptor.a.b", "v").unwrap().unwrap();
        assert_eq!((found.level, found.key.as_str()), (AnnotationLevel::IndexDescriptor, "a.b"));
        assert_eq!(parse_output_key("name", "v"), Ok(None));
    }
}
