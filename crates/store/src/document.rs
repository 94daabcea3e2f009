//! Documents: bytes to manifests, indexes and configs, with nothing ambiguous let through.

use oci::{Digest, ImageConfig, Index, Manifest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;

/// Verifies that `bytes` are what `digest` names.
pub(crate) fn check_digest(digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
    if digest.algorithm() != "sha256" {
        return Err(Error::Algorithm(digest.clone()));
    }
    let found = Digest::of(bytes);
    if found != *digest {
        return Err(Error::Damaged { digest: digest.clone(), reason: format!("its content has the digest {found}") });
    }
    Ok(())
}

/// An image manifest; one that could be read as an index too is refused (CVE-2021-41190).
pub(crate) fn manifest(digest: &Digest, bytes: &[u8]) -> Result<Manifest, Error> {
    let manifest: Manifest = parse("manifest", digest, bytes)?;
    let is_other = manifest.media_type.as_ref().is_some_and(|media_type| !media_type.is_manifest());
    if is_other || manifest.other.contains_key("manifests") {
        return Err(Error::malformed(format!("manifest {digest}"), "it is also something else"));
    }
    Ok(manifest)
}

/// An index; one that could be read as a manifest too is refused (CVE-2021-41190).
pub(crate) fn index(digest: &Digest, bytes: &[u8]) -> Result<Index, Error> {
    let index: Index = parse("index", digest, bytes)?;
    let is_other = index.media_type.as_ref().is_some_and(|media_type| !media_type.is_index());
    if is_other || ["config", "layers", "fsLayers"].iter().any(|key| index.other.contains_key(*key)) {
        return Err(Error::malformed(format!("index {digest}"), "it is also something else"));
    }
    Ok(index)
}

/// An image config.
pub(crate) fn config(digest: &Digest, bytes: &[u8]) -> Result<ImageConfig, Error> {
    parse("config", digest, bytes)
}

fn parse<T: DeserializeOwned>(what: &str, digest: &Digest, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::malformed(format!("{what} {digest}"), error))
}

/// What a document turns out to be.
#[derive(Debug)]
pub(crate) enum Document {
    Index(Index),
    Manifest(Box<Manifest>),
}

/// Reads a manifest or an index, whichever it is.
pub(crate) fn image(digest: &Digest, bytes: &[u8]) -> Result<Document, Error> {
    #[derive(Deserialize)]
    struct Shape {
        manifests: Option<Value>,
    }
    let shape: Shape = parse("manifest", digest, bytes)?;
    if shape.manifests.is_some() {
        return Ok(Document::Index(index(digest, bytes)?));
    }
    Ok(Document::Manifest(Box::new(manifest(digest, bytes)?)))
}
