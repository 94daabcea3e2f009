//! From registry to registry.

use futures_util::future::try_join_all;
use oci::{Descriptor, Digest, Index, Manifest, Reference, Repository};
use registry::Pushed;

use super::{Transfer, blobs, parse};
use crate::failure::Failure;

/// Copies an image under other names, all platforms of it, and says its digest.
pub(super) async fn copy(transfer: &Transfer, source: &Reference, targets: &[Reference]) -> Result<Digest, Failure> {
    let (root, bytes) = transfer.client.get_manifest(source).await?;
    for target in targets {
        contents(transfer, source, target.repository(), &root, &bytes).await?;
        transfer.client.put_manifest(target, &root.media_type, bytes.clone()).await?;
    }
    Ok(root.digest)
}

/// Brings all that a manifest or an index names into a repository.
async fn contents(
    transfer: &Transfer,
    source: &Reference,
    to: &Repository,
    root: &Descriptor,
    bytes: &[u8],
) -> Result<(), Failure> {
    if source.repository() == to {
        return Ok(());
    }
    if !root.media_type.is_index() {
        return parts(transfer, source.repository(), to, &parse(&root.digest, bytes)?).await;
    }
    let index: Index = parse(&root.digest, bytes)?;
    let children = index.manifests.iter().map(|entry| source.with_digest(entry.digest.clone()));
    let children: Vec<Reference> = children.collect();
    try_join_all(children.iter().map(|child| image(transfer, child, to))).await.map(drop)
}

/// Brings an image into a repository, under its digest.
pub(super) async fn image(transfer: &Transfer, source: &Reference, to: &Repository) -> Result<(), Failure> {
    if source.repository() == to {
        return Ok(());
    }
    let (found, bytes) = transfer.client.get_manifest(source).await?;
    parts(transfer, source.repository(), to, &parse(&found.digest, &bytes)?).await?;
    let name = in_repository(to, &found.digest)?;
    transfer.client.put_manifest(&name, &found.media_type, bytes).await?;
    Ok(())
}

async fn parts(transfer: &Transfer, from: &Repository, to: &Repository, manifest: &Manifest) -> Result<(), Failure> {
    let blobs = blobs(manifest);
    let sent = blobs.iter().map(|blob| transfer.shown.blob("copy", blob, one(transfer, from, to, blob)));
    try_join_all(sent).await.map(drop)
}

async fn one(transfer: &Transfer, from: &Repository, to: &Repository, blob: &Descriptor) -> Result<bool, Failure> {
    Ok(transfer.client.copy_blob(from, to, blob).await? != Pushed::Uploaded)
}

/// A digest in a repository, as a reference.
fn in_repository(repository: &Repository, digest: &Digest) -> Result<Reference, Failure> {
    Ok(crate::request::reference(&format!("{repository}@{digest}"))?)
}
