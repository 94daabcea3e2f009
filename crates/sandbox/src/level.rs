//! How strongly, and as whom.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a process is kept from the rest of the machine, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Root, or `CAP_SYS_ADMIN`: every namespace but the user's, native overlays.
    Root,
    /// An ordinary user with subordinate ids (`/etc/subuid`, `newuidmap`): the same in a user namespace.
    #[serde(rename = "subuid")]
    Subordinate,
    /// An ordinary user with one id: the same, and calls that change owners or identity are answered by us.
    SingleId,
    /// Root without `CAP_SYS_ADMIN`, as in a pod: `chroot` over a copy. Shares processes and network with the container around it.
    Chroot,
}

impl Level {
    /// All of them, strongest first.
    pub const ALL: [Level; 4] = [Level::Root, Level::Subordinate, Level::SingleId, Level::Chroot];

    /// As `--isolation` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Root => "root",
            Level::Subordinate => "subuid",
            Level::SingleId => "single-id",
            Level::Chroot => "chroot",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown isolation level {0:?}: expected root, subuid, single-id or chroot")]
pub struct UnknownLevel(String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Level, UnknownLevel> {
        Level::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}
