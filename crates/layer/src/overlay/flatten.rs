//! A copy of merged layers, for where none can be mounted.

use std::collections::BTreeMap;
use std::io;

use rootfs::{Dir, FileKind, Metadata, Root, TreePath};

use super::below::{Below, Found, Layers, Merged};
use super::describe::{Describer, describe, entry_of, kind_of};
use super::place::Maker;
use super::root::describe_root;
use super::{Owners, Scheme};
use crate::{Entry, Error};

/// Copies what an overlay mount of `lowers` (base first) would show into the empty directory `to`; hard links of one layer are
/// kept. File systems that can share the bytes of files do.
///
/// # Errors
/// When something cannot be read or written.
pub fn flatten(lowers: &[Root], to: &Root, scheme: Scheme, owners: &Owners) -> Result<(), Error> {
    let below = Below { lowers, marks: scheme.marks };
    let describer = Describer { scheme, owners };
    let mut copier =
        Copier { below, describer, to, maker: Maker::new(scheme), names: BTreeMap::new(), directories: Vec::new() };
    let mut pending = vec![(TreePath::root(), below.root())];
    while let Some((path, layers)) = pending.pop() {
        let merged = copier.below.open(&path, &layers)?;
        pending.extend(copier.directory(&path, &merged)?);
    }
    for entry in copier.directories.iter().rev() {
        describe(to.dir(&entry.path)?.node(), entry, scheme)?;
    }
    describe_root(to, lowers, scheme)
}

struct Copier<'a> {
    below: Below<'a>,
    describer: Describer<'a>,
    to: &'a Root,
    maker: Maker,
    /// The first name of each file that has several.
    names: BTreeMap<(u64, u64), TreePath>,
    /// Parents before what they contain.
    directories: Vec<Entry>,
}

impl Copier<'_> {
    /// Copies the files of a directory, and makes its directories, which are given back.
    fn directory(&mut self, path: &TreePath, merged: &Merged) -> Result<Vec<(TreePath, Layers)>, Error> {
        let to = self.to.dir(path)?;
        let mut inside = Vec::new();
        for name in merged.names()? {
            let Some(found) = merged.find(&name)? else { continue };
            let path = path.join(&name)?;
            let attributes = self.describer.of_base(&name, &path, &found)?;
            let Some(kind) = kind_of(found.dir, &name, &found.metadata)? else { continue };
            let entry = entry_of(path.clone(), kind, &found.metadata, attributes);
            if entry.is_dir() {
                to.create_dir(&name, 0o700)?;
                self.directories.push(entry);
                inside.extend(merged.descend(&name)?.map(|layers| (path, layers)));
            } else if !self.link(&to, &name, &path, &found.metadata)? {
                self.file(&to, &name, &entry, &found)?;
            }
        }
        Ok(inside)
    }

    /// Whether the file was copied before under another name, which it is now linked to.
    fn link(&mut self, to: &Dir, name: &[u8], path: &TreePath, found: &Metadata) -> Result<bool, Error> {
        if found.links < 2 {
            return Ok(false);
        }
        let Some(first) = self.names.get(&(found.device, found.inode)) else {
            self.names.insert((found.device, found.inode), path.clone());
            return Ok(false);
        };
        let from = self.to.dir(&first.parent().unwrap_or_default())?;
        to.hard_link(name, &from, first.file_name().unwrap_or_default())?;
        Ok(true)
    }

    fn file(&mut self, to: &Dir, name: &[u8], entry: &Entry, found: &Found<'_>) -> Result<(), Error> {
        if found.metadata.kind != FileKind::File {
            return self.maker.make(to, name, entry, &mut io::empty());
        }
        let (from, made) = (found.dir.open(name)?, to.create_file(name, 0o600)?);
        // Between files, the standard library lets the kernel copy.
        io::copy(&mut from.file(), &mut made.file()).map_err(|source| rootfs::Error::At {
            operation: "copy",
            path: entry.path.clone(),
            source,
        })?;
        describe(&made, entry, self.describer.scheme)
    }
}
