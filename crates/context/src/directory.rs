//! A directory of this machine as a build context.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use dockerfile::ignore::{Matched, Patterns};
use layer::{Content, Entry, EntryKind, FileIdentity, Fingerprint, SourceTree, Timestamp, TreeError};
use rootfs::{FileKind, Metadata, Root, Time, TreePath};
use rustix::io::Errno;

use crate::Error;
use crate::file::{Identity, read_unchanged};
use crate::filter::{Filter, Sight};
use crate::listing::Listings;
use crate::stamp;

/// A directory, seen as BuildKit transfers it: what its .dockerignore leaves, all owned by root, modes as they are, without
/// extended attributes (the transfer sets them before it changes owners, so that none arrives).
/// A socket is an empty file. Nothing is read before it is asked for, and no link leads anywhere: callers resolve links.
pub struct Directory {
    root: Arc<Root>,
    filter: Filter,
    mtime: Option<Timestamp>,
    listings: Listings,
}

/// What changes when a file changes: equal keys mean that its bytes need not be read again, but for racy times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatKey {
    /// The file system's device number.
    pub device: u64,
    /// The file's number there.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// Last change of the content, in nanoseconds.
    pub mtime: i128,
    /// Last change of anything, in nanoseconds.
    pub ctime: i128,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// How many names the file has. Names with equal `device` and `inode` are hard links of one another.
    pub links: u64,
}

impl Directory {
    /// Opens the directory at `path` and holds it. `patterns` are those of its ignore file ([`crate::ignore_file`]).
    ///
    /// # Errors
    /// When it is no directory or cannot be reached.
    pub fn open(path: impl AsRef<Path>, patterns: Option<Patterns>) -> Result<Self, Error> {
        let root = Root::open(path)?.refusing_links();
        Ok(Self { root: Arc::new(root), filter: Filter::new(patterns), mtime: None, listings: Listings::default() })
    }

    /// The same tree, all of whose files are of one time.
    #[must_use]
    pub fn with_mtime(self, mtime: Timestamp) -> Self {
        Self { mtime: Some(mtime), ..self }
    }

    /// For the cache of digests: what the file system says of the regular file at `path`, ignored or not. `None` when
    /// there is none.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn stat_key(&self, path: &TreePath) -> Result<Option<StatKey>, TreeError> {
        let metadata = self.stat(path)?.filter(|metadata| metadata.kind == FileKind::File);
        Ok(metadata.map(|metadata| StatKey {
            device: metadata.device,
            inode: metadata.inode,
            size: metadata.size,
            mtime: nanoseconds(metadata.mtime),
            ctime: nanoseconds(metadata.ctime),
            mode: metadata.mode,
            links: metadata.links,
        }))
    }

    fn stat(&self, path: &TreePath) -> Result<Option<Metadata>, TreeError> {
        match self.root.stat(path) {
            Err(error) if is_below_a_link(&error) => Ok(None),
            result => Ok(result?),
        }
    }

    /// The metadata of `path` when it is part of the context.
    fn visible(&self, path: &TreePath) -> Result<Option<Metadata>, TreeError> {
        let Some(parent) = path.parent() else { return self.stat(path) };
        let Some(state) = self.filter.inside(&parent) else { return Ok(None) };
        let Some(metadata) = self.stat(path)? else { return Ok(None) };
        Ok(self.is_visible(path, &metadata, &state)?.then_some(metadata))
    }

    fn is_visible(&self, path: &TreePath, metadata: &Metadata, parent: &Matched) -> Result<bool, TreeError> {
        match self.filter.look(path, metadata.kind == FileKind::Directory, parent) {
            (Sight::Shown, _) => Ok(true),
            (Sight::Hidden, _) => Ok(false),
            (Sight::Perhaps, below) => self.shows_something(path.clone(), below),
        }
    }

    /// Whether anything below a left out directory is part of the context: BuildKit then sends the directory too.
    fn shows_something(&self, top: TreePath, state: Matched) -> Result<bool, TreeError> {
        let mut pending = vec![(top, state)];
        while let Some((dir, state)) = pending.pop() {
            for (name, metadata) in self.names(&dir)? {
                let path = dir.join(name)?;
                match self.filter.look(&path, metadata.kind == FileKind::Directory, &state) {
                    (Sight::Shown, _) => return Ok(true),
                    (Sight::Hidden, _) => {}
                    (Sight::Perhaps, below) => pending.push((path, below)),
                }
            }
        }
        Ok(false)
    }

    /// What is in `dir`; nothing when it vanished or was replaced meanwhile, or may not be read, as BuildKit has it for
    /// what is left out.
    fn names(&self, dir: &TreePath) -> Result<Vec<(Vec<u8>, Metadata)>, TreeError> {
        match self.root.read_dir(dir) {
            Err(error) if error.is_not_found() || is_below_a_link(&error) || is_denied(&error) => Ok(Vec::new()),
            result => Ok(result?),
        }
    }

    fn describe(&self, path: TreePath, metadata: &Metadata) -> Result<Option<Entry>, TreeError> {
        let kind = match metadata.kind {
            FileKind::File => EntryKind::File { size: metadata.size },
            FileKind::Socket => EntryKind::File { size: 0 },
            FileKind::Directory => EntryKind::Directory,
            FileKind::Symlink => match self.root.read_link(&path) {
                Err(error) if error.is_not_found() => return Ok(None),
                target => EntryKind::Symlink { target: target? },
            },
            FileKind::CharDevice { major, minor } => EntryKind::CharDevice { major, minor },
            FileKind::BlockDevice { major, minor } => EntryKind::BlockDevice { major, minor },
            FileKind::Fifo => EntryKind::Fifo,
        };
        let mut entry = Entry::new(path, kind, metadata.mode);
        let own = Timestamp::from(metadata.mtime);
        entry.mtime = self.mtime.unwrap_or(own);
        Ok(Some(entry))
    }
}

impl SourceTree for Directory {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        match self.visible(path)? {
            Some(metadata) => self.describe(path.clone(), &metadata),
            None => Ok(None),
        }
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let state = self.filter.inside(dir).ok_or_else(|| TreeError::NotFound(dir.clone()))?;
        let (mut children, mut seen) = (Vec::new(), Vec::new());
        for (name, metadata) in self.root.read_dir(dir)? {
            let path = dir.join(&name)?;
            if self.is_visible(&path, &metadata, &state)? {
                children.extend(self.describe(path, &metadata)?);
                seen.push((name, metadata));
            }
        }
        self.listings.keep(dir, seen);
        Ok(children)
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        let seen = match self.listings.find(path) {
            Some(seen) => Some(seen),
            None => self.visible(path)?,
        };
        let metadata = seen.ok_or_else(|| TreeError::NotFound(path.clone()))?;
        match metadata.kind {
            FileKind::File => {
                let seen = Identity::from(&metadata);
                Ok(Arc::new(ContextFile { root: Arc::clone(&self.root), path: path.clone(), seen }))
            }
            FileKind::Socket => Ok(Arc::new(Vec::new())),
            _ => Err(TreeError::NotAFile(path.clone())),
        }
    }

    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        let seen = match self.listings.find(path) {
            Some(seen) => Some(seen),
            None => self.stat(path)?,
        };
        let several = seen.filter(|seen| seen.kind == FileKind::File && seen.links > 1);
        Ok(several.map(|seen| FileIdentity(seen.device, seen.inode)))
    }

    fn fingerprint(&self, path: &TreePath) -> Result<Option<Fingerprint>, TreeError> {
        let Some(metadata) = self.visible(path)?.filter(|_| self.mtime.is_none()) else { return Ok(None) };
        if metadata.kind != FileKind::Directory {
            return Ok(Some(stamp::of_file(&metadata)));
        }
        let state = self.filter.inside(path);
        state.map(|state| stamp::of_directory(&self.root, &self.filter, (path.clone(), &metadata, state))).transpose()
    }
}

/// A regular file below a held directory.
struct ContextFile {
    root: Arc<Root>,
    path: TreePath,
    seen: Identity,
}

impl Content for ContextFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = self.root.open_file(&self.path).map_err(io::Error::other)?;
        read_unchanged(file, self.seen, &self.path.to_string())
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(self.seen.fingerprint())
    }
}

/// Whether a directory on the way is a link: there is nothing below it, as seen here.
fn is_below_a_link(error: &rootfs::Error) -> bool {
    io_error(error).and_then(io::Error::raw_os_error) == Some(Errno::LOOP.raw_os_error())
}

fn is_denied(error: &rootfs::Error) -> bool {
    io_error(error).is_some_and(|source| source.kind() == io::ErrorKind::PermissionDenied)
}

fn io_error(error: &rootfs::Error) -> Option<&io::Error> {
    match error {
        rootfs::Error::At { source, .. } => Some(source),
        _ => None,
    }
}

fn nanoseconds(time: Time) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}
