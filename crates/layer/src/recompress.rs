//! The same tar in another compression.

use std::io::{ErrorKind, Read, Write};

use oci::{DiffId, Digest};

use crate::chunk::{Chunker, Cut};
use crate::codec::chunk_size;
use crate::decompress;
use crate::pipeline::{Finished, Pipeline};
use crate::writer::threads;
use crate::{Compression, Error, Writing};

/// What [`recompress`] made of a blob. Its bytes are wherever it wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recompressed {
    /// Of the uncompressed tar, which is the same before and after.
    pub diff_id: DiffId,
    /// Of the new blob.
    pub digest: Digest,
    /// Of the new blob, in bytes.
    pub size: u64,
}

/// Decompresses a layer's blob, whatever it was compressed with, and compresses it again on `sink`. The same tar gives the
/// same bytes; not those of a [`LayerWriter`](crate::LayerWriter), whose chunks end at entries. Gives the sink back, flushed.
/// One pass, memory bounded.
///
/// # Errors
/// When the blob cannot be read, the sink fails, or the compression's level does not exist.
pub fn recompress<W: Write + Send + 'static>(
    blob: impl Read + Send,
    sink: W,
    compression: Compression,
) -> Result<(Recompressed, W), Error> {
    let (_, mut tar) = decompress(blob)?;
    let mut chunks = full_chunks(sink, compression)?;
    loop {
        match tar.read(chunks.space()?) {
            Ok(0) => break,
            Ok(count) => chunks.advance(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Archive(error)),
        }
    }
    let (_, pipeline) = chunks.finish()?;
    let Finished { diff_id, digest, size, sink: Writing(sink), .. } = pipeline.finish()?;
    Ok((Recompressed { diff_id, digest, size }, sink))
}

/// The way of a tar that comes as it is: its chunks end when they are full.
pub(crate) fn full_chunks<W: Write + Send + 'static>(
    sink: W,
    compression: Compression,
) -> Result<Chunker<Pipeline<Writing<W>>>, Error> {
    let size = chunk_size(compression);
    Ok(Chunker::new(size, Cut::Full, None, Pipeline::new(Writing(sink), compression, threads(), size, None)?))
}
