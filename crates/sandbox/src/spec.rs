//! What is to be run, over what.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Owners, RuntimeProgram};

/// One process and the world it sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Its root file system, and where its changes go.
    pub stack: Stack,
    /// What is executed.
    pub process: Process,
    /// `RUN --mount`, in order: a later one with the same target wins, as in BuildKit.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Network,
    /// `--security=insecure`: every capability that we have, no filter of system calls, nothing masked.
    pub privileged: bool,
    /// What `hostname` answers.
    pub hostname: String,
    /// The content of `/etc/hosts`: mounted read-only, never committed.
    pub hosts: Vec<u8>,
    /// The content of `/etc/resolv.conf`: mounted read-only, never committed.
    pub resolv_conf: Vec<u8>,
    /// The size of `/dev/shm` in bytes. BuildKit's default is 64 MiB.
    pub shm_size: u64,
    /// `--ulimit`. What is not named is inherited from the builder, as in BuildKit.
    pub ulimits: Vec<Ulimit>,
    /// `--cgroup-parent`.
    pub cgroup_parent: Option<String>,
    /// What becomes of the times of what it changed.
    pub times: Times,
    /// `--runtime`: what executes the process, at [`crate::Level::Root`]; we do when `None`.
    pub runtime: Option<RuntimeProgram>,
    /// The owners in the parent: for [`crate::Level::SingleId`] only, which cannot see them on disk.
    pub owners: Option<Owners>,
}

/// A file system made of unpacked layers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stack {
    /// The layers' trees, base first. None is an empty root.
    pub lower: Vec<PathBuf>,
    /// An empty directory of the caller's on the same file system; what the sandbox makes lies in it. The caller removes it
    /// through [`crate::Sandbox::remove`].
    pub scratch: PathBuf,
}

/// What is executed, and as whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments. A program without a slash is looked for in the `PATH` of `env`, in the sandbox.
    pub args: Vec<String>,
    /// The whole environment. Where it has no `HOME`, that is set from the root's `/etc/passwd`, as runc does.
    pub env: Vec<(String, String)>,
    /// The working directory; made, and the user's, where it is missing.
    pub directory: String,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// One `RUN --mount`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mount {
    /// Where, in the root; relative to it. Links are followed inside the root, what is missing is made and removed again.
    pub target: String,
    /// Whether it can be written to.
    pub read_only: bool,
    /// What.
    pub source: MountSource,
}

/// What is mounted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum MountSource {
    /// Files of a stage, an image or a context. What is written goes to the scratch directory and is dropped.
    Stack {
        /// The file system they are in.
        stack: Stack,
        /// A file or directory in it; links are followed inside it.
        path: String,
    },
    /// A directory of the host that keeps what is written: a cache.
    Directory {
        /// On the host.
        path: PathBuf,
        /// A directory below it to show instead, or nothing.
        below: String,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Its limit in bytes; 0 for the kernel's own, half of the memory.
        size: u64,
    },
    /// A secret: a file in memory.
    File {
        /// Its bytes.
        content: Secret,
        /// Its owner's number.
        uid: u32,
        /// Its group's number.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A socket of the host: an ssh agent's.
    Socket {
        /// On the host.
        path: PathBuf,
        /// The owner's number that the process sees.
        uid: u32,
        /// The group's number that the process sees.
        gid: u32,
        /// The permission bits that the process sees.
        mode: u32,
    },
}

/// Bytes that no message shows.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Whose network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The builder's.
    Host,
    /// None but a loopback of its own.
    None,
}

/// One resource limit (`setrlimit(2)`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// As Docker names it: `nofile`, `nproc`, `core`.
    pub name: String,
    /// What the process gets; -1 for no limit.
    pub soft: i64,
    /// What it may raise that to; -1 for no limit.
    pub hard: i64,
}

/// What the layer says of when things were changed, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Times {
    /// `SOURCE_DATE_EPOCH`: what is newer gets this time.
    Latest {
        /// That time.
        seconds: i64,
    },
    /// What the process made or touched, known by being no older than its start, gets this time. Older times are content.
    Made {
        /// That time.
        seconds: i64,
    },
    /// As the files say.
    Kept,
}
