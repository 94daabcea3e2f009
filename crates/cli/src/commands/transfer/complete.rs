//! What the store knows of an image by its origin only: fetched when somebody needs the bytes.

use ::store::Store;
use futures_util::future::try_join_all;
use oci::Descriptor;

use super::Transfer;
use crate::failure::{Exit, Failure};

/// The blobs of an image, for whichever platforms are here, that the store lacks.
pub(super) fn absent(store: &Store, image: &Descriptor) -> Result<Vec<Descriptor>, Failure> {
    let manifests = match image.media_type.is_index() {
        true => store.image_index(&image.digest)?.manifests,
        false => vec![image.clone()],
    };
    let mut absent: Vec<Descriptor> = Vec::new();
    for entry in manifests.iter().filter(|entry| store.contains(&entry.digest)) {
        absent.extend(store.missing(&store.manifest(&entry.digest)?));
    }
    absent.sort_by(|a, b| a.digest.cmp(&b.digest));
    absent.dedup_by(|a, b| a.digest == b.digest);
    Ok(absent)
}

/// Fetches blobs from where they are known to be.
pub(super) async fn fetch(transfer: &Transfer, store: &Store, blobs: &[Descriptor]) -> Result<(), Failure> {
    let fetched = blobs.iter().map(|blob| transfer.shown.blob("pull", blob, one(transfer, store, blob)));
    try_join_all(fetched).await.map(drop)
}

async fn one(transfer: &Transfer, store: &Store, blob: &Descriptor) -> Result<bool, Failure> {
    let mut failure = lost(blob);
    for from in store.origin(&blob.digest)? {
        match engine::fetch_blob(&transfer.client, store, &from, blob).await {
            Ok(present) => return Ok(present),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

/// A blob that nobody is known to have.
pub(super) fn lost(blob: &Descriptor) -> Failure {
    let message = format!("{} is neither in the local store nor known to be in a registry", blob.digest);
    Failure::new(Exit::Internal, message).with_hint(Some("pull or import the image again".into()))
}
