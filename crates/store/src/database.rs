//! The cache database: SQLite, opened when first needed, shared by processes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::Error;
use crate::lock::FileLock;

/// The version of [`SCHEMA`], kept in `user_version`.
const VERSION: u32 = 1;
/// How long to wait for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest journal that is left to the next process, in bytes: whoever opens the database reads all of it.
const JOURNAL: u64 = 1 << 20;

/// `origin`: where a blob can be fetched. `diff_id`: what a stored layer is when decompressed. `record` and
/// `record_blob`: results the engine wants to find again, and the blobs each needs. `stat`: contents of files that have
/// not changed since. Times `used` and `taken` are nanoseconds since 1970.
const SCHEMA: &str = "
CREATE TABLE origin (digest TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (digest, repository)) WITHOUT ROWID;
CREATE TABLE diff_id (digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE record_blob (kind TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (kind, key, digest)) WITHOUT ROWID;
CREATE TABLE stat (dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
  mode INTEGER NOT NULL, taken INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (dev, ino)) WITHOUT ROWID;
";

/// A lazily opened connection, used by one thread at a time. What was written last may be lost with the power, as blobs may be;
/// what is left is whole.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl Database {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, connection: Mutex::new(None) }
    }

    /// Reads with `work`; what one statement reads is consistent.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        self.connected(|connection| work(connection))
    }

    /// Changes something with `work`: all of it or nothing.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Error> {
        self.connected(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
    }

    fn connected<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *slot {
            Some(connection) => connection,
            empty => empty.insert(self.connect()?),
        };
        work(connection).map_err(|cause| self.error(cause))
    }

    fn connect(&self) -> Result<Connection, Error> {
        let mut connection = Connection::open(&self.path).map_err(|cause| self.error(cause))?;
        let mut version = Self::set_up(&connection).map_err(|cause| self.error(cause))?;
        if version == 0 {
            // Two that change the journal's mode at once would both hold what the other waits for, and SQLite ends that by
            // refusing one of them at once.
            let _alone = FileLock::exclusive(&self.path.with_extension("lock"))?;
            version = make_tables(&mut connection).map_err(|cause| self.error(cause))?;
        }
        if version > VERSION {
            return Err(Error::NewerFormat { path: self.path.clone(), found: version, known: VERSION });
        }
        Ok(connection)
    }

    /// Sets the connection up, and returns the schema's version: 0 when there are no tables yet.
    fn set_up(connection: &Connection) -> rusqlite::Result<u32> {
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        user_version(connection)
    }

    fn journal(&self) -> u64 {
        std::fs::metadata(self.path.with_extension("db-wal")).map_or(0, |journal| journal.len())
    }

    fn error(&self, cause: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::DiskFull;
        match cause.sqlite_error_code() {
            Some(DiskFull) => Error::Full { path: self.path.clone(), needed: 1 },
            _ => Error::Database { path: self.path.clone(), cause },
        }
    }
}

/// Who closes the database last moves a long journal into it, and waits for the disk; a short one stays.
impl Drop for Database {
    fn drop(&mut self) {
        let is_long = self.journal() > JOURNAL;
        let slot = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = slot.as_ref().filter(|_| is_long) {
            // If not this one, then another.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}

/// Makes the tables unless somebody did meanwhile, and returns the schema's version.
fn make_tables(connection: &mut Connection) -> rusqlite::Result<u32> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if user_version(&transaction)? == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    user_version(connection)
}

fn user_version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Nanoseconds since 1970, as SQLite keeps integers.
pub(crate) fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_leaves_in_the_journal_the_next_finds_and_it_stays_short() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut lengths = Vec::new();
        for round in 0..60 {
            let database = Database::new(dir.path().join("cache.db"));
            let found =
                database.read(|db| db.query_row("SELECT count(*) FROM diff_id", [], |row| row.get::<_, u32>(0)));
            assert_eq!(found.expect("read"), round);
            let long = format!("{round} {}", "x".repeat(50_000));
            database.write(|db| db.execute("INSERT INTO diff_id VALUES (?1, '')", [long])).expect("written");
            drop(database);
            lengths.push(Database::new(dir.path().join("cache.db")).journal());
        }
        assert!(lengths.iter().all(|length| *length <= JOURNAL), "{lengths:?}");
        assert!(lengths.iter().filter(|length| **length == 0).count() > 1, "{lengths:?}");
    }

    #[test]
    fn many_who_need_a_new_one_at_once_all_get_it() {
        for _ in 0..30 {
            let dir = tempfile::tempdir().expect("a directory");
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let own = Database::new(dir.path().join("cache.db"));
                        own.write(|transaction| transaction.execute("DELETE FROM origin", [])).expect("a database");
                    });
                }
            });
        }
    }
}
