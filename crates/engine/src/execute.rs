//! Executes steps, each once, those that do not depend on each other side by side.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dockerfile::Source;
use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use graph::{Mount, MountKind, Op, RunOp, Step, StepId};
use layer::{Compression, LayerWriter, Sink, SourceTree, Tree, Writing};
use oci::{Descriptor, Digest, MediaType};
use tokio::sync::{OnceCell, Semaphore};

use crate::Error;
use crate::bases::BaseImage;
use crate::cache::{Imported, Made};
use crate::cancel::Cancel;
use crate::contexts::Contexts;
use crate::copy::CopyError;
use crate::encode::{self, in_compression};
use crate::event::{Events, Log};
use crate::layers::{LayerRef, Layers, Origin, blocking};
use crate::outbound::Outbound;
use crate::overlay::{Empty, Item};
use crate::run::{self, Job, Prepared, Runner};
use crate::snapshot::Snapshot;
use crate::steps::{self, Input, Setting};
use crate::{members, warm};

/// What holds for all steps of a build.
pub(crate) struct Work {
    pub(crate) source: Arc<Source>,
    pub(crate) setting: Setting,
    pub(crate) compression: Compression,
    pub(crate) layers: Layers,
    /// Where new layers of images are sent as they are made, instead of being stored.
    pub(crate) outbound: Option<Outbound>,
    pub(crate) contexts: Arc<Contexts>,
    pub(crate) cancel: Cancel,
    pub(crate) runner: Runner,
    /// `--cache-from`.
    pub(crate) imported: Imported,
    /// Set when a layer had to be made.
    pub(crate) fresh: AtomicBool,
}

/// Finds the image of a base.
type FindBase<'a> = &'a (dyn Fn(&graph::Base) -> Option<Arc<BaseImage>> + Sync);

/// Executes steps on demand.
pub(crate) struct Executor<'a> {
    steps: &'a [Step],
    /// The steps whose layers become part of an image, and so blobs.
    kept: BTreeSet<StepId>,
    work: &'a Work,
    base: FindBase<'a>,
    events: &'a Events,
    done: Vec<OnceCell<Arc<Snapshot>>>,
    working: Semaphore,
    made: Mutex<Vec<Made>>,
}

impl<'a> Executor<'a> {
    pub(crate) fn new(
        steps: &'a [Step],
        kept: BTreeSet<StepId>,
        work: &'a Work,
        base: FindBase<'a>,
        events: &'a Events,
    ) -> Self {
        let done = steps.iter().map(|_| OnceCell::new()).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { steps, kept, work, base, events, done, working: Semaphore::new(cores.max(2)), made: Mutex::default() }
    }

    /// The file system that a step leaves behind.
    pub(crate) fn snapshot(&self, id: StepId) -> BoxFuture<'_, Result<Arc<Snapshot>, Error>> {
        self.done[id.0].get_or_try_init(move || self.execute(&self.steps[id.0])).map(|done| done.cloned()).boxed()
    }

    /// What the RUNs so far were known by, and what they made.
    pub(crate) fn made(&self) -> Vec<Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn execute(&self, step: &Step) -> Result<Arc<Snapshot>, Error> {
        let inputs = step.op.inputs();
        try_join_all(inputs.into_iter().map(|id| self.snapshot(id))).await?;
        match &step.op {
            Op::Scratch => Ok(Arc::new(Snapshot::of_layers(Vec::new()))),
            Op::Base(base) => self.base(base),
            Op::Copy(copy) => self.change(step, copy.parent, self.copy(copy)).await,
            Op::MakeDir(dir) => self.change(step, dir.parent, self.make_dir(dir)).await,
            Op::Run(run) => self.run(step, run).await,
        }
    }

    fn base(&self, base: &graph::Base) -> Result<Arc<Snapshot>, Error> {
        let image = (self.base)(base).ok_or_else(|| Error::Internal("a base was planned but not resolved".into()))?;
        Ok(Arc::new(Snapshot::of_layers(image.layers.clone())))
    }

    /// Runs the work of `step` and puts the layer it makes over its parent's.
    async fn change(
        &self,
        step: &Step,
        parent: StepId,
        work: impl Future<Output = Result<Vec<Item>, Error>>,
    ) -> Result<Arc<Snapshot>, Error> {
        let parent = self.snapshot(parent).await?;
        let _permit = self.working.acquire().await.map_err(|error| Error::Internal(error.to_string()))?;
        let vertex = self.events.start(step.label.to_string());
        let made = async { self.layer(step, work.await?).await }.await;
        let made = made.map_err(|error| error.within(&self.work.source, step.span));
        let cached = matches!(made, Ok((_, true)));
        self.work.fresh.fetch_or(!cached, Ordering::Relaxed);
        let (layer, _) = vertex.finish(cached, made)?;
        Ok(Arc::new(Snapshot::over(parent, layer)))
    }

    async fn copy(&self, copy: &graph::Copy) -> Result<Vec<Item>, Error> {
        let lower = if copy.link { None } else { self.tree(copy.parent).await? };
        let inputs = try_join_all(copy.sources.iter().map(|source| self.files(&source.input))).await?;
        let (copy, setting) = (copy.clone(), self.work.setting);
        blocking(move || steps::copy(&copy, lower, &inputs, &setting)).await
    }

    /// Runs a process, unless it is known what it makes.
    async fn run(&self, step: &Step, op: &RunOp) -> Result<Arc<Snapshot>, Error> {
        let parent = self.snapshot(op.parent).await?;
        let vertex = self.events.start(step.label.to_string());
        let made = self.run_or_find(step, op, &parent.layers(), vertex.logger()).await;
        let made = made.map_err(|error| error.within(&self.work.source, step.span));
        let cached = matches!(made, Ok((_, true)));
        self.work.fresh.fetch_or(!cached, Ordering::Relaxed);
        let (layer, _) = vertex.finish(cached, made)?;
        Ok(Arc::new(Snapshot::over(parent, layer)))
    }

    async fn run_or_find(
        &self,
        step: &Step,
        op: &RunOp,
        parent: &[LayerRef],
        log: Log,
    ) -> Result<(LayerRef, bool), Error> {
        let mounts = try_join_all(op.mounts.iter().map(|mount| self.prepare(step, mount))).await?;
        let (store, compression) = (self.work.layers.store(), self.compression(step));
        let key = run::key(op, parent, &mounts, self.work.setting.timestamp);
        let known = if step.no_cache { None } else { self.known(&key, compression).await? };
        let cached = known.is_some();
        let layer = match known {
            Some(layer) => layer,
            None => {
                let job = Job { op, parent, mounts: &mounts, compression, log };
                let layer = self.work.runner.run(job, self.tree(op.parent), self.events).await?;
                if let (Some(compression), Some(blob)) = (compression, &layer.blob) {
                    encode::remember(store, &layer.diff_id, compression, blob)?;
                }
                run::record::remember(store, &key, &layer)?;
                layer
            }
        };
        let made = Made { key, layer: layer.clone(), kept: compression.is_some() };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        Ok((layer, cached))
    }

    /// What the step with this key made before, here or elsewhere, as this build wants it.
    async fn known(&self, key: &Digest, compression: Option<Compression>) -> Result<Option<LayerRef>, Error> {
        let Some(compression) = compression else {
            let here = run::record::find(self.work.layers.store(), key)?;
            return Ok(here.or_else(|| self.work.imported.find(key).cloned()));
        };
        if let Some(here) = run::record::find(self.work.layers.store(), key)? {
            return in_compression(self.work, &here).await.map(Some);
        }
        let Some(elsewhere) = self.work.imported.find(key) else { return Ok(None) };
        let encoded = elsewhere.blob.as_ref().and_then(|blob| blob.media_type.layer_encoding());
        if encoded == Some(encoding(compression)) {
            return Ok(Some(elsewhere.clone()));
        }
        in_compression(self.work, elsewhere).await.map(Some)
    }

    /// The layers that a mount's files come from; of a cache, the one that it holds at first.
    async fn prepare(&self, step: &Step, mount: &Mount) -> Result<Prepared, Error> {
        let setting = self.work.setting;
        let layers = match &mount.kind {
            MountKind::Bind { input: graph::Input::Step(id), .. } => self.snapshot(*id).await?.layers(),
            MountKind::Bind { input, source } => {
                let (input, source) = (self.files(input).await?, source.clone());
                let items = blocking(move || steps::mirror(&input, &source, &setting)).await?;
                vec![self.written(None, !step.no_cache, items).await?.0]
            }
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
                vec![self.written(None, true, items.await?).await?.0]
            }
            _ => Vec::new(),
        };
        Ok(Prepared { mount: mount.clone(), layers })
    }

    async fn make_dir(&self, dir: &graph::MakeDir) -> Result<Vec<Item>, Error> {
        let lower = self.tree(dir.parent).await?;
        let (dir, setting) = (dir.clone(), self.work.setting);
        blocking(move || steps::make_dir(&dir, lower, &setting)).await
    }

    /// The merged tree of a step's layers; `None` where there is no layer at all.
    async fn tree(&self, id: StepId) -> Result<Option<Tree>, Error> {
        let snapshot = self.snapshot(id).await?;
        if snapshot.is_empty() { Ok(None) } else { snapshot.tree(&self.work.layers).await.map(Some) }
    }

    async fn files(&self, input: &graph::Input) -> Result<Input, Error> {
        match input {
            graph::Input::Step(id) => {
                let tree: Arc<dyn SourceTree> = match self.tree(*id).await? {
                    Some(tree) => Arc::new(tree),
                    None => Arc::new(Empty),
                };
                Ok(Input { tree, origin: "the stage or image copied from".into(), local: false })
            }
            other => self.work.contexts.input(other).await,
        }
    }

    /// The layer of `items`, and whether it was there already: as a blob if it becomes part of an image, as a plain tar
    /// for later steps otherwise.
    async fn layer(&self, step: &Step, items: Vec<Item>) -> Result<(LayerRef, bool), Error> {
        self.written(self.compression(step), !step.no_cache, items).await
    }

    /// How a step's layer becomes a blob; `None` where no image has it.
    fn compression(&self, step: &Step) -> Option<Compression> {
        self.kept.contains(&step.id).then_some(self.work.compression)
    }

    async fn written(
        &self,
        compression: Option<Compression>,
        look: bool,
        items: Vec<Item>,
    ) -> Result<(LayerRef, bool), Error> {
        let (layers, cancel) = (self.work.layers.clone(), self.work.cancel.clone());
        let outbound = self.work.outbound.clone().filter(|_| compression.is_some());
        blocking(move || {
            let key = warm::key(&items, compression);
            if let Some(key) = key.as_ref().filter(|_| look)
                && let Some(layer) = warm::find(layers.store(), key, outbound.as_ref())?
            {
                return Ok((layer, true));
            }
            let sent = match (&outbound, compression) {
                (Some(outbound), Some(compression)) => outbound.send(&layers, &cancel, compression, &items)?,
                _ => None,
            };
            let layer = match (sent, compression) {
                (Some(layer), _) => layer,
                (None, Some(compression)) => write_blob(&layers, &cancel, compression, &items)?,
                (None, None) => write_tar(&layers, &cancel, &items)?,
            };
            if let Some(key) = key {
                warm::remember(layers.store(), &key, &layer)?;
            }
            Ok((layer, false))
        })
        .await
    }
}

fn write_blob(layers: &Layers, cancel: &Cancel, compression: Compression, items: &[Item]) -> Result<LayerRef, Error> {
    let sink = cancel.guard(layers.store().raw_writer(None)?);
    let known = members::StoredMembers::of(layers.store());
    let (layer, Writing(sink)) = append_items(LayerWriter::on(Writing(sink), compression, Some(known))?, items)?;
    sink.into_inner().finish_hashed(&layer.digest, layer.size)?;
    members::remember(layers.store(), &layer)?;
    let media_type = MediaType::layer(encoding(compression), false);
    let blob = Descriptor::new(media_type, layer.digest.clone(), layer.size);
    keep_index(layers, layer, Some(blob))
}

fn write_tar(layers: &Layers, cancel: &Cancel, items: &[Item]) -> Result<LayerRef, Error> {
    let sink = cancel.guard(layers.store().tar_writer(None)?);
    let (layer, Writing(sink)) = append_items(LayerWriter::new(sink, Compression::None)?, items)?;
    sink.into_inner().finish()?;
    keep_index(layers, layer, None)
}

pub(crate) fn keep_index(layers: &Layers, layer: layer::Layer, blob: Option<Descriptor>) -> Result<LayerRef, Error> {
    layers.store().put_index(&layer.diff_id, &layer.index)?;
    layers.know(&layer.diff_id, Arc::new(layer.index));
    Ok(LayerRef { diff_id: layer.diff_id, blob, origin: Origin::Store })
}

/// Writes all of `items` and ends the layer.
pub(crate) fn append_items<S: Sink>(mut writer: LayerWriter<S>, items: &[Item]) -> Result<(layer::Layer, S), Error> {
    for (entry, content) in items {
        writer.append(entry, content.as_deref())?;
    }
    Ok(writer.complete()?)
}

/// How a layer compressed so is encoded.
pub(crate) fn encoding(compression: Compression) -> oci::LayerEncoding {
    match compression {
        Compression::None => oci::LayerEncoding::Plain,
        Compression::Gzip { .. } => oci::LayerEncoding::Gzip,
        Compression::Zstd { .. } => oci::LayerEncoding::Zstd,
    }
}
