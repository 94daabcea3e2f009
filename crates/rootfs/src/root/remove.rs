//! Removing a tree.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, unlinkat};
use rustix::io::Errno;

use super::{Root, at};
use crate::open::Links;
use crate::{Error, TreePath};

impl Root {
    /// Removes whatever is at a path, with all that it contains; a link is removed, not what it names. Nothing there is fine.
    ///
    /// # Errors
    /// When something resists, or a directory is swapped for a link meanwhile.
    pub fn remove_all(&self, path: &TreePath) -> Result<(), Error> {
        let (dir, name) = match self.parent("remove", path) {
            Err(error) if error.is_not_found() => return Ok(()),
            result => result?,
        };
        match unlinkat(&dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR) => {}
            Err(errno) => return Err(at("remove", path)(errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = rustix::fs::openat(&dir, name, flags, Mode::empty()).map_err(at("remove", path))?;
        self.empty(&held, path)?;
        unlinkat(&dir, name, AtFlags::REMOVEDIR).map_err(at("remove", path))
    }

    /// Removes all that a directory contains. Directories are opened by their path below `top`, without links, one at a
    /// time: neither the stack nor the number of descriptors grows with the depth.
    fn empty(&self, top: &OwnedFd, path: &TreePath) -> Result<(), Error> {
        let mut pending = vec![TreePath::root()];
        while let Some(dir) = pending.last().cloned() {
            let shown = path.join_path(&dir)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let fd = self
                .resolver
                .open(top.as_fd(), &dir, flags, Mode::empty(), Links::Refuse)
                .map_err(at("remove", &shown))?;
            let before = pending.len();
            remove_files(&fd, &shown, |name| {
                pending.push(dir.join(name)?);
                Ok(())
            })?;
            if pending.len() == before {
                pending.pop();
                remove_dir(self, top, &dir).map_err(at("remove", &shown))?;
            }
        }
        Ok(())
    }
}

/// Removes an empty directory below `top`; `top` itself is the caller's.
fn remove_dir(root: &Root, top: &OwnedFd, dir: &TreePath) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Ok(());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let fd = root.resolver.open(top.as_fd(), &parent, flags, Mode::empty(), Links::Refuse)?;
    unlinkat(&fd, name, AtFlags::REMOVEDIR)
}

/// Removes the files of a directory; its directories are handed to `descend`.
fn remove_files(
    dir: &OwnedFd,
    shown: &TreePath,
    mut descend: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    for entry in Dir::read_from(dir).map_err(at("read directory", shown))? {
        let entry = entry.map_err(at("read directory", shown))?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        match unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => descend(name)?,
            Err(errno) => return Err(at("remove", &shown.join(name)?)(errno)),
        }
    }
    Ok(())
}
