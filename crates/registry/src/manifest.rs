//! Manifests and indexes: asked for, read, written.

use bytes::Bytes;
use oci::{Descriptor, Digest, MediaType, Reference};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::answer::{header, is_html, read_bounded};
use crate::auth::Access;
use crate::error::{Cause, quote};
use crate::host::Host;
use crate::registries::Route;
use crate::transport::{Call, Payload, Transport};
use crate::upload::Target;

/// All that we can read. Registries convert, or pick the wrong entry of a list, when one of the four is missing.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// The header with the digest of a manifest.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// The fields that tell what a manifest is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: Option<MediaType>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    manifests: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

/// Asks for a manifest's descriptor.
pub(crate) async fn head(
    transport: &Transport,
    host: &Host,
    route: &Route,
    reference: &Reference,
) -> Result<Descriptor, Cause> {
    let call = call(Method::HEAD, host, route, reference)?;
    let response = match transport.send(host, &call).await {
        Ok(response) => response,
        Err(Cause::Answer(answer)) if matches!(answer.status, 400 | 405 | 501) => {
            return Ok(get(transport, host, route, reference).await?.0);
        }
        Err(cause) => return Err(cause),
    };
    let media_type = header(&response, "content-type").map(MediaType::new).filter(is_known);
    let digest = header(&response, CONTENT_DIGEST).and_then(|text| Digest::parse(text).ok());
    let size = header(&response, "content-length").and_then(|text| text.parse().ok());
    let (Some(media_type), Some(digest), Some(size)) = (media_type, digest, size) else {
        return Ok(get(transport, host, route, reference).await?.0);
    };
    agree(reference.digest(), &digest)?;
    Ok(Descriptor::new(media_type, digest, size))
}

/// Reads and verifies a manifest.
pub(crate) async fn get(
    transport: &Transport,
    host: &Host,
    route: &Route,
    reference: &Reference,
) -> Result<(Descriptor, Bytes), Cause> {
    let call = call(Method::GET, host, route, reference)?;
    let response = transport.send(host, &call).await?;
    if is_html(&response) {
        return Err(Cause::WebPage { host: host.name.clone() });
    }
    let said_type = header(&response, "content-type").map(MediaType::new);
    let said_digest = header(&response, CONTENT_DIGEST).and_then(|text| Digest::parse(text).ok());
    let (limits, patience) = (transport.config.limits, transport.config.timeouts.read);
    let body = read_bounded(response, &host.name, limits.manifest_bytes, patience).await?;
    let expected = reference.digest().cloned().or(said_digest);
    verify(&host.name, expected.as_ref(), &body)?;
    let media_type = examine(&body, said_type.as_ref()).map_err(|problem| Cause::protocol(&host.name, problem))?;
    Ok((Descriptor::of(media_type, &body), body))
}

/// Writes a manifest, and makes sure that the registry stored these bytes.
pub(crate) async fn put(
    target: &Target,
    reference: &Reference,
    media_type: &MediaType,
    content: Bytes,
) -> Result<Digest, Cause> {
    let host = &target.host;
    let digest = Digest::of(&content);
    agree(reference.digest(), &digest)?;
    let object = reference.tag().unwrap_or(reference.object());
    let path = target.repository.path();
    let content_type = HeaderValue::from_str(media_type.as_str())
        .map_err(|_| Cause::protocol(&host.name, "the manifest's media type cannot be sent"))?;
    let call = Call::new(Method::PUT, host.url(&format!("{path}/manifests/{object}"))?, Access::push(path))
        .header(CONTENT_TYPE, content_type)
        .body(Payload::Whole(content));
    let transport = &target.transport;
    let response = transport.while_passing(is_passing, || transport.send(host, &call)).await?;
    match header(&response, CONTENT_DIGEST) {
        Some(stored) if stored != digest.as_str() => {
            Err(Cause::WrongDigest { expected: digest, actual: quote(stored) })
        }
        _ => Ok(digest),
    }
}

/// Whether a manifest that was refused may be taken a moment later.
///
/// `DIGEST_INVALID` is no judgement on our digest, which we have just made of these bytes: the reference registry
/// (distribution 2.8 on a file system) answers so when it reads a link to a part of the image in the very moment in which
/// another client's push writes it.
fn is_passing(cause: &Cause) -> bool {
    cause.is_transient() || matches!(cause, Cause::Answer(answer) if answer.code.as_deref() == Some("DIGEST_INVALID"))
}

/// Which manifest the repository that is written to has under `reference`: one HEAD, no mirror.
pub(crate) async fn at(target: &Target, reference: &Reference) -> Result<Option<Digest>, Cause> {
    let url = target.host.url(&format!("{}/manifests/{}", target.repository.path(), reference.object()))?;
    let access = Access::push(target.repository.path());
    let call = Call::new(Method::HEAD, url, access).header(ACCEPT, HeaderValue::from_static(ACCEPTED));
    match target.transport.send_patiently(&target.host, &call).await {
        Ok(response) => Ok(header(&response, CONTENT_DIGEST).and_then(|digest| digest.parse().ok())),
        Err(Cause::Answer(answer)) if answer.status == 404 => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn call(method: Method, host: &Host, route: &Route, reference: &Reference) -> Result<Call<'static>, Cause> {
    let url = host.url(&format!("{}/manifests/{}", route.path, reference.object()))?;
    Ok(Call::new(method, url, Access::pull(&route.path)).header(ACCEPT, HeaderValue::from_static(ACCEPTED)))
}

fn is_known(media_type: &MediaType) -> bool {
    media_type.is_index() || media_type.is_manifest()
}

fn agree(expected: Option<&Digest>, actual: &Digest) -> Result<(), Cause> {
    match expected {
        Some(expected) if expected != actual => {
            Err(Cause::WrongDigest { expected: expected.clone(), actual: actual.to_string() })
        }
        _ => Ok(()),
    }
}

fn verify(host: &str, expected: Option<&Digest>, body: &[u8]) -> Result<(), Cause> {
    if expected.is_some_and(|digest| digest.algorithm() != "sha256") {
        return Err(Cause::protocol(host, "only sha256 digests of manifests can be verified"));
    }
    agree(expected, &Digest::of(body))
}

/// Finds out what `body` is, and refuses what could be read in two ways (CVE-2021-41190): the type in the header and in
/// the body must agree, and a manifest is not an index at the same time.
fn examine(body: &[u8], said: Option<&MediaType>) -> Result<MediaType, String> {
    let shape: Shape = serde_json::from_slice(body).map_err(|_| "the manifest is not a JSON object".to_owned())?;
    if shape.fs_layers.is_some() {
        return Err(
            "the image has a manifest of Docker's schema 1, which is no longer read; push it again with a current tool"
                .into(),
        );
    }
    let is_index = shape.manifests.is_some();
    let is_manifest = shape.config.is_some() || shape.layers.is_some();
    let inferred = match (is_index, is_manifest) {
        (true, true) => return Err("the manifest claims to be an image and an index at once".into()),
        (false, false) => return Err("the manifest is neither an image nor an index".into()),
        (true, false) => MediaType::OCI_INDEX,
        (false, true) => MediaType::OCI_MANIFEST,
    };
    let said = said.filter(|said| is_known(said));
    let own = shape.media_type.as_ref();
    if let (Some(said), Some(own)) = (said, own)
        && said != own
    {
        return Err(format!("the manifest is served as {said} but calls itself {}", quote(own.as_str())));
    }
    let media_type = said.or(own).cloned().unwrap_or(inferred);
    match (media_type.is_index(), media_type.is_manifest()) {
        (index, manifest) if index == is_index && manifest == is_manifest => Ok(media_type),
        (false, false) => Err(format!("manifests of the type {} are not supported", quote(media_type.as_str()))),
        _ => Err(format!("the manifest is called {media_type} but does not look like one")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IMAGE: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
    const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

    #[test]
    fn the_type_comes_from_header_then_body_then_shape() {
        let docker = MediaType::DOCKER_MANIFEST;
        assert_eq!(examine(IMAGE.as_bytes(), Some(&docker)), Ok(docker));
        assert_eq!(examine(IMAGE.as_bytes(), Some(&MediaType::new("application/json"))), Ok(MediaType::OCI_MANIFEST));
        assert_eq!(examine(INDEX.as_bytes(), None), Ok(MediaType::OCI_INDEX));
        let named = format!(r#"{{"mediaType":"{}","manifests":[]}}"#, MediaType::DOCKER_INDEX);
        assert_eq!(examine(named.as_bytes(), None), Ok(MediaType::DOCKER_INDEX));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let both = r#"{"manifests":[],"layers":[],"config":{}}"#;
        let liar = format!(r#"{{"mediaType":"{}","config":{{}},"layers":[]}}"#, MediaType::OCI_INDEX);
        let artifact = r#"{"mediaType":"application/vnd.example","config":{}}"#;
        for (body, said) in [
            (both, Some(MediaType::OCI_MANIFEST)),
            (IMAGE, Some(MediaType::OCI_INDEX)),
            (INDEX, Some(MediaType::OCI_MANIFEST)),
            (&liar, Some(MediaType::OCI_MANIFEST)),
            (&liar, None),
            (artifact, None),
            ("{}", None),
            ("[]", None),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#, None),
        ] {
            assert!(examine(body.as_bytes(), said.as_ref()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_examined_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = examine(&body, None);
        }
    }
}
