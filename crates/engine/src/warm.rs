//! Warm is free: a layer whose files are what they were is not written again.
//!
//! A layer is known by its entries and by what stands for their bytes without reading them: for files of this machine
//! what stat says, for others where they lie in content that has a digest. A file that was changed so recently that its
//! file system may not show another change is not trusted (git calls such an index entry "racy"): its layer is written
//! anew, and not remembered. Nor is anything believed that was remembered before the clock was set back.

use layer::{Compression, Content, Entry, EntryKind, Fingerprint};
use oci::Digest;
use store::Store;

use crate::Error;
use crate::framed::Framed;
use crate::layers::{LayerRef, Origin};
use crate::outbound::Outbound;
use crate::overlay::Item;
use crate::record::{self, Record};

/// Changes whenever the same items would become other bytes.
const FORMAT: &str = "shipsmith layer 5";
/// The kind of the store's records.
const RECORD: &str = "layer";

/// By what a layer is known.
#[derive(Clone)]
pub(crate) struct Key {
    digest: Digest,
    /// Whether every file was at rest when it was looked at.
    settled: bool,
}

impl Key {
    /// A key of anything else than items that makes a layer.
    pub(crate) fn new(digest: Digest, settled: bool) -> Self {
        Self { digest, settled }
    }
}

/// The key of `items` in `compression`, or as a plain tar for later steps; `None` when some bytes can only be read.
pub(crate) fn key(items: &[Item], compression: Option<Compression>) -> Option<Key> {
    let now = Fingerprint::now();
    let mut settled = true;
    let mut key = Framed::new(FORMAT);
    key.put(format!("{compression:?}").as_bytes());
    for (entry, content) in items {
        put_entry(&mut key, entry);
        if let Some(content) = content.as_deref().filter(|_| has_bytes(entry)) {
            settled &= put_content(&mut key, content, now)?;
        }
    }
    Some(Key { digest: key.finish(), settled })
}

pub(crate) fn has_bytes(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::File { size } if size > 0)
}

/// What is remembered of the layer that `key` stands for. Blocks.
pub(crate) fn recall(store: &Store, key: &Key) -> Result<Option<Record>, Error> {
    let found = if key.settled { Record::find(store, RECORD, &key.digest)? } else { None };
    // What was kept in what is now the future is from before the clock was set back: a change since may have the same times.
    Ok(found.filter(|record| record.kept <= record::now()))
}

/// The layer of a record, if the store still has it, or the registries that it was sent to and is to go to again.
pub(crate) async fn locate(
    store: &Store,
    record: Record,
    outbound: Option<&Outbound>,
) -> Result<Option<LayerRef>, Error> {
    let Record { diff_id, blob, .. } = record;
    let origin = match (&blob, outbound) {
        (Some(blob), _) if store.contains(&blob.digest) => Some(Origin::Store),
        (Some(blob), Some(outbound)) if outbound.has(store, &blob.digest).await? => Some(outbound.origin()),
        (Some(_), _) => None,
        (None, _) => store.tar(&diff_id)?.map(|_| Origin::Store),
    };
    Ok(origin.map(|origin| LayerRef { diff_id, blob, origin }))
}

/// Remembers what `key` stands for.
pub(crate) fn remember(store: &Store, key: &Key, layer: &LayerRef) -> Result<(), Error> {
    if !key.settled {
        return Ok(());
    }
    Record::keep(store, RECORD, &key.digest, layer)
}

/// An entry and its attributes.
fn put_entry(key: &mut Framed, entry: &Entry) {
    let (kind, [one, other], link) = identify(&entry.kind);
    let (seconds, nanos) = (entry.mtime.seconds.cast_unsigned(), entry.mtime.nanos.into());
    let numbers = [kind.into(), one, other, entry.mode.into(), entry.uid.into(), entry.gid.into(), seconds, nanos];
    key.put(entry.path.as_bytes());
    key.put(link);
    key.put(numbers.map(u64::to_le_bytes).as_flattened());
    key.list(entry.xattrs.iter().flat_map(|(name, value)| [name.as_slice(), value]));
}

/// A letter for the kind, its numbers, and where it leads.
fn identify(kind: &EntryKind) -> (u8, [u64; 2], &[u8]) {
    match kind {
        EntryKind::File { size } => (b'f', [*size, 0], &[]),
        EntryKind::Directory => (b'd', [0; 2], &[]),
        EntryKind::Symlink { target } => (b'l', [0; 2], target),
        EntryKind::Hardlink { target } => (b'h', [0; 2], target.as_bytes()),
        EntryKind::CharDevice { major, minor } => (b'c', [u64::from(*major), u64::from(*minor)], &[]),
        EntryKind::BlockDevice { major, minor } => (b'b', [u64::from(*major), u64::from(*minor)], &[]),
        EntryKind::Fifo => (b'p', [0; 2], &[]),
        EntryKind::Whiteout => (b'w', [0; 2], &[]),
        EntryKind::OpaqueWhiteout => (b'o', [0; 2], &[]),
    }
}

/// What stands for the bytes, and whether they are at rest; `None` when nothing stands for them.
fn put_content(key: &mut Framed, content: &dyn Content, now: i128) -> Option<bool> {
    let fingerprint = content.fingerprint()?;
    key.put(&fingerprint.key);
    Some(fingerprint.is_settled(now))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::sync::Arc;

    use rootfs::TreePath;

    use super::*;

    struct At(i128);

    impl Content for At {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(io::empty()))
        }

        fn fingerprint(&self) -> Option<Fingerprint> {
            Some(Fingerprint { key: self.0.to_le_bytes().into(), changed: Some(self.0) })
        }
    }

    fn item(name: &str, mode: u32, content: impl Content + 'static) -> Item {
        let path = TreePath::new(name).expect("a path");
        (Entry::new(path, EntryKind::File { size: 1 }, mode), Some(Arc::new(content)))
    }

    fn digest(items: &[Item], compression: Option<Compression>) -> Digest {
        key(items, compression).expect("a key").digest
    }

    #[test]
    fn all_that_changes_a_layer_changes_its_key() {
        let plain = digest(&[item("a", 0o644, b"x".to_vec())], None);
        assert_eq!(plain, digest(&[item("a", 0o644, b"x".to_vec())], None));
        for other in [
            digest(&[item("b", 0o644, b"x".to_vec())], None),
            digest(&[item("a", 0o755, b"x".to_vec())], None),
            digest(&[item("a", 0o644, b"y".to_vec())], None),
            digest(&[item("a", 0o644, b"x".to_vec())], Some(Compression::None)),
            digest(&[item("a", 0o644, b"x".to_vec()), item("b", 0o644, b"x".to_vec())], None),
        ] {
            assert_ne!(plain, other);
        }
    }

    #[test]
    fn what_was_remembered_in_the_future_is_not_believed() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path().join("store")).expect("a store");
        let key = Key { digest: Digest::of(b"key"), settled: true };
        let (tar, _) = store.tar_writer(None).and_then(store::BlobWriter::finish).expect("a tar");
        let diff_id = oci::DiffId(tar);
        let record = |kept| Record { diff_id: diff_id.clone(), blob: None, kept };
        for (kept, believed) in [(record::now(), true), (record::now() + 3600, false)] {
            let bytes = serde_json::to_vec(&record(kept)).expect("a record");
            store.cache_put(RECORD, &key.digest, &bytes, &[]).expect("kept");
            assert_eq!(recall(&store, &key).expect("looked").is_some(), believed);
        }
    }

    #[test]
    fn a_file_changed_just_now_is_not_trusted() {
        let settled = |changed: i128| key(&[item("a", 0, At(changed))], None).expect("a key").settled;
        assert!(settled(Fingerprint::now() - 3_000_000_000));
        assert!(!settled(Fingerprint::now()));
        assert!(!settled((Fingerprint::now() / 1_000_000_000 - 1) * 1_000_000_000));
    }

    #[test]
    fn bytes_that_nothing_stands_for_have_no_key() {
        struct Unknown;
        impl Content for Unknown {
            fn open(&self) -> io::Result<Box<dyn Read + Send>> {
                Ok(Box::new(io::empty()))
            }
        }
        assert!(key(&[item("a", 0, Unknown)], None).is_none());
    }
}
