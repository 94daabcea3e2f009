//! Entries and their bytes as one stream of tar, in the buffers of whoever takes it.

use std::io::{self, Read};

use rootfs::TreePath;

use super::{header, padding};
use crate::chunk::{ChunkSink, Chunker};
use crate::spent::Watch;
use crate::{Content, Entry, Error, Fingerprint};

/// Sees the content bytes of one member as they pass.
pub(crate) type Witness<'w> = Option<&'w mut Vec<u8>>;

/// Frames entries as tar. File bytes are read straight into the chunk that is being filled.
pub(crate) struct Framer<S: ChunkSink> {
    chunks: Chunker<S>,
    header: Vec<u8>,
    /// When it was begun, in nanoseconds since 1970: what is older is at rest.
    now: i128,
    reading: Watch,
}

impl<S: ChunkSink> Framer<S> {
    pub(crate) fn new(chunks: Chunker<S>) -> Framer<S> {
        Framer { chunks, header: Vec::new(), now: Fingerprint::now(), reading: Watch::new("read") }
    }

    /// Appends one entry; gives the offset of its content in the tar.
    pub(crate) fn append(
        &mut self,
        entry: &Entry,
        content: Option<&dyn Content>,
        witness: Witness<'_>,
    ) -> Result<u64, Error> {
        let mut reader = None;
        if entry.size() > 0 {
            let content = content.ok_or_else(|| Error::NoContent(entry.path.clone()))?;
            reader = Some(self.reading.time(|| content.open()).map_err(|source| read_error(&entry.path, source))?);
        }
        let reader = reader.as_deref_mut().map(|reader| reader as &mut dyn Read);
        self.append_known(entry, reader, || content?.fingerprint(), witness)
    }

    /// As [`Framer::append`], for bytes that are being read already.
    pub(crate) fn append_reader(
        &mut self,
        entry: &Entry,
        reader: Option<&mut dyn Read>,
        witness: Witness<'_>,
    ) -> Result<u64, Error> {
        self.append_known(entry, reader, || None, witness)
    }

    /// As [`Framer::append_reader`]; `fingerprint` stands for the bytes.
    fn append_known(
        &mut self,
        entry: &Entry,
        reader: Option<&mut dyn Read>,
        fingerprint: impl FnOnce() -> Option<Fingerprint>,
        witness: Witness<'_>,
    ) -> Result<u64, Error> {
        self.header.clear();
        header::encode(entry, &mut self.header)?;
        self.chunks.entry(entry)?;
        self.chunks.write(&self.header)?;
        let offset = self.chunks.offset();
        let size = entry.size();
        if size > 0 {
            let reader = reader.ok_or_else(|| Error::NoContent(entry.path.clone()))?;
            self.chunks.begin(fingerprint, self.now);
            self.copy(&entry.path, reader, size, witness)?;
            self.chunks.end();
            self.chunks.write(&[0; super::BLOCK][..padding(size)])?;
        }
        Ok(offset)
    }

    fn copy(
        &mut self,
        path: &TreePath,
        reader: &mut dyn Read,
        size: u64,
        mut witness: Witness<'_>,
    ) -> Result<(), Error> {
        let mut left = size;
        while left > 0 {
            let space = self.chunks.space()?;
            let wanted = space.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = self
                .reading
                .time(|| read_some(reader, &mut space[..wanted]))
                .map_err(|source| read_error(path, source))?;
            if got == 0 {
                return Err(Error::Changed { path: path.clone(), expected: size, found: Some(size - left) });
            }
            if let Some(seen) = &mut witness {
                seen.extend_from_slice(&space[..got]);
            }
            self.chunks.advance(got);
            left -= got as u64;
        }
        match read_some(reader, &mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Error::Changed { path: path.clone(), expected: size, found: None }),
            Err(source) => Err(read_error(path, source)),
        }
    }

    /// Writes the two blocks that end a tar; gives its whole length, and how long reading took.
    pub(crate) fn finish(mut self) -> Result<(u64, Watch, S), Error> {
        self.chunks.write(&[0; 2 * super::BLOCK])?;
        let (size, sink) = self.chunks.finish()?;
        Ok((size, self.reading, sink))
    }
}

fn read_error(path: &TreePath, source: io::Error) -> Error {
    Error::Read { path: path.clone(), source }
}

fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
