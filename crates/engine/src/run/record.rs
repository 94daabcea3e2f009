//! The build cache: a RUN that is known is not run.

use oci::Digest;
use store::Store;

use crate::Error;
use crate::layers::{LayerRef, Origin};
use crate::record::Record;

/// The kind of the store's records.
const RECORD: &str = "run";

/// The layer that the step with this key made, if the store still has it in any form.
pub(crate) fn find(store: &Store, key: &Digest) -> Result<Option<LayerRef>, Error> {
    let Some(Record { diff_id, blob, .. }) = Record::find(store, RECORD, key)? else { return Ok(None) };
    let blob = blob.filter(|blob| store.contains(&blob.digest));
    let there = blob.is_some() || store.tar(&diff_id)?.is_some();
    Ok(there.then_some(LayerRef { diff_id, blob, origin: Origin::Store }))
}

/// Remembers what the step with this key made.
pub(crate) fn remember(store: &Store, key: &Digest, layer: &LayerRef) -> Result<(), Error> {
    Record::keep(store, RECORD, key, layer)
}
