//! Locks between processes. The kernel drops them when their holder dies, however it dies.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::error::At;
use crate::{Error, Store};

/// A held lock on a file; dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "held for its lock")] File);

impl FileLock {
    /// Waits until no one holds the lock exclusively.
    pub(crate) fn shared(path: &Path) -> Result<Self, Error> {
        Self::wait(path, FlockOperation::LockShared)
    }

    /// Waits until no one else holds the lock.
    pub(crate) fn exclusive(path: &Path) -> Result<Self, Error> {
        Self::wait(path, FlockOperation::LockExclusive)
    }

    fn wait(path: &Path, operation: FlockOperation) -> Result<Self, Error> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).at("open", path)?;
        retry_on_intr(|| flock(&file, operation)).at("lock", path)?;
        Ok(Self(file))
    }
}

/// The sole right to do something, among all processes that use a store; dropping it, or dying, gives it back.
#[derive(Debug)]
pub struct Exclusive(#[expect(dead_code, reason = "held for its lock")] FileLock);

impl Store {
    /// Waits until no other process, nor another task of this one, does what is called `name`.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn exclusive(&self, name: &str) -> Result<Exclusive, Error> {
        let directory = self.place().locks();
        std::fs::create_dir_all(&directory).at("create", &directory)?;
        let path = directory.join(oci::Digest::of(name.as_bytes()).hex());
        Ok(Exclusive(FileLock::exclusive(&path)?))
    }
}

/// Locks an open file or directory if no one else has; `false` when someone has.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool, Error> {
    match retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno).at("lock", path),
    }
}
