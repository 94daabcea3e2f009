//! One file of a merged tree.

use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::sync::Arc;

use rootfs::TreePath;

use super::TarSource;
use super::source::TarSlice;
use crate::{Content, Entry, EntryKind, Error, TreeError};

/// Shared between the trees that contain it; changed only by the tree that alone holds it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    entry: Arc<Entry>,
    place: Place,
    /// The layer that put it there, counted from 1.
    layer: u32,
    children: BTreeMap<Vec<u8>, Arc<Node>>,
}

/// Where a file's bytes are.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The number of the file: equal for its names. Layer and the offset of its bytes, which each file has for itself, as a
    /// header precedes them.
    pub(super) file: Option<(u32, u64)>,
    pub(super) tar: Option<Arc<dyn TarSource>>,
    pub(super) captured: Option<Arc<[u8]>>,
}

/// Without recursion: a tree may be deeper than a stack.
impl Drop for Node {
    fn drop(&mut self) {
        let mut waiting = vec![std::mem::take(&mut self.children)];
        while let Some(children) = waiting.pop() {
            let unshared = children.into_values().filter_map(Arc::into_inner);
            waiting.extend(unshared.map(|mut child| std::mem::take(&mut child.children)));
        }
    }
}

impl Node {
    pub(super) fn new(entry: Arc<Entry>, place: Place, layer: u32) -> Node {
        Node { entry, place, layer, children: BTreeMap::new() }
    }

    /// The same file by another name.
    pub(super) fn linked_as(&self, path: TreePath, layer: u32) -> Node {
        let entry = Entry { path, ..(*self.entry).clone() };
        Node::new(Arc::new(entry), self.place.clone(), layer)
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(super) fn layer(&self) -> u32 {
        self.layer
    }

    pub(super) fn file(&self) -> Option<(u32, u64)> {
        self.place.file
    }

    pub(super) fn child(&self, name: &[u8]) -> Option<&Node> {
        self.children.get(name).map(|child| &**child)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Node> {
        self.children.values().map(|child| &**child)
    }

    /// A child to change; what `make` gives for its parent's path when it is missing.
    pub(super) fn child_mut(
        &mut self,
        name: &[u8],
        make: impl FnOnce(&TreePath) -> Result<Node, Error>,
    ) -> Result<&mut Node, Error> {
        // Two looks cost less than a key that is made in vain, as it mostly would be.
        if !self.children.contains_key(name) {
            self.children.insert(name.to_vec(), Arc::new(make(&self.entry.path)?));
        }
        let child = self.children.get_mut(name).ok_or_else(|| TreeError::NotFound(self.entry.path.clone()))?;
        Ok(Arc::make_mut(child))
    }

    /// Puts a node in. A directory over a directory keeps what is inside.
    pub(super) fn put(&mut self, name: &[u8], mut node: Node) {
        match self.children.entry(name.to_vec()) {
            Slot::Vacant(slot) => {
                slot.insert(Arc::new(node));
            }
            Slot::Occupied(mut slot) => {
                if slot.get().entry.is_dir() && node.entry.is_dir() {
                    node.children = std::mem::take(&mut Arc::make_mut(slot.get_mut()).children);
                }
                slot.insert(Arc::new(node));
            }
        }
    }

    /// Describes this directory anew.
    pub(super) fn describe(&mut self, entry: Arc<Entry>, layer: u32) {
        self.entry = entry;
        self.layer = layer;
    }

    /// Removes from a child, or the child, what lower layers put there.
    pub(super) fn hide(&mut self, name: &[u8], layer: u32) {
        if let Some(child) = self.children.get_mut(name)
            && !Arc::make_mut(child).keep_only(layer)
        {
            self.children.remove(name);
        }
    }

    /// Removes what lower layers put in this directory.
    pub(super) fn hide_children(&mut self, layer: u32) {
        self.children.retain(|_, child| Arc::make_mut(child).keep_only(layer));
    }

    /// Whether anything of that layer is left. The depth is bounded by the length of paths.
    fn keep_only(&mut self, layer: u32) -> bool {
        self.hide_children(layer);
        self.layer == layer || !self.children.is_empty()
    }

    pub(super) fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        let EntryKind::File { size } = self.entry.kind else { return Err(TreeError::NotAFile(path.clone())) };
        if let Some(captured) = &self.place.captured {
            return Ok(Arc::new(Arc::clone(captured)));
        }
        match (&self.place.tar, self.place.file) {
            (Some(tar), Some((_, offset))) => Ok(Arc::new(TarSlice::new(Arc::clone(tar), offset, size))),
            _ if size == 0 => Ok(Arc::new(Vec::new())),
            _ => Err(TreeError::Absent(path.clone())),
        }
    }
}
