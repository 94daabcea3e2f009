//! What is worth knowing again: origins of absent blobs, diffIDs, and the engine's records.

use std::collections::BTreeSet;
use std::time::SystemTime;

use oci::{DiffId, Digest, Repository};
use rusqlite::{OptionalExtension, params};

use crate::database::nanos;
use crate::{Error, Store};

/// A record's last use is renewed when it is older than this, so that reading seldom writes.
const RENEWAL_NANOS: i64 = 3600 * 1_000_000_000;

impl Store {
    /// Where a blob can be fetched, sorted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn origin(&self, digest: &Digest) -> Result<Vec<Repository>, Error> {
        let texts: Vec<String> = self.database().read(|db| {
            let mut query = db.prepare_cached("SELECT repository FROM origin WHERE digest = ? ORDER BY repository")?;
            query.query_map([digest.as_str()], |row| row.get(0))?.collect()
        })?;
        Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Remembers that blobs can be fetched from a repository.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_origins(&self, digests: &[&Digest], repository: &Repository) -> Result<(), Error> {
        let repository = repository.to_string();
        self.database().write(|db| {
            let mut insert = db.prepare_cached("INSERT OR IGNORE INTO origin VALUES (?, ?)")?;
            digests.iter().try_for_each(|digest| insert.execute([digest.as_str(), &repository]).map(drop))
        })
    }

    /// Remembers that a blob can be fetched from a repository.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_origin(&self, digest: &Digest, repository: &Repository) -> Result<(), Error> {
        self.add_origins(&[digest], repository)
    }

    /// What a layer's blob is when decompressed, if that was found out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn diff_id_of(&self, digest: &Digest) -> Result<Option<DiffId>, Error> {
        let text: Option<String> = self.database().read(|db| {
            let mut query = db.prepare_cached("SELECT diff_id FROM diff_id WHERE digest = ?")?;
            query.query_row([digest.as_str()], |row| row.get(0)).optional()
        })?;
        Ok(text.and_then(|text| Digest::parse(&text).ok()).map(DiffId))
    }

    /// Remembers what a layer's blob is when decompressed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_diff_id(&self, digest: &Digest, diff_id: &DiffId) -> Result<(), Error> {
        self.database().write(|db| {
            let mut insert = db.prepare_cached("INSERT OR REPLACE INTO diff_id VALUES (?, ?)")?;
            insert.execute([digest.as_str(), diff_id.0.as_str()]).map(drop)
        })
    }

    /// A record: a value of some `kind` (`layer`, `result`, `remote-tag` ...) under a key that covers all it depends on.
    ///
    /// The blobs it names may have been damaged or removed by hand: ask for them with [`Store::contains`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn cache_get(&self, kind: &str, key: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let found: Option<(Vec<u8>, i64)> = self.database().read(|db| {
            let mut query = db.prepare_cached("SELECT value, used FROM record WHERE kind = ? AND key = ?")?;
            query.query_row([kind, key.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let Some((value, used)) = found else { return Ok(None) };
        let now = nanos(SystemTime::now());
        if used < now - RENEWAL_NANOS {
            self.database().write(|db| {
                db.execute("UPDATE record SET used = ? WHERE kind = ? AND key = ?", params![now, kind, key.as_str()])
            })?;
        }
        Ok(Some(value))
    }

    /// Keeps a record, and with it the blobs in `needs` (and what those name, if they are manifests), until it is pruned.
    ///
    /// # Errors
    /// When the database fails.
    pub fn cache_put(&self, kind: &str, key: &Digest, value: &[u8], needs: &[Digest]) -> Result<(), Error> {
        self.cache_put_all(kind, &[(key.clone(), value.to_vec())], needs)
    }

    /// Keeps several records that need the same blobs: all or none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn cache_put_all(&self, kind: &str, records: &[(Digest, Vec<u8>)], needs: &[Digest]) -> Result<(), Error> {
        let now = nanos(SystemTime::now());
        let needs: BTreeSet<_> = needs.iter().collect();
        if records.is_empty() {
            return Ok(());
        }
        self.database().write(|db| {
            let mut put = db.prepare_cached("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)")?;
            let mut forget = db.prepare_cached("DELETE FROM record_blob WHERE kind = ? AND key = ?")?;
            let mut need = db.prepare_cached("INSERT INTO record_blob VALUES (?, ?, ?)")?;
            for (key, value) in records {
                put.execute(params![kind, key.as_str(), value, now])?;
                forget.execute([kind, key.as_str()])?;
                needs.iter().try_for_each(|digest| need.execute([kind, key.as_str(), digest.as_str()]).map(drop))?;
            }
            Ok(())
        })
    }

    /// Drops a record, such as one whose blobs turned out to be gone.
    ///
    /// # Errors
    /// When the database fails.
    pub fn cache_remove(&self, kind: &str, key: &Digest) -> Result<(), Error> {
        self.remove_records(&[(kind.to_owned(), key.to_string())])
    }

    pub(crate) fn remove_records(&self, records: &[(String, String)]) -> Result<(), Error> {
        self.database().write(|db| {
            for (kind, key) in records {
                db.execute("DELETE FROM record WHERE kind = ? AND key = ?", [kind, key])?;
                db.execute("DELETE FROM record_blob WHERE kind = ? AND key = ?", [kind, key])?;
            }
            Ok(())
        })
    }
}
