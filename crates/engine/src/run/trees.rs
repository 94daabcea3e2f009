//! Layers unpacked, each once, as directories that overlays are made of.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_util::future::try_join_all;
use layer::LayerIndex;
use oci::DiffId;
use sandbox::Sandbox;
use tokio::sync::{OnceCell, Semaphore};

use super::{RunError, Scratch};
use crate::Error;
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
    pub(crate) async fn of(&self, layers: &[LayerRef]) -> Result<Vec<PathBuf>, Error> {
        let again = |(at, layer): (usize, &LayerRef)| layers[at + 1..].iter().any(|above| above.diff_id == layer.diff_id);
        let once = layers.iter().enumerate().filter(|numbered| !again(*numbered));
        try_join_all(once.map(|(_, layer)| self.one(layer))).await
    }

    /// Keeps `upper` as what `diff_id` looks like when it is unpacked.
    pub(crate) fn keep(&self, diff_id: &DiffId, upper: &Path) -> Result<PathBuf, Error> {
        Ok(self.layers.store().keep_tree(self.sandbox.scheme(), diff_id, upper)?)
    }

    async fn one(&self, layer: &LayerRef) -> Result<PathBuf, Error> {
        let memo = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(layer.diff_id.clone()).or_default())
        };
        memo.get_or_try_init(|| self.unpack(layer)).await.cloned()
    }

    async fn unpack(&self, layer: &LayerRef) -> Result<PathBuf, Error> {
        if let Some(dir) = self.layers.store().tree(self.sandbox.scheme(), &layer.diff_id)? {
            return Ok(dir);
        }
        let _permit = self.working.acquire().await.map_err(|error| Error::Internal(error.to_string()))?;
        let reader = self.layers.open_any(layer).await?;
        let (layers, sandbox, diff_id) = (self.layers.clone(), self.sandbox.clone(), layer.diff_id.clone());
        blocking(move || {
            let scratch = Scratch::new(&layers, &sandbox)?;
            let dir = scratch.directory("fs")?;
            let index = index_and_unpack(reader, &diff_id, &sandbox, &dir)?;
            layers.store().put_index(&diff_id, &index)?;
            Ok(layers.store().keep_tree(sandbox.scheme(), &diff_id, &dir)?)
        })
        .await
    }
}

/// Reads a layer once: checked and indexed on one thread, written by the sandbox on another.
fn index_and_unpack(
    reader: Box<dyn Read + Send>,
    diff_id: &DiffId,
    sandbox: &Sandbox,
    dir: &Path,
) -> Result<LayerIndex, Error> {
    let (tar, mut copy) = std::io::pipe().map_err(|error| Error::Internal(format!("no pipe: {error}")))?;
    thread::scope(|scope| {
        let unpacking = scope.spawn(|| sandbox.unpack(tar, dir));
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
