//! Directories in the making, on the file system of the trees.
//!
//! What lies in them may belong to ids that this process is not, so nothing here removes more than an empty directory: whoever
//! made the files can ([`Store::stale_scratches`]).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::At;
use crate::lock::{FileLock, try_lock};
use crate::place::make_dir;
use crate::{Error, Store, ingest};

/// A directory that is locked as long as this lives, whatever happens to the process.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    #[expect(dead_code, reason = "held for its lock")]
    lock: File,
}

impl Scratch {
    /// Where it is. Mode 0700, on the same file system as the trees.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A directory that was emptied goes; one with something in it is stale from now on.
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

impl Store {
    /// A new, empty directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> Result<Scratch, Error> {
        let parent = self.place().scratches();
        make_dir(&parent)?;
        let _no_sweep = FileLock::shared(&self.place().sweep_lock())?;
        let made = tempfile::Builder::new().prefix("s").tempdir_in(&parent).at("create a directory in", &parent)?;
        let lock = File::open(made.path()).at("open", made.path())?;
        try_lock(&lock, made.path())?;
        Ok(Scratch { path: made.keep(), lock })
    }

    /// The directories that killed processes left, now locked by this one, for the caller to remove with all that is in them.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn stale_scratches(&self) -> Result<Vec<Scratch>, Error> {
        let parent = self.place().scratches();
        if !parent.exists() {
            return Ok(Vec::new());
        }
        let _no_new_ones = FileLock::exclusive(&self.place().sweep_lock())?;
        let mut stale = Vec::new();
        for path in ingest::entries(&parent)? {
            // What cannot be opened any more was somebody's, who is done with it.
            let Ok(lock) = File::open(&path) else { continue };
            if try_lock(&lock, &path)? {
                stale.push(Scratch { path, lock });
            }
        }
        Ok(stale)
    }
}
