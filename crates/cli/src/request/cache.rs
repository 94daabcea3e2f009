//! `--cache-from` and `--cache-to`, as buildx writes them.

use engine::{CachePlace, CacheSource, CacheTarget};

use super::{RequestError, csv, suggest, tags};
use crate::args::parse_bool;

const FROM: &str = "--cache-from";
const TO: &str = "--cache-to";
const TYPES: &[&str] = &["registry", "local", "inline"];
/// What BuildKit's caches take and ours have no use for: ours are OCI images, compressed as the build is.
const MEANINGLESS: &[&str] =
    &["compression", "compression-level", "force-compression", "image-manifest", "oci-mediatypes"];

/// `--cache-from`.
pub(super) fn sources(texts: &[String]) -> Result<Vec<CacheSource>, RequestError> {
    let given = texts.iter().filter(|text| !text.is_empty());
    given.map(|text| Ok(CacheSource { place: place(&Spec::parse(FROM, text)?, "src")? })).collect()
}

/// `--cache-to`.
pub(super) fn targets(texts: &[String]) -> Result<Vec<CacheTarget>, RequestError> {
    texts.iter().filter(|text| !text.is_empty()).map(|text| target(text)).collect()
}

fn target(text: &str) -> Result<CacheTarget, RequestError> {
    let spec = Spec::parse(TO, text)?;
    let all = match spec.get("mode") {
        None | Some("min") => false,
        Some("max") => true,
        Some(other) => return Err(spec.bad(format!("unknown mode {other:?}")).or_hint("mode=min or mode=max")),
    };
    let ignore_error = spec.get("ignore-error").map(parse_bool).transpose();
    let ignore_error = ignore_error.map_err(|reason| spec.bad(reason))?.unwrap_or_default();
    let place = if spec.kind == "inline" { None } else { Some(place(&spec, "dest")?) };
    Ok(CacheTarget { place, all, ignore_error })
}

/// Where the cache is; `key` names its directory.
fn place(spec: &Spec<'_>, key: &str) -> Result<CachePlace, RequestError> {
    let tag = spec.get("tag").unwrap_or("latest").to_owned();
    match (spec.kind.as_str(), spec.get("ref"), spec.get(key)) {
        ("registry", Some(reference), _) => Ok(CachePlace::Registry(tags::reference(reference)?)),
        ("registry", None, _) => Err(spec.bad("there is no ref= in it".into()).or_hint("type=registry,ref=REF")),
        ("local", _, Some(path)) => Ok(CachePlace::Directory { path: path.into(), tag }),
        ("local", _, None) => {
            Err(spec.bad(format!("there is no {key}= in it")).or_hint(format!("type=local,{key}=DIRECTORY")))
        }
        ("inline", ..) => Err(spec
            .bad("an inline cache is read from the image that has it".into())
            .or_hint("type=registry,ref=IMAGE")),
        (other, ..) => Err(unknown(spec, other)),
    }
}

fn unknown(spec: &Spec<'_>, kind: &str) -> RequestError {
    match kind {
        "gha" => RequestError::unsupported(
            format!("{} type=gha", spec.flag),
            "GitHub's cache service has no published interface and answers only its own jobs",
            "use type=registry,ref=ghcr.io/OWNER/IMAGE:cache, or type=local with a directory that actions/cache keeps",
        ),
        "s3" | "azblob" => RequestError::unsupported(
            format!("{} type={kind}", spec.flag),
            "its service is not spoken to",
            "use type=registry, or type=local with a directory that the CI keeps",
        ),
        other => spec.bad(format!("unknown cache type {other:?}")).or_hint(suggest::hint(other, TYPES)),
    }
}

/// One value, cut up.
struct Spec<'a> {
    flag: &'static str,
    text: &'a str,
    kind: String,
    pairs: Vec<(String, String)>,
}

impl<'a> Spec<'a> {
    /// A value without `=` is a reference, as with buildx.
    fn parse(flag: &'static str, text: &'a str) -> Result<Self, RequestError> {
        if !text.contains('=') {
            let pairs = vec![("ref".to_owned(), text.to_owned())];
            return Ok(Self { flag, text, kind: "registry".into(), pairs });
        }
        let pairs = csv::pairs(flag, text)?;
        let kind = pairs.iter().find(|(key, _)| key == "type").map(|(_, value)| value.clone());
        let spec = Self { flag, text, kind: kind.unwrap_or_default(), pairs };
        let known = ["type", "ref", "src", "dest", "tag", "mode", "ignore-error"];
        match spec.pairs.iter().find(|(key, _)| !known.contains(&key.as_str()) && !MEANINGLESS.contains(&key.as_str()))
        {
            _ if spec.kind.is_empty() => Err(spec.bad("there is no type= in it".into()).or_hint(TYPES.join(", "))),
            _ if !TYPES.contains(&spec.kind.as_str()) => Err(unknown(&spec, &spec.kind)),
            Some((key, _)) => Err(spec.bad(format!("unknown key {key:?}")).or_hint(suggest::hint(key, &known))),
            None => Ok(spec),
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    fn bad(&self, reason: String) -> RequestError {
        RequestError::invalid(self.flag, self.text, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<CachePlace, RequestError> {
        Ok(sources(&[text.to_owned()])?.remove(0).place)
    }

    fn to(text: &str) -> Result<CacheTarget, RequestError> {
        Ok(targets(&[text.to_owned()])?.remove(0))
    }

    #[test]
    fn places_are_written_as_for_buildx() {
        let registry = CachePlace::Registry("h.example/a:c".parse().unwrap());
        assert_eq!(from("h.example/a:c").unwrap(), registry);
        assert_eq!(from("type=registry,ref=h.example/a:c").unwrap(), registry);
        let directory = |tag: &str| CachePlace::Directory { path: "d".into(), tag: tag.into() };
        assert_eq!(from("type=local,src=d").unwrap(), directory("latest"));
        assert_eq!(from("type=local,src=d,tag=x").unwrap(), directory("x"));
        let target = to("type=local,dest=d,mode=max,ignore-error=true,compression=zstd").unwrap();
        assert_eq!(target, CacheTarget { place: Some(directory("latest")), all: true, ignore_error: true });
        assert_eq!(to("type=inline").unwrap().place, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(from("type=local,dest=d").unwrap_err().to_string().contains("no src="));
        assert!(to("type=registry").unwrap_err().to_string().contains("no ref="));
        assert!(to("type=gha").unwrap_err().to_string().contains("not supported"));
        assert_eq!(to("type=regsitry,ref=a").unwrap_err().hint().unwrap(), "did you mean \"registry\"?");
        assert!(to("type=local,dest=d,mode=some").unwrap_err().to_string().contains("unknown mode"));
        assert!(from("type=inline").unwrap_err().hint().unwrap().contains("type=registry"));
        assert!(to("ref=a,mode=max").unwrap_err().to_string().contains("no type="));
    }
}
