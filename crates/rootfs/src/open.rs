//! Opening by path without ever leaving the root.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::TreePath;

/// As the kernel: links on one path.
const MAX_LINKS: usize = 40;
/// `openat2` asks to try again when a rename disturbed it; a hostile renamer must not hold us for ever.
const MAX_RETRIES: usize = 128;
/// Descriptors to look at or pass through, not to read.
const PASS: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Whether links in the directories on the way are followed, inside the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// Who confines the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolver {
    /// `openat2(2)`, since Linux 5.6.
    Kernel,
    /// Component by component by held descriptors, where a seccomp filter hides `openat2`.
    Walk,
}

impl Resolver {
    /// Finds out what the kernel, and the filter before it, allow.
    pub(crate) fn probe(root: BorrowedFd<'_>) -> Resolver {
        match kernel(root, b".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), Links::Follow) {
            Err(Errno::NOSYS | Errno::PERM) => Resolver::Walk,
            _ => Resolver::Kernel,
        }
    }

    /// Opens a path below `root`. The last component is never followed.
    pub(crate) fn open(
        self,
        root: BorrowedFd<'_>,
        path: &TreePath,
        flags: OFlags,
        mode: Mode,
        links: Links,
    ) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let bytes: &[u8] = if path.is_root() { b"." } else { path.as_bytes() };
        match self {
            Resolver::Kernel => kernel(root, bytes, flags, mode, links),
            Resolver::Walk => walk(root, path, flags, mode, links),
        }
    }
}

fn kernel(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, mode: Mode, links: Links) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    if links == Links::Refuse {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    let mut retries = 0;
    loop {
        match openat2(root, path, flags, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) if retries < MAX_RETRIES => retries += 1,
            result => return result,
        }
    }
}

/// The held directories from below the root down, so that `..` needs no lookup.
struct Position<'r> {
    root: BorrowedFd<'r>,
    below: Vec<OwnedFd>,
}

impl Position<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        self.below.last().map_or(self.root, AsFd::as_fd)
    }
}

fn walk(root: BorrowedFd<'_>, path: &TreePath, flags: OFlags, mode: Mode, links: Links) -> Result<OwnedFd, Errno> {
    let Some(name) = path.file_name() else {
        return openat(root, ".", flags, mode);
    };
    let mut pending: Vec<Vec<u8>> = path.components().rev().skip(1).map(<[u8]>::to_vec).collect();
    let mut position = Position { root, below: Vec::new() };
    let mut followed = 0;
    while let Some(component) = pending.pop() {
        let Some(target) = enter(&mut position, &component)? else { continue };
        followed += 1;
        if followed > MAX_LINKS || links == Links::Refuse {
            return Err(Errno::LOOP);
        }
        if target.first() == Some(&b'/') {
            position.below.clear();
        }
        pending.extend(target.split(|b| *b == b'/').filter(|c| !c.is_empty()).rev().map(<[u8]>::to_vec));
    }
    openat(position.here(), name, flags, mode)
}

/// Goes one component down, or up for `..`; gives the target when it is a link instead.
fn enter(position: &mut Position<'_>, component: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    match component {
        b"." => return Ok(None),
        b".." => {
            position.below.pop();
            return Ok(None);
        }
        _ => {}
    }
    let next = match openat(position.here(), component, PASS | OFlags::DIRECTORY, Mode::empty()) {
        // A link, or a file where a directory is wanted: reading the link tells which.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let target = readlinkat(position.here(), component, Vec::new());
            return target.map(|text| Some(text.into_bytes())).map_err(|error| match error {
                Errno::INVAL => Errno::NOTDIR,
                error => error,
            });
        }
        result => result?,
    };
    position.below.push(next);
    Ok(None)
}
