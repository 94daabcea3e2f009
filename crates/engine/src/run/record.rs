//! The build cache: a RUN that is known is not run.

use oci::{Descriptor, DiffId, Digest};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::Error;
use crate::layers::{LayerRef, Origin};

/// The kind of the store's records.
const RECORD: &str = "run";

/// What is remembered of a RUN.
#[derive(Serialize, Deserialize)]
struct Record {
    diff_id: DiffId,
    blob: Option<Descriptor>,
}

/// The layer that the step with this key made, if the store still has it in any form.
pub(crate) fn find(store: &Store, key: &Digest) -> Result<Option<LayerRef>, Error> {
    let Some(bytes) = store.cache_get(RECORD, key)? else { return Ok(None) };
    let Ok(Record { diff_id, blob }) = serde_json::from_slice(&bytes) else { return Ok(None) };
    let blob = blob.filter(|blob| store.contains(&blob.digest));
    let there = blob.is_some() || store.tar(&diff_id)?.is_some();
    Ok(there.then_some(LayerRef { diff_id, blob, origin: Origin::Store }))
}

/// Remembers what the step with this key made.
pub(crate) fn remember(store: &Store, key: &Digest, layer: &LayerRef) -> Result<(), Error> {
    let record = Record { diff_id: layer.diff_id.clone(), blob: layer.blob.clone() };
    let bytes = serde_json::to_vec(&record).map_err(|error| Error::Internal(error.to_string()))?;
    let needs: Vec<Digest> = layer.blob.iter().map(|blob| blob.digest.clone()).collect();
    Ok(store.cache_put(RECORD, key, &bytes, &needs)?)
}
