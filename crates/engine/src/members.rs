//! Compressed chunks of layers in the store, for layers that have the same ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use layer::{Layer, Members};
use oci::Digest;
use serde::{Deserialize, Serialize};
use store::Store;

use crate::Error;

/// The kind of the store's records.
const RECORD: &str = "member";
/// No compressed chunk is longer, in bytes; a record that says so is damaged.
const LONGEST: u64 = 4 << 20;

/// Where a compressed chunk is.
#[derive(Serialize, Deserialize)]
struct Record {
    blob: Digest,
    offset: u64,
    length: u64,
    content: u32,
    checksum: u32,
}

/// Finds compressed chunks in the store's blobs.
pub(crate) struct StoredMembers {
    store: Arc<Store>,
    open: Mutex<BTreeMap<Digest, Arc<File>>>,
}

impl StoredMembers {
    pub(crate) fn of(store: &Arc<Store>) -> Arc<dyn Members> {
        Arc::new(Self { store: Arc::clone(store), open: Mutex::default() })
    }

    fn blob(&self, digest: &Digest) -> Option<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.contains_key(digest) {
            open.insert(digest.clone(), Arc::new(self.store.open_blob(digest).ok()?));
        }
        open.get(digest).cloned()
    }
}

impl Members for StoredMembers {
    fn find(&self, recipe: &Digest, content: u32) -> Option<Vec<u8>> {
        let bytes = self.store.cache_get(RECORD, recipe).ok()??;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        if record.content != content || record.length > LONGEST {
            return None;
        }
        let mut member = vec![0; usize::try_from(record.length).ok()?];
        self.blob(&record.blob)?.read_exact_at(&mut member, record.offset).ok()?;
        (layer::crc32(&member) == record.checksum).then_some(member)
    }
}

/// Remembers the chunks of a layer whose blob is in the store.
pub(crate) fn remember(store: &Store, layer: &Layer) -> Result<(), Error> {
    let record = |member: &layer::Member| {
        let record = Record {
            blob: layer.digest.clone(),
            offset: member.offset,
            length: member.length,
            content: member.content,
            checksum: member.checksum,
        };
        let bytes = serde_json::to_vec(&record).map_err(|error| Error::Internal(error.to_string()))?;
        Ok((member.recipe.clone(), bytes))
    };
    let records = layer.members.iter().map(record).collect::<Result<Vec<_>, Error>>()?;
    Ok(store.cache_put_all(RECORD, &records, std::slice::from_ref(&layer.digest))?)
}
