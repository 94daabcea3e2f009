//! The uncompressed stream cut into chunks: the unit of parallel compression.

use std::ops::Deref;

use bytes::Bytes;
use crossbeam_channel::Sender;
use oci::Digest;

use crate::member::{Recipe, ends_before};
use crate::{Entry, Error, Fingerprint};

/// A buffer of a fixed size, filled up to a length.
pub(crate) struct Chunk {
    bytes: Box<[u8]>,
    len: usize,
    /// What stands for the bytes unread, where something does.
    recipe: Option<Digest>,
}

impl Chunk {
    /// An empty chunk that can take `size` bytes. Its pages cost nothing until they are written.
    pub(crate) fn new(size: usize) -> Chunk {
        Chunk { bytes: vec![0; size].into_boxed_slice(), len: 0, recipe: None }
    }

    /// The same buffer, to be filled again.
    pub(crate) fn emptied(self) -> Chunk {
        Chunk { len: 0, recipe: None, ..self }
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.len..]
    }

    /// What stands for the bytes unread.
    pub(crate) fn recipe(&self) -> Option<&Digest> {
        self.recipe.as_ref()
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
    /// Takes a chunk.
    fn take(&mut self, chunk: Chunk) -> Result<(), Error>;

    /// An empty chunk to fill.
    fn empty(&mut self) -> Chunk;
}

/// Where chunks end: at multiples of a size in the uncompressed stream, or before certain entries, and a little later again
/// at such multiples. Neither the reads nor the threads matter to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// When they are full.
    Full,
    /// When they are full or an entry says so.
    Entries,
}

/// Cuts the stream.
pub(crate) struct Chunker<S> {
    current: Chunk,
    offset: u64,
    cut: Cut,
    recipe: Option<Recipe>,
    /// Whether a file's bytes are coming that nothing stands for.
    unknown: bool,
    sink: S,
}

impl<S: ChunkSink> Chunker<S> {
    pub(crate) fn new(size: usize, cut: Cut, recipe: Option<Recipe>, sink: S) -> Chunker<S> {
        Chunker { current: Chunk::new(size), offset: 0, cut, recipe, unknown: false, sink }
    }

    /// An entry follows.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        if self.cut == Cut::Entries && ends_before(entry.path.as_bytes(), entry.size(), self.current.len) {
            self.next()?;
        }
        Ok(())
    }

    /// A file's bytes follow, for which `fingerprint` stands.
    pub(crate) fn begin(&mut self, fingerprint: impl FnOnce() -> Option<Fingerprint>, now: i128) {
        if let Some(recipe) = &mut self.recipe {
            let fingerprint = fingerprint();
            self.unknown = fingerprint.as_ref().is_none_or(|fingerprint| !fingerprint.is_settled(now));
            recipe.begin(fingerprint, now);
        }
    }

    /// The file has ended.
    pub(crate) fn end(&mut self) {
        self.unknown = false;
        if let Some(recipe) = &mut self.recipe {
            recipe.end();
        }
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        // The stand-in is empty and allocates nothing.
        let mut full = std::mem::replace(&mut self.current, Chunk::new(0));
        full.recipe = self.recipe.as_mut().and_then(|recipe| recipe.finish(self.unknown));
        self.sink.take(full)
    }

    fn next(&mut self) -> Result<(), Error> {
        self.hand_over()?;
        self.current = self.sink.empty();
        Ok(())
    }

    /// How many bytes came so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the next bytes go; never empty.
    pub(crate) fn space(&mut self) -> Result<&mut [u8], Error> {
        if self.current.len == self.current.bytes.len() {
            self.next()?;
        }
        Ok(self.current.space())
    }

    /// Counts bytes of a file that were put at the start of [`Chunker::space`].
    pub(crate) fn advance(&mut self, count: usize) {
        if let Some(recipe) = &mut self.recipe {
            recipe.advance(count);
        }
        self.filled(count);
    }

    fn filled(&mut self, count: usize) {
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
            if let Some(recipe) = &mut self.recipe {
                recipe.bytes(now);
            }
            self.filled(count);
            bytes = later;
        }
        Ok(())
    }

    /// Hands the last chunk over; gives the length of the whole.
    pub(crate) fn finish(mut self) -> Result<(u64, S), Error> {
        if self.current.len > 0 {
            self.hand_over()?;
        }
        Ok((self.offset, self.sink))
    }
}
