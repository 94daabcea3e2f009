//! By what a layer is known before anything is listed: the step, the layers it goes on, and what stands for the files it takes.
//!
//! What makes equal layers of unequal steps equal is a layer's own key (`warm.rs`), which needs every entry. A recipe is
//! found out faster and finds less: nothing is known by it but what the very same step made.

use std::sync::Arc;

use graph::{Copy, Input, Op, Step};
use layer::{Compression, Fingerprint, SourceTree, resolve};
use rootfs::TreePath;

use super::Executor;
use crate::framed::Framed;
use crate::layers::{LayerRef, blocking};
use crate::snapshot::Snapshot;
use crate::steps::mirrored;
use crate::warm::{self, Key};
use crate::{Error, copy};

/// Changes whenever the same step would make other bytes.
const STEP: &str = "shipsmith recipe 3";
const MOUNT: &str = "shipsmith mounted files 1";

/// By what a layer is known, if by anything, and the layer, if it is.
pub(super) type Known = (Option<Key>, Option<LayerRef>);

/// Whence a step takes files, as far as its own key does not say what they are.
enum Taken {
    /// All that is at a path of a context.
    Context { tree: Arc<dyn SourceTree>, path: String },
    /// A stage or an image.
    Layers(Arc<Snapshot>),
}

impl Executor<'_> {
    /// What is known of the layer that a step puts over `parent`.
    pub(super) async fn look(&self, step: &Step, parent: &Snapshot) -> Result<Known, Error> {
        let taken = match &step.op {
            _ if step.no_cache => None,
            Op::Copy(copy) => self.taken(copy).await?,
            _ => Some(Vec::new()),
        };
        let Some(taken) = taken else { return Ok((None, None)) };
        let compression = self.compression(step);
        let mut recipe = Framed::new(STEP);
        recipe.put(step.key.0.as_str().as_bytes());
        recipe.put(format!("{:?} {compression:?}", self.work.setting).as_bytes());
        put_layers(&mut recipe, parent);
        self.find(recipe, taken, compression).await
    }

    /// What is known of the layer that has the files of a context that a mount shows.
    pub(super) async fn look_at_mount(&self, step: &Step, input: &Input, source: &str) -> Result<Known, Error> {
        let Input::Context(name) = input else { return Ok((None, None)) };
        if step.no_cache {
            return Ok((None, None));
        }
        let tree = self.work.contexts.named(name)?;
        let path = mirrored(&*tree, source).to_string();
        let mut recipe = Framed::new(MOUNT);
        recipe.put(format!("{:?} {source:?}", self.work.setting).as_bytes());
        self.find(recipe, vec![Taken::Context { tree, path }], None).await
    }

    /// Whence a COPY takes its files; `None` where nothing stands for them unread.
    async fn taken(&self, copy: &Copy) -> Result<Option<Vec<Taken>>, Error> {
        if !copy::takes_all(copy) {
            return Ok(None);
        }
        let mut taken = Vec::new();
        for source in &copy.sources {
            match &source.input {
                Input::Context(name) => {
                    let tree = self.work.contexts.named(name)?;
                    taken.push(Taken::Context { tree, path: source.path.clone() });
                }
                Input::Step(id) => taken.push(Taken::Layers(self.snapshot(*id).await?)),
                // The step's own key has its text.
                Input::Inline(_) => {}
                Input::Http(_) | Input::Git(_) => return Ok(None),
            }
        }
        Ok(Some(taken))
    }

    /// The layer that was made by this recipe and of these files, if it is still where it is needed.
    async fn find(&self, mut recipe: Framed, taken: Vec<Taken>, form: Option<Compression>) -> Result<Known, Error> {
        let store = self.work.layers.store();
        let permit = self.work.shared.look().await?;
        let (key, record) = blocking({
            let store = Arc::clone(store);
            move || {
                let Some(settled) = put_taken(&mut recipe, &taken) else { return Ok((None, None)) };
                let key = Key::new(recipe.finish(), settled);
                let record = warm::recall(&store, &key)?;
                Ok((Some(key), record))
            }
        })
        .await?;
        drop(permit);
        let Some(record) = record else { return Ok((key, None)) };
        let outbound = self.work.outbound.as_ref().filter(|_| form.is_some());
        Ok((key, warm::locate(store, record, outbound).await?))
    }
}

/// Whether all that is taken is at rest; `None` where nothing stands for it.
fn put_taken(recipe: &mut Framed, taken: &[Taken]) -> Option<bool> {
    let now = Fingerprint::now();
    let mut settled = true;
    for source in taken {
        match source {
            Taken::Context { tree, path } => {
                let (path, fingerprint) = stamp(&**tree, path)?;
                recipe.put(path.as_bytes());
                recipe.put(&fingerprint.key);
                settled &= fingerprint.is_settled(now);
            }
            Taken::Layers(snapshot) => put_layers(recipe, snapshot),
        }
    }
    Some(settled)
}

fn put_layers(recipe: &mut Framed, snapshot: &Snapshot) {
    recipe.list(snapshot.chain().into_iter().map(|chain| chain.as_str().as_bytes()));
}

/// Where a source really is, and what stands for all in it. What cannot be looked at is for the copy to tell of.
fn stamp(tree: &dyn SourceTree, source: &str) -> Option<(TreePath, Fingerprint)> {
    let path = resolve(tree, source, true).ok()?;
    let fingerprint = tree.fingerprint(&path).ok()??;
    Some((path, fingerprint))
}
