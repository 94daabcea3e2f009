//! Layers unpacked, each once, as directories that overlays are made of.

use std::collections::BTreeMap;
use std::io::{PipeReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use layer::LayerIndex;
use oci::DiffId;
use sandbox::Sandbox;
use tokio::sync::{OnceCell, Semaphore};

use super::{RunError, Scratch};
use crate::Error;
use crate::framed::Framed;
use crate::layers::{LayerRef, Layers, blocking, checked_index};

/// How many layers are unpacked at once: a disk has little use for more.
const AT_ONCE: usize = 4;

type Memo = Arc<OnceCell<PathBuf>>;

/// The unpacked layers of one ownership scheme.
pub(crate) struct Trees {
    layers: Layers,
    sandbox: Sandbox,
    known: Mutex<BTreeMap<DiffId, Memo>>,
    working: Semaphore,
}

impl Trees {
    pub(crate) fn new(layers: Layers, sandbox: Sandbox) -> Self {
        Self { layers, sandbox, known: Mutex::default(), working: Semaphore::new(AT_ONCE) }
    }

    /// The directories of `layers`, in their order; those that are missing are made side by side.
    ///
    /// Of a layer that is there twice (two steps that make the same change) only the upper one counts: it decides on every path
    /// that it has, and an overlay takes no directory twice.
    pub(crate) fn of<'a>(&'a self, layers: &'a [LayerRef]) -> BoxFuture<'a, Result<Vec<PathBuf>, Error>> {
        let again = |at: usize| layers[at + 1..].iter().any(|above| above.diff_id == layers[at].diff_id);
        let once = (0..layers.len()).filter(|at| !again(*at));
        try_join_all(once.map(|at| self.topmost(&layers[..=at]))).boxed()
    }

    /// Keeps `upper` as what `diff_id` looks like when it is unpacked.
    pub(crate) fn keep(&self, diff_id: &DiffId, upper: &Path) -> Result<PathBuf, Error> {
        Ok(self.layers.store().keep_tree(self.sandbox.scheme(), diff_id, upper)?)
    }

    /// The directory of the last of `layers`.
    async fn topmost(&self, layers: &[LayerRef]) -> Result<PathBuf, Error> {
        let memo = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(chain(layers)).or_default())
        };
        memo.get_or_try_init(|| self.find_or_make(layers)).await.cloned()
    }

    /// Most trees are right wherever their layer lies, and are named by it. A layer that does not describe the directories it
    /// passes through is right over those below only.
    async fn find_or_make(&self, layers: &[LayerRef]) -> Result<PathBuf, Error> {
        let Some((layer, below)) = layers.split_last() else {
            return Err(Error::Internal("no layer has no tree".into()));
        };
        let chain = chain(layers);
        for name in [&layer.diff_id, &chain] {
            if let Some(dir) = self.layers.store().tree(self.sandbox.scheme(), name)? {
                return Ok(dir);
            }
        }
        if below.is_empty() {
            return self.unpack(layer, chain, Some(Vec::new())).await;
        }
        match self.unpack(layer, layer.diff_id.clone(), None).await {
            Err(Error::Run(RunError::Sandbox(sandbox::Error::NeedsBelow { .. }))) => {}
            done => return done,
        }
        let below = self.of(below).await?;
        self.unpack(layer, chain, Some(below)).await
    }

    /// Unpacks a layer, by itself or over others, and keeps it under `name`.
    async fn unpack(&self, layer: &LayerRef, name: DiffId, below: Option<Vec<PathBuf>>) -> Result<PathBuf, Error> {
        let _permit = self.working.acquire().await.map_err(|error| Error::Internal(error.to_string()))?;
        let reader = self.layers.open_any(layer).await?;
        let (layers, sandbox, diff_id) = (self.layers.clone(), self.sandbox.clone(), layer.diff_id.clone());
        blocking(move || {
            let scratch = Scratch::new(&layers, &sandbox)?;
            let dir = scratch.directory("fs")?;
            let index = index_and_unpack(reader, &diff_id, |tar| match &below {
                Some(below) => sandbox.unpack_over(tar, &dir, below),
                None => sandbox.unpack(tar, &dir),
            })?;
            layers.store().put_index(&diff_id, &index)?;
            Ok(layers.store().keep_tree(sandbox.scheme(), &name, &dir)?)
        })
        .await
    }
}

/// What stands for a layer over those below it.
fn chain(layers: &[LayerRef]) -> DiffId {
    let mut key = Framed::new("shipsmith tree of a chain 2");
    key.list(layers.iter().map(|layer| layer.diff_id.0.as_str().as_bytes()));
    DiffId(key.finish())
}

/// Reads a layer once: checked and indexed on one thread, written by the sandbox on another.
fn index_and_unpack(
    reader: Box<dyn Read + Send>,
    diff_id: &DiffId,
    unpack: impl FnOnce(PipeReader) -> Result<(), sandbox::Error> + Send,
) -> Result<LayerIndex, Error> {
    let (tar, mut copy) = std::io::pipe().map_err(|error| Error::Internal(format!("no pipe: {error}")))?;
    thread::scope(|scope| {
        let unpacking = scope.spawn(|| unpack(tar));
        let index = checked_index(reader, diff_id, Some(&mut copy));
        drop(copy);
        let unpacked = unpacking.join().map_err(|_| Error::Internal("unpacking panicked".into()))?;
        match (index, unpacked) {
            // The reader only noticed that nobody listens any more.
            (Err(Error::Layer(layer::Error::Write(_))), Err(error)) => Err(RunError::from(error).into()),
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => Err(RunError::from(error).into()),
            (Ok(index), Ok(())) => Ok(index),
        }
    })
}
