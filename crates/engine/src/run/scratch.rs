//! Directories of a run in the making: they may hold files that only the sandbox can remove.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox::Sandbox;
use store::Store;

use super::RunError;
use crate::Error;
use crate::layers::Layers;

/// A directory on the store's file system, removed with all that is in it when dropped.
pub(crate) struct Scratch {
    own: store::Scratch,
    sandbox: Sandbox,
}

impl Scratch {
    pub(crate) fn new(layers: &Layers, sandbox: &Sandbox) -> Result<Self, Error> {
        Ok(Self { own: layers.store().scratch()?, sandbox: sandbox.clone() })
    }

    /// A new directory in it.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.own.path().join(name);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| Error::File { operation: "create", path: path.clone(), source })?;
        Ok(path)
    }
}

/// What cannot be removed is found and removed by a later build.
impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.sandbox, self.own.path()) {
            tracing::warn!("{error}");
        }
    }
}

/// Removes what killed builds left.
pub(crate) fn remove_stale(store: &Arc<Store>, sandbox: &Sandbox) -> Result<(), Error> {
    for stale in store.stale_scratches()? {
        remove(sandbox, stale.path())?;
    }
    Ok(())
}

fn remove(sandbox: &Sandbox, path: &Path) -> Result<(), Error> {
    Ok(sandbox.remove(path).map_err(RunError::from)?)
}
