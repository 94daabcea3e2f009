//! Bytes of files inside kept tars.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use oci::DiffId;

use crate::{Content, Fingerprint};

/// An uncompressed tar that can be read anywhere.
pub trait TarSource: Send + Sync + fmt::Debug {
    /// Reads some bytes at an offset; none at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// What this tar is known by, its diffID; `None` where nobody says.
    fn name(&self) -> Option<&DiffId> {
        None
    }
}

impl TarSource for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

/// A tar held in memory.
impl TarSource for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        self.get(start..).unwrap_or_default().read(buffer)
    }
}

/// One file's bytes in a tar.
pub(super) struct TarSlice {
    tar: Arc<dyn TarSource>,
    offset: u64,
    size: u64,
}

impl TarSlice {
    pub(super) fn new(tar: Arc<dyn TarSource>, offset: u64, size: u64) -> TarSlice {
        TarSlice { tar, offset, size }
    }
}

impl Content for TarSlice {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(SliceReader { tar: Arc::clone(&self.tar), offset: self.offset, left: self.size }))
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        let name = self.tar.name()?;
        Some(Fingerprint::fixed(format!("{name} {} {}", self.offset, self.size)))
    }
}

struct SliceReader {
    tar: Arc<dyn TarSource>,
    offset: u64,
    left: u64,
}

impl Read for SliceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.tar.read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.offset)?;
        self.offset = self.offset.saturating_add(got as u64);
        self.left -= got as u64;
        Ok(got)
    }
}
