//! One held file, directory, link or device.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat, fchmod, fgetxattr,
    flistxattr, fsetxattr, fstat, futimens, getxattr, listxattr, readlinkat, setxattr, utimensat,
};
use rustix::io::Errno;

use crate::root::at;
use crate::{Error, Metadata, Time, TreePath};

/// A descriptor that names one file and cannot be made to name another, whatever happens to its path.
#[derive(Debug)]
pub struct Node {
    fd: File,
    path: TreePath,
    /// Whether it was opened, as opposed to only held: then every call has a form that takes the descriptor.
    opened: bool,
}

impl Node {
    pub(crate) fn new(fd: OwnedFd, path: TreePath) -> Node {
        Node { fd: File::from(fd), path, opened: false }
    }

    pub(crate) fn opened(fd: OwnedFd, path: TreePath) -> Node {
        Node { fd: File::from(fd), path, opened: true }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it lay in its root when it was found.
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// The open file. One that is only held cannot be read.
    pub fn into_file(self) -> File {
        self.fd
    }

    /// As [`Node::into_file`], without giving it away.
    pub fn file(&self) -> &File {
        &self.fd
    }

    /// What it is.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn metadata(&self) -> Result<Metadata, Error> {
        fstat(&self.fd).map(Metadata::from).map_err(at("stat", &self.path))
    }

    /// The text of this symbolic link.
    ///
    /// # Errors
    /// When it is no link.
    pub fn read_link(&self) -> Result<Vec<u8>, Error> {
        let text = readlinkat(&self.fd, "", Vec::new()).map_err(at("read link", &self.path))?;
        Ok(text.into_bytes())
    }

    /// Its extended attributes, sorted by name. A file system that knows none has none; one that vanishes meanwhile is not
    /// there.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn xattrs(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        let names = match grown(|buffer| self.list_xattrs(buffer)) {
            Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
            result => result.map_err(at("list extended attributes of", &self.path))?,
        };
        let mut xattrs = BTreeMap::new();
        for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            if let Some(value) = self.xattr(name)? {
                xattrs.insert(name.to_vec(), value);
            }
        }
        Ok(xattrs)
    }

    fn list_xattrs(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        if self.opened { flistxattr(&self.fd, buffer) } else { listxattr(self.own_path(), buffer) }
    }

    /// One extended attribute; `None` when it is not there, or the file system knows none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn xattr(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let read = |buffer: &mut [u8]| match self.opened {
            true => fgetxattr(&self.fd, name, buffer),
            false => getxattr(self.own_path(), name, buffer),
        };
        match grown(read) {
            Ok(value) => Ok(Some(value)),
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(errno) => Err(at("read extended attribute of", &self.path)(errno)),
        }
    }

    /// Sets one extended attribute.
    ///
    /// # Errors
    /// When the file system or the kernel refuses.
    pub fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let result = match self.opened {
            true => fsetxattr(&self.fd, name, value, XattrFlags::empty()),
            false => setxattr(self.own_path(), name, value, XattrFlags::empty()),
        };
        result.map_err(at("set extended attribute of", &self.path))
    }

    /// Changes owner and group. The kernel clears set-user-id and set-group-id, so set the mode afterwards.
    ///
    /// # Errors
    /// When that is not permitted.
    pub fn set_owner(&self, uid: u32, gid: u32) -> Result<(), Error> {
        let (uid, gid) = (Uid::from_raw_unchecked(uid), Gid::from_raw_unchecked(gid));
        chownat(&self.fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).map_err(at("change owner of", &self.path))
    }

    /// Changes the permission bits. Symbolic links have none to change.
    ///
    /// # Errors
    /// When that is not permitted.
    pub fn set_mode(&self, mode: u32) -> Result<(), Error> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        let result = match self.opened {
            true => fchmod(&self.fd, mode),
            false => chmodat(CWD, self.own_path(), mode, AtFlags::empty()),
        };
        result.map_err(at("change mode of", &self.path))
    }

    /// Changes the modification time and leaves the access time.
    ///
    /// # Errors
    /// When that is not permitted.
    pub fn set_mtime(&self, time: Time) -> Result<(), Error> {
        let times = only_mtime(time);
        let result = match self.opened {
            true => futimens(&self.fd, &times),
            false => utimensat(&self.fd, "", &times, AtFlags::EMPTY_PATH),
        };
        result.map_err(at("change time of", &self.path))
    }

    /// For the calls that have no form that takes a descriptor like ours: the kernel's own name of it, which leads to the
    /// file itself and follows nothing.
    fn own_path(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_fd().as_raw_fd())
    }
}

/// Leaves the access time as it is.
pub(crate) fn only_mtime(time: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() },
    }
}

/// Calls with a buffer that grows until the answer fits.
fn grown(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match call(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The kernel's limit for names and for a value is 64 KiB.
            Err(Errno::RANGE) if buffer.len() < 1 << 17 => buffer.resize(buffer.len() * 8, 0),
            Err(errno) => return Err(errno),
        }
    }
}
