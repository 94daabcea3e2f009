//! A tar stream as a build context.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use layer::tar::{Dialect, Reader};
use layer::{Content, Entry, EntryKind, FileIdentity, SourceTree, TreeError, decompress, resolve_existing};
use rootfs::TreePath;

use crate::file::HeldFile;
use crate::{Error, Mapped};

/// The most that the files of an archive may hold together: 256 GiB. Whatever decompresses to more is a bomb.
pub const MAX_CONTENT: u64 = 256 << 30;
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
    /// When it cannot be read, is malformed, leaves its root, or exceeds [`MAX_CONTENT`] or [`MAX_TREE`].
    pub fn from_reader(stream: impl Read + Send, scratch: &Path) -> Result<Self, Error> {
        Self::within(MAX_TREE, stream, scratch)
    }

    fn within(limit: u64, stream: impl Read + Send, scratch: &Path) -> Result<Self, Error> {
        let (_, plain) = decompress(stream)?;
        let mut archive = Reader::new(plain, Dialect::Archive);
        let mut spool = Spool::new(scratch)?;
        let mut tree = Mapped::new();
        while let Some(entry) = archive.next_entry()? {
            add(&mut tree, entry, &mut archive, &mut spool)?;
            if tree.weight() > limit {
                return Err(Error::TooMuch { what: "names and attributes", limit });
            }
        }
        archive.drain()?;
        Ok(Self { tree })
    }
}

fn add(tree: &mut Mapped, mut entry: Entry, archive: &mut impl Read, spool: &mut Spool<'_>) -> Result<(), Error> {
    if entry.path.is_root() {
        return Ok(());
    }
    entry.path = inside(tree, &entry.path)?;
    match &entry.kind {
        EntryKind::Hardlink { target } => {
            let existing = inside(tree, target)?;
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
fn inside(tree: &Mapped, path: &TreePath) -> Result<TreePath, TreeError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.clone()) };
    Ok(resolve_existing(tree, parent.as_bytes(), true)?.path()?.join(name)?)
}

/// One temporary file that takes one content after the other.
struct Spool<'s> {
    file: Arc<File>,
    end: u64,
    scratch: &'s Path,
    buffer: Vec<u8>,
}

impl<'s> Spool<'s> {
    fn new(scratch: &'s Path) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(scratch).map_err(|source| Error::scratch(scratch, source))?;
        Ok(Self { file: Arc::new(file), end: 0, scratch, buffer: vec![0; 1 << 16] })
    }

    /// Takes the next `size` bytes of `from`.
    fn keep(&mut self, from: &mut impl Read, size: u64) -> Result<Arc<dyn Content>, Error> {
        let start = self.end;
        let end = start.checked_add(size).filter(|end| *end <= MAX_CONTENT);
        let end = end.ok_or(Error::TooMuch { what: "files", limit: MAX_CONTENT })?;
        while self.end < end {
            self.copy(from, end)?;
        }
        // What ends with a hole is that long too.
        self.file.set_len(end).map_err(|source| Error::scratch(self.scratch, source))?;
        Ok(Arc::new(HeldFile::new(Arc::clone(&self.file), start, size)))
    }

    /// Copies a buffer full; zeros become a hole, so that a sparse file takes no room.
    fn copy(&mut self, from: &mut impl Read, end: u64) -> Result<(), Error> {
        let want = usize::try_from(end - self.end).unwrap_or(usize::MAX).min(self.buffer.len());
        let buffer = self.buffer.get_mut(..want).unwrap_or_default();
        from.read_exact(buffer).map_err(Error::Stream)?;
        if buffer.iter().any(|byte| *byte != 0) {
            let mut file = &*self.file;
            let written = file.seek(SeekFrom::Start(self.end)).and_then(|_| file.write_all(buffer));
            written.map_err(|source| Error::scratch(self.scratch, source))?;
        }
        self.end += want as u64;
        Ok(())
    }
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
