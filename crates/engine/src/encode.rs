//! `force-compression`: layers of bases in the encoding that the build's own layers have.

use futures_util::future::try_join_all;
use layer::{Compression, recompress};
use oci::{Descriptor, DiffId, Digest, MediaType};
use store::Store;

use crate::Error;
use crate::assemble::Built;
use crate::execute::Work;
use crate::layers::{LayerRef, Origin, blocking};
use crate::stored::encoding;

/// The kind of the store's records of what a layer became.
const RECORD: &str = "recompressed";

/// `built` with every layer in the build's encoding.
pub(crate) async fn in_one_encoding(work: &Work, built: &[Built]) -> Result<Vec<Built>, Error> {
    let all = built.iter().map(|built| async move {
        if built.attested.is_some() {
            let reason = "an image with attestations stays as its builder made it: force-compression cannot change it";
            return Err(Error::Conflict(reason.into()));
        }
        let layers = try_join_all(built.layers.iter().map(|layer| encoded(work, layer))).await?;
        Ok(Built { layers, ..built.clone() })
    });
    try_join_all(all).await
}

/// The layer as it is, if it is in the build's encoding; else decompressed and compressed again, once.
pub(crate) async fn encoded(work: &Work, layer: &LayerRef) -> Result<LayerRef, Error> {
    let wanted = encoding(work.compression);
    if layer.blob.as_ref().and_then(|blob| blob.media_type.layer_encoding()) == Some(wanted) {
        return Ok(layer.clone());
    }
    in_compression(work, layer).await
}

/// The layer as the build compresses: known from before, or decompressed and compressed again.
pub(crate) async fn in_compression(work: &Work, layer: &LayerRef) -> Result<LayerRef, Error> {
    let store = work.layers.store();
    let key = key(&layer.diff_id, work.compression);
    let known = store.cache_get(RECORD, &key)?.and_then(|record| serde_json::from_slice::<Descriptor>(&record).ok());
    let blob = match known.filter(|blob| store.contains(&blob.digest)) {
        Some(blob) => blob,
        None => convert(work, layer, work.compression).await?,
    };
    remember(store, &layer.diff_id, work.compression, &blob)?;
    Ok(LayerRef { diff_id: layer.diff_id.clone(), blob: Some(blob), origin: Origin::Store })
}

/// Remembers what a layer is in a compression.
pub(crate) fn remember(
    store: &Store,
    diff_id: &DiffId,
    compression: Compression,
    blob: &Descriptor,
) -> Result<(), Error> {
    let record = serde_json::to_vec(blob).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(store.cache_put(RECORD, &key(diff_id, compression), &record, std::slice::from_ref(&blob.digest))?)
}

fn key(diff_id: &DiffId, compression: Compression) -> Digest {
    Digest::of(format!("{diff_id} {compression:?}").as_bytes())
}

async fn convert(work: &Work, layer: &LayerRef, compression: Compression) -> Result<Descriptor, Error> {
    let reader = work.layers.open_any(layer).await?;
    let (layers, cancel, expected) = (work.layers.clone(), work.cancel.clone(), layer.diff_id.clone());
    blocking(move || {
        let sink = cancel.guard(layers.store().raw_writer(None)?);
        let (made, sink) = recompress(reader, sink, compression)?;
        if made.diff_id != expected {
            return Err(Error::LayerMismatch { expected, found: made.diff_id });
        }
        sink.into_inner().finish_hashed(&made.digest, made.size)?;
        Ok(Descriptor::new(MediaType::layer(encoding(compression), false), made.digest, made.size))
    })
    .await
}
