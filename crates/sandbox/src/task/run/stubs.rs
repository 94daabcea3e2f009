//! What has to be made for mounts to lie on, and goes again (BuildKit, executor/stubs.go).

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Stat, Timespec, Timestamps, statat, unlinkat, utimensat};
use rustix::io::Errno;

use crate::inside::Inside;

/// The paths that were missing, without links, each before its parent.
#[derive(Debug)]
pub(super) struct Stubs(Vec<Vec<u8>>);

impl Stubs {
    /// Looks which of these mount targets are missing, and which of the directories above them.
    pub(super) fn missing<'t>(root: &Inside, targets: impl Iterator<Item = &'t str>) -> Stubs {
        let mut missing = Vec::new();
        for (names, existing) in targets.filter_map(|target| root.locate(target).ok()) {
            let made = (existing + 1..=names.len()).rev().filter_map(|length| names.get(..length));
            missing.extend(made.map(|names| names.join(&b'/')));
        }
        Stubs(missing)
    }

    /// Removes those that exist now and are empty. The time of the directory around stays what it was just before, as in
    /// BuildKit: it tells of the command, not of us. What cannot be removed is in use and stays.
    pub(super) fn remove(&self, root: &Inside) {
        for path in &self.0 {
            let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => path.split_at(slash),
                None => (&b""[..], &path[..]),
            };
            let name = name.strip_prefix(b"/").unwrap_or(name);
            if let Ok(parent) = root.open(parent) {
                let _ = remove_empty(&parent, name);
            }
        }
    }
}

fn remove_empty(parent: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let flags = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => AtFlags::REMOVEDIR,
        _ if stat.st_size == 0 => AtFlags::empty(),
        _ => return Ok(()),
    };
    let before = statat(parent, "", AtFlags::EMPTY_PATH)?;
    unlinkat(parent, name, flags)?;
    utimensat(parent.as_fd(), "", &times(&before), AtFlags::EMPTY_PATH)
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec.cast_signed() },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.cast_signed() },
    }
}
