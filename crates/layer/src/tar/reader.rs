//! Reading a tar from a stream that nobody vouches for.
//!
//! Understood: ustar, PAX (local and global headers), GNU long names and links, base-256 numbers, GNU's sparse files of PAX
//! (0.0, 0.1, 1.0), star's prefix, V7. What moby's and containerd's readers refuse is refused: GNU's old sparse files, contiguous ones. A PAX size always takes precedence over the header's, and only a regular file has
//! content, so that no two ways to count can disagree; what is ambiguous is an error that names the member.

mod extended;
mod field;
mod member;
mod sparse;
mod stream;

use std::io::{self, Read};

use extended::Extended;
use member::RawHeader;
use sparse::SparseMap;
use stream::Blocks;

use rootfs::{PathError, TreePath};

use crate::{Entry, EntryKind, Error};

/// PAX headers and GNU long names beyond this are refused, as Go does.
const MAX_EXTENDED: u64 = 1 << 20;

/// What names in an archive mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// An image layer: `.wh.` names are whiteouts; the bookkeeping of AUFS (`/.wh..wh.aufs`, `.plnk`, `.orph`) is passed over,
    /// as containerd does.
    Layer,
    /// Any other archive, such as `ADD` unpacks: `.wh.` is a name like any other, and `..` above the root stays at the root, as
    /// in moby's `archive.Untar` in a chroot.
    Archive,
}

impl Dialect {
    /// The path that a name means.
    fn path(self, name: &[u8]) -> Result<TreePath, PathError> {
        match self {
            Dialect::Layer => TreePath::confined(name),
            Dialect::Archive => TreePath::clean(name),
        }
    }
}

/// Reads a tar, entry by entry. Reading from it gives the content of the current entry; what is left of it is passed over by
/// [`Reader::next_entry`].
///
/// Names are cleaned and taken relative to the root; in a layer, one that climbs above the root with `..` is refused, and so is
/// a hard link to such a name. The targets of symbolic links are left as they are. In a layer, an entry for
/// the root itself must be a directory; in another archive there may be any, which whoever unpacks passes over.
pub struct Reader<R> {
    blocks: Blocks<R>,
    dialect: Dialect,
    global: Extended,
    content: Content,
    name: String,
}

/// What is left of the current entry.
#[derive(Default)]
struct Content {
    /// Bytes of the member still in the stream, without padding.
    stored: u64,
    /// Zero bytes after them that fill the last block.
    padding: u64,
    /// For sparse files, how the stored bytes spread.
    sparse: Option<SparseMap>,
    offset: u64,
}

impl<R: Read> Reader<R> {
    /// A tar, decompressed already.
    pub fn new(stream: R, dialect: Dialect) -> Reader<R> {
        Reader {
            blocks: Blocks::new(stream),
            dialect,
            global: Extended::default(),
            content: Content::default(),
            name: String::new(),
        }
    }

    /// The next entry; `None` at the end of the archive, which is its closing blocks or the end of the stream between members.
    ///
    /// # Errors
    /// When the stream fails, the archive is malformed, or the entry is refused.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            self.skip_content()?;
            let Some((header, extended)) = self.next_header()? else { return Ok(None) };
            if let Some(entry) = self.begin(&header, &extended)? {
                return Ok(Some(entry));
            }
        }
    }

    /// Where the content of the current entry begins in the tar. `None` when it is not stored as one piece: a sparse file.
    pub fn content_offset(&self) -> Option<u64> {
        self.content.sparse.is_none().then_some(self.content.offset)
    }

    /// Reads to the end of the stream, past the archive's end, so that whoever hashes the stream sees all of it.
    ///
    /// # Errors
    /// When the stream fails.
    pub fn drain(&mut self) -> Result<(), Error> {
        self.blocks.drain()
    }

    /// The member's own header, after the headers that only describe it.
    fn next_header(&mut self) -> Result<Option<(RawHeader, Extended)>, Error> {
        let mut extended = Extended::default();
        while let Some(header) = self.blocks.header()? {
            self.name = header.shown_name();
            match header.type_flag() {
                b'x' => extended.add_pax(&self.extended_data(&header)?, &self.name)?,
                b'g' => {
                    let data = self.extended_data(&header)?;
                    self.global.add_global(&data, &self.name)?;
                }
                b'L' => extended.set_gnu_name(self.extended_data(&header)?, &self.name)?,
                b'K' => extended.set_gnu_link(self.extended_data(&header)?, &self.name)?,
                _ => return Ok(Some((header, extended))),
            }
        }
        if extended.is_empty() {
            return Ok(None);
        }
        Err(malformed(&self.name, "it ends after a header that describes another member"))
    }

    fn extended_data(&mut self, header: &RawHeader) -> Result<Vec<u8>, Error> {
        let size = header.size(&self.name)?;
        if size > MAX_EXTENDED {
            return Err(malformed(&self.name, "its extended header is larger than 1 MiB"));
        }
        self.blocks.padded(size, &self.name)
    }

    /// `None` for a member that is passed over.
    fn begin(&mut self, header: &RawHeader, extended: &Extended) -> Result<Option<Entry>, Error> {
        let description = extended.over(&self.global);
        let mut entry = header.entry(&description, self.dialect, &mut self.name)?;
        let stored = header.content_size(&description, &self.name)?;
        let kept = match self.dialect {
            Dialect::Layer => member::recognise_whiteout(&mut entry, &self.name)?,
            Dialect::Archive => true,
        };
        self.content = Content { stored, padding: super::padding(stored) as u64, ..Content::default() };
        self.content.sparse = self.sparse_map(&description)?;
        self.content.offset = self.blocks.offset();
        if let (EntryKind::File { size }, Some(map)) = (&mut entry.kind, &self.content.sparse) {
            *size = map.size();
        }
        let is_directory = entry.is_dir() || entry.kind == EntryKind::OpaqueWhiteout;
        if self.dialect == Dialect::Layer && entry.path.is_root() && !is_directory {
            return Err(refused(&self.name, "the root can only be a directory"));
        }
        Ok(kept.then_some(entry))
    }

    fn sparse_map(&mut self, extended: &Extended) -> Result<Option<SparseMap>, Error> {
        let map = if extended.sparse_in_data() {
            let (map, consumed) =
                sparse::in_data(extended.sparse_size(&self.name)?, self.content.stored, &mut self.blocks, &self.name)?;
            self.content.stored = self.content.stored.saturating_sub(consumed);
            Some(map)
        } else {
            extended.sparse_map(&self.name)?
        };
        if let Some(map) = &map {
            map.check(self.content.stored, &self.name)?;
        }
        Ok(map)
    }

    fn skip_content(&mut self) -> Result<(), Error> {
        let Content { stored, padding, .. } = std::mem::take(&mut self.content);
        self.blocks.skip(stored.saturating_add(padding), &self.name)
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Content { stored, sparse, .. } = &mut self.content;
        let Some(map) = sparse else { return self.blocks.read_content(stored, buffer) };
        match map.next(buffer.len()) {
            sparse::Run::Hole(length) => {
                let hole = buffer.get_mut(..length).unwrap_or_default();
                hole.fill(0);
                map.advance(hole.len());
                Ok(hole.len())
            }
            sparse::Run::Data(length) => {
                let got = self.blocks.read_content(stored, buffer.get_mut(..length).unwrap_or_default())?;
                map.advance(got);
                Ok(got)
            }
        }
    }
}

fn malformed(member: &str, problem: impl Into<String>) -> Error {
    let member = (!member.is_empty()).then(|| member.to_owned());
    Error::Tar { member, problem: problem.into() }
}

fn refused(member: &str, problem: impl Into<String>) -> Error {
    Error::Refused { member: member.to_owned(), problem: problem.into() }
}
