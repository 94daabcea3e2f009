//! Putting one layer over a tree.

use std::sync::Arc;

use rootfs::TreePath;

use super::node::{Node, Place};
use super::{TarSource, Tree};
use crate::{Entry, EntryKind, Error, IndexEntry, LayerIndex, resolve_existing};

/// The memory that directories may take which no layer describes: the path of one file can imply two thousand of them.
const MAX_IMPLIED: usize = 512 << 20;

pub(super) fn apply(tree: &mut Tree, index: &LayerIndex, tar: Option<&Arc<dyn TarSource>>) -> Result<(), Error> {
    for IndexEntry { entry, offset } in index.entries() {
        let captured = match entry.kind {
            EntryKind::File { .. } => index.captured_shared(&entry.path).cloned(),
            _ => None,
        };
        let file = matches!(entry.kind, EntryKind::File { .. }).then_some((tree.layers, *offset));
        tree.apply_entry(entry, Place { file, tar: tar.cloned(), captured })?;
    }
    Ok(())
}

impl Tree {
    fn apply_entry(&mut self, entry: &Arc<Entry>, place: Place) -> Result<(), Error> {
        let layer = self.layers;
        if entry.kind == EntryKind::OpaqueWhiteout {
            let dir = self.followed(&entry.path)?;
            self.dir_mut(&dir)?.hide_children(layer);
            return Ok(());
        }
        let (Some(parent), Some(name)) = (entry.path.parent(), entry.path.file_name()) else {
            Arc::make_mut(&mut self.root).describe(Arc::clone(entry), layer);
            return Ok(());
        };
        let parent = self.followed(&parent)?;
        if entry.kind == EntryKind::Whiteout {
            return self.hide(&parent, name);
        }
        let node = self.node_for(entry, place, &parent.join(name)?)?;
        self.dir_mut(&parent)?.put(name, node);
        Ok(())
    }

    /// What a whiteout names may never have existed; then there is nothing to do.
    fn hide(&mut self, parent: &TreePath, name: &[u8]) -> Result<(), Error> {
        let layer = self.layers;
        if self.node(parent).is_some_and(|node| node.child(name).is_some()) {
            self.dir_mut(parent)?.hide(name, layer);
        }
        Ok(())
    }

    fn node_for(&self, entry: &Arc<Entry>, place: Place, path: &TreePath) -> Result<Node, Error> {
        if let EntryKind::Hardlink { target } = &entry.kind {
            let missing = || Error::Apply { path: entry.path.clone(), problem: "its hard link's target is missing" };
            let (parent, name) = (target.parent().ok_or_else(missing)?, target.file_name().ok_or_else(missing)?);
            let target = self.followed(&parent)?.join(name)?;
            let linked = self.node(&target).filter(|node| !node.entry().is_dir()).ok_or_else(missing)?;
            return Ok(linked.linked_as(path.clone(), self.layers));
        }
        let entry = match entry.path == *path {
            true => Arc::clone(entry),
            false => Arc::new(Entry { path: path.clone(), ..(**entry).clone() }),
        };
        Ok(Node::new(entry, place, self.layers))
    }

    /// A directory's path with links followed, as the layer's reader would find it when unpacking.
    fn followed(&self, dir: &TreePath) -> Result<TreePath, Error> {
        let mut node = Some(&*self.root);
        for name in dir.components() {
            node = node.and_then(|node| node.child(name));
            if node.is_some_and(|node| matches!(node.entry().kind, EntryKind::Symlink { .. })) {
                return Ok(resolve_existing(self, dir.as_bytes(), true)?.path()?);
            }
        }
        Ok(dir.clone())
    }

    /// A directory to change, made with all above it where they are missing. Its path has no links.
    fn dir_mut(&mut self, dir: &TreePath) -> Result<&mut Node, Error> {
        let (layer, implied) = (self.layers, &mut self.implied);
        let mut node = Arc::make_mut(&mut self.root);
        for name in dir.components() {
            node = node.child_mut(name, |above| imply(above.join(name)?, layer, implied))?;
            if !node.entry().is_dir() {
                return Err(Error::Apply { path: dir.clone(), problem: "it is to be a directory, and is none" });
            }
        }
        Ok(node)
    }
}

/// A directory that no layer describes; `implied` counts what all of them take.
fn imply(path: TreePath, layer: u32, implied: &mut usize) -> Result<Node, Error> {
    let node = Node::implied(path, layer);
    *implied += node.entry().footprint();
    if *implied > MAX_IMPLIED {
        let problem = "the directories that no layer describes take more than 512 MiB";
        return Err(Error::Apply { path: node.entry().path.clone(), problem });
    }
    Ok(node)
}
