//! The one error type of this room.

use std::io;
use std::path::{Path, PathBuf};

use layer::TreeError;
use oci::Digest;
use reqwest::StatusCode;
use rootfs::{PathError, TreePath};

use crate::{dockerfile_text, git};

/// Why a context cannot be had or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that the user named cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The standard input, or another stream, cannot be read.
    #[error("cannot read the context: {0}")]
    Stream(#[source] io::Error),
    /// Something other than a regular file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// There is no Dockerfile where it should be.
    #[error("no Dockerfile: {place} does not exist")]
    NoDockerfile {
        /// Where it was looked for.
        place: String,
    },
    /// The Dockerfile or an ignore file is beyond all reason.
    #[error("{place} is larger than {} bytes", dockerfile_text::MAX_SIZE)]
    TooLarge {
        /// The file.
        place: String,
    },
    /// An ignore file holds a pattern that is none.
    #[error("{}: {source}", path.display())]
    Ignore {
        /// The ignore file.
        path: PathBuf,
        /// What is wrong.
        source: dockerfile::ignore::Error,
    },
    /// The tree cannot answer.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A directory cannot be opened.
    #[error(transparent)]
    RootFs(#[from] rootfs::Error),
    /// A name is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The context's archive cannot be read.
    #[error(transparent)]
    Archive(#[from] layer::Error),
    /// An archive that would fill memory or disk.
    #[error("the archive's {what} may take at most {} GiB", limit >> 30)]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The bound, in bytes.
        limit: u64,
    },
    /// Two files want one place.
    #[error("{path} is there already")]
    Taken {
        /// The place.
        path: TreePath,
    },
    /// Temporary files cannot be written.
    #[error("cannot write temporary files in {}: {source}", directory.display())]
    Scratch {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A server could not be reached, or broke off.
    #[error("cannot fetch {url}: {}", deepest(source))]
    Http {
        /// Without credentials.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// A server refused.
    #[error("cannot fetch {url}: the server answered {status}")]
    Status {
        /// Without credentials.
        url: String,
        /// The server's answer.
        status: StatusCode,
    },
    /// What was fetched is not what was promised.
    #[error("{from} has digest {actual}, expected {expected}")]
    Checksum {
        /// Where it came from.
        from: String,
        /// By the Dockerfile.
        expected: String,
        /// By the bytes.
        actual: String,
    },
    /// A checksum in another hash than SHA-256.
    #[error("checksum {digest} cannot be verified: only sha256 is supported")]
    ChecksumAlgorithm {
        /// By the Dockerfile.
        digest: Digest,
    },
    /// A git source cannot be had.
    #[error(transparent)]
    Git(#[from] git::Error),
}

impl Error {
    pub(crate) fn scratch(directory: &Path, source: io::Error) -> Self {
        Self::Scratch { directory: directory.to_owned(), source }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tree(error) => error.hint(),
            Self::RootFs(error) => error.hint(),
            Self::Path(error) => error.hint(),
            Self::Archive(error) => error.hint(),
            Self::Git(error) => error.hint(),
            Self::Ignore { source, .. } => source.hint(),
            Self::NoDockerfile { .. } => {
                Some("name it with -f, or give the directory that holds it as the context".into())
            }
            Self::Scratch { .. } => Some("free some space there, or set TMPDIR to another directory".into()),
            Self::TooMuch { .. } => Some("give the context as a directory if it is really that large".into()),
            Self::Status { status, .. } if *status == StatusCode::NOT_FOUND => Some("check the URL".into()),
            Self::Status { .. } | Self::Http { .. } => {
                Some("check the URL and whether the server can be reached; build again when it answers".into())
            }
            Self::ChecksumAlgorithm { .. } => Some("give the file's sha256 digest".into()),
            Self::Checksum { .. } => Some("check where the file comes from before taking over the new digest".into()),
            _ => None,
        }
    }
}

/// The innermost cause, which is the one that says something.
fn deepest(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}
