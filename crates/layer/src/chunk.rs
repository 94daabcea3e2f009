//! The uncompressed stream cut into chunks: the unit of parallel compression.

use std::ops::Deref;

use bytes::Bytes;
use crossbeam_channel::Sender;

use crate::Error;

/// A buffer of a fixed size, filled up to a length.
pub(crate) struct Chunk {
    bytes: Box<[u8]>,
    len: usize,
}

impl Chunk {
    /// An empty chunk that can take `size` bytes. Its pages cost nothing until they are written.
    pub(crate) fn new(size: usize) -> Chunk {
        Chunk { bytes: vec![0; size].into_boxed_slice(), len: 0 }
    }

    /// The same buffer, to be filled again.
    pub(crate) fn emptied(self) -> Chunk {
        Chunk { len: 0, ..self }
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.len..]
    }

    /// The bytes, to whoever wants to keep them for a while; the buffer goes to `spare` when nobody does any more.
    pub(crate) fn lend(self, spare: Sender<Chunk>) -> Bytes {
        Bytes::from_owner(Lent { chunk: self, spare })
    }
}

/// A chunk that comes back.
struct Lent {
    chunk: Chunk,
    spare: Sender<Chunk>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.chunk
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let chunk = std::mem::replace(&mut self.chunk, Chunk::new(0));
        // One too many is freed.
        let _ = self.spare.try_send(chunk.emptied());
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Takes full chunks, and the last one, in order.
pub(crate) trait ChunkSink {
    /// Takes a chunk and gives an empty one for it.
    fn take(&mut self, chunk: Chunk) -> Result<Chunk, Error>;
}

/// Decides where chunks end: at multiples of a size in the uncompressed stream, so that neither the reads nor the threads
/// matter to the result.
pub(crate) struct Chunker<S> {
    current: Chunk,
    offset: u64,
    sink: S,
}

impl<S: ChunkSink> Chunker<S> {
    pub(crate) fn new(size: usize, sink: S) -> Chunker<S> {
        Chunker { current: Chunk::new(size), offset: 0, sink }
    }

    /// How many bytes came so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the next bytes go; never empty.
    pub(crate) fn space(&mut self) -> Result<&mut [u8], Error> {
        if self.current.len == self.current.bytes.len() {
            // The stand-in is empty and allocates nothing.
            let full = std::mem::replace(&mut self.current, Chunk::new(0));
            self.current = self.sink.take(full)?;
        }
        Ok(self.current.space())
    }

    /// Counts bytes that were put at the start of [`Chunker::space`].
    pub(crate) fn advance(&mut self, count: usize) {
        self.current.len += count;
        self.offset += count as u64;
    }

    /// Copies bytes in.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let space = self.space()?;
            let count = space.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            space[..count].copy_from_slice(now);
            self.advance(count);
            bytes = later;
        }
        Ok(())
    }

    /// Hands the last chunk over; gives the length of the whole.
    pub(crate) fn finish(mut self) -> Result<(u64, S), Error> {
        if self.current.len > 0 {
            self.sink.take(self.current)?;
        }
        Ok((self.offset, self.sink))
    }
}
