//! Paths as a process sees them whose root is a held directory: links are followed, also the last one, also those that lead
//! nowhere yet, and nothing leads out.
//!
//! Component by component by held descriptors, because what is missing has to be made on the way; `..` goes back to a held one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, fstatfs, mkdirat, openat, readlinkat};
use rustix::io::Errno;

/// As the kernel: links on one path.
const MAX_LINKS: usize = 40;
/// `PROC_SUPER_MAGIC`, and the inode of its root.
const PROC: rustix::fs::FsWord = 0x9fa0;
const PROC_ROOT: u64 = 1;
const HELD: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory that stands for `/`.
#[derive(Debug)]
pub(crate) struct Inside(OwnedFd);

/// What is made of what is missing. Directories on the way are always 0755.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// Directories, which get this owner.
    Directory { uid: u32, gid: u32 },
    /// An empty file.
    File,
}

impl Make {
    pub(crate) const ROOTS_DIRECTORY: Make = Make::Directory { uid: 0, gid: 0 };
}

/// Where a path leads.
struct Walk<'r> {
    root: BorrowedFd<'r>,
    below: Vec<(Vec<u8>, Option<OwnedFd>)>,
    pending: Vec<Vec<u8>>,
    links: usize,
}

impl Inside {
    pub(crate) fn new(root: OwnedFd) -> Inside {
        Inside(root)
    }

    /// A directory by its path, resolved as usual.
    pub(crate) fn open_root(path: impl AsRef<Path>) -> Result<Inside, Errno> {
        openat(CWD, path.as_ref(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map(Inside)
    }

    /// Holds what is there.
    pub(crate) fn open(&self, path: impl AsRef<[u8]>) -> Result<OwnedFd, Errno> {
        let mut walk = self.walk(path.as_ref());
        while let Some(name) = walk.pending.pop() {
            walk.step(name, None)?;
        }
        walk.finish()
    }

    /// Holds what is there, and makes it first where it is missing.
    pub(crate) fn open_or_make(&self, path: impl AsRef<[u8]>, make: Make) -> Result<OwnedFd, Errno> {
        let mut walk = self.walk(path.as_ref());
        while let Some(name) = walk.pending.pop() {
            walk.step(name, Some(make))?;
        }
        walk.finish()
    }

    /// Where a path leads, without links, and how many components of that exist. What is missing has no links.
    pub(crate) fn locate(&self, path: impl AsRef<[u8]>) -> Result<(Vec<Vec<u8>>, usize), Errno> {
        let mut walk = self.walk(path.as_ref());
        while let Some(name) = walk.pending.pop() {
            match walk.step(name.clone(), None) {
                Err(Errno::NOENT) => walk.below.push((name, None)),
                result => result?,
            }
        }
        let existing = walk.below.iter().take_while(|(_, fd)| fd.is_some()).count();
        Ok((walk.below.into_iter().map(|(name, _)| name).collect(), existing))
    }

    fn walk(&self, path: &[u8]) -> Walk<'_> {
        let mut walk = Walk { root: self.0.as_fd(), below: Vec::new(), pending: Vec::new(), links: 0 };
        walk.push(path);
        walk
    }
}

impl AsFd for Inside {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Walk<'_> {
    fn push(&mut self, path: &[u8]) {
        let components = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        self.pending.extend(components.rev().map(<[u8]>::to_vec));
    }

    /// The held directory that is reached; `None` below something missing.
    fn here(&self) -> Option<BorrowedFd<'_>> {
        match self.below.last() {
            None => Some(self.root),
            Some((_, fd)) => fd.as_ref().map(AsFd::as_fd),
        }
    }

    fn step(&mut self, name: Vec<u8>, make: Option<Make>) -> Result<(), Errno> {
        if name == b".." {
            self.below.pop();
            return Ok(());
        }
        let here = self.here().ok_or(Errno::NOENT)?;
        let fd = match (openat(here, &name, HELD, Mode::empty()), make) {
            (Err(Errno::NOENT), Some(make)) => {
                create(here, &name, if self.pending.is_empty() { make } else { on_the_way(make) })?;
                openat(here, &name, HELD, Mode::empty())?
            }
            (result, _) => result?,
        };
        match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
            FileType::Symlink if is_magic(here, &fd)? => Err(Errno::LOOP),
            FileType::Symlink => self.follow(&fd),
            FileType::Directory => self.enter(name, fd),
            _ if self.pending.is_empty() => self.enter(name, fd),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn enter(&mut self, name: Vec<u8>, fd: OwnedFd) -> Result<(), Errno> {
        self.below.push((name, Some(fd)));
        Ok(())
    }

    fn follow(&mut self, link: &OwnedFd) -> Result<(), Errno> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let target = readlinkat(link, "", Vec::new())?.into_bytes();
        if target.starts_with(b"/") {
            self.below.clear();
        }
        self.push(&target);
        Ok(())
    }

    fn finish(mut self) -> Result<OwnedFd, Errno> {
        match self.below.pop() {
            Some((_, Some(fd))) => Ok(fd),
            Some((_, None)) => Err(Errno::NOENT),
            None => rustix::io::fcntl_dupfd_cloexec(self.root, 0),
        }
    }
}

/// Whether a link is one of those that `/proc` has to open files, working directories and roots: what they say is not what they
/// lead to. Only in `/proc` itself are links what they seem (`self`, `mounts`).
fn is_magic(here: BorrowedFd<'_>, link: &OwnedFd) -> Result<bool, Errno> {
    Ok(fstatfs(link)?.f_type == PROC && fstat(here)?.st_ino != PROC_ROOT)
}

fn on_the_way(make: Make) -> Make {
    match make {
        Make::File => Make::ROOTS_DIRECTORY,
        directory => directory,
    }
}

fn create(here: BorrowedFd<'_>, name: &[u8], make: Make) -> Result<(), Errno> {
    match make {
        Make::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(here, name, flags, Mode::from_raw_mode(0o755)).map(drop)
        }
        Make::Directory { uid, gid } => {
            mkdirat(here, name, Mode::from_raw_mode(0o755))?;
            if (uid, gid) == (0, 0) {
                return Ok(());
            }
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            chownat(here, name, Some(uid), Some(gid), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn jail() -> (tempfile::TempDir, Inside) {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir_all(dir.path().join("root/etc")).expect("root");
        fs::write(dir.path().join("canary"), "outside").expect("canary");
        let inside = Inside::open_root(dir.path().join("root")).expect("root");
        (dir, inside)
    }

    fn located(inside: &Inside, path: &str) -> (String, usize) {
        let (names, existing) = inside.locate(path).expect("located");
        (String::from_utf8(names.join(&b'/')).expect("text"), existing)
    }

    #[test]
    fn links_stay_inside() {
        let (dir, inside) = jail();
        for (n, target) in ["../canary", "../../../../canary", "/../canary"].iter().enumerate() {
            symlink(target, dir.path().join(format!("root/l{n}"))).expect("link");
            assert_eq!(inside.open(format!("l{n}")).err(), Some(Errno::NOENT));
        }
        symlink(dir.path(), dir.path().join("root/host")).expect("link");
        assert_eq!(inside.open("/host/canary").err(), Some(Errno::NOENT));
        assert!(inside.open("/host/../etc/../../etc").is_err(), "what is missing has no parent");
        assert!(inside.open("../../etc/.").is_ok());
    }

    #[test]
    fn links_of_proc_to_open_files_are_refused() {
        let inside = Inside::open_root("/").expect("root");
        assert_eq!(inside.open("/proc/self/fd/0").err(), Some(Errno::LOOP));
        assert_eq!(inside.open("/proc/self/cwd/x").err(), Some(Errno::LOOP));
        assert!(inside.open("/proc/mounts").is_ok());
    }

    #[test]
    fn what_links_name_and_is_missing_is_made_inside() {
        let (dir, inside) = jail();
        symlink("/run/resolve/stub.conf", dir.path().join("root/etc/resolv.conf")).expect("link");
        assert_eq!(located(&inside, "/etc/resolv.conf"), ("run/resolve/stub.conf".into(), 0));
        inside.open_or_make("/etc/resolv.conf", Make::File).expect("made");
        assert!(dir.path().join("root/run/resolve/stub.conf").is_file());
        assert_eq!(located(&inside, "/etc/resolv.conf"), ("run/resolve/stub.conf".into(), 3));
    }

    #[test]
    fn files_are_no_directories_and_loops_end() {
        let (dir, inside) = jail();
        fs::write(dir.path().join("root/file"), "").expect("file");
        symlink("loop", dir.path().join("root/loop")).expect("link");
        assert_eq!(inside.open("file/..").err(), Some(Errno::NOTDIR));
        assert_eq!(inside.open("loop").err(), Some(Errno::LOOP));
        assert_eq!(inside.open_or_make("file/below", Make::ROOTS_DIRECTORY).err(), Some(Errno::NOTDIR));
    }
}
