//! `RUN --mount=type=cache`: directories that outlive builds.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use graph::{Mount, MountKind};
use sandbox::{MountSource, Sandbox, Stop};
use store::CacheMount;

use super::RunError;
use crate::Error;
use crate::framed::Framed;
use crate::layers::{LayerRef, Layers};
use crate::steps::CACHE;

/// Between two looks whether a locked cache is free.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);
const FORMAT: &str = "shipsmith cache mount 1";

/// A cache in use.
pub(crate) struct Cache(CacheMount);

impl Cache {
    /// The cache of `mount`; made and filled with `content` when it is new. Waits for one that others have locked. Blocks.
    pub(crate) fn open(
        layers: &Layers,
        sandbox: &Sandbox,
        mount: &Mount,
        content: &LayerRef,
        stop: &Stop,
    ) -> Result<Self, Error> {
        let MountKind::Cache { sharing, .. } = &mount.kind else {
            return Err(Error::Internal("another mount was taken for a cache".into()));
        };
        let (identity, sharing) = (identity(mount, content), self::sharing(*sharing));
        let own = loop {
            match layers.store().cache_mount(sandbox.scheme(), &identity, sharing)? {
                Some(own) => break own,
                None if stop.is_set() => return Err(Error::Cancelled),
                None => thread::sleep(PATIENCE),
            }
        };
        own.fill_once(|dir| fill(layers, sandbox, content, dir))?;
        Ok(Self(own))
    }

    /// What is mounted.
    pub(crate) fn source(&self) -> MountSource {
        MountSource::Directory { path: self.0.path(), below: CACHE.into() }
    }
}

/// What two mounts must have in common to share a cache: as with BuildKit, the id and what it holds at first.
fn identity(mount: &Mount, content: &LayerRef) -> String {
    match &mount.kind {
        MountKind::Cache { id, input: None, access: None, .. } => id.clone(),
        MountKind::Cache { id, .. } => {
            let mut key = Framed::new(FORMAT);
            key.put(id.as_bytes());
            key.put(content.diff_id.0.as_str().as_bytes());
            key.finish().to_string()
        }
        _ => String::new(),
    }
}

fn fill(layers: &Layers, sandbox: &Sandbox, content: &LayerRef, dir: &Path) -> Result<(), Error> {
    empty(sandbox, dir)?;
    let tar = layers.store().tar(&content.diff_id)?.ok_or_else(|| Error::LayerLost(content.diff_id.0.clone()))?;
    Ok(sandbox.unpack(tar, dir).map_err(RunError::from)?)
}

/// Makes `dir` an empty directory, whatever was there.
pub(super) fn empty(sandbox: &Sandbox, dir: &Path) -> Result<(), Error> {
    sandbox.remove(dir).map_err(RunError::from)?;
    let made = DirBuilder::new().mode(0o755).create(dir);
    made.map_err(|source| Error::File { operation: "create", path: dir.to_owned(), source })
}

fn sharing(written: dockerfile::Sharing) -> store::Sharing {
    match written {
        dockerfile::Sharing::Shared => store::Sharing::Shared,
        dockerfile::Sharing::Private => store::Sharing::Private,
        dockerfile::Sharing::Locked => store::Sharing::Locked,
    }
}
