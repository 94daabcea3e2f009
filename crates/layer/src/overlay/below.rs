//! Looking through unpacked layers as an overlay mount of them would, without one.

use std::collections::BTreeSet;

use rootfs::{Dir, FileKind, Metadata, Root, TreePath};

use super::{Marks, is_whiteout};
use crate::Error;

/// The unpacked layers below, base first.
#[derive(Clone, Copy)]
pub(super) struct Below<'a> {
    pub(super) lowers: &'a [Root],
    pub(super) marks: Marks,
}

/// The layers that together make up one directory, by their place in [`Below::lowers`], the topmost first.
pub(super) type Layers = Vec<usize>;

/// One merged directory, held open in every layer that has a part in it.
pub(super) struct Merged {
    marks: Marks,
    parts: Vec<(usize, Dir)>,
}

/// What has a name in a merged directory, and the layer's directory it lies in.
pub(super) struct Found<'m> {
    pub(super) metadata: Metadata,
    pub(super) dir: &'m Dir,
}

impl Below<'_> {
    /// The layers that make up the root.
    pub(super) fn root(&self) -> Layers {
        (0..self.lowers.len()).rev().collect()
    }

    /// Opens a directory of which `layers` are known to be its parts.
    pub(super) fn open(&self, path: &TreePath, layers: &[usize]) -> Result<Merged, Error> {
        let part = |index: &usize| Some((*index, self.lowers.get(*index)?.dir(path)));
        let parts = layers.iter().filter_map(part);
        let parts = parts.map(|(index, dir)| Ok((index, dir?))).collect::<Result<_, Error>>()?;
        Ok(Merged { marks: self.marks, parts })
    }

    /// Goes down to the directory at `path`, links not followed; `None` when there is none.
    pub(super) fn directory(&self, path: &TreePath) -> Result<Option<Merged>, Error> {
        let mut here = self.open(&TreePath::root(), &self.root())?;
        let mut at = TreePath::root();
        for name in path.components() {
            let Some(layers) = here.descend(name)? else { return Ok(None) };
            at = at.join(name)?;
            here = self.open(&at, &layers)?;
        }
        Ok(Some(here))
    }
}

impl Merged {
    /// What has this name.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Found<'_>>, Error> {
        for (_, dir) in &self.parts {
            if let Some(metadata) = dir.stat(name)? {
                return Ok((!is_whiteout(&metadata)).then_some(Found { metadata, dir }));
            }
        }
        Ok(None)
    }

    /// The layers that make up the directory of this name; `None` when it is none.
    pub(super) fn descend(&self, name: &[u8]) -> Result<Option<Layers>, Error> {
        let mut layers = Layers::new();
        for (index, dir) in &self.parts {
            match dir.stat(name)? {
                None => continue,
                Some(metadata) if metadata.kind != FileKind::Directory => break,
                Some(_) => layers.push(*index),
            }
            if is_opaque(&dir.dir(name)?, self.marks)? {
                break;
            }
        }
        Ok((!layers.is_empty()).then_some(layers))
    }

    /// Every name that is there.
    pub(super) fn names(&self) -> Result<BTreeSet<Vec<u8>>, Error> {
        let mut names = BTreeSet::new();
        for (_, dir) in &self.parts {
            names.extend(dir.names()?);
        }
        let mut there = BTreeSet::new();
        for name in names {
            if self.find(&name)?.is_some() {
                there.insert(name);
            }
        }
        Ok(there)
    }
}

/// Whether a directory hides what lower layers have in its place.
pub(super) fn is_opaque(dir: &Dir, marks: Marks) -> Result<bool, Error> {
    Ok(dir.node().xattr(marks.opaque())?.is_some_and(|value| value == b"y"))
}
