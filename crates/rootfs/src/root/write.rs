//! Writing inside a root. Nothing here replaces anything: whatever is in the way is an error.

use std::fs::File;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, makedev, mkdirat, mknodat, symlinkat};

use super::{Root, at};
use crate::{Error, Special, TreePath};

impl Root {
    /// Creates a regular file; the process' umask applies to `mode`.
    ///
    /// # Errors
    /// When something is there already, the directory is missing, or the kernel refuses.
    pub fn create_file(&self, path: &TreePath, mode: u32) -> Result<File, Error> {
        let (dir, name) = self.parent("create", path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&dir, name, flags, permissions(mode)).map_err(at("create", path))?;
        Ok(File::from(fd))
    }

    /// Creates a directory; the process' umask applies to `mode`.
    ///
    /// # Errors
    /// As [`Root::create_file`].
    pub fn create_dir(&self, path: &TreePath, mode: u32) -> Result<(), Error> {
        let (dir, name) = self.parent("create directory", path)?;
        mkdirat(&dir, name, permissions(mode)).map_err(at("create directory", path))
    }

    /// Creates a symbolic link with any text as its target.
    ///
    /// # Errors
    /// As [`Root::create_file`].
    pub fn symlink(&self, path: &TreePath, target: &[u8]) -> Result<(), Error> {
        let (dir, name) = self.parent("create link", path)?;
        symlinkat(target, &dir, name).map_err(at("create link", path))
    }

    /// Gives the file at `existing` another name. A link there is linked itself, not followed.
    ///
    /// # Errors
    /// As [`Root::create_file`], and when `existing` is missing or a directory.
    pub fn hard_link(&self, path: &TreePath, existing: &TreePath) -> Result<(), Error> {
        let (from_dir, from) = self.parent("link to", existing)?;
        let (dir, name) = self.parent("create hard link", path)?;
        linkat(&from_dir, from, &dir, name, AtFlags::empty()).map_err(at("create hard link", path))
    }

    /// Creates a device or a named pipe; the process' umask applies to `mode`.
    ///
    /// # Errors
    /// As [`Root::create_file`]; devices need privilege.
    pub fn mknod(&self, path: &TreePath, special: Special, mode: u32) -> Result<(), Error> {
        let (dir, name) = self.parent("create device", path)?;
        let (kind, device) = match special {
            Special::CharDevice { major, minor } => (FileType::CharacterDevice, makedev(major, minor)),
            Special::BlockDevice { major, minor } => (FileType::BlockDevice, makedev(major, minor)),
            Special::Fifo => (FileType::Fifo, 0),
        };
        mknodat(&dir, name, kind, permissions(mode), device).map_err(at("create device", path))
    }
}

fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}
