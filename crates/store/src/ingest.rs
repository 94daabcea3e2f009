//! Files nobody may see yet.
//!
//! Each is locked by the process that writes it from the moment it exists (the sweep lock covers the moment between),
//! so whatever lies here unlocked belongs to a process that was killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::Error;
use crate::error::At;
use crate::lock::{FileLock, try_lock};
use crate::place::Place;

/// A new locked file in `dir`, removed when dropped.
pub(crate) fn file(place: &Place, dir: &Path) -> Result<NamedTempFile, Error> {
    let _no_sweep = FileLock::shared(&place.sweep_lock())?;
    let temp = tempfile::Builder::new().prefix("w").tempfile_in(dir).at("create a file in", dir)?;
    try_lock(temp.as_file(), temp.path())?;
    Ok(temp)
}

/// A locked directory for a group of unfinished files, removed when dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    dir: TempDir,
    #[expect(dead_code, reason = "held for its lock")]
    lock: File,
}

impl Staging {
    /// A new one.
    pub(crate) fn new(place: &Place) -> Result<Self, Error> {
        let _no_sweep = FileLock::shared(&place.sweep_lock())?;
        let parent = place.ingest();
        let dir = tempfile::Builder::new().prefix("d").tempdir_in(&parent).at("create a directory in", &parent)?;
        let lock = File::open(dir.path()).at("open", dir.path())?;
        try_lock(&lock, dir.path())?;
        Ok(Self { dir, lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes what killed processes left; returns how many entries that were.
pub(crate) fn clean(place: &Place) -> Result<usize, Error> {
    let entries = [entries(&place.ingest())?, entries(&place.leases())?].concat();
    if entries.is_empty() {
        return Ok(0);
    }
    let _no_new_ones = FileLock::exclusive(&place.sweep_lock())?;
    Ok(entries.into_iter().filter(|path| remove_if_unlocked(path)).count())
}

/// The paths in a directory.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    fs::read_dir(dir).at("list", dir)?.map(|entry| Ok(entry.at("list", dir)?.path())).collect()
}

/// Whether `path` was nobody's and is gone now. What cannot be opened any more was somebody's and is finished.
fn remove_if_unlocked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    if !matches!(try_lock(&file, path), Ok(true)) {
        return false;
    }
    let is_dir = file.metadata().is_ok_and(|metadata| metadata.is_dir());
    if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) }.is_ok()
}
