//! The stat cache: contents of files that have not changed since they were hashed.
//!
//! A file counts as unchanged when everything `stat` says about it is equal. That is blind to a change within the clock's
//! granularity of the stat, so what changed that recently is not recorded (git calls such entries racy); and what was recorded
//! in what is now the future, because the clock was set back, is not believed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use oci::Digest;
use rusqlite::{Row, Statement, params};

use crate::database::nanos;
use crate::{Error, Store};

/// A second, in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// Ten times the coarsest tick of a Linux kernel's clock.
const TICK: i64 = SECOND / 10;

/// All that `stat` says about a file's identity and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatKey {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
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
    /// Inodes of one tree lie close together, so neighbours are found by one scan instead of a search each.
    ///
    /// # Errors
    /// When the database fails.
    pub fn stat_lookup(&self, keys: &[StatKey]) -> Result<Vec<Option<Digest>>, Error> {
        let now = nanos(SystemTime::now());
        let mut wanted: Vec<Wanted> = keys.iter().enumerate().map(|(index, key)| Wanted::new(index, key)).collect();
        wanted.sort_unstable();
        self.database().read(|db| {
            // One look at the database's state for all the scans.
            let view = db.unchecked_transaction()?;
            let mut scan = view.prepare_cached(SCAN)?;
            let mut found = vec![None; keys.len()];
            for run in wanted.chunk_by(Wanted::is_near) {
                look_up_run(&mut scan, run, keys, now, &mut found)?;
            }
            Ok(found)
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
                let (dev, ino, size) = (key.dev.cast_signed(), key.ino.cast_signed(), key.size.cast_signed());
                insert
                    .execute(params![dev, ino, size, key.mtime_ns, key.ctime_ns, key.mode, taken, digest.as_str()])
                    .map(drop)
            })
        })
    }
}

/// What is known about a range of inodes.
const SCAN: &str = "SELECT ino, size, mtime, ctime, mode, digest FROM stat \
    WHERE dev = ?1 AND ino BETWEEN ?2 AND ?3 AND taken <= ?4 ORDER BY ino";
/// Inodes further apart are searched for, not scanned to.
const NEAR: u64 = 8;

/// A file asked for: where it is in the table, and which of the keys it is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    dev: i64,
    ino: i64,
    index: usize,
}

impl Wanted {
    fn new(index: usize, key: &StatKey) -> Self {
        Self { dev: key.dev.cast_signed(), ino: key.ino.cast_signed(), index }
    }

    fn is_near(&self, next: &Self) -> bool {
        self.dev == next.dev && next.ino.abs_diff(self.ino) <= NEAR
    }
}

/// Walks a range of the table and the sorted files asked for side by side.
fn look_up_run(
    scan: &mut Statement<'_>,
    run: &[Wanted],
    keys: &[StatKey],
    now: i64,
    found: &mut [Option<Digest>],
) -> rusqlite::Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let mut rows = scan.query(params![first.dev, first.ino, last.ino, now])?;
    let mut ahead = run.iter().peekable();
    while let Some(row) = rows.next()? {
        let ino: i64 = row.get(0)?;
        while ahead.next_if(|wanted| wanted.ino < ino).is_some() {}
        while let Some(wanted) = ahead.next_if(|wanted| wanted.ino == ino) {
            let (Some(key), Some(slot)) = (keys.get(wanted.index), found.get_mut(wanted.index)) else { continue };
            if is_unchanged(row, key)? {
                *slot = Digest::parse(row.get_ref(5)?.as_str()?).ok();
            }
        }
    }
    Ok(())
}

fn is_unchanged(row: &Row<'_>, key: &StatKey) -> rusqlite::Result<bool> {
    Ok(row.get::<_, i64>(1)? == key.size.cast_signed()
        && row.get::<_, i64>(2)? == key.mtime_ns
        && row.get::<_, i64>(3)? == key.ctime_ns
        && row.get::<_, u32>(4)? == key.mode)
}
