//! From the local store to a registry, bytes unchanged.

use std::sync::Arc;

use ::store::Store;
use futures_util::future::try_join_all;
use oci::{Descriptor, Digest, Reference, Repository};
use registry::{FileSource, Pushed};

use super::super::store::resolve;
use super::{Transfer, blobs, complete};
use crate::failure::Failure;

/// Sends an image under its name: blobs, then manifests, then the tag.
pub(super) async fn push(transfer: &Transfer, store: &Arc<Store>, reference: &Reference) -> Result<Digest, Failure> {
    let image = resolve(store, reference)?;
    let manifests = match image.media_type.is_index() {
        true => store.image_index(&image.digest)?.manifests,
        false => vec![image.clone()],
    };
    try_join_all(manifests.iter().map(|entry| parts(transfer, store, reference.repository(), &entry.digest))).await?;
    for entry in manifests.iter().filter(|entry| entry.digest != image.digest) {
        put(transfer, store, &reference.with_digest(entry.digest.clone()), entry).await?;
    }
    put(transfer, store, reference, &image).await
}

async fn put(transfer: &Transfer, store: &Store, name: &Reference, document: &Descriptor) -> Result<Digest, Failure> {
    let bytes = store.read(&document.digest)?;
    Ok(transfer.client.put_manifest(name, &document.media_type, bytes.into()).await?)
}

/// The blobs of one manifest, side by side.
async fn parts(transfer: &Transfer, store: &Store, to: &Repository, manifest: &Digest) -> Result<(), Failure> {
    let manifest = store.manifest(manifest)?;
    let blobs = blobs(&manifest);
    let sent = blobs.iter().map(|blob| transfer.shown.blob("push", blob, one(transfer, store, to, blob)));
    try_join_all(sent).await.map(drop)
}

/// A blob that the store knows by name only goes from its registry to the other one.
async fn one(transfer: &Transfer, store: &Store, to: &Repository, blob: &Descriptor) -> Result<bool, Failure> {
    let origins = store.origin(&blob.digest)?;
    let pushed = match origins.first() {
        _ if store.contains(&blob.digest) => {
            let source = FileSource::from(store.open_sized(blob)?);
            transfer.client.push_blob(to, blob, Arc::new(source), &origins).await?
        }
        Some(from) => transfer.client.copy_blob(from, to, blob).await?,
        None => return Err(complete::lost(blob)),
    };
    store.add_origin(&blob.digest, to)?;
    Ok(pushed != Pushed::Uploaded)
}
