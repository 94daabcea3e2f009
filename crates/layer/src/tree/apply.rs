//! Putting one layer over a tree.

use std::borrow::Cow;
use std::sync::Arc;

use rootfs::TreePath;

use super::node::{Node, Place};
use super::{TarSource, Tree};
use crate::resolve::resolve_by;
use crate::{Entry, EntryKind, Error, IndexEntry, LayerIndex, TreeError, resolve};

/// The memory that directories may take which no layer describes: the path of one file can imply two thousand of them.
const MAX_IMPLIED: usize = 512 << 20;

/// Puts a layer over `tree`, which is `below` and counts one layer more.
pub(super) fn apply(
    tree: &mut Tree,
    below: &Tree,
    index: &LayerIndex,
    tar: Option<&Arc<dyn TarSource>>,
) -> Result<(), Error> {
    let layer = tree.layers;
    let node = |one: &IndexEntry, entry: Arc<Entry>| {
        let is_file = matches!(entry.kind, EntryKind::File { .. });
        let captured = if is_file { index.captured_shared(&one.entry.path).cloned() } else { None };
        Node::new(entry, Place { file: is_file.then_some((layer, one.offset)), tar: tar.cloned(), captured }, layer)
    };
    for siblings in index.entries().chunk_by(|one, next| are_plain_siblings(&one.entry, &next.entry)) {
        tree.put(below, siblings, &node)?;
    }
    Ok(())
}

/// Whether both lie in one directory, and neither does anything but to lie there.
fn are_plain_siblings(one: &Entry, other: &Entry) -> bool {
    let is_plain = |entry: &Entry| !entry.is_whiteout() && !matches!(entry.kind, EntryKind::Hardlink { .. });
    is_plain(one) && is_plain(other) && one.path.is_sibling_of(&other.path)
}

/// Makes the node of an entry; the second is the entry where it came to lie.
type Make<'m> = &'m dyn Fn(&IndexEntry, Arc<Entry>) -> Node;

impl Tree {
    /// Applies one entry, or several plain siblings.
    fn put(&mut self, below: &Tree, siblings: &[IndexEntry], make: Make<'_>) -> Result<(), Error> {
        let Some(IndexEntry { entry, .. }) = siblings.first() else { return Ok(()) };
        let layer = self.layers;
        if entry.kind == EntryKind::OpaqueWhiteout {
            let dir = self.followed(&entry.path)?;
            self.dir_mut(below, &dir)?.hide_children(layer);
            return Ok(());
        }
        let (Some(parent), Some(name)) = (entry.path.parent(), entry.path.file_name()) else {
            Arc::make_mut(&mut self.root).describe(Arc::clone(entry), layer);
            return Ok(());
        };
        match &entry.kind {
            EntryKind::Whiteout => self.hide(below, &parent, name),
            EntryKind::Hardlink { target } => self.link(below, entry, target, &parent, name),
            _ => self.put_plain(below, siblings, &parent, make),
        }
    }

    /// Where no link leads to their directory, none of them can change the way to it; else any may be in the link's place.
    fn put_plain(
        &mut self,
        below: &Tree,
        mut siblings: &[IndexEntry],
        parent: &TreePath,
        make: Make<'_>,
    ) -> Result<(), Error> {
        while !siblings.is_empty() {
            let parent = self.followed(parent)?;
            let is_led = matches!(parent, Cow::Owned(_));
            let (now, later) = siblings.split_at(if is_led { 1 } else { siblings.len() });
            let dir = self.dir_mut(below, &parent)?;
            for one in now {
                let name = one.entry.path.file_name().unwrap_or_default();
                let entry = match is_led {
                    true => Arc::new(Entry { path: parent.join(name)?, ..(*one.entry).clone() }),
                    false => Arc::clone(&one.entry),
                };
                dir.put(name, make(one, entry));
            }
            siblings = later;
        }
        Ok(())
    }

    fn link(
        &mut self,
        below: &Tree,
        entry: &Entry,
        target: &TreePath,
        parent: &TreePath,
        name: &[u8],
    ) -> Result<(), Error> {
        let parent = self.followed(parent)?;
        // Room first: it may be the target that is in the way.
        self.dir_mut(below, &parent)?;
        let node = self.linked(entry, target, parent.join(name)?)?;
        self.dir_mut(below, &parent)?.put(name, node);
        Ok(())
    }

    /// What a whiteout names may never have existed; where its directory is none either, there is nothing to do.
    fn hide(&mut self, below: &Tree, parent: &TreePath, name: &[u8]) -> Result<(), Error> {
        let layer = self.layers;
        let parent = match self.followed(parent) {
            Err(Error::Tree(TreeError::NotADirectory(_))) => return Ok(()),
            parent => parent?,
        };
        if self.node(&parent).is_some_and(|node| node.child(name).is_some()) {
            self.dir_mut(below, &parent)?.hide(name, layer);
        }
        Ok(())
    }

    fn linked(&self, entry: &Entry, target: &TreePath, path: TreePath) -> Result<Node, Error> {
        let missing = || Error::Apply { path: entry.path.clone(), problem: "its hard link's target is missing" };
        let (parent, name) = (target.parent().ok_or_else(missing)?, target.file_name().ok_or_else(missing)?);
        let target = self.followed(&parent)?.join(name)?;
        let linked = self.node(&target).filter(|node| !node.entry().is_dir()).ok_or_else(missing)?;
        Ok(linked.linked_as(path, self.layers))
    }

    /// A directory's path with this layer's links followed, as who unpacks the layer finds it: he has no other before him.
    fn followed<'d>(&self, dir: &'d TreePath) -> Result<Cow<'d, TreePath>, Error> {
        let own_link =
            |node: &Node| node.layer() == self.layers && matches!(node.entry().kind, EntryKind::Symlink { .. });
        let mut node = Some(&*self.root);
        for name in dir.components() {
            node = node.and_then(|node| node.child(name));
            if node.is_some_and(own_link) {
                let own = &mut |path: &TreePath| Ok::<_, Error>(self.own(path));
                return Ok(Cow::Owned(resolve_by(own, dir.as_bytes(), true)?.path()?));
            }
        }
        Ok(Cow::Borrowed(dir))
    }

    /// What is at a path as this layer sees it: of lower ones directories only.
    fn own(&self, path: &TreePath) -> Option<Entry> {
        let node = self.node(path).filter(|node| node.layer() == self.layers || node.entry().is_dir());
        node.map(|node| node.entry().clone())
    }

    /// A directory to change, made with all above it where they are missing, or where lower layers have something else: that is
    /// what an overlay of the layers shows. None of the layer's own links is on its path.
    fn dir_mut(&mut self, below: &Tree, dir: &TreePath) -> Result<&mut Node, Error> {
        let (layer, implied) = (self.layers, &mut self.implied);
        let mut node = Arc::make_mut(&mut self.root);
        for name in dir.components() {
            node = node.child_mut(name, |above| imply(Entry::implied(above.join(name)?), layer, implied))?;
            if !node.entry().is_dir() {
                if node.layer() == layer {
                    return Err(Error::Apply { path: dir.clone(), problem: "it is to be a directory, and is none" });
                }
                *node = imply(instead(below, node.entry()), layer, implied)?;
            }
        }
        Ok(node)
    }
}

/// The directory in the place of what lower layers have: a link hands down the attributes of the directory it led to.
fn instead(below: &Tree, entry: &Entry) -> Entry {
    let led = resolve(below, entry.path.as_bytes(), true).ok().and_then(|led| below.node(&led)).map(Node::entry);
    match led.filter(|led| led.is_dir()) {
        Some(led) => Entry { path: entry.path.clone(), ..led.clone() },
        None => Entry::implied(entry.path.clone()),
    }
}

/// A directory that its layer does not describe; `implied` counts what all of them take.
fn imply(entry: Entry, layer: u32, implied: &mut usize) -> Result<Node, Error> {
    *implied += entry.footprint();
    if *implied > MAX_IMPLIED {
        let problem = "the directories that no layer describes take more than 512 MiB";
        return Err(Error::Apply { path: entry.path, problem });
    }
    Ok(Node::new(Arc::new(entry), Place::default(), layer))
}
