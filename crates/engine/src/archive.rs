//! Archives among the sources of ADD: told by their content, read into members.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use layer::tar::{Dialect, Reader};
use layer::{Content, Entry, EntryKind, Fingerprint, SourceTree, TreeError, decompress, resolve};
use rootfs::TreePath;

use crate::Error;
use crate::overlay::Item;

/// The memory that the names, links and attributes of an archive may take, 1 GiB, some three million members: a bomb otherwise.
const MAX_MEMORY: usize = 1 << 30;
/// No archive expands to more bytes: a bomb otherwise.
const MAX_EXPANDED: u64 = 256 << 30;

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
    read_members(Reader::new(plain, Dialect::Archive), archive.as_ref()).map(Some)
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

fn read_members(mut reader: Reader<impl Read>, archive: Option<&Fingerprint>) -> Result<Vec<Item>, Error> {
    let mut spool = Spool::new()?;
    let mut members: Vec<(Entry, Option<(u64, u64)>)> = Vec::new();
    let mut room = MAX_MEMORY;
    while let Some(entry) = reader.next_entry()? {
        room = room.checked_sub(entry.footprint()).ok_or_else(|| too_many(&entry))?;
        let place = match entry.kind {
            EntryKind::File { size } => Some((spool.take(&entry, &mut reader, size)?, size)),
            _ => None,
        };
        members.push((entry, place));
    }
    let file = Arc::new(spool.file);
    let item = |(entry, place): (Entry, Option<(u64, u64)>)| {
        let content = place.map(|(offset, size)| {
            let (file, archive) = (Arc::clone(&file), archive.cloned());
            Arc::new(Piece { file, offset, size, archive }) as Arc<dyn Content>
        });
        (entry, content)
    };
    Ok(members.into_iter().map(item).collect())
}

fn too_many(entry: &Entry) -> Error {
    refused(entry, format!("names and attributes of an archive may take at most {} GiB of memory", MAX_MEMORY >> 30))
}

fn refused(entry: &Entry, problem: String) -> Error {
    layer::Error::Refused { member: entry.path.to_string(), problem }.into()
}

/// Expanded contents, in an unnamed temporary file in which runs of zeros take no room.
struct Spool {
    file: File,
    length: u64,
}

impl Spool {
    fn new() -> Result<Self, Error> {
        let file = tempfile::tempfile().map_err(failed)?;
        Ok(Self { file, length: 0 })
    }

    /// Takes the content of `entry`; gives its place.
    fn take(&mut self, entry: &Entry, content: &mut impl Read, size: u64) -> Result<u64, Error> {
        let offset = self.length;
        if size > MAX_EXPANDED - offset {
            return Err(refused(entry, format!("an archive may expand to at most {} GiB", MAX_EXPANDED >> 30)));
        }
        let mut buffer = vec![0; 256 << 10];
        let mut left = size;
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let chunk = &mut buffer[..wanted];
            content.read_exact(chunk).map_err(layer::Error::Archive)?;
            self.put(chunk).map_err(failed)?;
            left -= wanted as u64;
        }
        Ok(offset)
    }

    fn put(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.length += chunk.len() as u64;
        if chunk.iter().all(|byte| *byte == 0) {
            self.file.seek(SeekFrom::Start(self.length)).map(drop)
        } else {
            self.file.write_all(chunk)
        }
    }
}

fn failed(source: io::Error) -> Error {
    Error::File { operation: "write temporary files in", path: std::env::temp_dir(), source }
}

/// Part of a file; what lies behind the file's end is zeros.
struct Piece {
    file: Arc<File>,
    offset: u64,
    size: u64,
    /// Of the archive that it was in.
    archive: Option<Fingerprint>,
}

impl Content for Piece {
    fn fingerprint(&self) -> Option<Fingerprint> {
        let mut fingerprint = self.archive.clone()?;
        fingerprint.key.extend(format!(" member {} {}", self.offset, self.size).bytes());
        Some(fingerprint)
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(PieceReader { file: Arc::clone(&self.file), offset: self.offset, left: self.size }))
    }
}

struct PieceReader {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        let mut got = self.file.read_at(buffer, self.offset)?;
        if got == 0 {
            buffer.fill(0);
            got = wanted;
        }
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_gives_back_what_it_took_zeros_and_all() {
        let mut spool = Spool::new().expect("a file");
        let entry = Entry::new(TreePath::new("x").expect("a path"), EntryKind::Fifo, 0);
        let contents = [vec![0; 300 << 10], b"text".to_vec(), vec![0; 10]];
        let places: Vec<(u64, u64)> = contents
            .iter()
            .map(|bytes| {
                let size = bytes.len() as u64;
                (spool.take(&entry, &mut bytes.as_slice(), size).expect("room"), size)
            })
            .collect();
        let file = Arc::new(spool.file);
        for ((offset, size), bytes) in places.into_iter().zip(contents) {
            let mut read = Vec::new();
            let piece = Piece { file: Arc::clone(&file), offset, size, archive: None };
            piece.open().and_then(|mut reader| reader.read_to_end(&mut read)).expect("reads");
            assert!(read == bytes);
        }
    }
}
