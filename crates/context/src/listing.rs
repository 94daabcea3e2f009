//! What was seen while a tree is walked: who lists a directory asks about its files next, and need not look twice.

use std::sync::{Mutex, PoisonError};

use rootfs::{Metadata, TreePath};

/// The visible names of one directory, sorted.
struct Listed {
    dir: TreePath,
    names: Vec<(Vec<u8>, Metadata)>,
}

/// The listings of a directory and of those above it: no more than one walk needs.
#[derive(Default)]
pub(crate) struct Listings(Mutex<Vec<Listed>>);

impl Listings {
    /// Keeps what was just seen in `dir`, and forgets what is not above it.
    pub(crate) fn keep(&self, dir: &TreePath, names: Vec<(Vec<u8>, Metadata)>) {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.retain(|above| *dir != above.dir && dir.starts_with(&above.dir));
        listed.push(Listed { dir: dir.clone(), names });
    }

    /// What was seen at `path`, if its directory is one of those.
    pub(crate) fn find(&self, path: &TreePath) -> Option<Metadata> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = listed.iter().rev().find(|listed| listed.dir == parent)?;
        let at = found.names.binary_search_by(|(other, _)| other.as_slice().cmp(name)).ok()?;
        found.names.get(at).map(|(_, metadata)| *metadata)
    }
}
