//! From a registry into the local store.

use ::store::Store;
use futures_util::future::try_join_all;
use oci::{Descriptor, Digest, Index, Manifest, Platform, Reference, Repository};

use super::{Transfer, blobs, parse};
use crate::failure::{Exit, Failure};

/// Fetches an image, or the one for `platform` of an index, and names it when all of it is here.
pub(super) async fn pull(
    transfer: &Transfer,
    store: &Store,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<Digest, Failure> {
    let (root, bytes) = transfer.client.get_manifest(reference).await?;
    let image = match (root.media_type.is_index(), platform) {
        (false, _) => manifest(transfer, store, reference, &root, &bytes).await?,
        (true, None) => index(transfer, store, reference, &root, &bytes).await?,
        (true, Some(platform)) => {
            let index: Index = parse(&root.digest, &bytes)?;
            let entry = index.select(platform).ok_or_else(|| no_platform(reference, &index, platform))?;
            fetch(transfer, store, &reference.with_digest(entry.digest.clone())).await?
        }
    };
    match reference.digest() {
        Some(_) => store.keep(&image)?,
        None => store.tag(reference, &image)?,
    }
    Ok(image.digest)
}

fn no_platform(reference: &Reference, index: &Index, platform: &Platform) -> Failure {
    let offered = index.manifests.iter().filter(|entry| !entry.is_attestation());
    let offered: Vec<String> = offered.filter_map(|entry| entry.platform.as_ref()).map(ToString::to_string).collect();
    let hint = format!("it has {}", offered.join(", "));
    Failure::new(Exit::Build, format!("{} has no image for {platform}", reference.familiar())).with_hint(Some(hint))
}

async fn index(
    transfer: &Transfer,
    store: &Store,
    reference: &Reference,
    root: &Descriptor,
    bytes: &[u8],
) -> Result<Descriptor, Failure> {
    let index: Index = parse(&root.digest, bytes)?;
    let children = index.manifests.iter().map(|entry| reference.with_digest(entry.digest.clone()));
    let children: Vec<Reference> = children.collect();
    try_join_all(children.iter().map(|child| fetch(transfer, store, child))).await?;
    keep(store, reference.repository(), root, bytes)
}

async fn fetch(transfer: &Transfer, store: &Store, reference: &Reference) -> Result<Descriptor, Failure> {
    let (found, bytes) = transfer.client.get_manifest(reference).await?;
    manifest(transfer, store, reference, &found, &bytes).await
}

async fn manifest(
    transfer: &Transfer,
    store: &Store,
    reference: &Reference,
    root: &Descriptor,
    bytes: &[u8],
) -> Result<Descriptor, Failure> {
    if root.media_type.is_index() {
        return Err(Failure::new(Exit::Registry, format!("{} is an index within an index", root.digest)));
    }
    let manifest: Manifest = parse(&root.digest, bytes)?;
    let repository = reference.repository();
    let blobs = blobs(&manifest);
    let fetch = |blob| async move { Ok(engine::fetch_blob(&transfer.client, store, repository, blob).await?) };
    try_join_all(blobs.iter().map(|blob| transfer.shown.blob("pull", blob, fetch(blob)))).await?;
    keep(store, repository, root, bytes)
}

/// A document and where it is from.
fn keep(store: &Store, from: &Repository, document: &Descriptor, bytes: &[u8]) -> Result<Descriptor, Failure> {
    let kept = store.put(bytes, document.media_type.clone())?;
    store.add_origin(&kept.digest, from)?;
    Ok(kept)
}
