//! What lies in the store, and what holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oci::{Descriptor, Digest};

use crate::document::{self, Document};
use crate::error::At;
use crate::tags::is_named;
use crate::{Error, Store};

/// A file with its size in bytes and its last use.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) used: SystemTime,
}

/// A directory that can be made again or is only there to save time.
#[derive(Debug, Clone)]
pub struct CacheDirectory {
    /// What it is.
    pub kind: CacheKind,
    /// How owners are written in it: see [`Store::tree`].
    pub scheme: String,
    /// The layer's diffID, or the id of the cache mount.
    pub name: String,
    /// Where it lies; the files are in `fs` in it.
    pub path: PathBuf,
    /// How long its files are together, in bytes, as far as this user may see them.
    pub bytes: u64,
    /// When it was used last.
    pub used: SystemTime,
}

/// What a [`CacheDirectory`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// An unpacked layer.
    Tree,
    /// What a `RUN --mount=type=cache` keeps.
    Mount,
}

impl CacheKind {
    /// The name for filters; that of cache mounts is BuildKit's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Mount => "exec.cachemount",
        }
    }
}

/// Who keeps blobs from being garbage.
#[derive(Debug, Clone)]
pub(crate) enum Holder {
    /// An image with a name.
    Named(Digest),
    /// An image without one.
    Unnamed(Digest),
    /// A record of the engine.
    Record { kind: String, key: String },
}

impl Holder {
    pub(crate) fn unnamed(&self) -> Option<Digest> {
        if let Self::Unnamed(digest) = self { Some(digest.clone()) } else { None }
    }

    pub(crate) fn record(&self) -> Option<(String, String)> {
        if let Self::Record { kind, key } = self { Some((kind.clone(), key.clone())) } else { None }
    }
}

/// A holder with all the digests it leads to, whether they are here or not.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) holder: Holder,
    pub(crate) used: SystemTime,
    pub(crate) reaches: BTreeSet<Digest>,
}

/// The whole store at one moment.
pub(crate) struct Inventory {
    pub(crate) blobs: BTreeMap<Digest, StoredFile>,
    /// Header indexes and uncompressed tars.
    pub(crate) derived: Vec<StoredFile>,
    /// Unpacked layers and cache mounts.
    pub(crate) directories: Vec<CacheDirectory>,
    pub(crate) held: Vec<Held>,
    /// What should be a manifest or index and is none, with the reason.
    pub(crate) unreadable: BTreeMap<Digest, String>,
}

impl Inventory {
    pub(crate) fn take(store: &Store) -> Result<Self, Error> {
        let place = store.place();
        let found = files(&place.blobs())?;
        let blobs: BTreeMap<_, _> = found.into_iter().filter_map(|file| Some((digest_of(&file.path)?, file))).collect();
        let derived = [files(&place.indexes())?, files(&place.tars())?].concat();
        let mut walk = Walk { blobs: &blobs, known: BTreeMap::new(), unreadable: BTreeMap::new() };
        let mut held = images(store, &mut walk)?;
        let unreadable = std::mem::take(&mut walk.unreadable);
        held.extend(records(store, &mut walk)?);
        Ok(Self { blobs, derived, directories: store.cache_directories()?, held, unreadable })
    }
}

impl Store {
    /// The unpacked layers and cache mounts, sorted by kind and place. Looks at every file in them.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn cache_directories(&self) -> Result<Vec<CacheDirectory>, Error> {
        let mut all = Vec::new();
        for path in below(&self.place().trees(), 3)? {
            let Some(digest) = digest_of(&path) else { continue };
            all.extend(cache_directory(CacheKind::Tree, digest.to_string(), path, 2));
        }
        for path in below(&self.place().caches(), 3)? {
            let Some(id) = path.parent().and_then(|dir| fs::read_to_string(dir.join("id")).ok()) else { continue };
            all.extend(cache_directory(CacheKind::Mount, id, path, 2));
        }
        Ok(all)
    }
}

/// What vanishes meanwhile, or is no directory, is passed over. The scheme is the name so many directories above.
fn cache_directory(kind: CacheKind, name: String, path: PathBuf, above: usize) -> Option<CacheDirectory> {
    let metadata = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_dir)?;
    let scheme = path.ancestors().nth(above)?.file_name()?.to_str()?.to_owned();
    let bytes = layer::overlay::disk_usage(&path.join(crate::trees::FILES));
    Some(CacheDirectory { kind, scheme, name, path, bytes, used: metadata.modified().ok()? })
}

/// The paths so many directories below one that may be missing, sorted.
fn below(dir: &Path, depth: usize) -> Result<Vec<PathBuf>, Error> {
    let mut paths = vec![dir.to_owned()];
    for _ in 0..depth {
        let mut inside = Vec::new();
        for dir in paths.iter().filter(|path| path.is_dir()) {
            inside.extend(crate::ingest::entries(dir)?);
        }
        inside.sort();
        paths = inside;
    }
    Ok(paths)
}

fn images(store: &Store, walk: &mut Walk<'_>) -> Result<Vec<Held>, Error> {
    let entries = store.entries()?;
    let mut held: Vec<Held> = entries.iter().map(|entry| walk.image(entry)).collect::<Result<_, _>>()?;
    keep_referrers(&mut held, walk);
    Ok(held)
}

/// An unnamed image that says something about a named one (its `subject`) lives as long as that.
fn keep_referrers(held: &mut [Held], walk: &Walk<'_>) {
    let named = held.iter().filter(|held| matches!(held.holder, Holder::Named(_)));
    let living: BTreeSet<Digest> = named.flat_map(|held| held.reaches.iter().cloned()).collect();
    for held in held {
        let Holder::Unnamed(digest) = &held.holder else { continue };
        let subject = walk.known.get(digest).and_then(|node| node.subject.as_ref());
        if subject.is_some_and(|subject| living.contains(subject)) {
            held.holder = Holder::Named(digest.clone());
        }
    }
}

fn records(store: &Store, walk: &mut Walk<'_>) -> Result<Vec<Held>, Error> {
    type Row = (String, String, i64, Option<String>);
    let rows: Vec<Row> = store.database().read(|db| {
        let mut query = db.prepare(
            "SELECT r.kind, r.key, r.used, b.digest FROM record r LEFT JOIN record_blob b ON b.kind = r.kind AND b.key = r.key ORDER BY r.kind, r.key",
        )?;
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
    })?;
    let mut records: BTreeMap<(String, String), Held> = BTreeMap::new();
    for (kind, key, used, digest) in rows {
        let held = records.entry((kind.clone(), key.clone())).or_insert_with(|| Held {
            holder: Holder::Record { kind, key },
            used: UNIX_EPOCH + Duration::from_nanos(used.unsigned_abs()),
            reaches: BTreeSet::new(),
        });
        if let Some(digest) = digest.and_then(|text| Digest::parse(&text).ok()) {
            walk.reach(&digest, &mut held.reaches)?;
        }
    }
    Ok(records.into_values().collect())
}

/// What a document names.
#[derive(Debug, Default, Clone)]
struct Node {
    documents: Vec<Digest>,
    leaves: Vec<Digest>,
    subject: Option<Digest>,
}

/// Follows documents, reading each once.
struct Walk<'a> {
    blobs: &'a BTreeMap<Digest, StoredFile>,
    known: BTreeMap<Digest, Node>,
    unreadable: BTreeMap<Digest, String>,
}

impl Walk<'_> {
    fn image(&mut self, entry: &Descriptor) -> Result<Held, Error> {
        let mut reaches = BTreeSet::new();
        self.reach(&entry.digest, &mut reaches)?;
        let digest = entry.digest.clone();
        let holder = if is_named(entry) { Holder::Named(digest) } else { Holder::Unnamed(digest) };
        let used = self.blobs.get(&entry.digest).map_or(UNIX_EPOCH, |file| file.used);
        Ok(Held { holder, used, reaches })
    }

    /// Adds `start` and all it leads to.
    fn reach(&mut self, start: &Digest, reached: &mut BTreeSet<Digest>) -> Result<(), Error> {
        let mut open = vec![start.clone()];
        while let Some(digest) = open.pop() {
            if reached.insert(digest.clone()) {
                let node = self.node(&digest)?;
                open.extend(node.documents.iter().cloned());
                reached.extend(node.leaves.iter().cloned());
            }
        }
        Ok(())
    }

    fn node(&mut self, digest: &Digest) -> Result<&Node, Error> {
        if !self.known.contains_key(digest) {
            let node = self.read(digest)?;
            self.known.insert(digest.clone(), node);
        }
        Ok(self.known.entry(digest.clone()).or_default())
    }

    /// What is no document, or is a damaged one, leads nowhere.
    fn read(&mut self, digest: &Digest) -> Result<Node, Error> {
        let Some(file) = self.blobs.get(digest).filter(|file| file.size <= crate::DOCUMENT_LIMIT) else {
            return Ok(Node::default());
        };
        let bytes = fs::read(&file.path).at("read", &file.path)?;
        Ok(match document::image(digest, &bytes) {
            Ok(document) => Node::of(&document),
            Err(error) => {
                self.unreadable.insert(digest.clone(), error.to_string());
                Node::default()
            }
        })
    }
}

impl Node {
    fn of(document: &Document) -> Self {
        let digests = |descriptors: &[Descriptor]| descriptors.iter().map(|d| d.digest.clone()).collect::<Vec<_>>();
        match document {
            Document::Index(index) => {
                let subject = index.subject.as_ref().map(|subject| subject.digest.clone());
                Self { documents: digests(&index.manifests), leaves: Vec::new(), subject }
            }
            Document::Manifest(manifest) => {
                let mut leaves = digests(&manifest.layers);
                leaves.push(manifest.config.digest.clone());
                let subject = manifest.subject.as_ref().map(|subject| subject.digest.clone());
                Self { documents: Vec::new(), leaves, subject }
            }
        }
    }
}

/// The digest a blob's file is named after; `None` for what is no blob.
fn digest_of(path: &Path) -> Option<Digest> {
    Digest::parse(&format!("sha256:{}", path.file_name()?.to_str()?)).ok()
}

/// The files in a directory, sorted by name. What vanishes meanwhile is passed over.
fn files(dir: &Path) -> Result<Vec<StoredFile>, Error> {
    let mut paths = crate::ingest::entries(dir)?;
    paths.sort();
    let stat = |path: PathBuf| {
        let metadata = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some(StoredFile { size: metadata.len(), used: metadata.modified().ok()?, path })
    };
    Ok(paths.into_iter().filter_map(stat).collect())
}
