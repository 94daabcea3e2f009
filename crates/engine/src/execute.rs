//! Executes steps, each once, those that do not depend on each other side by side.

mod key;
mod recipe;
mod run;
mod shared;

use std::collections::BTreeSet;
use std::sync::Arc;

use dockerfile::Source;
use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use graph::{Op, Step, StepId};
use layer::{Compression, Entry, EntryKind, SourceTree, Spent, Tree};
use oci::Digest;
use tokio::sync::OnceCell;

use crate::Error;
use crate::cache::{Imported, Made};
use crate::cancel::Cancel;
use crate::contexts::{Contexts, MAIN};
use crate::copy::Asked;
use crate::event::Events;
use crate::layers::{Layers, blocking};
use crate::outbound::Outbound;
use crate::overlay::{Empty, Item};
use crate::run::Runner;
use crate::snapshot::Snapshot;
use crate::steps::{self, Input, Setting};
use crate::stored::{self, Stored};
use crate::warm;

use shared::Cell;
pub(crate) use shared::{Done, Shared, Turn};

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
    /// What the command line said of processes, as text: part of what a RUN is known by within a run.
    pub(crate) process: String,
    pub(crate) shared: Arc<Shared>,
}

/// What a stage starts from.
#[derive(Clone)]
pub(crate) struct Beneath {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Equal identities, equal files.
    pub(crate) identity: Digest,
}

/// Finds what a base stands for.
type FindBase<'a> = &'a (dyn Fn(&graph::Base) -> Option<Beneath> + Sync);

/// Executes steps on demand.
pub(crate) struct Executor<'a> {
    steps: &'a [Step],
    /// The steps whose layers become part of an image, and so blobs.
    kept: BTreeSet<StepId>,
    work: &'a Work,
    base: FindBase<'a>,
    events: &'a Events,
    done: Vec<OnceCell<Done>>,
    /// What the whole build takes from the main context.
    asked: Asked,
    keys: Vec<Digest>,
    /// The steps' results, each also that of equal steps of other builds.
    cells: Vec<Cell>,
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
        let asked = Asked::of(steps.iter().map(|step| &step.op), MAIN);
        let keys = key::keys(steps, &|step| kept.contains(&step.id), work, base, &asked);
        let cells = keys.iter().map(|key| work.shared.cell(key)).collect();
        Self { steps, kept, work, base, events, done, asked, keys, cells }
    }

    /// The file system that a step leaves behind.
    pub(crate) fn snapshot(&self, id: StepId) -> BoxFuture<'_, Result<Arc<Snapshot>, Error>> {
        let done = self.done[id.0].get_or_try_init(move || self.share(&self.steps[id.0]));
        done.map(|done| Ok(Arc::clone(&done?.snapshot))).boxed()
    }

    /// What the RUNs so far were known by, and what they made.
    pub(crate) fn made(&self) -> Vec<Made> {
        self.done.iter().filter_map(|done| done.get()?.made.clone()).collect()
    }

    /// Whether a layer had to be made.
    pub(crate) fn fresh(&self) -> bool {
        self.done.iter().filter_map(OnceCell::get).any(|done| done.fresh)
    }

    /// Executes a step after its inputs, unless another build does or did.
    async fn share(&self, step: &Step) -> Result<Done, Error> {
        let inputs = step.op.inputs();
        try_join_all(inputs.into_iter().map(|id| self.snapshot(id))).await?;
        let done =
            self.cells[step.id.0].get_or_init(|| async { self.execute(step).await.map_err(Error::shared) }).await;
        done.clone().map_err(|failed| Error::from(failed).in_file(&self.work.source, step.span))
    }

    async fn execute(&self, step: &Step) -> Result<Done, Error> {
        let unmade = |snapshot| Done { snapshot, made: None, fresh: false };
        match &step.op {
            Op::Scratch => Ok(unmade(Arc::new(Snapshot::of_layers(Vec::new())))),
            Op::Base(base) => self.base(base).map(unmade),
            Op::Copy(copy) => self.change(step, copy.parent, self.copy(copy)).await,
            Op::MakeDir(dir) => self.change(step, dir.parent, self.make_dir(dir)).await,
            Op::Run(run) => self.run(step, run).await,
        }
    }

    fn base(&self, base: &graph::Base) -> Result<Arc<Snapshot>, Error> {
        let beneath = (self.base)(base).ok_or_else(|| Error::Internal("a base was planned but not resolved".into()))?;
        Ok(beneath.snapshot)
    }

    /// Puts the layer of `step` over its parent's: the one that is known, or one made by `work`.
    async fn change(
        &self,
        step: &Step,
        parent: StepId,
        work: impl Future<Output = Result<Vec<Item>, Error>>,
    ) -> Result<Done, Error> {
        let parent = self.snapshot(parent).await?;
        let within = |error: Error| error.within(&self.work.source, step.span);
        let (recipe, known) = self.look(step, &parent).await.map_err(within)?;
        let turn = if known.is_none() { Some(self.work.shared.write().await?) } else { None };
        let vertex = self.events.start(step.label.to_string());
        let made = match known {
            Some(layer) => Ok(Stored { layer, cached: true, spent: Spent::default() }),
            None => self.make(step, recipe, work, turn).await.map_err(within),
        };
        let cached = matches!(&made, Ok(made) if made.cached);
        if let Ok(made) = &made {
            vertex.spent(&made.spent);
        }
        let made = vertex.finish(cached, made)?;
        Ok(Done { snapshot: Arc::new(Snapshot::over(parent, made.layer)), made: None, fresh: !cached })
    }

    async fn make(
        &self,
        step: &Step,
        recipe: Option<warm::Key>,
        work: impl Future<Output = Result<Vec<Item>, Error>>,
        turn: Option<Turn>,
    ) -> Result<Stored, Error> {
        let items = work.await?;
        let warned = self.warn_of_whiteouts(step, &items);
        let made = self.written(self.compression(step), !step.no_cache, items, turn).await?;
        // What was warned of is looked at each time, to be warned of again.
        if let Some(recipe) = recipe.filter(|_| !warned) {
            warm::remember(self.work.layers.store(), &recipe, &made.layer)?;
        }
        Ok(made)
    }

    /// A file of a context that is named as layers name what they remove is that, in every builder. Whether there is one.
    fn warn_of_whiteouts(&self, step: &Step, items: &[Item]) -> bool {
        let is_one = |entry: &Entry| {
            matches!(entry.kind, EntryKind::File { .. })
                && entry.path.file_name().is_some_and(|name| name.starts_with(b".wh."))
        };
        let mut warned = false;
        for (entry, _) in items.iter().filter(|(entry, _)| is_one(entry)) {
            warned = true;
            let source = &self.work.source;
            let place = step.span.map(|span| format!("{}:{}", source.name, source.line_column(span.start).line));
            let message = format!("{} is no file in the image: its name removes another, as whiteouts do", entry.path);
            self.events.warn(message, place);
        }
        warned
    }

    async fn copy(&self, copy: &graph::Copy) -> Result<Vec<Item>, Error> {
        let lower = if copy.link { None } else { self.tree(copy.parent).await? };
        let inputs = try_join_all(copy.sources.iter().map(|source| self.input(copy, source))).await?;
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

    async fn input(&self, copy: &graph::Copy, source: &graph::CopySource) -> Result<Input, Error> {
        Ok(Input { asked: self.asked(copy, &source.input), ..self.files(&source.input).await? })
    }

    async fn files(&self, input: &graph::Input) -> Result<Input, Error> {
        match input {
            graph::Input::Step(id) => {
                let tree: Arc<dyn SourceTree> = match self.tree(*id).await? {
                    Some(tree) => Arc::new(tree),
                    None => Arc::new(Empty),
                };
                Ok(Input { tree, origin: "the stage or image copied from".into(), local: false, asked: None })
            }
            other => self.work.contexts.input(other).await,
        }
    }

    /// BuildKit asks for the main context's files once for a build, for those of a named one at each instruction.
    fn asked(&self, copy: &graph::Copy, input: &graph::Input) -> Option<Asked> {
        match input {
            graph::Input::Context(name) if !self.work.contexts.is_directory(name) => None,
            graph::Input::Context(name) if name == MAIN => Some(self.asked.clone()),
            graph::Input::Context(name) => Some(Asked::of([&Op::Copy(copy.clone())], name)),
            _ => None,
        }
    }

    /// How a step's layer becomes a blob; `None` where no image has it.
    fn compression(&self, step: &Step) -> Option<Compression> {
        self.kept.contains(&step.id).then_some(self.work.compression)
    }

    /// The layer of `items`, and whether it was there already: as a blob if it becomes part of an image, as a plain tar
    /// for later steps otherwise.
    async fn written(
        &self,
        compression: Option<Compression>,
        look: bool,
        items: Vec<Item>,
        turn: Option<Turn>,
    ) -> Result<Stored, Error> {
        let (layers, cancel) = (self.work.layers.clone(), self.work.cancel.clone());
        let outbound = self.work.outbound.clone().filter(|_| compression.is_some());
        blocking(move || stored::store(&layers, &cancel, outbound.as_ref(), compression, look, &items, turn)).await
    }
}
