//! Contents that are read as they come and wanted later, in any order.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layer::{Content, Fingerprint};

use crate::Error;
use crate::file::HeldFile;

/// The most that the files of an archive may hold together: 256 GiB. Whatever decompresses to more is a bomb.
pub const MAX_CONTENT: u64 = 256 << 30;

/// One unnamed temporary file that takes one content after the other; runs of zeros take no room in it.
pub struct Spool {
    file: Arc<File>,
    end: u64,
    scratch: PathBuf,
    buffer: Vec<u8>,
    archive: Option<Fingerprint>,
}

impl Spool {
    /// A file in the directory `scratch`. Where `archive` stands for all that is read, it stands for each content with its
    /// place.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(scratch: &Path, archive: Option<Fingerprint>) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(scratch).map_err(|source| Error::scratch(scratch, source))?;
        Ok(Self { file: Arc::new(file), end: 0, scratch: scratch.to_owned(), buffer: vec![0; 1 << 16], archive })
    }

    /// Takes the next `size` bytes of `from`.
    ///
    /// # Errors
    /// When they cannot be read or written, or are more than [`MAX_CONTENT`] with those before.
    pub fn keep(&mut self, from: &mut impl Read, size: u64) -> Result<Arc<dyn Content>, Error> {
        let start = self.end;
        let end = start.checked_add(size).filter(|end| *end <= MAX_CONTENT);
        let end = end.ok_or(Error::TooMuch { what: "files", limit: MAX_CONTENT })?;
        while self.end < end {
            self.copy(from, end)?;
        }
        // What ends with a hole is that long too.
        self.file.set_len(end).map_err(|source| Error::scratch(&self.scratch, source))?;
        Ok(Arc::new(Piece { bytes: HeldFile::new(Arc::clone(&self.file), start, size), known_by: self.known_by(size) }))
    }

    /// What stands for the `size` bytes taken last.
    fn known_by(&self, size: u64) -> Option<Fingerprint> {
        let mut fingerprint = self.archive.clone()?;
        fingerprint.key.extend(format!(" member {} {size}", self.end - size).bytes());
        Some(fingerprint)
    }

    /// Copies a buffer full; zeros become a hole.
    fn copy(&mut self, from: &mut impl Read, end: u64) -> Result<(), Error> {
        let want = usize::try_from(end - self.end).unwrap_or(usize::MAX).min(self.buffer.len());
        let buffer = self.buffer.get_mut(..want).unwrap_or_default();
        from.read_exact(buffer).map_err(Error::Stream)?;
        if buffer.iter().any(|byte| *byte != 0) {
            let mut file = &*self.file;
            let written = file.seek(SeekFrom::Start(self.end)).and_then(|_| file.write_all(buffer));
            written.map_err(|source| Error::scratch(&self.scratch, source))?;
        }
        self.end += want as u64;
        Ok(())
    }
}

/// One of the contents.
struct Piece {
    bytes: HeldFile,
    known_by: Option<Fingerprint>,
}

impl Content for Piece {
    fn open(&self) -> std::io::Result<Box<dyn Read + Send>> {
        self.bytes.open()
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        self.known_by.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_gives_back_what_it_took_zeros_and_all() {
        let mut spool = Spool::new(&std::env::temp_dir(), Some(Fingerprint::fixed("archive"))).expect("a file");
        let contents = [vec![0; 300 << 10], b"text".to_vec(), vec![0; 10]];
        let kept: Vec<_> =
            contents.iter().map(|bytes| spool.keep(&mut bytes.as_slice(), bytes.len() as u64).expect("room")).collect();
        for (kept, bytes) in kept.iter().zip(&contents) {
            let mut read = Vec::new();
            kept.open().and_then(|mut reader| reader.read_to_end(&mut read)).expect("reads");
            assert!(read == *bytes);
        }
        assert_eq!(kept[1].fingerprint(), Some(Fingerprint::fixed("archive member 307200 4")));
    }
}
