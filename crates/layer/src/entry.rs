//! What one file of a tree is, without its bytes.

use std::collections::BTreeMap;

use rootfs::TreePath;

/// One file, directory, link or device, as a tar header or `lstat` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies; for a whiteout, the path that it hides.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with set-user-id, set-group-id and sticky: at most `0o7777`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// When the content changed last.
    pub mtime: Timestamp,
    /// Extended attributes by full name (`security.capability`), as the kernel knows them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an [`Entry`] is, with what belongs to that kind alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// The text of the link, uninterpreted.
        target: Vec<u8>,
    },
    /// Another name of a file that comes earlier.
    Hardlink {
        /// The earlier name.
        target: TreePath,
    },
    /// A character device.
    CharDevice {
        /// The driver.
        major: u32,
        /// The device of that driver.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The driver.
        major: u32,
        /// The device of that driver.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// `.wh.NAME` in a layer: the path exists below and is gone here (OCI image layer specification, "Whiteouts").
    Whiteout,
    /// `.wh..wh..opq` in a layer: whatever lower layers hold inside the directory at the path is gone.
    OpaqueWhiteout,
}

/// A moment: seconds since 1970 and nanoseconds below a second that count forward, also before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Below 1,000,000,000.
    pub nanos: u32,
}

impl Timestamp {
    /// 1970-01-01 00:00:00 UTC.
    pub const EPOCH: Timestamp = Timestamp::from_seconds(0);

    /// A whole second.
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }
}

/// Times of tars and of files are the same thing.
impl From<rootfs::Time> for Timestamp {
    fn from(time: rootfs::Time) -> Timestamp {
        Timestamp { seconds: time.seconds, nanos: time.nanos }
    }
}

impl From<Timestamp> for rootfs::Time {
    fn from(time: Timestamp) -> rootfs::Time {
        rootfs::Time { seconds: time.seconds, nanos: time.nanos }
    }
}

impl Entry {
    /// An entry owned by root, of the epoch, without extended attributes.
    pub fn new(path: TreePath, kind: EntryKind, mode: u32) -> Entry {
        Entry { path, kind, mode, uid: 0, gid: 0, mtime: Timestamp::EPOCH, xattrs: BTreeMap::new() }
    }

    /// A directory that no layer describes.
    pub(crate) fn implied(path: TreePath) -> Entry {
        Entry::new(path, EntryKind::Directory, 0o755)
    }

    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == EntryKind::Directory
    }

    /// Whether this hides something of the layers below instead of being something.
    pub fn is_whiteout(&self) -> bool {
        matches!(self.kind, EntryKind::Whiteout | EntryKind::OpaqueWhiteout)
    }

    /// The number of content bytes that follow in an archive: none but for regular files.
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size } => size,
            _ => 0,
        }
    }

    /// About how many bytes of memory it takes.
    pub fn footprint(&self) -> usize {
        let link = match &self.kind {
            EntryKind::Symlink { target } => target.len(),
            EntryKind::Hardlink { target } => target.as_bytes().len(),
            _ => 0,
        };
        let xattrs: usize = self.xattrs.iter().map(|(key, value)| key.len() + value.len() + 64).sum();
        size_of::<Entry>() + self.path.as_bytes().len() + 64 + link + xattrs
    }
}
