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

const STEP: &str = "shipsmith recipe 1";
const MOUNT: &str = "shipsmith mounted files 1";

/// By what a layer is known, if by anything, and the layer, if it is.
pub(super) type Known = (Option<Key>, Option<LayerRef>);

impl Executor<'_> {
    /// What is known of the layer that a step puts over `parent`.
    pub(super) async fn look(&self, step: &Step, parent: &Snapshot) -> Result<Known, Error> {
        if step.no_cache {
            return Ok((None, None));
        }
        let _permit = self.work.shared.look().await?;
        let compression = self.compression(step);
        let mut recipe = Framed::new(STEP);
        recipe.put(step.key.0.as_str().as_bytes());
        recipe.put(format!("{:?} {compression:?}", self.work.setting).as_bytes());
        put_layers(&mut recipe, parent);
        let settled = match &step.op {
            Op::Copy(copy) => self.put_sources(&mut recipe, copy).await?,
            _ => Some(true),
        };
        self.find(recipe, settled, compression).await
    }

    /// What is known of the layer that has the files of a context that a mount shows.
    pub(super) async fn look_at_mount(&self, step: &Step, input: &Input, source: &str) -> Result<Known, Error> {
        let Input::Context(name) = input else { return Ok((None, None)) };
        if step.no_cache {
            return Ok((None, None));
        }
        let _permit = self.work.shared.look().await?;
        let mut recipe = Framed::new(MOUNT);
        recipe.put(format!("{:?} {source:?}", self.work.setting).as_bytes());
        let path = mirrored(&*self.work.contexts.named(name)?, source);
        let settled = self.put_context(&mut recipe, name, &path.to_string()).await?;
        self.find(recipe, settled, None).await
    }

    /// Whether all that is copied is at rest; `None` where nothing stands for it.
    async fn put_sources(&self, recipe: &mut Framed, copy: &Copy) -> Result<Option<bool>, Error> {
        let mut settled = copy::takes_all(copy).then_some(true);
        for source in &copy.sources {
            let rests = match &source.input {
                _ if settled.is_none() => None,
                Input::Context(name) => self.put_context(recipe, name, &source.path).await?,
                Input::Step(id) => {
                    put_layers(recipe, &*self.snapshot(*id).await?);
                    Some(true)
                }
                // The step's own key has its text.
                Input::Inline(_) => Some(true),
                Input::Http(_) | Input::Git(_) => None,
            };
            settled = settled.zip(rests).map(|(all, this)| all && this);
        }
        Ok(settled)
    }

    /// The same for all that is at a path of a context.
    async fn put_context(&self, recipe: &mut Framed, name: &str, path: &str) -> Result<Option<bool>, Error> {
        let (now, tree, path) = (Fingerprint::now(), self.work.contexts.named(name)?, path.to_owned());
        let Some((path, fingerprint)) = blocking(move || Ok(stamp(&*tree, &path))).await? else { return Ok(None) };
        recipe.put(path.as_bytes());
        recipe.put(&fingerprint.key);
        Ok(Some(fingerprint.is_settled(now)))
    }

    /// The layer that was made by this recipe, if it is still where it is needed.
    async fn find(&self, recipe: Framed, settled: Option<bool>, form: Option<Compression>) -> Result<Known, Error> {
        let Some(settled) = settled else { return Ok((None, None)) };
        let key = Key::new(recipe.finish(), settled);
        let (store, wanted) = (Arc::clone(self.work.layers.store()), key.clone());
        let outbound = self.work.outbound.clone().filter(|_| form.is_some());
        let layer = blocking(move || warm::find(&store, &wanted, outbound.as_ref())).await?;
        Ok((Some(key), layer))
    }
}

fn put_layers(recipe: &mut Framed, snapshot: &Snapshot) {
    let layers = snapshot.layers();
    recipe.list(layers.iter().map(|layer| layer.diff_id.0.as_str().as_bytes()));
}

/// Where a source really is, and what stands for all in it. What cannot be looked at is for the copy to tell of.
fn stamp(tree: &dyn SourceTree, source: &str) -> Option<(TreePath, Fingerprint)> {
    let path = resolve(tree, source, true).ok()?;
    let fingerprint = tree.fingerprint(&path).ok()??;
    Some((path, fingerprint))
}
