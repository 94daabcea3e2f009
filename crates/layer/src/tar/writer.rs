//! A tar for its own sake: exports and archives, where nothing is hashed or compressed.

use std::io::{Read, Write};

use super::Framer;
use crate::chunk::{Chunk, ChunkSink, Chunker, Cut};
use crate::{Content, Entry, Error};

/// Half a megabyte: fewer system calls than files have pages, and little memory.
const BUFFER: usize = 512 << 10;

/// Writes entries as a tar: ustar where it fits, PAX elsewhere, no user names, nothing that the entries do not say.
pub struct Writer<W: Write>(Framer<Direct<W>>);

impl<W: Write> Writer<W> {
    /// A tar on `sink`, which is written in large pieces.
    pub fn new(sink: W) -> Writer<W> {
        Writer(Framer::new(Chunker::new(BUFFER, Cut::Full, None, Direct { sink, written: Chunk::new(0) })))
    }

    /// Appends an entry, with its bytes when it is a regular file that has any.
    pub fn append(&mut self, entry: &Entry, content: Option<&dyn Content>) -> Result<(), Error> {
        self.0.append(entry, content, None).map(drop)
    }

    /// As [`Writer::append`], with bytes that are being read already: all that `reader` still gives.
    pub fn append_reader(&mut self, entry: &Entry, reader: Option<&mut dyn Read>) -> Result<(), Error> {
        self.0.append_reader(entry, reader, None).map(drop)
    }

    /// Ends the tar and gives the sink back.
    pub fn finish(self) -> Result<W, Error> {
        let (_, _, Direct { mut sink, .. }) = self.0.finish()?;
        sink.flush().map_err(Error::Write)?;
        Ok(sink)
    }
}

struct Direct<W> {
    sink: W,
    /// To be filled again.
    written: Chunk,
}

impl<W: Write> ChunkSink for Direct<W> {
    fn take(&mut self, chunk: Chunk) -> Result<(), Error> {
        self.sink.write_all(&chunk).map_err(Error::Write)?;
        self.written = chunk.emptied();
        Ok(())
    }

    fn empty(&mut self) -> Chunk {
        std::mem::replace(&mut self.written, Chunk::new(0))
    }
}
