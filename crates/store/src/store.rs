//! The store as a whole: opening it, leases, and its files by digest.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use layer::LayerIndex;
use oci::{Descriptor, DiffId, Digest, ImageConfig, Index, Manifest, MediaType};
use tempfile::NamedTempFile;

use crate::blob::{BlobWriter, RawBlobWriter};
use crate::database::Database;
use crate::document;
use crate::error::At;
use crate::lock::FileLock;
use crate::naming::Naming;
use crate::place::Place;
use crate::{Error, ingest};

/// The largest manifest, index or config that is read into memory, in bytes (registries stop at 4 MiB).
pub const DOCUMENT_LIMIT: u64 = 8 << 20;

/// The local content store. Cheap to clone; clones and other processes may use one directory at the same time.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: Place,
    database: Database,
    lease: Mutex<Option<NamedTempFile>>,
    naming: Naming,
}

impl Store {
    /// Opens the store in `dir`, making it (mode 0700) where there is none, and removes what killed processes left.
    ///
    /// # Errors
    /// When the directory holds something else, was written by a later version, or cannot be used.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let absolute = std::path::absolute(dir).at("find", dir)?;
        let place = Place::open(&absolute)?;
        ingest::clean(&place)?;
        let database = Database::new(place.database());
        Ok(Self { shared: Arc::new(Shared { place, database, lease: Mutex::default(), naming: Naming::default() }) })
    }

    /// The directory of the store.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.place().root()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.shared.place
    }

    pub(crate) fn database(&self) -> &Database {
        &self.shared.database
    }

    pub(crate) fn naming(&self) -> &Naming {
        &self.shared.naming
    }

    /// From the first use of content on, garbage collection spares everything used since: by this process or any other.
    pub(crate) fn lease(&self) -> Result<(), Error> {
        let mut lease = self.shared.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if lease.is_none() {
            *lease = Some(ingest::file(self.place(), &self.place().leases())?);
        }
        Ok(())
    }

    /// Renews the last use of a file; `false` when there is none.
    pub(crate) fn renew(&self, path: &Path) -> Result<bool, Error> {
        self.lease()?;
        let _no_sweep = FileLock::shared(&self.place().sweep_lock())?;
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
        match rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno).at("renew", path),
        }
    }

    /// Opens a file of the store and renews its last use.
    pub(crate) fn open_used(&self, path: &Path) -> Result<Option<File>, Error> {
        if !self.renew(path)? {
            return Ok(None);
        }
        match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("open", path),
        }
    }

    /// Whether the blob is here. A `true` holds until this `Store` is dropped: the blob counts as used.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.renew(&self.place().blob(digest)).unwrap_or(false)
    }

    /// Opens a blob. Its content is verified by whoever reads it ([`Store::read`], the exports, a registry).
    ///
    /// # Errors
    /// [`Error::Absent`] when it is not here.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, Error> {
        self.open_used(&self.place().blob(digest))?.ok_or_else(|| Error::Absent(digest.clone()))
    }

    /// Opens a blob whose size is known, which finds what a power cut left short.
    ///
    /// # Errors
    /// [`Error::Absent`], or [`Error::Damaged`] when the size differs.
    pub fn open_sized(&self, descriptor: &Descriptor) -> Result<File, Error> {
        let file = self.open_blob(&descriptor.digest)?;
        let size = file.metadata().at("stat", &self.place().blob(&descriptor.digest))?.len();
        if size != descriptor.size {
            let reason = format!("it has {size} bytes instead of {}", descriptor.size);
            return Err(Error::Damaged { digest: descriptor.digest.clone(), reason });
        }
        Ok(file)
    }

    /// Where a blob lies, or would lie; for sinks that link or send it as a file.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.place().blob(digest)
    }

    /// Reads a document (manifest, index, config), verified.
    ///
    /// # Errors
    /// When it is absent, damaged or larger than [`DOCUMENT_LIMIT`].
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let path = self.place().blob(digest);
        let file = self.open_blob(digest)?;
        let size = file.metadata().at("stat", &path)?.len();
        if size > DOCUMENT_LIMIT {
            return Err(Error::TooLarge { digest: digest.clone(), size, limit: DOCUMENT_LIMIT });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(DOCUMENT_LIMIT).read_to_end(&mut bytes).at("read", &path)?;
        document::check_digest(digest, &bytes)?;
        Ok(bytes)
    }

    /// Reads and understands an image manifest.
    ///
    /// # Errors
    /// As [`Store::read`]; and when it is none, or an index at the same time.
    pub fn manifest(&self, digest: &Digest) -> Result<Manifest, Error> {
        document::manifest(digest, &self.read(digest)?)
    }

    /// Reads and understands an index.
    ///
    /// # Errors
    /// As [`Store::read`]; and when it is none, or a manifest at the same time.
    pub fn image_index(&self, digest: &Digest) -> Result<Index, Error> {
        document::index(digest, &self.read(digest)?)
    }

    /// Reads and understands an image config.
    ///
    /// # Errors
    /// As [`Store::read`]; and when it is none.
    pub fn config(&self, digest: &Digest) -> Result<ImageConfig, Error> {
        document::config(digest, &self.read(digest)?)
    }

    /// Stores a document.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor, Error> {
        let descriptor = Descriptor::of(media_type, bytes);
        if !self.contains(&descriptor.digest) {
            let mut writer = self.raw_writer(Some(descriptor.size))?;
            writer.write_bytes(bytes)?;
            writer.finish_hashed(&descriptor.digest, descriptor.size)?;
        }
        Ok(descriptor)
    }

    /// A writer that hashes what it stores. A known size lets a full disk be noticed before the first byte.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn writer(&self, size: Option<u64>) -> Result<BlobWriter, Error> {
        Ok(BlobWriter::new(self.raw_writer(size)?))
    }

    /// A writer for content that is hashed upstream.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn raw_writer(&self, size: Option<u64>) -> Result<RawBlobWriter, Error> {
        RawBlobWriter::new(self.clone(), Place::blob, size)
    }

    /// A writer for a layer's uncompressed tar, which is hashed on its way.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn tar_writer(&self, size: Option<u64>) -> Result<BlobWriter, Error> {
        Ok(BlobWriter::new(RawBlobWriter::new(self.clone(), tar_path, size)?))
    }

    /// A layer's uncompressed tar, for random access: kept for that, or the blob itself where the layer is stored so.
    ///
    /// # Errors
    /// When a file that is there cannot be opened.
    pub fn tar(&self, diff_id: &DiffId) -> Result<Option<File>, Error> {
        match self.open_used(&self.place().blob(&diff_id.0))? {
            Some(file) => Ok(Some(file)),
            None => self.open_used(&self.place().tar(diff_id)),
        }
    }

    /// A layer's header index. One that this version cannot read counts as absent: it can be made again.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn index(&self, diff_id: &DiffId) -> Result<Option<LayerIndex>, Error> {
        let path = self.place().index(diff_id);
        let Some(mut file) = self.open_used(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).at("read", &path)?;
        Ok(LayerIndex::from_bytes(&bytes).ok())
    }

    /// Keeps a layer's header index.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_index(&self, diff_id: &DiffId, index: &LayerIndex) -> Result<(), Error> {
        self.lease()?;
        self.place().put(&self.place().index(diff_id), &index.to_bytes())
    }

    /// The parts of an image that are not here: its config and layers held by reference only.
    #[must_use]
    pub fn missing(&self, manifest: &Manifest) -> Vec<Descriptor> {
        let parts = std::iter::once(&manifest.config).chain(&manifest.layers);
        parts.filter(|part| !self.contains(&part.digest)).cloned().collect()
    }
}

fn tar_path(place: &Place, digest: &Digest) -> PathBuf {
    place.tar(&DiffId(digest.clone()))
}
