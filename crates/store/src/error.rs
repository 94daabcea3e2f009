//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};

use oci::{Digest, Reference};

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// The verb: `open`, `create`, `rename` ...
        action: &'static str,
        /// The file it was about.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file system of the store is full, or a quota is used up.
    #[error("no space left for {}: {needed} bytes needed", path.display())]
    Full {
        /// The file that could not be written.
        path: PathBuf,
        /// How large it was to become, as far as that was known.
        needed: u64,
    },
    /// A blob that is not here.
    #[error("blob {0} is not in the store")]
    Absent(Digest),
    /// A blob whose content is not what its name says.
    #[error("blob {digest} in the store is damaged: {reason}")]
    Damaged {
        /// Its name.
        digest: Digest,
        /// What is wrong with it.
        reason: String,
    },
    /// Content that was announced as something else.
    #[error("expected {expected} of {expected_size} bytes but got {found} of {found_size} bytes")]
    Mismatch {
        /// The announced digest.
        expected: Digest,
        /// The announced size.
        expected_size: u64,
        /// The digest of what came.
        found: Digest,
        /// How many bytes came.
        found_size: u64,
    },
    /// A digest this build cannot compute.
    #[error("cannot verify {0}: only sha256 is computed here")]
    Algorithm(Digest),
    /// A manifest, index or config too large to be read into memory.
    #[error("document {digest} has {size} bytes, more than the {limit} a document may have")]
    TooLarge {
        /// Its digest.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The largest size that is read.
        limit: u64,
    },
    /// A document that is not what it should be.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// Which document.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A store written by a later version.
    #[error("the store at {} has format {found}, this version reads up to {known}", path.display())]
    NewerFormat {
        /// The directory or file.
        path: PathBuf,
        /// The number found.
        found: u32,
        /// The latest known number.
        known: u32,
    },
    /// A directory that cannot become a store.
    #[error("{} is not a store: {reason}", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// What was found there.
        reason: String,
    },
    /// No directory to keep the store in.
    #[error("there is no place for the store: SHIPSMITH_STORE, XDG_DATA_HOME and HOME are all unset")]
    NoPlace,
    /// A reference that names nothing here.
    #[error("no image {0} in the store")]
    UnknownReference(Reference),
    /// A reference without a tag where one is needed.
    #[error("{0} cannot be a tag: it names a digest")]
    NotATag(Reference),
    /// The cache database failed.
    #[error("cache database {}: {cause}", path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
    /// An archive that cannot be imported.
    #[error("cannot import the archive: {0}")]
    Archive(String),
    /// An archive that cannot be written.
    #[error("cannot export {digest}: {reason}")]
    Export {
        /// The image.
        digest: Digest,
        /// Why not.
        reason: String,
    },
}

impl Error {
    /// What the person at the keyboard can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Full { .. } => "free some space with `shipsmith prune`, or choose another store with --store".into(),
            Self::Absent(_) => "fetch it first: its image may be held by reference only".into(),
            Self::Damaged { digest, .. } => format!("`shipsmith rm {digest}` and pull or build the image again"),
            Self::Mismatch { .. } => "the source changed or is damaged; get it again".into(),
            Self::NewerFormat { .. } => "use the newer version of shipsmith, or another store with --store".into(),
            Self::NotAStore { .. } => "name an empty or new directory".into(),
            Self::NoPlace => "set SHIPSMITH_STORE or HOME to an absolute path, or give --store DIR".into(),
            Self::UnknownReference(_) => "`shipsmith images` lists what there is".into(),
            Self::Database { path, .. } => {
                format!("if it is damaged, remove {}: it holds only what can be found out again", path.display())
            }
            _ => return None,
        })
    }

    /// The error for a failed write to `path` that was to hold `needed` bytes.
    pub(crate) fn writing(path: &Path, needed: u64, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path: path.to_owned(), needed },
            _ => Self::Io { action: "write", path: path.to_owned(), cause },
        }
    }

    /// A document that cannot be understood.
    pub(crate) fn malformed(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Malformed { what: what.into(), reason: reason.to_string() }
    }
}

/// As an `io::Error` it keeps itself inside, for code that writes through `std::io::Write`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Full { .. } => io::ErrorKind::StorageFull,
            Error::Io { cause, .. } => cause.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Gives a failed system call the verb and the path it was about.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|cause| {
            let cause = cause.into();
            match cause.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Error::Full { path: path.to_owned(), needed: 1 }
                }
                _ => Error::Io { action, path: path.to_owned(), cause },
            }
        })
    }
}
