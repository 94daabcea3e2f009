//! What the names of a run's images stand for in their registries, asked once, and which blobs the manifests there have that
//! were pushed from here: a registry keeps what its manifests name, so that these need not be asked for one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, Reference};
use registry::Client;
use store::Store;
use tokio::sync::OnceCell;

use crate::Error;

/// The kind of the store's records.
const RECORD: &str = "manifest";

/// The manifests that names stand for.
#[derive(Default)]
pub(crate) struct Tags(Mutex<BTreeMap<Reference, Arc<OnceCell<Option<Digest>>>>>);

impl Tags {
    /// The manifest that is at `name`, where it would be pushed to; `None` where there is none, or that cannot be told: whatever
    /// is wrong will be told by the push.
    pub(crate) async fn find(&self, client: &Client, name: &Reference) -> Option<Digest> {
        let memo = {
            let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(asked.entry(name.clone()).or_default())
        };
        memo.get_or_init(|| async { client.manifest_at(name).await.unwrap_or_default() }).await.clone()
    }

    /// Another manifest is put at `name`.
    pub(crate) fn forget(&self, name: &Reference) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Remembers the blobs of a manifest or index that a registry has, unless they are remembered.
pub(crate) fn remember(store: &Store, manifest: &Digest, blobs: &[&Digest]) -> Result<(), Error> {
    if store.cache_get(RECORD, manifest)?.is_some() {
        return Ok(());
    }
    let blobs: Vec<&str> = blobs.iter().map(|blob| blob.as_str()).collect();
    Ok(store.cache_put(RECORD, manifest, blobs.join("\n").as_bytes(), &[])?)
}

/// Whether a manifest is known to name a blob.
pub(crate) fn names(store: &Store, manifest: &Digest, blob: &Digest) -> Result<bool, Error> {
    let blobs = store.cache_get(RECORD, manifest)?.unwrap_or_default();
    Ok(blobs.split(|&byte| byte == b'\n').any(|named| named == blob.as_str().as_bytes()))
}
