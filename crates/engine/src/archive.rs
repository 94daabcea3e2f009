//! Archives among the sources of ADD: told by their content, read into members.

mod capability;

use std::io::Read;

use context::Spool;
use layer::tar::{Dialect, Reader};
use layer::{Entry, EntryKind, Fingerprint, SourceTree, TreeError, decompress, resolve};
use rootfs::TreePath;

use crate::Error;
use crate::overlay::Item;

/// The memory that the names, links and attributes of an archive may take, 1 GiB, some three million members: a bomb otherwise.
const MAX_MEMORY: usize = 1 << 30;

/// The members of the archive at `path` in their order; `None` when it is no archive, as BuildKit tells: a regular file
/// that decompresses to something with a tar header.
pub(crate) fn members(tree: &dyn SourceTree, path: &TreePath) -> Result<Option<Vec<Item>>, Error> {
    let path = match resolve(tree, path.as_bytes(), true) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    let regular = tree.entry(&path)?.is_some_and(|entry| matches!(entry.kind, EntryKind::File { .. }));
    if !regular || !is_archive(tree, &path)? {
        return Ok(None);
    }
    let archive = tree.content(&path)?.fingerprint();
    let (_, plain) = decompress(open(tree, &path)?)?;
    read_members(Reader::new(plain, Dialect::Archive), archive).map(Some)
}

fn open(tree: &dyn SourceTree, path: &TreePath) -> Result<Box<dyn Read + Send>, Error> {
    let failed = |source| TreeError::Io { operation: "open", path: path.clone(), source };
    Ok(tree.content(path)?.open().map_err(failed)?)
}

fn is_archive(tree: &dyn SourceTree, path: &TreePath) -> Result<bool, Error> {
    let Ok((_, plain)) = decompress(open(tree, path)?) else { return Ok(false) };
    let first = Reader::new(plain, Dialect::Archive).next_entry();
    // What is refused has a header that says so.
    Ok(matches!(first, Ok(Some(_)) | Err(layer::Error::Refused { .. })))
}

fn read_members(mut reader: Reader<impl Read>, archive: Option<Fingerprint>) -> Result<Vec<Item>, Error> {
    let mut spool = Spool::new(&std::env::temp_dir(), archive)?;
    let mut members = Vec::new();
    let mut room = MAX_MEMORY;
    while let Some(mut entry) = reader.next_entry()? {
        capability::check(&mut entry)?;
        room = room.checked_sub(entry.footprint()).ok_or_else(|| too_many(&entry))?;
        let content = match entry.kind {
            EntryKind::File { size } => Some(spool.keep(&mut reader, size).map_err(of_archive)?),
            _ => None,
        };
        members.push((entry, content));
    }
    Ok(members)
}

/// A stream that ends early or cannot be decompressed is here an archive.
fn of_archive(error: context::Error) -> Error {
    match error {
        context::Error::Stream(source) => layer::Error::Archive(source).into(),
        other => other.into(),
    }
}

fn refused(entry: &Entry, problem: String) -> Error {
    layer::Error::Refused { member: entry.path.to_string(), problem }.into()
}

fn too_many(entry: &Entry) -> Error {
    let limit = MAX_MEMORY >> 30;
    refused(entry, format!("names and attributes of an archive may take at most {limit} GiB of memory"))
}
