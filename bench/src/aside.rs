//! Taking away what a run left without removing it.
//!
//! For a minute, ext4 passes over every inode that was just freed whenever it makes a file. A registry that takes a push has
//! not removed thousands of files a moment ago, as putting things back by removing them would have it.

use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Failure;

/// A directory beside what is measured; it is removed with the workspace.
pub(crate) struct Aside {
    dir: PathBuf,
    taken: Cell<u32>,
}

impl Aside {
    pub(crate) fn new(dir: PathBuf) -> Result<Aside, Failure> {
        fs::create_dir(&dir)?;
        Ok(Aside { dir, taken: Cell::new(0) })
    }

    /// Takes away the file or directory at `path`, if there is one; its bytes are freed.
    pub(crate) fn take(&self, path: &Path) -> Result<(), Failure> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        self.taken.set(self.taken.get() + 1);
        let taken = self.dir.join(self.taken.get().to_string());
        fs::rename(path, &taken)?;
        empty(&taken)
    }
}

fn empty(path: &Path) -> Result<(), Failure> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| empty(&entry?.path()))?;
    } else if found.is_file() && found.len() > 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        File::options().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}
