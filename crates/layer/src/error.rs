//! The one error type of this room.

use std::io;

use rootfs::{PathError, TreePath};

use crate::TreeError;

/// Why a layer cannot be read, written, merged or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tree that the files come from cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file's bytes cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
    /// A file has another length than its entry said: it changed while it was read.
    #[error("{path} changed while it was read: expected {expected} bytes, found {}", found.map_or("more".to_owned(), |n| n.to_string()))]
    Changed {
        /// The file.
        path: TreePath,
        /// The length in its entry.
        expected: u64,
        /// The length found, when it is shorter.
        found: Option<u64>,
    },
    /// A regular file with bytes came without its content.
    #[error("the content of {0} is not available")]
    NoContent(TreePath),
    /// The finished bytes cannot be written.
    #[error("cannot write the layer: {0}")]
    Write(#[source] io::Error),
    /// The compressor refused its parameters.
    #[error("cannot compress the layer: {0}")]
    Compress(String),
    /// The archive's bytes cannot be read or decompressed.
    #[error("cannot read the archive: {0}")]
    Archive(#[source] io::Error),
    /// The archive is not a well-formed tar.
    #[error("malformed tar{}: {problem}", member.as_ref().map_or(String::new(), |name| format!(", member {name:?}")))]
    Tar {
        /// The member concerned, as far as its name is known.
        member: Option<String>,
        /// One sentence.
        problem: String,
    },
    /// The archive uses something that is refused on purpose or not supported.
    #[error("refused tar member {member:?}: {problem}")]
    Refused {
        /// The member concerned.
        member: String,
        /// One sentence.
        problem: String,
    },
    /// A stored header index is damaged or of another version.
    #[error("invalid layer index: {0}")]
    Index(&'static str),
    /// A layer does not fit on the layers below it.
    #[error("cannot apply layer entry {path}: {problem}")]
    Apply {
        /// The entry.
        path: TreePath,
        /// One sentence.
        problem: &'static str,
    },
    /// What a layer's entry means depends on the layers below it, which were not given.
    #[error("layer entry {0} depends on the layers below")]
    NeedsBelow(TreePath),
    /// Writing to the directory that a tree is unpacked into failed.
    #[error(transparent)]
    RootFs(#[from] rootfs::Error),
    /// A name that is no path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Tree(error) => error.hint(),
            Error::RootFs(error) => error.hint(),
            Error::Path(error) => error.hint(),
            Error::Changed { .. } => Some("build again when nothing writes to that file".into()),
            Error::Tar { .. } => Some("check the archive with `tar -tvf`; it may be cut off or damaged".into()),
            Error::Refused { .. } => Some("write the archive again without that member, or by another program".into()),
            Error::Index(_) => Some("the index will be written again when the layer is read next".into()),
            Error::Write(source) if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space on that file system".into())
            }
            _ => None,
        }
    }
}
