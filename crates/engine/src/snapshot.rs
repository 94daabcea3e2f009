//! A step's file system: layers, and their merged tree once somebody asks for it.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use layer::Tree;
use tokio::sync::OnceCell;

use crate::Error;
use crate::layers::{LayerRef, Layers};

/// A step's file system.
pub(crate) struct Snapshot {
    below: Option<Arc<Snapshot>>,
    layers: Vec<LayerRef>,
    tree: OnceCell<Tree>,
}

impl Snapshot {
    /// These layers, base first; none for `FROM scratch`.
    pub(crate) fn of_layers(layers: Vec<LayerRef>) -> Self {
        Self { below: None, layers, tree: OnceCell::new() }
    }

    /// One more layer over `below`.
    pub(crate) fn over(below: Arc<Self>, layer: LayerRef) -> Self {
        Self { below: Some(below), layers: vec![layer], tree: OnceCell::new() }
    }

    /// All layers, base first.
    pub(crate) fn layers(&self) -> Vec<LayerRef> {
        let mut layers = self.below.as_ref().map(|below| below.layers()).unwrap_or_default();
        layers.extend_from_slice(&self.layers);
        layers
    }

    /// Whether there is no layer at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.below.as_ref().is_none_or(|below| below.is_empty())
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
