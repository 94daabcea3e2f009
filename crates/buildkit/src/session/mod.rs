//! What a builder may ask of us while it builds: files, secrets, agents, credentials, images, and to take its result.

mod agent;
mod ask;
mod blobs;
mod files;
mod ingest;
mod open;
mod result;
mod serve;
mod wanted;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use oci::Digest;

pub(crate) use open::Session;

use crate::CacheDirectory;

/// A tree of files that a builder may read, such as a build context.
pub trait Files: Send + Sync {
    /// What is in a directory, sorted by the bytes of the names; the root is the empty path.
    ///
    /// # Errors
    /// When it cannot be read.
    fn children(&self, directory: &str) -> io::Result<Vec<FileEntry>>;

    /// Starts reading a regular file.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open(&self, path: &str) -> io::Result<Box<dyn Read + Send>>;
}

/// Parts of images that a builder may read, such as a base that need not be pulled.
pub trait Blobs: Send + Sync {
    /// Opens one, and says how long it is; `None` for what is not offered.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open(&self, digest: &Digest) -> io::Result<Option<(File, u64)>>;
}

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// From the root, with slashes between.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// When it changed last, in nanoseconds since 1970.
    pub mtime: i64,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file, and its length.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link, and its text.
    Symlink(String),
}

/// A name and a password.
#[derive(Clone)]
pub struct Credential {
    /// The name.
    pub user: String,
    /// The password or token.
    pub password: String,
}

/// Finds the credential of a registry's host.
pub type FindCredential = Arc<dyn Fn(&str) -> Option<Credential> + Send + Sync>;
/// Reads a secret when the builder asks for it; nothing where there is none after all.
pub type ReadSecret = Arc<dyn Fn() -> io::Result<Option<Vec<u8>>> + Send + Sync>;

/// What one build offers its builder; what is not in here is refused.
#[derive(Clone)]
pub struct Services {
    /// Trees, by the names that the build uses.
    pub directories: BTreeMap<String, Arc<dyn Files>>,
    /// Parts of images, by the names of the places that they are offered as.
    pub blobs: BTreeMap<String, Arc<dyn Blobs>>,
    /// Directories for caches, by the names of the places that they are offered as.
    pub caches: BTreeMap<String, CacheDirectory>,
    /// Secrets, by id.
    pub secrets: BTreeMap<String, ReadSecret>,
    /// Sockets of agents, by id.
    pub agents: BTreeMap<String, PathBuf>,
    /// Credentials of registries, by host.
    pub credential: FindCredential,
    /// Where the result is written, if the builder sends one.
    pub result: Option<Arc<File>>,
    /// How many bytes of files were sent.
    pub sent: Arc<AtomicU64>,
}
