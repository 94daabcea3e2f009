//! A directory that nothing done through it can leave.

mod read;
mod remove;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::open::{Links, Resolver};
use crate::{Error, Node, TreePath};

/// A held descriptor of a directory. Links in the directories on the way to a file are followed as if this were `/`; the last
/// component never is. Cheap to use from many threads.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
    resolver: Resolver,
    links: Links,
}

impl Root {
    /// Opens a directory of the host; its own path is resolved as usual.
    ///
    /// # Errors
    /// When it is no directory or cannot be reached.
    pub fn open(path: impl AsRef<Path>) -> Result<Root, Error> {
        let path = path.as_ref();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| Error::Root { path: path.to_owned(), source: errno.into() })?;
        let resolver = Resolver::probe(fd.as_fd());
        Ok(Root { fd, path: path.to_owned(), resolver, links: Links::Follow })
    }

    /// The same root, but links in the directories on the way to a file are refused (`ELOOP`) instead of followed: for callers
    /// that resolve links themselves, and see each file under one name only.
    #[must_use]
    pub fn refusing_links(self) -> Root {
        Root { links: Links::Refuse, ..self }
    }

    /// A directory inside this root as a root of its own.
    ///
    /// # Errors
    /// When it is no directory or cannot be reached.
    pub fn subroot(&self, dir: &TreePath) -> Result<Root, Error> {
        let fd = self.open_at("open", dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Root {
            fd,
            path: self.path.join(String::from_utf8_lossy(dir.as_bytes()).as_ref()),
            resolver: self.resolver,
            links: self.links,
        })
    }

    /// Where the root was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Holds whatever is at a path, without opening it for reading; a link is held as itself.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn node(&self, path: &TreePath) -> Result<Node, Error> {
        let fd = self.open_at("open", path, OFlags::PATH, Mode::empty())?;
        Ok(Node::new(fd, path.clone()))
    }

    fn open_at(&self, operation: &'static str, path: &TreePath, flags: OFlags, mode: Mode) -> Result<OwnedFd, Error> {
        self.resolver.open(self.fd.as_fd(), path, flags, mode, self.links).map_err(|errno| at(operation, path)(errno))
    }

    /// The directory that holds `path`, and the last component.
    fn parent<'p>(&self, operation: &'static str, path: &'p TreePath) -> Result<(OwnedFd, &'p [u8]), Error> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::IsRoot { operation });
        };
        let fd = self
            .resolver
            .open(self.fd.as_fd(), &dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), self.links)
            .map_err(at(operation, path))?;
        Ok((fd, name))
    }
}

/// An error that names the operation and the path.
pub(crate) fn at<'p>(operation: &'static str, path: &'p TreePath) -> impl FnOnce(Errno) -> Error + use<'p> {
    move |errno| Error::At { operation, path: path.clone(), source: io::Error::from(errno) }
}
