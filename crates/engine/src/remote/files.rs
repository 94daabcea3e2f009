//! Contexts as builders read them.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use buildkit::{FileEntry, FileKind, Files};
use layer::{Entry, EntryKind, SourceTree};
use rootfs::TreePath;

/// A tree of ours; what its ignore file hides is not in it.
pub(crate) struct Shown(pub(crate) Arc<dyn SourceTree>);

impl Files for Shown {
    fn children(&self, directory: &str) -> io::Result<Vec<FileEntry>> {
        let children = self.0.children(&path(directory)?).map_err(io::Error::other)?;
        children.iter().map(|entry| self.shown(entry)).collect()
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn Read + Send>> {
        self.0.content(&path(file)?).map_err(io::Error::other)?.open()
    }
}

impl Shown {
    fn shown(&self, entry: &Entry) -> io::Result<FileEntry> {
        let kind = match &entry.kind {
            EntryKind::File { size } => FileKind::File(*size),
            EntryKind::Directory => FileKind::Directory,
            EntryKind::Symlink { target } => FileKind::Symlink(text(target)?),
            EntryKind::Hardlink { target } => self.linked(target)?,
            _ => return Err(io::Error::other(format!("{}: a builder takes files, directories and links", entry.path))),
        };
        let mtime = entry.mtime.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(entry.mtime.nanos));
        Ok(FileEntry { path: text(entry.path.as_bytes())?, kind, mode: entry.mode, mtime })
    }

    /// Another name of a file is a file to a builder.
    fn linked(&self, target: &TreePath) -> io::Result<FileKind> {
        match self.0.entry(target).map_err(io::Error::other)?.map(|entry| entry.kind) {
            Some(EntryKind::File { size }) => Ok(FileKind::File(size)),
            _ => Err(io::Error::other(format!("{target}: not a regular file"))),
        }
    }
}

fn path(text: &str) -> io::Result<TreePath> {
    TreePath::clean(text).map_err(io::Error::other)
}

/// The protocol's paths are text.
fn text(bytes: &[u8]) -> io::Result<String> {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    String::from_utf8(bytes.to_vec()).map_err(|_| io::Error::other(format!("{:?}: the name is not UTF-8", shown())))
}

/// A directory with one file, such as the Dockerfile.
pub(crate) struct OneFile {
    pub(crate) name: &'static str,
    pub(crate) content: Vec<u8>,
}

impl Files for OneFile {
    fn children(&self, directory: &str) -> io::Result<Vec<FileEntry>> {
        let kind = FileKind::File(self.content.len() as u64);
        // Builders take size and time for the content, and the text has no time: a part of its digest stands for it.
        let stamp = oci::Digest::of(&self.content).hex().get(..15).and_then(|hex| i64::from_str_radix(hex, 16).ok());
        let entry = FileEntry { path: self.name.to_owned(), kind, mode: 0o644, mtime: stamp.unwrap_or_default() };
        Ok(if directory.is_empty() { vec![entry] } else { Vec::new() })
    }

    fn open(&self, _: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.content.clone())))
    }
}
