//! Making the index of a layer that somebody else wrote.

use std::io::{self, Read, Write};

use oci::{DiffId, Hasher};

use crate::tar::{Dialect, Reader};
use crate::{Entry, EntryKind, Error, Format, LayerIndex, decompress};

/// The memory that the index of a foreign layer may take: headers compress a thousandfold, so a small blob can hold any number.
const MAX_MEMORY: usize = 512 << 20;
/// No layer's tar is longer, 256 GiB: whatever decompresses to more is a bomb.
const MAX_TAR: u64 = 256 << 30;

/// What one reading of a layer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedLayer {
    /// Its entries.
    pub index: LayerIndex,
    /// The digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// How the blob is compressed.
    pub format: Format,
}

/// Reads a layer's blob once, compressed or not, and makes its index; the uncompressed tar goes to `copy` as it passes.
///
/// # Errors
/// When the stream fails, is no tar, holds something refused (see [`Reader`]), sparse files, whose bytes have no one place, more entries than
/// fit into 512 MiB, or decompresses to more than 256 GiB.
pub fn index_layer(blob: impl Read + Send, copy: Option<&mut dyn Write>) -> Result<IndexedLayer, Error> {
    let (format, plain) = decompress(blob)?;
    let mut tee = Tee { plain, hasher: Hasher::new(), size: 0, copy, failed: None };
    let result = index_tar(&mut tee);
    if let Some(error) = tee.failed {
        return Err(Error::Write(error));
    }
    let mut index = result?;
    index.set_tar_size(tee.size);
    Ok(IndexedLayer { index, diff_id: DiffId(tee.hasher.finish()), format })
}

/// The index of a plain tar, which is read to its end.
pub(crate) fn index_tar(stream: impl Read) -> Result<LayerIndex, Error> {
    let mut reader = Reader::new(io::BufReader::with_capacity(1 << 20, stream), Dialect::Layer);
    let mut index = LayerIndex::default();
    let mut room = MAX_MEMORY;
    while let Some(entry) = reader.next_entry()? {
        let Some(offset) = reader.content_offset() else {
            let problem = "a sparse file in a layer is not supported".into();
            return Err(Error::Refused { member: entry.path.to_string(), problem });
        };
        let content = capture(&entry, &mut reader)?;
        let needed = entry.footprint() + content.as_ref().map_or(0, Vec::len);
        room = room.checked_sub(needed).ok_or_else(|| too_many(&entry))?;
        index.push(entry, offset, content);
    }
    reader.drain()?;
    Ok(index)
}

fn too_many(entry: &Entry) -> Error {
    let problem = "the layer has more entries than fit into 512 MiB, some two million".into();
    Error::Refused { member: entry.path.to_string(), problem }
}

fn capture(entry: &Entry, reader: &mut impl Read) -> Result<Option<Vec<u8>>, Error> {
    let EntryKind::File { size } = entry.kind else { return Ok(None) };
    if !LayerIndex::wants_content(entry) {
        return Ok(None);
    }
    let mut content = Vec::new();
    reader.take(size).read_to_end(&mut content).map_err(Error::Archive)?;
    Ok(Some(content))
}

/// Hashes, counts and copies what passes.
struct Tee<'c, R> {
    plain: R,
    hasher: Hasher,
    size: u64,
    copy: Option<&'c mut dyn Write>,
    /// Why the copy failed, which is not the archive's fault.
    failed: Option<io::Error>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.plain.read(buffer)?;
        let bytes = buffer.get(..got).unwrap_or_default();
        self.hasher.update(bytes);
        self.size += got as u64;
        if self.size > MAX_TAR {
            return Err(io::Error::other("a layer may be at most 256 GiB long when it is decompressed"));
        }
        if let Some(Err(error)) = self.copy.as_mut().map(|copy| copy.write_all(bytes)) {
            self.failed = Some(error);
            return Err(io::Error::other("the copy failed"));
        }
        Ok(got)
    }
}
