//! RUN as a step: looked up under its key, run otherwise.

use std::sync::Arc;

use futures_util::future::try_join_all;
use graph::{Mount, MountKind, RunOp, Step};
use layer::Compression;
use oci::Digest;

use super::{Done, Executor};
use crate::cache::Made;
use crate::copy::CopyError;
use crate::encode::{self, encoded, in_compression};
use crate::event::Log;
use crate::layers::{LayerRef, blocking};
use crate::run::{self, Job, Prepared};
use crate::snapshot::Snapshot;
use crate::{Error, steps, warm};

impl Executor<'_> {
    /// Runs a process, unless it is known what it makes.
    pub(super) async fn run(&self, step: &Step, op: &RunOp) -> Result<Done, Error> {
        let parent = self.snapshot(op.parent).await?;
        let vertex = self.events.start(step.label.to_string());
        let made = self.run_or_find(step, op, &parent.layers(), vertex.logger()).await;
        let made = made.map_err(|error| error.within(&self.work.source, step.span));
        let cached = matches!(made, Ok((_, true)));
        let (made, cached) = vertex.finish(cached, made)?;
        Ok(Done { snapshot: Arc::new(Snapshot::over(parent, made.layer.clone())), made: Some(made), fresh: !cached })
    }

    async fn run_or_find(&self, step: &Step, op: &RunOp, parent: &[LayerRef], log: Log) -> Result<(Made, bool), Error> {
        let mounts = try_join_all(op.mounts.iter().map(|mount| self.prepare(step, mount))).await?;
        let (store, compression) = (self.work.layers.store(), self.compression(step));
        let key = run::key(op, parent, &mounts, self.work.setting.timestamp);
        let known = if step.no_cache { None } else { self.known(&key, compression).await? };
        let cached = known.is_some();
        let layer = match known {
            Some(layer) => layer,
            None => {
                let _permit = self.work.shared.run().await?;
                let job = Job { op, parent, mounts: &mounts, compression, log };
                let layer = self.work.runner.run(job, self.tree(op.parent), self.events).await?;
                if let (Some(compression), Some(blob)) = (compression, &layer.blob) {
                    encode::remember(store, &layer.diff_id, compression, blob)?;
                }
                run::record::remember(store, &key, &layer)?;
                layer
            }
        };
        Ok((Made { key, layer, kept: compression.is_some() }, cached))
    }

    /// What the step with this key made before, here or elsewhere, as this build wants it.
    async fn known(&self, key: &Digest, compression: Option<Compression>) -> Result<Option<LayerRef>, Error> {
        let here = run::record::find(self.work.layers.store(), key)?;
        match (here, self.work.imported.find(key)) {
            (Some(here), _) if compression.is_some() => in_compression(self.work, &here).await.map(Some),
            (None, Some(elsewhere)) if compression.is_some() => encoded(self.work, elsewhere).await.map(Some),
            (here, elsewhere) => Ok(here.or_else(|| elsewhere.cloned())),
        }
    }

    /// The layer that has the files of an input that a mount shows.
    async fn mounted(&self, step: &Step, input: &graph::Input, source: &str) -> Result<LayerRef, Error> {
        let (recipe, layer) = self.look_at_mount(step, input, source).await?;
        if let Some(layer) = layer {
            return Ok(layer);
        }
        let (input, source, setting) = (self.files(input).await?, source.to_owned(), self.work.setting);
        let items = blocking(move || steps::mirror(&input, &source, &setting)).await?;
        let layer = self.written(None, !step.no_cache, items, None).await?.layer;
        if let Some(recipe) = recipe {
            warm::remember(self.work.layers.store(), &recipe, &layer)?;
        }
        Ok(layer)
    }

    /// The layers that a mount's files come from; of a cache, the one that it holds at first.
    async fn prepare(&self, step: &Step, mount: &Mount) -> Result<Prepared, Error> {
        let setting = self.work.setting;
        let layers = match &mount.kind {
            MountKind::Bind { input: graph::Input::Step(id), .. } => self.snapshot(*id).await?.layers(),
            MountKind::Bind { input, source } => vec![self.mounted(step, input, source).await?],
            MountKind::Cache { input, source, access, .. } => {
                let input = match input {
                    Some(input) => Some(self.files(input).await?),
                    None if source == "/" => None,
                    None => {
                        let origin = "the empty file system that a cache without `from` begins with".to_owned();
                        return Err(CopyError::Missing { path: source.clone(), origin }.into());
                    }
                };
                let (source, access) = (source.clone(), *access);
                let items = blocking(move || {
                    let from = input.as_ref().map(|input| (input, source.as_str()));
                    steps::cache_content(from, access.as_ref(), &setting)
                });
                vec![self.written(None, true, items.await?, None).await?.layer]
            }
            _ => Vec::new(),
        };
        Ok(Prepared { mount: mount.clone(), layers })
    }
}
