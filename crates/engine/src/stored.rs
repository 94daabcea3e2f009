//! Writing a step's files as a layer, unless it is there already.

use std::sync::Arc;

use layer::{Compression, LayerWriter, Sink, Spent, Writing};
use oci::{Descriptor, MediaType};
use tokio::runtime::Handle;

use crate::cancel::Cancel;
use crate::execute::Turn;
use crate::layers::{LayerRef, Layers, Origin};
use crate::outbound::Outbound;
use crate::overlay::Item;
use crate::{Error, members, warm};

/// A layer, and how it came to be.
pub(crate) struct Stored {
    pub(crate) layer: LayerRef,
    /// It was there already.
    pub(crate) cached: bool,
    pub(crate) spent: Spent,
}

/// The layer of `items`: as a blob in `compression`, as a plain tar for later steps without. With `look`, one that is known
/// is not made again. The turn ends when the layer is made, though a registry may not have all of it yet. Blocks.
pub(crate) fn store(
    layers: &Layers,
    cancel: &Cancel,
    outbound: Option<&Outbound>,
    compression: Option<Compression>,
    look: bool,
    items: &[Item],
    turn: Option<Turn>,
) -> Result<Stored, Error> {
    let key = warm::key(items, compression);
    if let Some(key) = key.as_ref().filter(|_| look)
        && let Some(record) = warm::recall(layers.store(), key)?
        && let Some(layer) = Handle::current().block_on(warm::locate(layers.store(), record, outbound))?
    {
        return Ok(Stored { layer, cached: true, spent: Spent::default() });
    }
    let sent = match (outbound, compression) {
        (Some(outbound), Some(compression)) => outbound.send(layers, cancel, compression, items, turn)?,
        _ => None,
    };
    let (layer, spent) = match (sent, compression) {
        (Some(sent), _) => sent,
        (None, Some(compression)) => write_blob(layers, cancel, compression, items)?,
        (None, None) => write_tar(layers, cancel, items)?,
    };
    if let Some(key) = key {
        warm::remember(layers.store(), &key, &layer)?;
    }
    Ok(Stored { layer, cached: false, spent })
}

/// A layer that was written, and where the time went.
pub(crate) type Written = (LayerRef, Spent);

fn write_blob(layers: &Layers, cancel: &Cancel, compression: Compression, items: &[Item]) -> Result<Written, Error> {
    let sink = cancel.guard(layers.store().raw_writer(None)?);
    let known = members::StoredMembers::of(layers.store());
    let (layer, Writing(sink)) = append_items(LayerWriter::on(Writing(sink), compression, Some(known))?, items)?;
    sink.into_inner().finish_hashed(&layer.digest, layer.size)?;
    members::remember(layers.store(), &layer)?;
    let blob = blob_of(&layer);
    keep_index(layers, layer, Some(blob))
}

fn write_tar(layers: &Layers, cancel: &Cancel, items: &[Item]) -> Result<Written, Error> {
    let sink = cancel.guard(layers.store().tar_writer(None)?);
    let (layer, Writing(sink)) = append_items(LayerWriter::new(sink, Compression::None)?, items)?;
    sink.into_inner().finish()?;
    keep_index(layers, layer, None)
}

/// The blob that a layer was written as.
pub(crate) fn blob_of(layer: &layer::Layer) -> Descriptor {
    Descriptor::new(MediaType::layer(encoding(layer.compression), false), layer.digest.clone(), layer.size)
}

/// Keeps a written layer's index; gives its name.
pub(crate) fn keep_index(layers: &Layers, layer: layer::Layer, blob: Option<Descriptor>) -> Result<Written, Error> {
    layers.store().put_index(&layer.diff_id, &layer.index)?;
    layers.know(&layer.diff_id, Arc::new(layer.index));
    Ok((LayerRef { diff_id: layer.diff_id, blob, origin: Origin::Store }, layer.spent))
}

/// Writes all of `items` and ends the layer.
pub(crate) fn append_items<S: Sink>(mut writer: LayerWriter<S>, items: &[Item]) -> Result<(layer::Layer, S), Error> {
    for (entry, content) in items {
        writer.append(entry, content.as_deref())?;
    }
    Ok(writer.complete()?)
}

/// How a layer compressed so is encoded.
pub(crate) fn encoding(compression: Compression) -> oci::LayerEncoding {
    match compression {
        Compression::None => oci::LayerEncoding::Plain,
        Compression::Gzip { .. } | Compression::FastGzip => oci::LayerEncoding::Gzip,
        Compression::Zstd { .. } => oci::LayerEncoding::Zstd,
    }
}
