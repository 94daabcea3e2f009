//! Writing a merged tree into a directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};

use rootfs::{FileKind, Root, Special, TreePath};

use crate::{Content, Entry, EntryKind, Error, SourceTree, Tree};

const BUFFER: usize = 256 << 10;
/// What a directory has until all is in it, so that an ordinary user can fill one that is read-only in the end.
const FILLING: u32 = 0o700;

/// Whose files they become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Their owners', with every extended attribute. That needs privilege.
    Kept,
    /// The current user's. Of the extended attributes, only those are set that an ordinary user can set (`user.`).
    Current,
}

/// Writes a tree into a directory, over what is there: directories are merged, anything else is replaced. Nothing outside of
/// `root` is touched, whatever the tree or the directory holds. Modes, times, devices and hard links are kept; the root
/// directory's own mode, owner and time are left alone.
///
/// # Errors
/// When a content cannot be read or has another length than its entry, or something cannot be written.
pub fn unpack(tree: &Tree, root: &Root, ownership: Ownership) -> Result<(), Error> {
    let mut unpacker =
        Unpacker { tree, root, ownership, names: BTreeMap::new(), directories: Vec::new(), buffer: vec![0; BUFFER] };
    let mut pending = vec![TreePath::root()];
    while let Some(dir) = pending.pop() {
        for entry in tree.children(&dir)? {
            unpacker.write(&entry)?;
            if entry.is_dir() {
                pending.push(entry.path.clone());
                unpacker.directories.push(entry);
            }
        }
    }
    unpacker.finish_directories()
}

struct Unpacker<'a> {
    tree: &'a Tree,
    root: &'a Root,
    ownership: Ownership,
    /// The first name of each file.
    names: BTreeMap<(u32, u64), TreePath>,
    /// Parents before what they contain.
    directories: Vec<Entry>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn write(&mut self, entry: &Entry) -> Result<(), Error> {
        let path = &entry.path;
        if entry.is_dir() {
            return self.directory(path);
        }
        self.root.remove_all(path)?;
        if let Some(first) = self.first_name(path) {
            return Ok(self.root.hard_link(path, &first)?);
        }
        match &entry.kind {
            EntryKind::File { size } => self.file(path, *size)?,
            EntryKind::Symlink { target } => self.root.symlink(path, target)?,
            EntryKind::CharDevice { major, minor } => {
                self.root.mknod(path, Special::CharDevice { major: *major, minor: *minor }, FILLING)?;
            }
            EntryKind::BlockDevice { major, minor } => {
                self.root.mknod(path, Special::BlockDevice { major: *major, minor: *minor }, FILLING)?;
            }
            EntryKind::Fifo => self.root.mknod(path, Special::Fifo, FILLING)?,
            // Merged trees have none of the others.
            EntryKind::Directory | EntryKind::Hardlink { .. } | EntryKind::Whiteout | EntryKind::OpaqueWhiteout => {}
        }
        self.describe(entry)
    }

    fn first_name(&mut self, path: &TreePath) -> Option<TreePath> {
        let file = self.tree.file(path)?;
        let first = self.names.get(&file).cloned();
        if first.is_none() {
            self.names.insert(file, path.clone());
        }
        first
    }

    fn directory(&self, path: &TreePath) -> Result<(), Error> {
        match self.root.stat(path)? {
            Some(metadata) if metadata.kind == FileKind::Directory => {
                return Ok(self.root.node(path)?.set_mode(FILLING)?);
            }
            Some(_) => self.root.remove_all(path)?,
            None => {}
        }
        Ok(self.root.create_dir(path, FILLING)?)
    }

    fn file(&mut self, path: &TreePath, size: u64) -> Result<(), Error> {
        let content = self.tree.content(path)?;
        let file = self.root.create_file(path, 0o600)?;
        copy(path, size, &*content, file, &mut self.buffer)
    }

    /// The owner first, because changing it clears set-user-id bits and capabilities.
    fn describe(&self, entry: &Entry) -> Result<(), Error> {
        let node = self.root.node(&entry.path)?;
        if self.ownership == Ownership::Kept {
            node.set_owner(entry.uid, entry.gid)?;
        }
        if !matches!(entry.kind, EntryKind::Symlink { .. }) {
            node.set_mode(entry.mode)?;
        }
        for (name, value) in &entry.xattrs {
            if self.ownership == Ownership::Kept || name.starts_with(b"user.") {
                node.set_xattr(name, value)?;
            }
        }
        node.set_mtime(entry.mtime.into())?;
        Ok(())
    }

    /// Last, from the bottom up: writing into a directory changes its time.
    fn finish_directories(&mut self) -> Result<(), Error> {
        let directories = std::mem::take(&mut self.directories);
        directories.iter().rev().try_for_each(|entry| self.describe(entry))
    }
}

fn copy(path: &TreePath, size: u64, content: &dyn Content, mut to: File, buffer: &mut [u8]) -> Result<(), Error> {
    let from = content.open().map_err(|source| Error::Read { path: path.clone(), source })?;
    let copied = pour(path, &mut from.take(size.saturating_add(1)), &mut to, buffer)?;
    match copied == size {
        true => Ok(()),
        false => Err(Error::Changed { path: path.clone(), expected: size, found: (copied < size).then_some(copied) }),
    }
}

/// Writes all that `from` gives to the file at `path`; tells how many bytes that were.
pub(crate) fn pour(path: &TreePath, from: &mut dyn Read, to: &mut dyn Write, buffer: &mut [u8]) -> Result<u64, Error> {
    let mut copied = 0;
    loop {
        let got = match from.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            result => result.map_err(|source| Error::Read { path: path.clone(), source })?,
        };
        if got == 0 {
            return Ok(copied);
        }
        copied += got as u64;
        to.write_all(buffer.get(..got).unwrap_or_default()).map_err(|source| rootfs::Error::At {
            operation: "write",
            path: path.clone(),
            source,
        })?;
    }
}
