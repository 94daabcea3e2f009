//! What the store remembers of layers: which was made under some key.

use std::time::{SystemTime, UNIX_EPOCH};

use oci::{Descriptor, DiffId, Digest};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::Error;
use crate::layers::{LayerRef, Origin};

/// A layer, by name. Whether its bytes are still anywhere is for the reader to find out.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) diff_id: DiffId,
    pub(crate) blob: Option<Descriptor>,
    /// When it was kept, in seconds since 1970.
    #[serde(default)]
    pub(crate) kept: u64,
}

/// What the clock says, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Record {
    /// The record of this `kind` under `key`; one that cannot be read is none.
    pub(crate) fn find(store: &Store, kind: &str, key: &Digest) -> Result<Option<Self>, Error> {
        Ok(store.cache_get(kind, key)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps one, and with it the blob if that is in the store.
    pub(crate) fn keep(store: &Store, kind: &str, key: &Digest, layer: &LayerRef) -> Result<(), Error> {
        let record = Self { diff_id: layer.diff_id.clone(), blob: layer.blob.clone(), kept: now() };
        let bytes = serde_json::to_vec(&record).map_err(|error| Error::Internal(error.to_string()))?;
        let here = layer.blob.iter().filter(|_| layer.origin == Origin::Store);
        let needs: Vec<Digest> = here.map(|blob| blob.digest.clone()).collect();
        Ok(store.cache_put(kind, key, &bytes, &needs)?)
    }
}
