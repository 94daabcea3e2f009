//! The stat cache: contents of files that have not changed since they were hashed.
//!
//! A file counts as unchanged when everything `stat` says about it is equal. That is blind to a change within the clock's
//! granularity of the stat, so what changed that recently is not recorded (git calls such entries racy); and what was recorded
//! in what is now the future, because the clock was set back, is not believed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use oci::Digest;
use rusqlite::{OptionalExtension, Statement, params};

use crate::database::nanos;
use crate::{Error, Store};

/// A second, in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// Ten times the coarsest tick of a Linux kernel's clock.
const TICK: i64 = SECOND / 10;

/// All that `stat` says about a file's identity and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatKey {
    /// Inode number.
    pub ino: u64,
    /// Device number.
    pub dev: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the content, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Time of the last change of the content or the metadata, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Type and permissions.
    pub mode: u32,
}

impl From<&Metadata> for StatKey {
    fn from(metadata: &Metadata) -> Self {
        let nanos = |seconds: i64, part: i64| seconds.saturating_mul(SECOND).saturating_add(part);
        Self {
            ino: metadata.ino(),
            dev: metadata.dev(),
            size: metadata.size(),
            mtime_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode(),
        }
    }
}

impl StatKey {
    /// Whether a change right after a stat at `taken` would show in the next stat. File systems that keep whole seconds need longer.
    fn is_settled(&self, taken: i64) -> bool {
        let granule = if self.ctime_ns % SECOND == 0 { 2 * SECOND } else { TICK };
        self.mtime_ns.max(self.ctime_ns).saturating_add(granule) < taken
    }
}

impl Store {
    /// The contents of files that have not changed, in the order of `keys`; `None` where that is not known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn stat_lookup(&self, keys: &[StatKey]) -> Result<Vec<Option<Digest>>, Error> {
        let now = nanos(SystemTime::now());
        self.database().read(|db| {
            let mut query = db.prepare_cached(
                "SELECT digest FROM stat WHERE ino = ?1 AND dev = ?2 AND size = ?3 AND mtime = ?4 AND ctime = ?5 AND mode = ?6 AND taken <= ?7",
            )?;
            keys.iter().map(|key| lookup(&mut query, key, now)).collect()
        })
    }

    /// Remembers the contents of files whose stat was taken at or after `taken`, before they were read. What changed too
    /// shortly before is passed over.
    ///
    /// # Errors
    /// When the database fails.
    pub fn stat_record(&self, entries: &[(StatKey, Digest)], taken: SystemTime) -> Result<(), Error> {
        let taken = nanos(taken);
        let mut settled: Vec<_> = entries.iter().filter(|(key, _)| key.is_settled(taken)).collect();
        settled.sort();
        if settled.is_empty() {
            return Ok(());
        }
        self.database().write(|db| {
            let mut insert = db.prepare_cached("INSERT OR REPLACE INTO stat VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
            settled.iter().try_for_each(|(key, digest)| {
                let (ino, dev, size) = (key.ino.cast_signed(), key.dev.cast_signed(), key.size.cast_signed());
                insert
                    .execute(params![ino, dev, size, key.mtime_ns, key.ctime_ns, key.mode, taken, digest.as_str()])
                    .map(drop)
            })
        })
    }
}

fn lookup(query: &mut Statement<'_>, key: &StatKey, now: i64) -> rusqlite::Result<Option<Digest>> {
    let (ino, dev, size) = (key.ino.cast_signed(), key.dev.cast_signed(), key.size.cast_signed());
    let found = query
        .query_row(params![ino, dev, size, key.mtime_ns, key.ctime_ns, key.mode, now], |row| {
            Ok(Digest::parse(row.get_ref(0)?.as_str()?).ok())
        })
        .optional()?;
    Ok(found.flatten())
}
