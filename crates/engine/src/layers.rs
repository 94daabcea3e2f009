//! Layers wherever they are: in the store, in a registry, in a layout on disk. Fetched when, and only when, needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use layer::{LayerIndex, TarSource, index_layer};
use oci::{Descriptor, DiffId, Repository};
use registry::Client;
use store::Store;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::Error;
use crate::download::{self, Download};

/// A layer that is known by name; its bytes may be elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct LayerRef {
    /// Of the uncompressed tar.
    pub(crate) diff_id: DiffId,
    /// The blob; `None` for a stage's layer that is only kept as a tar.
    pub(crate) blob: Option<Descriptor>,
    /// Where the blob is when the store lacks it.
    pub(crate) origin: Origin,
}

/// Where a blob is when the store lacks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere.
    Store,
    /// In any of these.
    Registry(Vec<Repository>),
    /// In an OCI layout's directory.
    Layout(PathBuf),
}

type Memo = Arc<OnceCell<Arc<LayerIndex>>>;

struct Inner {
    store: Arc<Store>,
    client: Client,
    offline: bool,
    indexes: Mutex<BTreeMap<DiffId, Memo>>,
    /// The layers whose blobs an output will ask for: what is fetched of them is kept.
    wanted: Mutex<BTreeSet<DiffId>>,
}

/// Brings layers, their indexes and their tars; cheap to clone.
#[derive(Clone)]
pub(crate) struct Layers(Arc<Inner>);

impl Layers {
    pub(crate) fn new(store: Arc<Store>, client: Client, offline: bool) -> Self {
        Self(Arc::new(Inner { store, client, offline, indexes: Mutex::default(), wanted: Mutex::default() }))
    }

    /// The local store.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    /// What is in a layer: known, or found out by streaming the layer once.
    pub(crate) async fn index(&self, layer: &LayerRef) -> Result<Arc<LayerIndex>, Error> {
        let memo = {
            let mut indexes = self.0.indexes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            Arc::clone(indexes.entry(layer.diff_id.clone()).or_default())
        };
        memo.get_or_try_init(|| self.find_index(layer)).await.cloned()
    }

    /// Remembers the index of a layer that was just written.
    pub(crate) fn know(&self, diff_id: &DiffId, index: Arc<LayerIndex>) {
        let mut indexes = self.0.indexes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        indexes.insert(diff_id.clone(), Arc::new(OnceCell::new_with(Some(index))));
    }

    /// Says that an output will ask for the blobs of `layers`, so that none is fetched twice.
    pub(crate) fn want_blobs(&self, layers: &[LayerRef]) {
        let mut wanted = self.0.wanted.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        wanted.extend(layers.iter().map(|layer| layer.diff_id.clone()));
    }

    async fn find_index(&self, layer: &LayerRef) -> Result<Arc<LayerIndex>, Error> {
        if let Some(index) = self.0.store.index(&layer.diff_id)? {
            return Ok(Arc::new(index));
        }
        let reader = self.open_any(layer).await?;
        let (store, diff_id) = (Arc::clone(&self.0.store), layer.diff_id.clone());
        blocking(move || {
            let index = checked_index(reader, &diff_id, None)?;
            store.put_index(&diff_id, &index)?;
            Ok(Arc::new(index))
        })
        .await
    }

    /// The layer's uncompressed tar in the store, made if it is not there. Blocks.
    fn tar(&self, layer: &LayerRef, handle: &Handle) -> Result<File, Error> {
        if let Some(file) = self.0.store.tar(&layer.diff_id)? {
            return Ok(file);
        }
        let reader = handle.block_on(self.open_any(layer))?;
        let mut writer = self.0.store.tar_writer(None)?;
        let index = checked_index(reader, &layer.diff_id, Some(&mut writer))?;
        writer.finish()?;
        self.0.store.put_index(&layer.diff_id, &index)?;
        self.0.store.tar(&layer.diff_id)?.ok_or_else(|| Error::LayerLost(layer.diff_id.0.clone()))
    }

    /// Makes sure that the store has the blob.
    pub(crate) async fn ensure_blob(&self, layer: &LayerRef) -> Result<(), Error> {
        let Some(blob) = &layer.blob else { return Ok(()) };
        if self.0.store.contains(&blob.digest) {
            return Ok(());
        }
        download::keep(&self.0.store, blob, self.open(layer).await?).await
    }

    /// The tar's bytes if the store has them, the blob's otherwise; by way of the store when an output will ask for the
    /// blob anyhow.
    pub(crate) async fn open_any(&self, layer: &LayerRef) -> Result<Box<dyn Read + Send>, Error> {
        if let Some(tar) = self.0.store.tar(&layer.diff_id)? {
            return Ok(Box::new(tar));
        }
        let wanted = self.0.wanted.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).contains(&layer.diff_id);
        if wanted {
            self.ensure_blob(layer).await?;
        }
        self.open(layer).await
    }

    /// The blob's bytes, or the tar's when there is no blob.
    pub(crate) async fn open(&self, layer: &LayerRef) -> Result<Box<dyn Read + Send>, Error> {
        let Some(blob) = &layer.blob else {
            let tar = self.0.store.tar(&layer.diff_id)?;
            let tar = tar.ok_or_else(|| Error::LayerLost(layer.diff_id.0.clone()))?;
            return Ok(Box::new(tar));
        };
        if self.0.store.contains(&blob.digest) {
            return Ok(Box::new(self.0.store.open_sized(blob)?));
        }
        match &layer.origin {
            Origin::Layout(dir) => open_in_layout(dir, blob),
            _ if self.0.offline => Err(Error::LayerOffline(blob.digest.clone())),
            _ => self.download(&self.places(layer, blob)?, blob).await,
        }
    }

    /// The repositories that are known to have a blob: a base that was built here may have layers of other ones.
    pub(crate) fn places(&self, layer: &LayerRef, blob: &Descriptor) -> Result<Vec<Repository>, Error> {
        let mut known = match &layer.origin {
            Origin::Registry(repositories) => repositories.clone(),
            _ => Vec::new(),
        };
        for repository in self.0.store.origin(&blob.digest)? {
            if !known.contains(&repository) {
                known.push(repository);
            }
        }
        Ok(known)
    }

    async fn download(&self, repositories: &[Repository], blob: &Descriptor) -> Result<Box<dyn Read + Send>, Error> {
        let mut last = Error::LayerLost(blob.digest.clone());
        for repository in repositories {
            match self.0.client.get_blob(repository, blob).await {
                Ok(stream) => return Ok(Box::new(Download::begin(stream))),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// Where a tree reads the layer's files from: the tar is made on the first read.
    pub(crate) fn tar_source(&self, layer: &LayerRef) -> Arc<dyn TarSource> {
        Arc::new(LazyTar {
            layers: self.clone(),
            layer: layer.clone(),
            handle: Handle::current(),
            file: OnceLock::new(),
            making: Mutex::new(()),
        })
    }
}

/// Indexes what `reader` yields, copying the tar to `copy`; refuses another layer than the one expected.
pub(crate) fn checked_index(
    reader: impl Read + Send,
    diff_id: &DiffId,
    copy: Option<&mut dyn Write>,
) -> Result<LayerIndex, Error> {
    let found = index_layer(reader, copy)?;
    if found.diff_id != *diff_id {
        return Err(Error::LayerMismatch { expected: diff_id.clone(), found: found.diff_id });
    }
    Ok(found.index)
}

fn open_in_layout(dir: &std::path::Path, blob: &Descriptor) -> Result<Box<dyn Read + Send>, Error> {
    let path = dir.join(oci::layout::blob(&blob.digest));
    let file = File::open(&path).map_err(|source| Error::LayoutRead { path, source })?;
    Ok(Box::new(file))
}

/// Runs `work` where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))?
}

/// A tar that is made when first read; only from threads that may block.
struct LazyTar {
    layers: Layers,
    layer: LayerRef,
    handle: Handle,
    file: OnceLock<File>,
    making: Mutex<()>,
}

impl LazyTar {
    fn file(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let _one_at_a_time = self.making.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.file.get().is_none() {
            let file = self.layers.tar(&self.layer, &self.handle).map_err(io::Error::other)?;
            let _ = self.file.set(file);
        }
        self.file.get().ok_or_else(|| io::Error::other("a layer's tar was not kept"))
    }
}

impl std::fmt::Debug for LazyTar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LazyTar({})", self.layer.diff_id)
    }
}

impl TarSource for LazyTar {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self.file()?, buffer, offset)
    }

    fn name(&self) -> Option<&DiffId> {
        Some(&self.layer.diff_id)
    }
}
