//! What BuildKit asks a client for: of a directory's files only those that the sources of the build select.

use std::sync::Arc;

use dockerfile::ignore::{Matched, Patterns};
use layer::{Entry, SourceTree, TreeError, resolve};
use rootfs::TreePath;

use super::{CopyError, wildcard};

/// The paths, wildcards and all, that a build takes from one directory.
#[derive(Debug, Clone)]
pub(crate) struct Asked(Arc<[String]>);

impl Asked {
    /// What `ops` take from the build context `name`.
    pub(crate) fn of<'o>(ops: impl IntoIterator<Item = &'o graph::Op>, name: &str) -> Self {
        Self(ops.into_iter().flat_map(|op| op.context_paths(name)).collect())
    }

    /// Whether it can depend on all that is asked what `op` finds of `paths`: where wildcards may match nothing, and where
    /// `--parents` keeps the path from a pivot on.
    pub(crate) fn decides(op: &graph::Op, paths: &[String]) -> bool {
        let keeps_parents =
            matches!(op, graph::Op::Copy(copy) if copy.sources.iter().any(|source| source.below.is_some()));
        keeps_parents || paths.iter().any(|path| path.contains(['*', '?', '[', '\\']))
    }

    /// Whether anything at, above or below `path` is selected, and so `path` is there.
    pub(super) fn reaches(&self, tree: &dyn SourceTree, path: &TreePath) -> Result<bool, CopyError> {
        for source in &*self.0 {
            if path.is_root() || reaches(tree, source, path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn reaches(tree: &dyn SourceTree, source: &str, path: &TreePath) -> Result<bool, CopyError> {
    let (fixed, patterns) = wildcard::split(source);
    if patterns.is_empty() {
        return leads(tree, fixed.as_bytes(), path);
    }
    if let Ok(base) = resolve(tree, &fixed, true) {
        for found in wildcard::expand(tree, &base, &patterns)? {
            if leads(tree, found.as_bytes(), path)? {
                return Ok(true);
            }
        }
    }
    let patterns = Patterns::new([source.trim_start_matches('/')]).map_err(CopyError::Pattern)?;
    Ok(selects_below(tree, &patterns, path)?)
}

/// Whether `source`, as written or with its links followed, is at, above or below `path`.
fn leads(tree: &dyn SourceTree, source: &[u8], path: &TreePath) -> Result<bool, CopyError> {
    let related = |source: &TreePath| source.starts_with(path) || path.starts_with(source);
    let written = TreePath::clean(source).map_err(TreeError::from)?;
    Ok(related(&written) || resolve(tree, source, true).is_ok_and(|followed| related(&followed)))
}

/// Whether the patterns, in which `**` means any depth, match `path` or anything below it.
fn selects_below(tree: &dyn SourceTree, patterns: &Patterns, path: &TreePath) -> Result<bool, TreeError> {
    let mut waiting: Vec<(Entry, Matched)> =
        tree.entry(path)?.map(|entry| (entry, Matched::default())).into_iter().collect();
    while let Some((entry, above)) = waiting.pop() {
        let (matched, state) = patterns.matches_below(&String::from_utf8_lossy(entry.path.as_bytes()), &above);
        if matched {
            return Ok(true);
        }
        if entry.is_dir() {
            waiting.extend(tree.children(&entry.path)?.into_iter().map(|child| (child, state.clone())));
        }
    }
    Ok(false)
}
