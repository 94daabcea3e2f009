//! What the kernel knows of a file, and what can be set.

use rustix::fs::{FileType, Stat};

/// The answer of `lstat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with set-user-id, set-group-id and sticky: at most `0o7777`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// In bytes; for a symbolic link, the length of its text.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of the content or of what is said here.
    pub ctime: Time,
    /// The file system's device number.
    pub device: u64,
    /// The file's number on that device: equal for the names of one file.
    pub inode: u64,
    /// How many names it has.
    pub links: u64,
}

/// Seconds since 1970 and nanoseconds counting forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Below 1,000,000,000.
    pub nanos: u32,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
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
    /// A socket, which no archive can hold.
    Socket,
}

/// What [`crate::Root::mknod`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
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
}

impl From<Stat> for Metadata {
    #[allow(clippy::useless_conversion, reason = "the number of links is shorter on some architectures")]
    fn from(stat: Stat) -> Metadata {
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        Metadata {
            kind: match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => FileKind::Directory,
                FileType::Symlink => FileKind::Symlink,
                FileType::CharacterDevice => FileKind::CharDevice { major, minor },
                FileType::BlockDevice => FileKind::BlockDevice { major, minor },
                FileType::Fifo => FileKind::Fifo,
                FileType::Socket => FileKind::Socket,
                FileType::RegularFile | FileType::Unknown => FileKind::File,
            },
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: time(stat.st_mtime, stat.st_mtime_nsec),
            ctime: time(stat.st_ctime, stat.st_ctime_nsec),
            device: stat.st_dev,
            inode: stat.st_ino,
            links: u64::from(stat.st_nlink),
        }
    }
}

/// The kernel's type of nanoseconds differs between architectures.
fn time(seconds: i64, nanos: impl TryInto<u32>) -> Time {
    Time { seconds, nanos: nanos.try_into().unwrap_or(0) }
}
