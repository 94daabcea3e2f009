//! What has to be made for mounts to lie on, and goes again (BuildKit, executor/stubs.go).

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Timespec, Timestamps, fstat, statat, unlinkat, utimensat};
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
    keeping_times(parent, || unlinkat(parent, name, flags))
}

/// Changes what is in a directory, whose own times stay what they were just before.
pub(super) fn keeping_times(dir: &OwnedFd, change: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let stat = fstat(dir)?;
    change()?;
    let time = |seconds, nanos: u64| Timespec { tv_sec: seconds, tv_nsec: nanos.cast_signed() };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    utimensat(dir, "", &times, AtFlags::EMPTY_PATH)
}
