//! Trees of files seen alike, wherever they lie: contexts, snapshots, merged layers.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rootfs::{PathError, TreePath};

use crate::Entry;

/// One file's bytes, which can be read more than once.
pub trait Content: Send + Sync {
    /// Starts reading at the first byte.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;

    /// What stands for these bytes without reading them; `None` where nothing does.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }
}

/// How long after a change a file system with fine time stamps may still show the same ones, in nanoseconds: some ticks of
/// the kernel.
const FINE: i128 = 50_000_000;
/// The same for one that keeps whole seconds: two, as FAT does.
const COARSE: i128 = 2_000_000_000;

/// Stands for bytes: equal keys, equal bytes, unless they were changed too recently for their file system to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// What is compared.
    pub key: Vec<u8>,
    /// When the file was last changed, in nanoseconds since 1970; `None` for bytes that cannot change.
    pub changed: Option<i128>,
}

impl Fingerprint {
    /// Of bytes that cannot change.
    pub fn fixed(key: impl Into<Vec<u8>>) -> Fingerprint {
        Fingerprint { key: key.into(), changed: None }
    }

    /// What the clock says, for [`Fingerprint::is_settled`]: nanoseconds since 1970.
    pub fn now() -> i128 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
    }

    /// Whether a change from now on would show, `now` being in nanoseconds since 1970. A file that was changed so recently
    /// that its file system may not show another change is not trusted; git calls such an index entry "racy".
    pub fn is_settled(&self, now: i128) -> bool {
        self.changed.is_none_or(|changed| Self::rests_from(changed) < now)
    }

    /// From when on a file that was changed at `changed` is trusted; both in nanoseconds since 1970.
    pub fn rests_from(changed: i128) -> i128 {
        changed + if changed % 1_000_000_000 == 0 { COARSE } else { FINE }
    }
}

/// Bytes held in memory.
impl Content for Vec<u8> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.clone())))
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(Fingerprint::fixed(oci::Digest::of(self).as_str()))
    }
}

/// Bytes held in memory, shared.
impl Content for Arc<[u8]> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(Arc::clone(self))))
    }
}

/// A tree of files. Nothing is followed: neither a link in the last component nor one on the way; [`crate::resolve()`] does that.
pub trait SourceTree: Send + Sync {
    /// The entry at a path, as `lstat` would see it; `None` when there is none. The root is always a directory.
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError>;

    /// The entries in a directory, sorted by the bytes of their names.
    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError>;

    /// The bytes of a regular file, or of the file that a hard link names.
    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError>;

    /// What tells the regular file at a path from every other one of this tree: equal for its names, the hard links. `None`
    /// where it has one name, and where the tree does not know.
    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        let _ = path;
        Ok(None)
    }

    /// What stands for all at and below a path, attributes and bytes, found out faster than entry by entry: equal keys, equal
    /// trees. `None` where the tree knows no faster way.
    fn fingerprint(&self, path: &TreePath) -> Result<Option<Fingerprint>, TreeError> {
        let _ = path;
        Ok(None)
    }
}

/// Tells files of one tree apart; means nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIdentity(pub u64, pub u64);

/// Why a tree cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Nothing is at the path.
    #[error("{0}: not found")]
    NotFound(TreePath),
    /// Something other than a directory is there.
    #[error("{0}: not a directory")]
    NotADirectory(TreePath),
    /// Something other than a regular file is there.
    #[error("{0}: not a regular file")]
    NotAFile(TreePath),
    /// The tree was made without the bytes of its files.
    #[error("{0}: its content is not here")]
    Absent(TreePath),
    /// More symbolic links on the way than [`crate::MAX_LINKS`].
    #[error("{0}: too many levels of symbolic links")]
    TooManyLinks(TreePath),
    /// Reading failed.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// A verb.
        operation: &'static str,
        /// Where, inside the tree.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
    /// The file system below failed.
    #[error(transparent)]
    RootFs(#[from] rootfs::Error),
    /// A link or a name leads to something that is no path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl TreeError {
    /// Whether nothing is at the path, as opposed to a tree that cannot be read.
    pub fn is_not_found(&self) -> bool {
        match self {
            TreeError::NotFound(_) | TreeError::NotADirectory(_) => true,
            TreeError::RootFs(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            TreeError::NotFound(_) => Some("check the name, and where symbolic links on the way lead".into()),
            TreeError::NotADirectory(_) => Some("choose another path, or remove what is there first".into()),
            TreeError::NotAFile(_) => Some("name a regular file: no other has bytes, or a second name".into()),
            TreeError::TooManyLinks(_) => Some("look for symbolic links that point at each other".into()),
            TreeError::RootFs(error) => error.hint(),
            TreeError::Path(error) => error.hint(),
            TreeError::Absent(_) | TreeError::Io { .. } => None,
        }
    }
}
