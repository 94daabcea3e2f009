//! Executes steps, each once, those that do not depend on each other side by side.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dockerfile::Source;
use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use graph::{Op, Step, StepId};
use layer::{Compression, LayerWriter, Sink, SourceTree, Spent, Tree, Writing};
use oci::{Descriptor, MediaType};
use tokio::sync::{OnceCell, Semaphore};

use crate::Error;
use crate::bases::BaseImage;
use crate::cancel::Cancel;
use crate::contexts::Contexts;
use crate::event::Events;
use crate::layers::{LayerRef, Layers, Origin, blocking};
use crate::outbound::Outbound;
use crate::overlay::{Empty, Item};
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
    /// Set when a layer had to be made.
    pub(crate) fresh: AtomicBool,
    /// `--no-cache`: nothing is taken from the cache.
    pub(crate) no_cache: bool,
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
        Self { steps, kept, work, base, events, done, working: Semaphore::new(cores.max(2)) }
    }

    /// The file system that a step leaves behind.
    pub(crate) fn snapshot(&self, id: StepId) -> BoxFuture<'_, Result<Arc<Snapshot>, Error>> {
        self.done[id.0].get_or_try_init(move || self.execute(&self.steps[id.0])).map(|done| done.cloned()).boxed()
    }

    async fn execute(&self, step: &Step) -> Result<Arc<Snapshot>, Error> {
        let inputs = step.op.inputs();
        try_join_all(inputs.into_iter().map(|id| self.snapshot(id))).await?;
        match &step.op {
            Op::Scratch => Ok(Arc::new(Snapshot::of_layers(Vec::new()))),
            Op::Base(base) => self.base(base),
            Op::Copy(copy) => self.change(step, copy.parent, self.copy(copy)).await,
            Op::MakeDir(dir) => self.change(step, dir.parent, self.make_dir(dir)).await,
            Op::Run(_) => Err(Error::Internal("a RUN reached execution, though plans refuse it".into())),
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
        let made = async { self.layer(self.kept.contains(&step.id), work.await?).await }.await;
        let made = made.map_err(|error| error.within(&self.work.source, step.span));
        let cached = matches!(&made, Ok(made) if made.cached);
        if let Ok(made) = &made {
            vertex.spent(&made.spent);
        }
        self.work.fresh.fetch_or(!cached, Ordering::Relaxed);
        let made = vertex.finish(cached, made)?;
        Ok(Arc::new(Snapshot::over(parent, made.layer)))
    }

    async fn copy(&self, copy: &graph::Copy) -> Result<Vec<Item>, Error> {
        let lower = if copy.link { None } else { self.tree(copy.parent).await? };
        let inputs = try_join_all(copy.sources.iter().map(|source| self.input(source))).await?;
        let (copy, setting) = (copy.clone(), self.work.setting);
        blocking(move || steps::copy(&copy, lower, &inputs, &setting)).await
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

    async fn input(&self, source: &graph::CopySource) -> Result<Input, Error> {
        match &source.input {
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

    /// The layer of `items`: as a blob if it becomes part of an image, as a plain tar
    /// for later steps otherwise.
    async fn layer(&self, kept: bool, items: Vec<Item>) -> Result<Made, Error> {
        let (layers, cancel) = (self.work.layers.clone(), self.work.cancel.clone());
        let (compression, look) = (kept.then_some(self.work.compression), !self.work.no_cache);
        let outbound = self.work.outbound.clone().filter(|_| kept);
        blocking(move || {
            let key = warm::key(&items, compression);
            if let Some(key) = key.as_ref().filter(|_| look)
                && let Some(layer) = warm::find(layers.store(), key, outbound.as_ref())?
            {
                return Ok(Made { layer, cached: true, spent: Spent::default() });
            }
            let sent = match (&outbound, compression) {
                (Some(outbound), Some(compression)) => outbound.send(&layers, &cancel, compression, &items)?,
                _ => None,
            };
            let (layer, spent) = match (sent, compression) {
                (Some(sent), _) => sent,
                (None, Some(compression)) => write_blob(&layers, &cancel, compression, &items)?,
                (None, None) => write_tar(&layers, &cancel, &items)?,
            };
            if let Some(key) = key {
                warm::remember(layers.store(), &key, &layer)?;
            }
            Ok(Made { layer, cached: false, spent })
        })
        .await
    }
}

/// A layer, and how it came to be.
struct Made {
    layer: LayerRef,
    /// It was there already.
    cached: bool,
    spent: Spent,
}

/// A layer that was written, and where the time went.
pub(crate) type Written = (LayerRef, Spent);

fn write_blob(layers: &Layers, cancel: &Cancel, compression: Compression, items: &[Item]) -> Result<Written, Error> {
    let sink = cancel.guard(layers.store().raw_writer(None)?);
    let known = members::StoredMembers::of(layers.store());
    let (layer, Writing(sink)) = append_items(LayerWriter::on(Writing(sink), compression, Some(known))?, items)?;
    sink.into_inner().finish_hashed(&layer.digest, layer.size)?;
    members::remember(layers.store(), &layer)?;
    let media_type = MediaType::layer(encoding(compression), false);
    let blob = Descriptor::new(media_type, layer.digest.clone(), layer.size);
    keep_index(layers, layer, Some(blob))
}

fn write_tar(layers: &Layers, cancel: &Cancel, items: &[Item]) -> Result<Written, Error> {
    let sink = cancel.guard(layers.store().tar_writer(None)?);
    let (layer, Writing(sink)) = append_items(LayerWriter::new(sink, Compression::None)?, items)?;
    sink.into_inner().finish()?;
    keep_index(layers, layer, None)
}

pub(crate) fn keep_index(layers: &Layers, layer: layer::Layer, blob: Option<Descriptor>) -> Result<Written, Error> {
    layers.store().put_index(&layer.diff_id, &layer.index)?;
    layers.know(&layer.diff_id, Arc::new(layer.index));
    Ok((LayerRef { diff_id: layer.diff_id, blob, origin: Origin::Store }, layer.spent))
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
