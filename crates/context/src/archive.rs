//! A tar stream as a build context.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use layer::tar::{Dialect, Reader};
use layer::{Content, Entry, EntryKind, FileIdentity, SourceTree, Trail, TreeError, decompress, resolve_existing};
use rootfs::TreePath;

use crate::{Error, Mapped, Spool};

/// The most memory that the names, links and attributes of an archive may take: 1 GiB, about two million files.
pub const MAX_TREE: u64 = 1 << 30;

/// An archive, read once: its files lie in one unnamed temporary file, its names in memory.
///
/// It is laid out as `tar -x` would in an empty directory that it cannot leave: a later member replaces an earlier one, links
/// on the way are followed inside, owners and modes are those of the archive.
pub struct TarContext {
    tree: Mapped,
}

impl TarContext {
    /// Reads `stream` to its end, decompressing it by what it is. Temporary bytes go to `scratch`.
    ///
    /// # Errors
    /// When it cannot be read, is malformed, leaves its root, or exceeds [`MAX_CONTENT`](crate::MAX_CONTENT) or [`MAX_TREE`].
    pub fn from_reader(stream: impl Read + Send, scratch: &Path) -> Result<Self, Error> {
        Self::within(MAX_TREE, stream, scratch)
    }

    fn within(limit: u64, stream: impl Read + Send, scratch: &Path) -> Result<Self, Error> {
        let (_, plain) = decompress(stream)?;
        let mut archive = Reader::new(plain, Dialect::Archive);
        let mut spool = Spool::new(scratch, None)?;
        let mut tree = Mapped::new();
        let mut trail = Trail::default();
        while let Some(entry) = archive.next_entry()? {
            add(&mut tree, &mut trail, entry, &mut archive, &mut spool)?;
            if tree.weight() > limit {
                return Err(Error::TooMuch { what: "names and attributes", limit });
            }
        }
        archive.drain()?;
        Ok(Self { tree })
    }
}

fn add(
    tree: &mut Mapped,
    trail: &mut Trail,
    mut entry: Entry,
    archive: &mut impl Read,
    spool: &mut Spool,
) -> Result<(), Error> {
    if entry.path.is_root() {
        return Ok(());
    }
    entry.path = inside(tree, trail, &entry.path)?;
    if !entry.is_dir() {
        trail.forget(&entry.path);
    }
    match &entry.kind {
        EntryKind::Hardlink { target } => {
            let existing = inside(tree, trail, target)?;
            tree.link(entry.path, &existing)
        }
        EntryKind::File { size } => {
            let content = spool.keep(archive, *size)?;
            tree.replace(entry, Some(content))
        }
        _ => tree.replace(entry, None),
    }
}

/// Where `path` leads when links in the directories on the way are followed.
fn inside(tree: &Mapped, trail: &mut Trail, path: &TreePath) -> Result<TreePath, TreeError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.clone()) };
    if trail.is_plain(tree, &parent)? {
        return Ok(path.clone());
    }
    Ok(resolve_existing(tree, parent.as_bytes(), true)?.path()?.join(name)?)
}

impl SourceTree for TarContext {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        self.tree.entry(path)
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        self.tree.children(dir)
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        self.tree.content(path)
    }

    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        self.tree.identity(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_nobody_named_count_too() {
        let mut archive = tar::Builder::new(Vec::new());
        for number in 0..4 {
            let mut header = tar::Header::new_ustar();
            header.set_size(0);
            let name = format!("{number}/{}x", "d/".repeat(400));
            archive.append_data(&mut header, name, std::io::empty()).expect("written");
        }
        let bytes = archive.into_inner().expect("written");
        let read = |limit| TarContext::within(limit, bytes.as_slice(), &std::env::temp_dir());
        assert!(read(4 << 20).is_ok());
        let error = read(1 << 20).err().expect("refused");
        assert!(matches!(error, Error::TooMuch { .. }), "{error}");
    }
}
