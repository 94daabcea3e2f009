//! The file system itself as a destination: `type=local` and `type=tar`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use layer::{Entry, EntryKind, SourceTree, Tree, tar};
use rootfs::{Root, TreePath};

use super::Target;
use crate::{Destination, Error};

/// Writes the tree into `dir`, below `below`; what is there and not in the tree stays, as with BuildKit.
pub(crate) fn write_directory(tree: &Tree, dir: &Path, below: &TreePath) -> Result<(), Error> {
    let dir = &dir.join(OsStr::from_bytes(below.as_bytes()));
    fs::create_dir_all(dir).map_err(|source| Error::File { operation: "create", path: dir.to_owned(), source })?;
    let root = Root::open(dir).map_err(layer::Error::from)?;
    Ok(layer::unpack(tree, &root, layer::Ownership::Current)?)
}

/// Writes the trees as one tar, each below the directory that goes with it (none for a single platform).
pub(crate) fn write_tar(trees: &[(TreePath, Tree)], destination: &Destination) -> Result<(), Error> {
    let mut writer = tar::Writer::new(Target::create(destination)?);
    for (prefix, tree) in trees {
        if !prefix.is_root() {
            writer.append(&Entry::new(prefix.clone(), EntryKind::Directory, 0o755), None)?;
        }
        append(&mut writer, tree, prefix)?;
    }
    writer.finish()?.finish()
}

/// Appends all of a tree, a directory before what it holds.
fn append(writer: &mut tar::Writer<Target>, tree: &dyn SourceTree, prefix: &TreePath) -> Result<(), Error> {
    let below = |path: &TreePath| prefix.join_path(path).map_err(layer::Error::from);
    let mut waiting = tree.children(&TreePath::root())?;
    waiting.reverse();
    while let Some(entry) = waiting.pop() {
        let content = match entry.kind {
            EntryKind::File { .. } => Some(tree.content(&entry.path)?),
            _ => None,
        };
        let kind = match &entry.kind {
            EntryKind::Hardlink { target } => EntryKind::Hardlink { target: below(target)? },
            other => other.clone(),
        };
        writer.append(&Entry { path: below(&entry.path)?, kind, ..entry.clone() }, content.as_deref())?;
        if entry.is_dir() {
            waiting.extend(tree.children(&entry.path)?.into_iter().rev());
        }
    }
    Ok(())
}
