//! Directories of `RUN --mount=type=cache`: `caches/SCHEME/HASH/NUMBER/fs`, where HASH is the id's.
//!
//! BuildKit's rules (`solver/llbsolver/mounts`): an id can have several directories. `shared` users share one of them; `private` users
//! get one that nobody uses, a new one if need be; `locked` users wait for one. A directory is in use as long as somebody holds its
//! lock, and the kernel drops that with its holder.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use oci::Digest;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::error::At;
use crate::lock::FileLock;
use crate::place::make_dir;
use crate::trees::{FILES, checked};
use crate::{Error, Store};

/// Who may use a cache at the same time (BuildKit, `RUN --mount=type=cache,sharing=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody.
    Shared,
    /// Nobody else: others get directories of their own.
    Private,
    /// Nobody else: others wait.
    Locked,
}

/// A cache in use, until this is dropped.
#[derive(Debug)]
pub struct CacheMount {
    holder: PathBuf,
    #[expect(dead_code, reason = "held for its lock")]
    lock: File,
}

/// Says that a cache's directory is as its first user was to find it.
const READY: &str = "ready";
/// The id, for people who look.
const ID: &str = "id";
/// Held exclusively while it is filled.
const FILLING: &str = "filling";
/// Held exclusively while a directory is chosen.
const CHOICE: &str = "lock";

impl CacheMount {
    /// The directory to mount.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.holder.join(FILES)
    }

    /// Whether nobody said yet that it is as its first user was to find it: with the mode and owner asked for, and the files of
    /// `from=`. A process that was killed on the way may have left some of that.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.holder.join(READY).exists()
    }

    /// Has it filled if it is new, by one user at a time: the others wait for the one that does. `fill` is given the directory
    /// to mount, in which a process that was killed may have left something.
    ///
    /// # Errors
    /// When `fill` fails, or it cannot be locked or written down.
    pub fn fill_once<E: From<Error>>(&self, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
        if !self.is_new() {
            return Ok(());
        }
        let _one_at_a_time = FileLock::exclusive(&self.holder.join(FILLING))?;
        if self.is_new() {
            fill(&self.path())?;
            self.set_ready()?;
        }
        Ok(())
    }

    /// Has it filled with something else, whatever it held. A process that is killed meanwhile leaves it new.
    ///
    /// # Errors
    /// When `fill` fails, or it cannot be locked or written down.
    pub fn fill_anew<E: From<Error>>(&self, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
        let _one_at_a_time = FileLock::exclusive(&self.holder.join(FILLING))?;
        let ready = self.holder.join(READY);
        match fs::remove_file(&ready) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).at("remove", &ready)?,
            _ => {}
        }
        fill(&self.path())?;
        Ok(self.set_ready()?)
    }

    /// Says that.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn set_ready(&self) -> Result<(), Error> {
        let path = self.holder.join(READY);
        fs::write(&path, []).at("create", &path)
    }
}

impl Store {
    /// A directory for the cache of this `id`, which may be any text; for one step a call, whose mounts of the same id share it.
    /// `None` when it is [`Sharing::Locked`] and others use it: try again later. Counts as used.
    ///
    /// `scheme` names how owners are written to the disk. The directory of a new cache is of mode 0755 and empty.
    ///
    /// # Errors
    /// When it cannot be made or locked.
    pub fn cache_mount(&self, scheme: &str, id: &str, sharing: Sharing) -> Result<Option<CacheMount>, Error> {
        self.lease()?;
        let dir = self.place().caches().join(checked(scheme)?).join(Digest::of(id.as_bytes()).hex());
        make_dir(&dir)?;
        let _choice = FileLock::exclusive(&dir.join(CHOICE))?;
        let note = dir.join(ID);
        if !note.exists() {
            fs::write(&note, id).at("write", &note)?;
        }
        let holders = self.usable(&dir)?;
        for holder in &holders {
            if let Some(mount) = self.try_use(holder, sharing)? {
                return Ok(Some(mount));
            }
        }
        match sharing {
            Sharing::Locked if !holders.is_empty() => Ok(None),
            _ => self.new_cache(&dir, sharing).map(Some),
        }
    }

    /// The ids of a `scheme` that have or had directories, sorted.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn cache_ids(&self, scheme: &str) -> Result<Vec<String>, Error> {
        let dir = self.place().caches().join(checked(scheme)?);
        let found = if dir.exists() { crate::ingest::entries(&dir)? } else { Vec::new() };
        let mut ids = Vec::new();
        for note in found.iter().map(|dir| dir.join(ID)) {
            match fs::read_to_string(&note) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                read => ids.push(read.at("read", &note)?),
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// The directories of an id, by number; one that others share first, so that those who share stay together.
    fn usable(&self, dir: &Path) -> Result<Vec<PathBuf>, Error> {
        let mut holders: Vec<(bool, u64, PathBuf)> = Vec::new();
        for path in crate::ingest::entries(dir)? {
            let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            if let Some(number) = number {
                let Ok(file) = File::open(&path) else { continue };
                let in_use = !lock(&file, FlockOperation::NonBlockingLockExclusive, &path)?;
                holders.push((!in_use, number, path));
            }
        }
        holders.sort();
        Ok(holders.into_iter().map(|(_, _, path)| path).collect())
    }

    fn try_use(&self, holder: &Path, sharing: Sharing) -> Result<Option<CacheMount>, Error> {
        if !self.renew(holder)? {
            return Ok(None);
        }
        let file = File::open(holder).at("open", holder)?;
        let free = lock(&file, sharing.operation(), holder)?;
        Ok(free.then(|| CacheMount { holder: holder.to_owned(), lock: file }))
    }

    fn new_cache(&self, dir: &Path, sharing: Sharing) -> Result<CacheMount, Error> {
        let _no_sweep = FileLock::shared(&self.place().sweep_lock())?;
        for number in 0_u64.. {
            let holder = dir.join(number.to_string());
            match DirBuilder::new().mode(0o700).create(&holder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result.at("create", &holder)?,
            }
            let file = File::open(&holder).at("open", &holder)?;
            lock(&file, sharing.operation(), &holder)?;
            let files = holder.join(FILES);
            fs::create_dir(&files).at("create", &files)?;
            fs::set_permissions(&files, fs::Permissions::from_mode(0o755)).at("set the mode of", &files)?;
            return Ok(CacheMount { holder, lock: file });
        }
        Err(Error::malformed(dir.display().to_string(), "it holds too many caches"))
    }
}

impl Sharing {
    fn operation(self) -> FlockOperation {
        match self {
            Sharing::Shared => FlockOperation::NonBlockingLockShared,
            Sharing::Private | Sharing::Locked => FlockOperation::NonBlockingLockExclusive,
        }
    }
}

/// Whether the lock could be had.
fn lock(file: &File, operation: FlockOperation, path: &Path) -> Result<bool, Error> {
    match retry_on_intr(|| flock(file, operation)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno).at("lock", path),
    }
}
