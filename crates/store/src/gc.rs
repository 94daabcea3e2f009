//! Garbage collection.
//!
//! What is held: the images in `index.json`, named or not, and the engine's records, each with all that its documents name. The rest
//! is garbage. Pruning first drops unnamed images and cache as asked, oldest use first, then removes garbage.
//!
//! Safe beside running builds: whatever was written or used since the oldest living lease began is spared (see [`Store::contains`]);
//! tags wait while garbage is determined; and a file's last use is looked at again, under the sweep lock, right before it goes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use oci::Digest;

use crate::error::At;
use crate::inventory::{CacheDirectory, Holder, Inventory, StoredFile};
use crate::lock::{FileLock, try_lock};
use crate::place::Place;
use crate::{Error, Store, ingest};

/// What to remove besides garbage.
#[derive(Debug, Clone, Default)]
pub struct Prune {
    /// Images without a name.
    pub dangling: bool,
    /// The cache: records, header indexes, uncompressed tars, stat entries, unpacked layers, cache mounts.
    pub cache: bool,
    /// Only these kinds of records and directories ([`crate::CacheKind::name`]), and no other cache; empty for all.
    pub kinds: Vec<String>,
    /// Only what was not used for so long. Garbage too.
    pub older_than: Option<Duration>,
    /// Stop as soon as the store holds no more bytes than this. Garbage goes anyway.
    pub keep_storage: Option<u64>,
}

/// What pruning removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Blobs, sorted.
    pub blobs: Vec<Digest>,
    /// Images without a name that are kept no longer, sorted.
    pub images: Vec<Digest>,
    /// How many records, header indexes, uncompressed tars, unpacked layers and cache mounts.
    pub cached: usize,
    /// Bytes freed.
    pub bytes: u64,
}

/// Something that may be dropped.
enum Candidate {
    Holder(Holder),
    File(StoredFile),
    Directory(CacheDirectory),
}

/// Removes a directory with all that is in it, whoever owns that.
type Remover<'r> = &'r dyn Fn(&Path) -> io::Result<()>;

/// A candidate with its last use, and the digests it keeps.
type Dated = (SystemTime, Candidate, BTreeSet<Digest>);

/// Decides what goes.
struct Sweep {
    references: BTreeMap<Digest, usize>,
    blobs: BTreeMap<Digest, StoredFile>,
    total: u64,
    holders: Vec<Holder>,
    files: Vec<StoredFile>,
    directories: Vec<CacheDirectory>,
}

impl Store {
    /// Removes garbage and what `options` name.
    ///
    /// # Errors
    /// When the store cannot be read or changed. What was removed until then stays removed; nothing is left half removed.
    pub fn prune(&self, options: &Prune) -> Result<Report, Error> {
        self.prune_with(options, &|dir| fs::remove_dir_all(dir))
    }

    /// As [`Store::prune`], for stores with unpacked layers whose files belong to other ids than this process': `remove` takes such a
    /// directory away, from a place where nobody finds it any more. What it fails at is a stale scratch directory afterwards.
    ///
    /// # Errors
    /// As [`Store::prune`], and when `remove` fails.
    pub fn prune_with(&self, options: &Prune, remove: Remover<'_>) -> Result<Report, Error> {
        ingest::clean(self.place())?;
        let lock = FileLock::exclusive(&self.place().index_lock())?;
        let limit = self.spared_since(options)?;
        let inventory = Inventory::take(self)?;
        let mut sweep = Sweep::new(&inventory);
        let candidates = sweep.candidates(inventory, options, limit);
        sweep.drop_candidates(candidates, options);
        let directories = std::mem::take(&mut sweep.directories);
        let mut report = self.carry_out(&lock, sweep, options, limit)?;
        for directory in directories {
            if self.sweep_directory(&directory, limit, remove)? {
                report.cached += 1;
                report.bytes += directory.bytes;
            }
        }
        Ok(report)
    }

    /// Unnames an image and removes what only it held.
    ///
    /// # Errors
    /// [`Error::UnknownReference`] when no image has the name; as [`Store::prune`].
    pub fn remove(&self, reference: &oci::Reference) -> Result<Report, Error> {
        let found = match reference.digest() {
            Some(digest) => self.forget(digest)? > 0,
            None => self.untag(reference)?,
        };
        if !found {
            return Err(Error::UnknownReference(reference.clone()));
        }
        self.prune(&Prune::default())
    }

    /// What was used at or after this time stays.
    fn spared_since(&self, options: &Prune) -> Result<SystemTime, Error> {
        let now = SystemTime::now() + Duration::from_secs(1);
        let age = options.older_than.and_then(|age| now.checked_sub(age)).unwrap_or(now);
        Ok(oldest_lease(self.place())?.map_or(age, |lease| lease.min(age)))
    }

    fn carry_out(&self, lock: &FileLock, sweep: Sweep, options: &Prune, limit: SystemTime) -> Result<Report, Error> {
        let images: BTreeSet<Digest> = sweep.holders.iter().filter_map(Holder::unnamed).collect();
        let records: Vec<_> = sweep.holders.iter().filter_map(Holder::record).collect();
        self.update_locked(lock, |entries| {
            entries.retain(|entry| crate::tags::is_named(entry) || !images.contains(&entry.digest));
            Ok(())
        })?;
        self.remove_records(&records)?;
        let mut report = Report { images: images.into_iter().collect(), cached: records.len(), ..Report::default() };
        for file in sweep.files {
            if let Some(bytes) = self.sweep(&file, limit)? {
                report.cached += 1;
                report.bytes += bytes;
            }
        }
        let garbage = sweep.blobs.into_iter().filter(|(digest, _)| !sweep.references.contains_key(digest));
        for (digest, file) in garbage {
            if let Some(bytes) = self.sweep(&file, limit)? {
                report.blobs.push(digest);
                report.bytes += bytes;
            }
        }
        self.remove_rows(options, limit, &report.blobs)?;
        Ok(report)
    }

    /// Removes a file unless it was used meanwhile; returns its size if it went.
    fn sweep(&self, file: &StoredFile, limit: SystemTime) -> Result<Option<u64>, Error> {
        let _no_renewal = FileLock::exclusive(&self.place().sweep_lock())?;
        let unused = fs::symlink_metadata(&file.path).ok().filter(|now| now.modified().is_ok_and(|used| used < limit));
        Ok(unused.filter(|_| fs::remove_file(&file.path).is_ok()).map(|now| now.len()))
    }

    /// Takes a directory out of its place unless it was used meanwhile, and removes it; whether it did.
    fn sweep_directory(
        &self,
        directory: &CacheDirectory,
        limit: SystemTime,
        remove: Remover<'_>,
    ) -> Result<bool, Error> {
        let scratch = self.scratch()?;
        let aside = scratch.path().join("removed");
        {
            let _no_renewal = FileLock::exclusive(&self.place().sweep_lock())?;
            let now = fs::symlink_metadata(&directory.path).ok();
            let unused = now.is_some_and(|now| now.modified().is_ok_and(|used| used < limit));
            if !unused || fs::rename(&directory.path, &aside).is_err() {
                return Ok(false);
            }
        }
        remove(&aside).at("remove", &aside)?;
        Ok(true)
    }

    /// Forgets what is no longer of use: diffIDs of removed blobs, and old stat entries with the rest of the cache.
    fn remove_rows(&self, options: &Prune, limit: SystemTime, blobs: &[Digest]) -> Result<(), Error> {
        let limit = crate::database::nanos(limit);
        let drop_stat = options.cache && options.kinds.is_empty() && options.keep_storage.is_none();
        self.database().write(|db| {
            let mut delete = db.prepare_cached("DELETE FROM diff_id WHERE digest = ?")?;
            blobs.iter().try_for_each(|digest| delete.execute([digest.as_str()]).map(drop))?;
            if drop_stat {
                db.execute("DELETE FROM stat WHERE taken < ?", [limit])?;
            }
            Ok(())
        })
    }
}

impl Sweep {
    fn new(inventory: &Inventory) -> Self {
        let mut references = BTreeMap::new();
        for digest in inventory.held.iter().flat_map(|held| &held.reaches) {
            *references.entry(digest.clone()).or_insert(0) += 1;
        }
        let blobs = inventory.blobs.clone();
        let kept = blobs.iter().filter(|(digest, _)| references.contains_key(digest)).map(|(_, file)| file.size);
        let derived: u64 = inventory.derived.iter().map(|file| file.size).sum();
        let directories: u64 = inventory.directories.iter().map(|directory| directory.bytes).sum();
        let total = kept.sum::<u64>() + derived + directories;
        Self { references, blobs, total, holders: Vec::new(), files: Vec::new(), directories: Vec::new() }
    }

    /// What may go, the longest unused last.
    fn candidates(&self, inventory: Inventory, options: &Prune, limit: SystemTime) -> Vec<Dated> {
        let mut candidates: Vec<Dated> = Vec::new();
        for held in inventory.held.into_iter().filter(|held| options.covers(&held.holder) && held.used < limit) {
            candidates.push((held.used, Candidate::Holder(held.holder), held.reaches));
        }
        if options.cache && options.kinds.is_empty() {
            let unused = inventory.derived.into_iter().filter(|file| file.used < limit);
            candidates.extend(unused.map(|file| (file.used, Candidate::File(file), BTreeSet::new())));
        }
        let unused =
            inventory.directories.into_iter().filter(|one| options.covers_kind(one.kind.name()) && one.used < limit);
        candidates.extend(unused.map(|one| (one.used, Candidate::Directory(one), BTreeSet::new())));
        candidates.sort_by_key(|(used, ..)| Reverse(*used));
        candidates
    }

    /// Drops candidates until little enough is left.
    fn drop_candidates(&mut self, mut candidates: Vec<Dated>, options: &Prune) {
        let too_much = |total: u64| options.keep_storage.is_none_or(|keep| total > keep);
        while let Some((_, candidate, reaches)) = candidates.pop_if(|_| too_much(self.total)) {
            self.drop(candidate, &reaches);
        }
    }

    fn drop(&mut self, candidate: Candidate, reaches: &BTreeSet<Digest>) {
        match candidate {
            Candidate::Holder(holder) => self.holders.push(holder),
            Candidate::File(file) => {
                self.total = self.total.saturating_sub(file.size);
                self.files.push(file);
            }
            Candidate::Directory(directory) => {
                self.total = self.total.saturating_sub(directory.bytes);
                self.directories.push(directory);
            }
        }
        for digest in reaches {
            self.release(digest);
        }
    }

    fn release(&mut self, digest: &Digest) {
        let Some(count) = self.references.get_mut(digest) else { return };
        *count -= 1;
        if *count == 0 {
            self.references.remove(digest);
            self.total = self.total.saturating_sub(self.blobs.get(digest).map_or(0, |file| file.size));
        }
    }
}

impl Prune {
    fn covers(&self, holder: &Holder) -> bool {
        match holder {
            Holder::Named(_) => false,
            Holder::Unnamed(_) => self.dangling,
            Holder::Record { kind, .. } => self.covers_kind(kind),
        }
    }

    fn covers_kind(&self, kind: &str) -> bool {
        self.cache && (self.kinds.is_empty() || self.kinds.iter().any(|asked| asked == kind))
    }
}

/// When the oldest process that uses content began to.
///
/// Looking at a lease is trying to lock it: nobody may make one meanwhile, or it would be left without a lock of its own.
fn oldest_lease(place: &Place) -> Result<Option<SystemTime>, Error> {
    let _no_new_ones = FileLock::exclusive(&place.sweep_lock())?;
    let mut oldest: Option<SystemTime> = None;
    for path in ingest::entries(&place.leases())? {
        let Ok(file) = fs::File::open(&path) else { continue };
        if !try_lock(&file, &path)? {
            let began = file.metadata().and_then(|metadata| metadata.modified()).ok();
            oldest = oldest.into_iter().chain(began).min();
        }
    }
    Ok(oldest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::thread;

    use super::*;

    /// Whether somebody waits for the lock on a file: `/proc/locks` marks them with an arrow.
    fn is_waited_for(path: &Path) -> bool {
        let inode = fs::metadata(path).expect("it is locked").ino();
        let locks = fs::read_to_string("/proc/locks").expect("the kernel's locks");
        locks.lines().any(|line| line.contains("->") && line.contains(&format!(":{inode} ")))
    }

    /// Who makes a lease holds the sweep lock between making the file and locking it; a look in between would take the lock away.
    #[test]
    fn nobody_looks_at_a_lease_that_is_being_made() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path().join("store")).expect("a store");
        let place = store.place();
        let making = FileLock::shared(&place.sweep_lock()).expect("the lock");
        thread::scope(|scope| {
            let looking = scope.spawn(|| oldest_lease(place));
            while !is_waited_for(&place.sweep_lock()) {
                assert!(!looking.is_finished(), "it has looked");
                thread::yield_now();
            }
            let path = place.leases().join("new");
            let lease = fs::File::create_new(&path).expect("a lease");
            assert!(try_lock(&lease, &path).expect("it can be tried"), "the lease has its lock");
            drop(making);
            assert!(looking.join().expect("no panic").expect("it looks").is_some());
        });
    }
}
