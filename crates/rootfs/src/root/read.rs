//! Reading inside a root.

use std::collections::BTreeMap;
use std::fs::File;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, statat};
use rustix::io::Errno;

use super::{Root, at};
use crate::{Dir as HeldDir, Error, FileKind, Metadata, TreePath};

impl Root {
    /// Opens a regular file for reading. A pipe or a device put in its place is not waited for, and refused.
    ///
    /// # Errors
    /// When it cannot be opened or is something else.
    pub fn open_file(&self, path: &TreePath) -> Result<File, Error> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match self.open_at("open", path, flags, Mode::empty()) {
            Err(error) => return Err(self.explain(error, path)),
            Ok(file) => file,
        };
        let stat = fstat(&file).map_err(at("stat", path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            _ => Err(Error::NotAFile { path: path.clone() }),
        }
    }

    /// The kernel says the same of a link in the last component, which it was told not to follow, and of a loop on the way.
    fn explain(&self, error: Error, path: &TreePath) -> Error {
        match self.stat(path) {
            Ok(Some(metadata)) if metadata.kind != FileKind::File => Error::NotAFile { path: path.clone() },
            _ => error,
        }
    }

    /// What is at a path, a link not followed; `None` when nothing is.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn stat(&self, path: &TreePath) -> Result<Option<Metadata>, Error> {
        match self.node(path).and_then(|node| node.metadata()) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// When it is no link.
    pub fn read_link(&self, path: &TreePath) -> Result<Vec<u8>, Error> {
        self.node(path)?.read_link()
    }

    /// The extended attributes of whatever is at a path, a link's own for a link.
    ///
    /// # Errors
    /// When they cannot be read. A file system that knows none has none.
    pub fn xattrs(&self, path: &TreePath) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        self.node(path)?.xattrs()
    }

    /// Holds a directory open, for calls by name.
    ///
    /// # Errors
    /// When it is none, or cannot be opened.
    pub fn dir(&self, path: &TreePath) -> Result<HeldDir, Error> {
        let fd = self.open_at("open", path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        Ok(HeldDir::new(fd, path.clone()))
    }

    /// The names in a directory with what each is, sorted by bytes. A file that vanishes meanwhile is not in it.
    ///
    /// # Errors
    /// When it is no directory or cannot be read.
    pub fn read_dir(&self, path: &TreePath) -> Result<Vec<(Vec<u8>, Metadata)>, Error> {
        let fd = self.open_at("open", path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let mut dir = Dir::new(fd).map_err(at("read directory", path))?;
        let mut names = Vec::new();
        while let Some(entry) = dir.read() {
            let entry = entry.map_err(at("read directory", path))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            match statat(dir.fd().map_err(at("read directory", path))?, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => names.push((name.to_vec(), Metadata::from(stat))),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(at("stat", &path.join(name)?)(errno)),
            }
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(names)
    }
}
