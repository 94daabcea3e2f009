//! Layers unpacked, each once, for overlay mounts: `trees/SCHEME/sha256/HEX/fs`.
//!
//! A scheme is a way to write owners and marks to the disk; what the directories hold is for whoever made them to know. A tree
//! is made in a [`Scratch`](crate::Scratch) and renamed when it is whole. Where several processes make the same, the first one's stays.
//!
//! Durability. Nothing is synced for a tree: it names the boot it was made in (`HEX/boot`), and one of an earlier boot, of
//! which a power cut may have lost parts, counts as absent. It is unpacked again from its layer, which costs less than waiting
//! for the disk at the end of every build.

use std::fs;
use std::path::{Path, PathBuf};

use oci::DiffId;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::At;
use crate::lock::FileLock;
use crate::place::make_dir;
use crate::{Error, Store};

/// The kernel's name of the time since it was started; another after each start.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Holds the boot that a tree was made in.
const BOOT: &str = "boot";
/// The tree itself.
pub(crate) const FILES: &str = "fs";

impl Store {
    /// The directory that trees lie in, made if it was missing: for finding out what its file system can do.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn trees_dir(&self) -> Result<PathBuf, Error> {
        let dir = self.place().trees();
        make_dir(&dir)?;
        Ok(dir)
    }

    /// The unpacked layer, if there is one of this `scheme`; it counts as used.
    ///
    /// `layer` is what determines the tree: the layer's diffID; or, for a layer that depends on those below it, the chainID.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn tree(&self, scheme: &str, layer: &DiffId) -> Result<Option<PathBuf>, Error> {
        let holder = self.place().tree(checked(scheme)?, layer);
        let whole = self.renew(&holder)? && is_whole(&holder)?;
        Ok(whole.then(|| holder.join(FILES)))
    }

    /// Makes the directory `from`, which lies in a scratch directory, the tree of a layer, and gives its new place. Where there is
    /// one already, `from` stays where it is, and the other's place is given.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep_tree(&self, scheme: &str, layer: &DiffId, from: &Path) -> Result<PathBuf, Error> {
        self.lease()?;
        let holder = self.place().tree(checked(scheme)?, layer);
        if let Some(parent) = holder.parent() {
            make_dir(parent)?;
        }
        let staging = self.scratch()?;
        let boot = staging.path().join(BOOT);
        fs::write(&boot, boot_id()).at("write", &boot)?;
        let files = staging.path().join(FILES);
        fs::rename(from, &files).at("rename", from)?;
        let kept = self.place_tree(staging.path(), &holder)?;
        if !kept {
            fs::rename(&files, from).at("rename", &files)?;
        }
        // What is left of the staging directory is ours.
        let _ = fs::remove_file(&boot);
        Ok(holder.join(FILES))
    }

    /// Renames `staging` to `holder`; `false` when a whole tree is there. One that is not whole takes the staging's place.
    fn place_tree(&self, staging: &Path, holder: &Path) -> Result<bool, Error> {
        let _no_sweep = FileLock::shared(&self.place().sweep_lock())?;
        loop {
            match renameat_with(CWD, staging, CWD, holder, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(true),
                Err(Errno::EXIST | Errno::NOTEMPTY) if is_whole(holder)? => return Ok(false),
                Err(Errno::EXIST | Errno::NOTEMPTY) => {}
                Err(errno) => return Err(errno).at("rename to", holder),
            }
            match renameat_with(CWD, staging, CWD, holder, RenameFlags::EXCHANGE) {
                Ok(()) => return Ok(true),
                // Somebody removed it meanwhile.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).at("rename to", holder),
            }
        }
    }
}

/// Whether no power cut can have taken parts of a tree.
fn is_whole(holder: &Path) -> Result<bool, Error> {
    let boot = holder.join(BOOT);
    match fs::read(&boot) {
        Ok(made_in) => Ok(made_in == boot_id()),
        // Somebody removed the tree meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).at("read", &boot),
    }
}

/// Without `/proc` every boot is the same, as nothing tells them apart.
fn boot_id() -> Vec<u8> {
    fs::read(BOOT_ID).unwrap_or_default()
}

/// A scheme is one name in a path.
pub(crate) fn checked(scheme: &str) -> Result<&str, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !scheme.is_empty() && scheme.len() <= 128 && scheme.bytes().all(plain) {
        return Ok(scheme);
    }
    Err(Error::malformed(format!("ownership scheme {scheme:?}"), "it has other than letters, digits, \"-\" and \"_\""))
}
