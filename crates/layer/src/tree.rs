//! Layers merged into one tree, as a container would see them.

mod apply;
mod node;
mod source;

use std::sync::Arc;

use rootfs::TreePath;

use crate::{Entry, Error, FileIdentity, LayerIndex, SourceTree, TreeError};
use node::{Node, Place};
pub use source::TarSource;

/// The merged view of layers: whiteouts applied, hard links resolved, later layers over earlier ones.
///
/// Cloning is free, and a tree with one more layer shares with the first all that the layer does not touch. Each layer is
/// taken as containerd unpacks it, by itself: its own symbolic links on the way to its entries are followed inside the tree, and
/// what lower layers have in the place of a directory that it takes for granted is replaced. Directories that no layer describes
/// have mode 0755, are owned by root and of the epoch.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Arc<Node>,
    layers: u32,
    /// What the directories take that no layer describes, in bytes of memory.
    implied: usize,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

impl Tree {
    /// No layers: only the root directory.
    pub fn new() -> Tree {
        let root = Node::new(Arc::new(Entry::implied(TreePath::root())), Place::default(), 0);
        Tree { root: Arc::new(root), layers: 0, implied: 0 }
    }

    /// This tree with one more layer over it. `tar` is where the layer's uncompressed tar can be read; without it the tree can be
    /// walked, and only contents that the index holds can be read.
    ///
    /// # Errors
    /// When an entry lies below a file of its own layer, or a hard link's target is missing.
    pub fn with_layer(&self, index: &LayerIndex, tar: Option<Arc<dyn TarSource>>) -> Result<Tree, Error> {
        let mut tree = self.clone();
        tree.layers += 1;
        apply::apply(&mut tree, self, index, tar.as_ref())?;
        Ok(tree)
    }

    /// How many layers were merged.
    pub fn layers(&self) -> u32 {
        self.layers
    }

    /// Whether two paths are names of one file: hard links of each other. No links are followed.
    pub fn same_file(&self, a: &TreePath, b: &TreePath) -> bool {
        let file = self.file(a);
        file.is_some() && file == self.file(b)
    }

    /// What tells a regular file from every other one: equal for its names.
    pub(crate) fn file(&self, path: &TreePath) -> Option<(u32, u64)> {
        self.node(path).and_then(Node::file)
    }

    /// The entry at a path with its place; no links are followed.
    fn node(&self, path: &TreePath) -> Option<&Node> {
        path.components().try_fold(&*self.root, |node, name| node.child(name))
    }
}

impl SourceTree for Tree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        Ok(self.node(path).map(|node| node.entry().clone()))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let node = self.node(dir).ok_or_else(|| TreeError::NotFound(dir.clone()))?;
        if !node.entry().is_dir() {
            return Err(TreeError::NotADirectory(dir.clone()));
        }
        Ok(node.children().map(|child| child.entry().clone()).collect())
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn crate::Content>, TreeError> {
        let node = self.node(path).ok_or_else(|| TreeError::NotFound(path.clone()))?;
        node.content(path)
    }

    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        Ok(self.file(path).map(|(layer, number)| FileIdentity(layer.into(), number)))
    }
}
