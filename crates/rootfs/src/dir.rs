//! A directory held open: its files by one name each, with no path to resolve.

use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, linkat, makedev, mkdirat, mknodat, openat, readlinkat, statat, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::node::only_mtime;
use crate::{Error, Metadata, Node, PathError, Special, Time, TreePath};

/// One directory. For walks: every call takes one name in it, and follows nothing.
#[derive(Debug)]
pub struct Dir {
    node: Node,
}

impl Dir {
    pub(crate) fn new(fd: OwnedFd, path: TreePath) -> Dir {
        Dir { node: Node::opened(fd, path) }
    }

    /// The directory itself.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Where it lies in its root.
    pub fn path(&self) -> &TreePath {
        self.node.path()
    }

    /// The names in it, sorted by bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> Result<Vec<Vec<u8>>, Error> {
        let fail = |errno: Errno| crate::root::at("read directory", self.path())(errno);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(self.node.fd()).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What has this name; `None` when nothing has.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Metadata>, Error> {
        match statat(self.node.fd(), one(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Metadata::from(stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.error("stat", name, errno)),
        }
    }

    /// A directory in this one.
    ///
    /// # Errors
    /// When it is none, or cannot be opened.
    pub fn dir(&self, name: &[u8]) -> Result<Dir, Error> {
        let fd = self.open_at(name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty(), "open")?;
        Ok(Dir::new(fd, self.path().join(name)?))
    }

    /// Opens a regular file for reading; a pipe or device in its place is not waited for.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, name: &[u8]) -> Result<Node, Error> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self.open_at(name, flags, Mode::empty(), "open")?;
        Ok(Node::opened(fd, self.path().join(name)?))
    }

    /// Holds whatever has this name, without opening it for reading.
    ///
    /// # Errors
    /// When nothing has it.
    pub fn hold(&self, name: &[u8]) -> Result<Node, Error> {
        let fd = self.open_at(name, OFlags::PATH, Mode::empty(), "open")?;
        Ok(Node::new(fd, self.path().join(name)?))
    }

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, Error> {
        let text = readlinkat(self.node.fd(), one(name)?, Vec::new());
        text.map(std::ffi::CString::into_bytes).map_err(|errno| self.error("read link", name, errno))
    }

    /// Changes the modification time of what has this name and leaves its access time.
    ///
    /// # Errors
    /// When that is not permitted.
    pub fn set_mtime(&self, name: &[u8], time: Time) -> Result<(), Error> {
        utimensat(self.node.fd(), one(name)?, &only_mtime(time), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.error("change time of", name, errno))
    }

    /// Creates a regular file to be written; the process' umask applies to `mode`.
    ///
    /// # Errors
    /// When something is there already, or the kernel refuses.
    pub fn create_file(&self, name: &[u8], mode: u32) -> Result<Node, Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let fd = self.open_at(name, flags, Mode::from_raw_mode(mode & 0o7777), "create")?;
        Ok(Node::opened(fd, self.path().join(name)?))
    }

    /// Creates a directory; the process' umask applies to `mode`.
    ///
    /// # Errors
    /// As [`Dir::create_file`].
    pub fn create_dir(&self, name: &[u8], mode: u32) -> Result<(), Error> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        mkdirat(self.node.fd(), one(name)?, mode).map_err(|errno| self.error("create directory", name, errno))
    }

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// As [`Dir::create_file`].
    pub fn symlink(&self, name: &[u8], target: &[u8]) -> Result<(), Error> {
        symlinkat(target, self.node.fd(), one(name)?).map_err(|errno| self.error("create link", name, errno))
    }

    /// Gives `existing` of another directory a name here. A link is linked itself.
    ///
    /// # Errors
    /// As [`Dir::create_file`], and when `existing` is missing or a directory.
    pub fn hard_link(&self, name: &[u8], from: &Dir, existing: &[u8]) -> Result<(), Error> {
        linkat(from.node.fd(), one(existing)?, self.node.fd(), one(name)?, AtFlags::empty())
            .map_err(|errno| self.error("create hard link", name, errno))
    }

    /// Creates a device or a named pipe; the process' umask applies to `mode`.
    ///
    /// # Errors
    /// As [`Dir::create_file`]; devices other than 0/0 need privilege.
    pub fn mknod(&self, name: &[u8], special: Special, mode: u32) -> Result<(), Error> {
        let (kind, device) = match special {
            Special::CharDevice { major, minor } => (FileType::CharacterDevice, makedev(major, minor)),
            Special::BlockDevice { major, minor } => (FileType::BlockDevice, makedev(major, minor)),
            Special::Fifo => (FileType::Fifo, 0),
        };
        mknodat(self.node.fd(), one(name)?, kind, Mode::from_raw_mode(mode & 0o7777), device)
            .map_err(|errno| self.error("create device", name, errno))
    }

    /// Removes a name of anything but a directory.
    ///
    /// # Errors
    /// When nothing has it, or the kernel refuses.
    pub fn remove(&self, name: &[u8]) -> Result<(), Error> {
        unlinkat(self.node.fd(), one(name)?, AtFlags::empty()).map_err(|errno| self.error("remove", name, errno))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is not empty, or the kernel refuses.
    pub fn remove_dir(&self, name: &[u8]) -> Result<(), Error> {
        unlinkat(self.node.fd(), one(name)?, AtFlags::REMOVEDIR).map_err(|errno| self.error("remove", name, errno))
    }

    fn open_at(&self, name: &[u8], flags: OFlags, mode: Mode, operation: &'static str) -> Result<OwnedFd, Error> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(self.node.fd(), one(name)?, flags, mode).map_err(|errno| self.error(operation, name, errno))
    }

    fn error(&self, operation: &'static str, name: &[u8], errno: Errno) -> Error {
        match self.path().join(name) {
            Ok(path) => Error::At { operation, path, source: errno.into() },
            Err(error) => error.into(),
        }
    }
}

/// The kernel would take anything else for a path.
fn one(name: &[u8]) -> Result<&[u8], PathError> {
    match name {
        b"" | b"." | b".." => Err(PathError::Component(String::from_utf8_lossy(name).into_owned())),
        _ if name.contains(&b'/') => Err(PathError::Component(String::from_utf8_lossy(name).into_owned())),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;

    fn held() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = Root::open(temp.path()).expect("opens").dir(&TreePath::root()).expect("opens");
        (temp, dir)
    }

    #[test]
    fn names_are_no_paths() {
        let (_temp, dir) = held();
        for name in [&b""[..], b".", b"..", b"a/b", b"/etc"] {
            assert!(dir.stat(name).is_err(), "{name:?}");
            assert!(dir.create_dir(name, 0o755).is_err(), "{name:?}");
            assert!(dir.remove(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_is_made_is_found_and_nothing_is_followed() {
        let (_temp, dir) = held();
        dir.symlink(b"l", b"/etc").expect("made");
        dir.create_dir(b"d", 0o755).expect("made");
        drop(dir.create_file(b"f", 0o600).expect("made"));
        dir.hard_link(b"g", &dir, b"f").expect("made");
        dir.mknod(b"p", Special::Fifo, 0o600).expect("made");
        assert_eq!(dir.names().expect("listed"), [&b"d"[..], b"f", b"g", b"l", b"p"]);
        assert!(dir.dir(b"l").is_err() && dir.open(b"l").is_err(), "links are not followed");
        assert_eq!(dir.read_link(b"l").expect("a link"), b"/etc");
        let time = Time { seconds: 7, nanos: 9 };
        dir.set_mtime(b"l", time).expect("set");
        assert_eq!(dir.stat(b"l").expect("there").map(|found| found.mtime), Some(time));
        assert_eq!(dir.stat(b"f").expect("there").map(|found| found.links), Some(2));
        dir.remove_dir(b"d").expect("removed");
        dir.remove(b"p").expect("removed, not opened");
        assert_eq!(dir.stat(b"d").expect("told"), None);
    }
}
