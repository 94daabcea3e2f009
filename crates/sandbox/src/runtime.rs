//! OCI runtimes of the machine, which can stand in for our own last steps.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Level};

/// Where system programs live although an ordinary `PATH` often leaves them out.
const SYSTEM: [&str; 2] = ["/usr/local/sbin", "/usr/sbin"];

/// A program that runs an OCI bundle (OCI runtime specification 1.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runtime {
    /// <https://github.com/containers/crun>
    Crun,
    /// <https://github.com/opencontainers/runc>
    Runc,
}

/// A runtime found on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeProgram {
    /// Which.
    pub runtime: Runtime,
    /// Where its program is.
    pub path: PathBuf,
}

impl Runtime {
    /// All of them.
    pub const ALL: [Runtime; 2] = [Runtime::Crun, Runtime::Runc];

    /// The program's name.
    pub const fn name(self) -> &'static str {
        match self {
            Runtime::Crun => "crun",
            Runtime::Runc => "runc",
        }
    }

    /// Looks for the program in `path`, a list as in `$PATH`, and where system programs are.
    ///
    /// # Errors
    /// When it is nowhere, or `level` is not the one that runtimes are used at.
    pub fn find(self, path: &str, level: Level) -> Result<RuntimeProgram, Error> {
        if level != Level::Root {
            return Err(Error::RuntimeLevel { name: self.name().to_owned(), level });
        }
        let directories = path.split(':').chain(SYSTEM).filter(|directory| directory.starts_with('/'));
        let found = directories.map(|directory| Path::new(directory).join(self.name())).find(|path| path.is_file());
        let missing = || Error::NoRuntime { name: self.name().to_owned() };
        Ok(RuntimeProgram { runtime: self, path: found.ok_or_else(missing)? })
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown runtime {0:?}: expected crun or runc")]
pub struct UnknownRuntime(String);

impl FromStr for Runtime {
    type Err = UnknownRuntime;

    fn from_str(text: &str) -> Result<Runtime, UnknownRuntime> {
        Runtime::ALL.into_iter().find(|runtime| runtime.name() == text).ok_or_else(|| UnknownRuntime(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_found_in_the_path_and_only_as_root() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("crun"), "").expect("ours");
        let path = format!("relative:{}", dir.path().display());
        let found = Runtime::Crun.find(&path, Level::Root).expect("it is there");
        assert_eq!(found.path, dir.path().join("crun"));
        let refused = Runtime::Crun.find(&path, Level::SingleId).expect_err("not there");
        assert_eq!(refused.to_string(), "crun is used at isolation level root only, not at single-id");
    }
}
