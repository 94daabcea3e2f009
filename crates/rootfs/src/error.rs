//! The one error type of this room.

use std::io;
use std::path::PathBuf;

use crate::{PathError, TreePath};

/// What went wrong, always with the path inside the root and the operation tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The root directory itself cannot be used.
    #[error("cannot open directory {}: {source}", path.display())]
    Root {
        /// The directory on the host.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An operation inside the root failed.
    #[error("cannot {operation} {path}: {source}")]
    At {
        /// A verb: "open", "create", "read link".
        operation: &'static str,
        /// Where, inside the root.
        path: TreePath,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Something other than a regular file stands where one is to be read.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// Where, inside the root.
        path: TreePath,
    },
    /// The root itself cannot be created, removed or replaced.
    #[error("cannot {operation} the root of a file system")]
    IsRoot {
        /// The verb.
        operation: &'static str,
    },
    /// The file system holds or was asked for a name that is no [`TreePath`].
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Error {
    /// Whether the file, or a directory on the way to it, does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Error::At { source, .. } | Error::Root { source, .. } => {
                matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let source = match self {
            Error::At { source, .. } | Error::Root { source, .. } => source,
            Error::Path(error) => return error.hint(),
            Error::NotAFile { .. } | Error::IsRoot { .. } => return None,
        };
        match source.kind() {
            io::ErrorKind::PermissionDenied => {
                Some("check the owner and the mode of the file and of the directories above it".into())
            }
            io::ErrorKind::NotADirectory => Some("something on the way is no directory: check the path".into()),
            io::ErrorKind::StorageFull => Some("free some space on that file system".into()),
            _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Some("look for symbolic links that point at each other".into())
            }
            _ => None,
        }
    }
}
