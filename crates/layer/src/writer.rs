//! Writing a layer: files in, a blob and all that is known of it out, in one pass.

use std::io::Write;
use std::sync::Arc;

use oci::{DiffId, Digest};

use crate::chunk::{Chunker, Cut};
use crate::codec::chunk_size;
use crate::crowd::cores;
use crate::member::{Member, Members, Recipe};
use crate::pipeline::{Finished, Pipeline};
use crate::tar::Framer;
use crate::{Compression, Content, Entry, Error, LayerIndex, Sink, Spent, Writing};

/// More compressors than this only cost memory: the one thread that frames and hashes the tar cannot feed them.
const MAX_THREADS: usize = 8;

/// Changes whenever a compressor makes other bytes of the same chunk.
const COMPRESSORS: u32 = 3;

/// As many compressors as this machine has use for.
pub(crate) fn threads() -> usize {
    cores().min(MAX_THREADS)
}

/// A finished layer: every hash known. Its bytes are wherever the [`LayerWriter`] wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Of the uncompressed tar.
    pub diff_id: DiffId,
    /// Of the blob.
    pub digest: Digest,
    /// Of the blob, in bytes.
    pub size: u64,
    /// Of the tar, in bytes.
    pub uncompressed_size: u64,
    /// How the blob was made from the tar.
    pub compression: Compression,
    /// What is in it.
    pub index: LayerIndex,
    /// Its compressed chunks that can be told unread, where a [`LayerWriter`] was given those of earlier layers.
    pub members: Vec<Member>,
    /// Where the time went.
    pub spent: Spent,
}

/// An unfinished layer. Each file is read once; the tar is hashed once, and so is the blob when it is not the tar.
///
/// Same entries and content, same [`Compression`]: same bytes, whatever the number of threads. Dropping it abandons the
/// layer; the sink is dropped, possibly a moment later.
pub struct LayerWriter<S: Sink> {
    framer: Framer<Pipeline<S>>,
    index: LayerIndex,
    compression: Compression,
}

impl<W: Write + Send + 'static> LayerWriter<Writing<W>> {
    /// A layer on `sink`, compressed by as many threads as the machine has cores (at most 8), once it is worth it.
    ///
    /// # Errors
    /// When the compression's level does not exist.
    pub fn new(sink: W, compression: Compression) -> Result<Self, Error> {
        LayerWriter::with_threads(sink, compression, threads())
    }

    /// As [`LayerWriter::new`] with a number of compressing threads; it changes the speed, never the bytes.
    ///
    /// # Errors
    /// When the compression's level does not exist.
    pub fn with_threads(sink: W, compression: Compression, threads: usize) -> Result<Self, Error> {
        LayerWriter::start(Writing(sink), compression, threads, None)
    }

    /// Ends the layer; gives the sink back, flushed.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn finish(self) -> Result<(Layer, W), Error> {
        let (layer, Writing(sink)) = self.complete()?;
        Ok((layer, sink))
    }
}

impl<S: Sink> LayerWriter<S> {
    /// A layer on a sink that takes its bytes without copying them. What earlier layers have compressed is taken from
    /// `members`; it changes the speed, never the bytes.
    ///
    /// # Errors
    /// When the compression's level does not exist.
    pub fn on(sink: S, compression: Compression, members: Option<Arc<dyn Members>>) -> Result<LayerWriter<S>, Error> {
        LayerWriter::start(sink, compression, threads(), members)
    }

    fn start(
        sink: S,
        compression: Compression,
        threads: usize,
        members: Option<Arc<dyn Members>>,
    ) -> Result<LayerWriter<S>, Error> {
        let chunk = chunk_size(compression);
        let (cut, recipe) = match compression {
            Compression::None => (Cut::Full, None),
            _ => (
                Cut::Entries,
                members.is_some().then(|| Recipe::new(format!("{compression:?} {COMPRESSORS}").into_bytes())),
            ),
        };
        let pipeline = Pipeline::new(sink, compression, threads, chunk, members)?;
        Ok(LayerWriter {
            framer: Framer::new(Chunker::new(chunk, cut, recipe, pipeline)),
            index: LayerIndex::default(),
            compression,
        })
    }

    /// Appends an entry, with its bytes when it is a regular file that has any.
    ///
    /// # Errors
    /// When the content cannot be read or has another length than the entry says, or the sink fails. The layer is
    /// unusable then.
    pub fn append(&mut self, entry: &Entry, content: Option<&dyn Content>) -> Result<(), Error> {
        let mut captured = LayerIndex::wants_content(entry).then(Vec::new);
        let offset = self.framer.append(entry, content, captured.as_mut())?;
        self.index.push(entry.clone(), offset, captured);
        Ok(())
    }

    /// How many entries came so far.
    pub fn len(&self) -> usize {
        self.index.entries().len()
    }

    /// Whether no entry came yet.
    pub fn is_empty(&self) -> bool {
        self.index.entries().is_empty()
    }

    /// Ends the layer; gives the sink back, flushed.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn complete(mut self) -> Result<(Layer, S), Error> {
        let (uncompressed_size, reading, pipeline) = self.framer.finish()?;
        let Finished { diff_id, digest, size, members, mut spent, sink } = pipeline.finish()?;
        spent.add(reading);
        self.index.set_tar_size(uncompressed_size);
        let (compression, index) = (self.compression, self.index);
        let layer = Layer { diff_id, digest, size, uncompressed_size, compression, index, members, spent };
        Ok((layer, sink))
    }
}
