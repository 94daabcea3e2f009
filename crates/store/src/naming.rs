//! Names that are given, many at once perhaps: one change of `index.json` serves all who wait for it, and none is made
//! where all names stand already. Else the names of a thousand images would cost the square of their number.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oci::{Descriptor, Digest, Reference};

use crate::Error;
use crate::error::At;
use crate::lock::FileLock;
use crate::tags::name_of;
use crate::{Store, tags};

/// A file that was changed this long ago shows the next change in its times, whatever the file system's clock.
const AT_REST: Duration = Duration::from_millis(100);

/// What processes know of the names, and who waits to give some.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    waiting: Mutex<Vec<Arc<Wanted>>>,
    known: Mutex<Option<Known>>,
}

/// Names that someone wants given.
#[derive(Debug)]
struct Wanted {
    tags: Vec<(Reference, Descriptor)>,
    given: AtomicBool,
}

/// What a certain `index.json` says.
#[derive(Debug)]
struct Known {
    file: Seen,
    names: BTreeMap<Reference, Digest>,
}

/// What tells one `index.json` from another: ours are new files each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Seen {
    fn of(file: &Metadata) -> Self {
        let (mtime, ctime) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
        Self { inode: file.ino(), size: file.size(), mtime, ctime }
    }

    /// Whether another change now would be seen.
    fn is_at_rest(&self) -> bool {
        let (seconds, nanos) = self.ctime.max(self.mtime);
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else { return false };
        let changed = UNIX_EPOCH + Duration::new(seconds, nanos);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > AT_REST)
    }
}

impl Store {
    /// Gives full names to images that are here.
    pub(crate) fn give(&self, tags: Vec<(Reference, Descriptor)>) -> Result<(), Error> {
        if self.stand(&tags)? {
            return Ok(());
        }
        let mine = Arc::new(Wanted { tags, given: AtomicBool::new(false) });
        self.waiting().push(Arc::clone(&mine));
        let lock = FileLock::exclusive(&self.place().index_lock());
        if lock.is_ok() && mine.given.load(Ordering::Relaxed) {
            return Ok(());
        }
        let all = mem::take(&mut *self.waiting());
        let given = lock.and_then(|lock| {
            let tags: Vec<_> = all.iter().flat_map(|wanted| &wanted.tags).collect();
            self.update_locked(&lock, |entries| {
                tags::give(entries, &tags);
                Ok(())
            })
        });
        match &given {
            Ok(()) => all.iter().for_each(|wanted| wanted.given.store(true, Ordering::Relaxed)),
            // The others try for themselves, and see what is wrong.
            Err(_) => self.waiting().extend(all.into_iter().filter(|wanted| !Arc::ptr_eq(wanted, &mine))),
        }
        given
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Arc<Wanted>>> {
        self.naming().waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all of these are the names of just these images.
    fn stand(&self, tags: &[(Reference, Descriptor)]) -> Result<bool, Error> {
        let path = self.place().index_json();
        let file = Seen::of(&std::fs::metadata(&path).at("stat", &path)?);
        if !file.is_at_rest() {
            return Ok(false);
        }
        let mut known = self.naming().known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.file != file) {
            let entries = self.entries()?;
            let names = entries.into_iter().filter_map(|entry| Some((name_of(&entry)?, entry.digest))).collect();
            *known = Some(Known { file, names });
        }
        let names = known.as_ref().map(|known| &known.names);
        Ok(tags.iter().all(|(name, image)| names.and_then(|names| names.get(name)) == Some(&image.digest)))
    }
}
