//! The stream below a reader: blocks, counted.

use std::io::{self, Read};

use super::malformed;
use super::member::RawHeader;
use crate::Error;
use crate::tar::{BLOCK, padding};

/// Bytes that are skipped pass through a buffer of this size.
const SKIP: usize = 64 << 10;

pub(super) struct Blocks<R> {
    stream: R,
    offset: u64,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(stream: R) -> Blocks<R> {
        Blocks { stream, offset: 0, ended: false }
    }

    /// How many bytes of the tar were read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next header block, its checksum checked; `None` at the archive's end.
    pub(super) fn header(&mut self) -> Result<Option<RawHeader>, Error> {
        if self.ended {
            return Ok(None);
        }
        let Some(block) = self.block()? else { return self.end() };
        if block.iter().any(|b| *b != 0) {
            return RawHeader::checked(block).map(Some);
        }
        // Two zero blocks end an archive; some writers stop after one.
        match self.block()? {
            Some(block) if block.iter().any(|b| *b != 0) => Err(malformed("", "one zero block stands between members")),
            _ => self.end(),
        }
    }

    fn end<T>(&mut self) -> Result<Option<T>, Error> {
        self.ended = true;
        Ok(None)
    }

    /// A block that must be there.
    pub(super) fn expect_block(&mut self, member: &str) -> Result<[u8; BLOCK], Error> {
        self.block()?.ok_or_else(|| malformed(member, "the archive ends inside it"))
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.read_some(&mut block[filled..]).map_err(Error::Archive)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(malformed("", "it ends inside a block")),
                got => filled += got,
            }
        }
        Ok(Some(block))
    }

    /// `size` bytes, which the caller has bounded, and their padding.
    pub(super) fn padded(&mut self, size: u64, member: &str) -> Result<Vec<u8>, Error> {
        let mut data = Vec::new();
        (&mut self.stream).take(size).read_to_end(&mut data).map_err(Error::Archive)?;
        self.offset += data.len() as u64;
        if (data.len() as u64) < size {
            return Err(malformed(member, "the archive ends inside it"));
        }
        self.skip(padding(size) as u64, member)?;
        Ok(data)
    }

    /// Reads content, of which `left` bytes are left.
    pub(super) fn read_content(&mut self, left: &mut u64, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        let Some(space) = buffer.get_mut(..wanted).filter(|space| !space.is_empty()) else { return Ok(0) };
        let got = self.read_some(space)?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends inside a file"));
        }
        *left -= got as u64;
        Ok(got)
    }

    pub(super) fn skip(&mut self, mut count: u64, member: &str) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let mut buffer = vec![0; SKIP.min(usize::try_from(count).unwrap_or(SKIP))];
        while count > 0 {
            match self.read_content(&mut count, &mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(malformed(member, "the archive ends inside it"));
                }
                result => result.map_err(Error::Archive)?,
            };
        }
        Ok(())
    }

    pub(super) fn drain(&mut self) -> Result<(), Error> {
        let mut buffer = vec![0; SKIP];
        while self.read_some(&mut buffer).map_err(Error::Archive)? > 0 {}
        Ok(())
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    let got = result?;
                    self.offset += got as u64;
                    return Ok(got);
                }
            }
        }
    }
}
