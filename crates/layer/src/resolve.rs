//! Following symbolic links inside a tree, never out of it.

use rootfs::TreePath;

use crate::{Entry, EntryKind, SourceTree, TreeError};

/// How many symbolic links one path may lead through; BuildKit and Go's `EvalSymlinks` stop there too.
pub const MAX_LINKS: usize = 255;

/// Where a path leads when part of it may not exist yet, as the destination of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The longest part that exists, links followed.
    pub existing: TreePath,
    /// What comes below it and does not exist; the root path when all exists.
    pub missing: TreePath,
}

impl Resolved {
    /// The whole path.
    pub fn path(&self) -> Result<TreePath, TreeError> {
        Ok(self.existing.join_path(&self.missing)?)
    }
}

/// The path that `path` names, links on the way followed inside the tree and `..` stopping at its root. A link in the last
/// component is followed when `follow_last` says so. An error when anything on the way, or the last component, is missing.
pub fn resolve(tree: &dyn SourceTree, path: impl AsRef<[u8]>, follow_last: bool) -> Result<TreePath, TreeError> {
    let resolved = resolve_existing(tree, path, follow_last)?;
    if resolved.missing.is_root() {
        return Ok(resolved.existing);
    }
    Err(TreeError::NotFound(resolved.path()?))
}

/// As [`resolve()`], but from the first missing component on, the rest is taken lexically. A dangling link leads to the path
/// it names.
pub fn resolve_existing(
    tree: &dyn SourceTree,
    path: impl AsRef<[u8]>,
    follow_last: bool,
) -> Result<Resolved, TreeError> {
    resolve_by(&mut |path: &TreePath| tree.entry(path), path.as_ref(), follow_last)
}

/// As [`resolve_existing`], asking `look` what is at a path.
pub(crate) fn resolve_by<E: From<TreeError>>(look: Look<'_, E>, path: &[u8], follow_last: bool) -> Result<Resolved, E> {
    let mut walk = Walk::new(path)?;
    while let Some(name) = walk.pending.pop() {
        walk.step(look, name, follow_last)?;
    }
    Ok(Resolved { existing: walk.existing, missing: walk.missing })
}

/// A directory of a tree to which no link leads, remembered: archives name files in the order of a walk, and asking for each
/// directory above each of them again would take the square of their depth.
#[derive(Debug, Default)]
pub struct Trail {
    known: TreePath,
}

impl Trail {
    /// Whether `dir` names itself: all on the way that exists is directories.
    ///
    /// # Errors
    /// When the tree fails.
    pub fn is_plain(&mut self, tree: &dyn SourceTree, dir: &TreePath) -> Result<bool, TreeError> {
        let unknown: Vec<TreePath> = dir.ancestors().take_while(|above| !self.known.starts_with(above)).collect();
        for path in unknown.into_iter().rev() {
            match tree.entry(&path)? {
                Some(entry) if entry.is_dir() => self.known = path,
                Some(_) => return Ok(false),
                None => break,
            }
        }
        Ok(true)
    }

    /// Forgets what is at or below `path`, which is about to be replaced.
    pub fn forget(&mut self, path: &TreePath) {
        if self.known.starts_with(path) {
            self.known = path.parent().unwrap_or_default();
        }
    }
}
/// Tells what is at a path, nothing followed.
type Look<'l, E> = &'l mut dyn FnMut(&TreePath) -> Result<Option<Entry>, E>;

/// Components still to walk are kept in reverse, so that a link's target is pushed on top.
struct Walk {
    asked: TreePath,
    pending: Vec<Vec<u8>>,
    existing: TreePath,
    missing: TreePath,
    links: usize,
}

impl Walk {
    fn new(path: &[u8]) -> Result<Walk, TreeError> {
        let mut walk = Walk {
            asked: TreePath::clean(path)?,
            pending: Vec::new(),
            existing: TreePath::root(),
            missing: TreePath::root(),
            links: 0,
        };
        walk.push(path);
        Ok(walk)
    }

    fn push(&mut self, path: &[u8]) {
        let names = path.split(|b| *b == b'/').filter(|name| !name.is_empty() && *name != b".");
        self.pending.extend(names.rev().map(<[u8]>::to_vec));
    }

    fn step<E: From<TreeError>>(&mut self, look: Look<'_, E>, name: Vec<u8>, follow_last: bool) -> Result<(), E> {
        if name == b".." {
            self.up();
            return Ok(());
        }
        if !self.missing.is_root() {
            self.missing = self.missing.join(&name).map_err(TreeError::from)?;
            return Ok(());
        }
        let here = self.existing.join(&name).map_err(TreeError::from)?;
        match look(&here)? {
            None => self.missing = TreePath::new(&name).map_err(TreeError::from)?,
            Some(Entry { kind: EntryKind::Symlink { target }, .. }) if follow_last || !self.pending.is_empty() => {
                self.follow(&target)?;
            }
            Some(entry) if !entry.is_dir() && !self.pending.is_empty() => {
                return Err(TreeError::NotADirectory(here).into());
            }
            Some(_) => self.existing = here,
        }
        Ok(())
    }

    fn up(&mut self) {
        let place = if self.missing.is_root() { &mut self.existing } else { &mut self.missing };
        *place = place.parent().unwrap_or_default();
    }

    fn follow(&mut self, target: &[u8]) -> Result<(), TreeError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(TreeError::TooManyLinks(self.asked.clone()));
        }
        if target.first() == Some(&b'/') {
            self.existing = TreePath::root();
        }
        self.push(target);
        Ok(())
    }
}
