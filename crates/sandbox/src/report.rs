//! Which levels can be had here, and what the others lack.

mod attempt;
mod remedy;
mod subordinate;

use std::path::{Path, PathBuf};

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
    /// What came of it: something to use, or what is missing and the settings that would help.
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
        Level::ALL.into_iter().map(|level| Finding { level, result: attempt::attempt(level, &self.dir) }).collect()
    }

    /// The level asked for, or the strongest that works. The chroot level is only chosen without being asked for inside a
    /// container, whose own walls then are the ones that hold.
    ///
    /// # Errors
    /// When there is none.
    pub fn choose(&self, pinned: Option<Level>) -> Result<Sandbox, Error> {
        match pinned {
            Some(level) => attempt::attempt(level, &self.dir),
            None => self.strongest(),
        }
    }

    fn strongest(&self) -> Result<Sandbox, Error> {
        let mut remedies = Vec::new();
        for level in Level::ALL.into_iter().filter(|level| *level != Level::Chroot || remedy::is_container()) {
            match attempt::attempt(level, &self.dir) {
                Err(Error::Unavailable { remedies: more, .. }) => {
                    remedies.extend(more.into_iter().map(|remedy| format!("for {level}: {remedy}")));
                }
                result => return result,
            }
        }
        Err(Error::NoLevel { remedies })
    }
}
