//! A step's file system: layers, and their merged tree once somebody asks for it.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use layer::Tree;
use oci::Digest;
use tokio::sync::OnceCell;

use crate::Error;
use crate::layers::{LayerRef, Layers};

/// A step's file system.
pub(crate) struct Snapshot {
    below: Option<Arc<Snapshot>>,
    layers: Vec<LayerRef>,
    /// Of all layers.
    chain: Option<Digest>,
    tree: OnceCell<Tree>,
}

/// The ChainID (image specification, `config.md`) of layers of which `below` is the ChainID of all but the last.
fn chained(below: Option<&Digest>, last: &LayerRef) -> Digest {
    match below {
        Some(below) => Digest::of(format!("{below} {}", last.diff_id.0).as_bytes()),
        None => last.diff_id.0.clone(),
    }
}

impl Snapshot {
    /// These layers, base first; none for `FROM scratch`.
    pub(crate) fn of_layers(layers: Vec<LayerRef>) -> Self {
        let chain = layers.iter().fold(None, |below: Option<Digest>, layer| Some(chained(below.as_ref(), layer)));
        Self { below: None, layers, chain, tree: OnceCell::new() }
    }

    /// One more layer over `below`.
    pub(crate) fn over(below: Arc<Self>, layer: LayerRef) -> Self {
        let chain = Some(chained(below.chain(), &layer));
        Self { below: Some(below), layers: vec![layer], chain, tree: OnceCell::new() }
    }

    /// All layers, base first.
    pub(crate) fn layers(&self) -> Vec<LayerRef> {
        let mut layers = self.below.as_ref().map(|below| below.layers()).unwrap_or_default();
        layers.extend_from_slice(&self.layers);
        layers
    }

    /// Stands for all layers and their order; `None` where there is none.
    pub(crate) fn chain(&self) -> Option<&Digest> {
        self.chain.as_ref()
    }

    /// Whether there is no layer at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.chain.is_none()
    }

    /// The merged tree: needs every layer's index, and the tars only when contents are read.
    pub(crate) fn tree<'a>(&'a self, layers: &'a Layers) -> BoxFuture<'a, Result<Tree, Error>> {
        self.tree.get_or_try_init(|| self.merge(layers)).map(|tree| tree.cloned()).boxed()
    }

    async fn merge(&self, layers: &Layers) -> Result<Tree, Error> {
        let mut tree = match &self.below {
            Some(below) => below.tree(layers).await?,
            None => Tree::new(),
        };
        let indexes = try_join_all(self.layers.iter().map(|layer| layers.index(layer))).await?;
        for (index, layer) in indexes.iter().zip(&self.layers) {
            tree = tree.with_layer(index, Some(layers.tar_source(layer)))?;
        }
        Ok(tree)
    }
}
