//! The one error type of this room. It travels from a worker to its builder, so it is plain data.

use std::fmt;
use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::Level;

/// Why a process could not be run, or a tree not be handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// The kernel refused something that a sandbox is made of.
    #[error("cannot {operation}: {cause}")]
    System {
        /// A verb with its object.
        operation: String,
        /// The kernel's answer.
        cause: Cause,
    },
    /// The level asked for cannot be had here.
    #[error("isolation level {level} is not available: {missing}")]
    Unavailable {
        /// That level.
        level: Level,
        /// What is missing, in one sentence.
        missing: String,
        /// The settings that would make it available.
        remedies: Vec<String>,
    },
    /// No level can be had here.
    #[error("no isolation level is available to run commands in")]
    NoLevel {
        /// The settings that would make one available.
        remedies: Vec<String>,
    },
    /// A `RUN --mount` cannot be made.
    #[error("cannot mount {target}: {problem}")]
    Mount {
        /// Where it was to be.
        target: String,
        /// One sentence.
        problem: String,
    },
    /// The working directory cannot be entered.
    #[error("cannot enter working directory {directory}: {cause}")]
    Directory {
        /// As the step says it.
        directory: String,
        /// The kernel's answer.
        cause: Cause,
    },
    /// The control group asked for cannot be used.
    #[error("cannot use cgroup {parent}: {cause}")]
    Cgroup {
        /// `--cgroup-parent`.
        parent: String,
        /// The kernel's answer.
        cause: Cause,
    },
    /// A resource limit that does not exist, or cannot be set.
    #[error("cannot set ulimit {name}: {problem}")]
    Ulimit {
        /// As the step says it.
        name: String,
        /// One sentence.
        problem: String,
    },
    /// An OCI runtime was asked for at a level where it is not used.
    #[error("{name} is used at isolation level root only, not at {level}")]
    RuntimeLevel {
        /// The runtime.
        name: String,
        /// The level that was chosen.
        level: Level,
    },
    /// The OCI runtime asked for is not installed.
    #[error("{name} is not installed")]
    NoRuntime {
        /// The runtime.
        name: String,
    },
    /// The file system was about to be full, and the process was ended.
    #[error("ended the command: only {available} bytes are left where {} lies", path.display())]
    DiskFull {
        /// The scratch directory.
        path: PathBuf,
        /// What was left.
        available: u64,
    },
    /// The process started more processes than it may, and was ended.
    #[error("ended the command: it started more than {limit} processes")]
    TooManyProcesses {
        /// How many it may.
        limit: u64,
    },
    /// [`crate::Stop`] was set.
    #[error("the command was stopped")]
    Stopped,
    /// A layer cannot be unpacked without those below it: see [`crate::Sandbox::unpack_over`].
    #[error("layer entry {path} depends on the layers below")]
    NeedsBelow {
        /// The entry.
        path: String,
    },
    /// Reading, writing or unpacking a layer failed.
    #[error("{message}")]
    Tree {
        /// What the room concerned said.
        message: String,
        /// What it said to do about it.
        hint: Option<String>,
    },
    /// The worker ended without saying how, or said something strange.
    #[error("the worker process {0}")]
    Worker(String),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::System { cause, .. } => cause.hint(),
            Error::Unavailable { remedies, .. } | Error::NoLevel { remedies } if !remedies.is_empty() => {
                Some(remedies.join("; "))
            }
            Error::DiskFull { .. } => {
                Some("free some space on that file system, or keep the store on a larger one with --store".into())
            }
            Error::RuntimeLevel { .. } => {
                Some("leave out --runtime: what runs commands here needs no other program".into())
            }
            Error::NoRuntime { name } => {
                Some(format!("install it (Debian: apt-get install {name}), or leave out --runtime"))
            }
            Error::TooManyProcesses { .. } => Some("look for a command that starts itself again and again; who needs more says so with --ulimit nproc=NUMBER".into()),
            Error::Tree { hint, .. } => hint.clone(),
            Error::Worker(_) => Some("look for an out-of-memory kill in the kernel's log".into()),
            _ => None,
        }
    }
}

/// The kernel's answer, as a number that another process understands too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause(i32);

impl Cause {
    /// An error that names the operation.
    pub(crate) fn at<E: Into<Cause>>(operation: impl Into<String>) -> impl FnOnce(E) -> Error {
        move |error| Error::System { operation: operation.into(), cause: error.into() }
    }

    /// Whether it is this one.
    pub(crate) fn is(self, errno: Errno) -> bool {
        self.0 == errno.raw_os_error()
    }

    fn hint(self) -> Option<String> {
        match Errno::from_raw_os_error(self.0) {
            Errno::NOSPC => Some("free some space on that file system".into()),
            Errno::PERM | Errno::ACCESS => Some("run `shipsmith doctor` to see what this machine allows".into()),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl From<Errno> for Cause {
    fn from(errno: Errno) -> Cause {
        Cause(errno.raw_os_error())
    }
}

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Cause {
        Cause(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()))
    }
}

impl From<layer::Error> for Error {
    fn from(error: layer::Error) -> Error {
        match error {
            layer::Error::NeedsBelow(path) => Error::NeedsBelow { path: path.to_string() },
            error => Error::Tree { hint: error.hint(), message: error.to_string() },
        }
    }
}

impl From<rootfs::Error> for Error {
    fn from(error: rootfs::Error) -> Error {
        Error::Tree { hint: error.hint(), message: error.to_string() }
    }
}

impl From<rootfs::PathError> for Error {
    fn from(error: rootfs::PathError) -> Error {
        rootfs::Error::from(error).into()
    }
}
