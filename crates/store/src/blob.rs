//! Writing blobs: aside, then renamed into place.
//!
//! Durability. A kill at any moment leaves at most a locked-then-unlocked file in `ingest/`, never a half blob under
//! its name. Blobs are not synced one by one: after a power cut a blob of the last seconds may be short or stale.
//! Documents are verified whenever they are read, sizes are checked by [`Store::open_sized`], exports hash what they send,
//! and storing a blob again replaces the damaged one; `index.json` and the header indexes, which nothing verifies, are synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use oci::{Descriptor, Digest, Hasher};
use rustix::fs::FallocateFlags;
use tempfile::NamedTempFile;

use crate::error::At;
use crate::lock::FileLock;
use crate::place::Place;
use crate::{Error, Store, ingest};

/// Where a finished file goes.
type Destination = fn(&Place, &Digest) -> PathBuf;

/// Unfinished content whose digest the writer upstream computes. Dropping it removes it.
#[derive(Debug)]
pub struct RawBlobWriter {
    store: Store,
    temp: NamedTempFile,
    destination: Destination,
    written: u64,
    announced: u64,
}

impl RawBlobWriter {
    pub(crate) fn new(store: Store, destination: Destination, size: Option<u64>) -> Result<Self, Error> {
        store.lease()?;
        let temp = ingest::file(store.place(), &store.place().ingest())?;
        let writer = Self { store, temp, destination, written: 0, announced: size.unwrap_or(0) };
        writer.reserve()?;
        Ok(writer)
    }

    /// Takes the announced space now; a file system that cannot do so is told nothing.
    fn reserve(&self) -> Result<(), Error> {
        if self.announced == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(self.temp.as_file(), FallocateFlags::KEEP_SIZE, 0, self.announced) {
            Err(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => Err(self.full(self.announced)),
            _ => Ok(()),
        }
    }

    fn full(&self, needed: u64) -> Error {
        Error::Full { path: self.temp.path().to_owned(), needed }
    }

    /// How many bytes came so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// [`Error::Full`] with the size known so far, or what the system says.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let total = self.written + bytes.len() as u64;
        match self.temp.as_file_mut().write_all(bytes) {
            Ok(()) => self.written = total,
            Err(cause) => return Err(Error::writing(self.temp.path(), total.max(self.announced), cause)),
        }
        Ok(())
    }

    /// Gives the content its name, trusting the digest the writer upstream computed.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when `size` is not what came.
    pub fn finish_hashed(self, digest: &Digest, size: u64) -> Result<(), Error> {
        if size != self.written {
            return Err(Error::Mismatch {
                expected: digest.clone(),
                expected_size: size,
                found: digest.clone(),
                found_size: self.written,
            });
        }
        let path = (self.destination)(self.store.place(), digest);
        make_final(self.temp.as_file(), self.temp.path())?;
        let _no_sweep = FileLock::shared(&self.store.place().sweep_lock())?;
        self.temp.persist(&path).map_err(|error| error.error).at("rename to", &path)?;
        Ok(())
    }
}

impl Store {
    /// Makes a verified file of `ingest/` a blob.
    pub(crate) fn adopt(&self, file: &Path, digest: &Digest) -> Result<(), Error> {
        self.lease()?;
        make_final(&File::open(file).at("open", file)?, file)?;
        let path = self.place().blob(digest);
        let _no_sweep = FileLock::shared(&self.place().sweep_lock())?;
        fs::rename(file, &path).at("rename to", &path)
    }
}

/// Blobs are written once.
fn make_final(file: &File, path: &Path) -> Result<(), Error> {
    file.set_permissions(fs::Permissions::from_mode(0o444)).at("set the mode of", path)
}

impl Write for RawBlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_bytes(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unfinished content, hashed as it comes. Dropping it removes it.
#[derive(Debug)]
pub struct BlobWriter {
    raw: RawBlobWriter,
    hasher: Hasher,
}

impl BlobWriter {
    pub(crate) fn new(raw: RawBlobWriter) -> Self {
        Self { raw, hasher: Hasher::new() }
    }

    /// Gives the content the name it has: its digest and size.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn finish(self) -> Result<(Digest, u64), Error> {
        let (digest, size) = (self.hasher.finish(), self.raw.written);
        self.raw.finish_hashed(&digest, size)?;
        Ok((digest, size))
    }

    /// Stores the content if it is what was announced.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when it is something else, which is then removed.
    pub fn verified(self, expected: &Descriptor) -> Result<(), Error> {
        if expected.digest.algorithm() != "sha256" {
            return Err(Error::Algorithm(expected.digest.clone()));
        }
        let (found, found_size) = (self.hasher.finish(), self.raw.written);
        if found != expected.digest || found_size != expected.size {
            let (expected, expected_size) = (expected.digest.clone(), expected.size);
            return Err(Error::Mismatch { expected, expected_size, found, found_size });
        }
        self.raw.finish_hashed(&found, found_size)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.raw.write_bytes(bytes)?;
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
