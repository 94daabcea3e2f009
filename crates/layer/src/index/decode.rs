//! Reading the stored form of a header index; nothing in it is trusted.

use std::collections::BTreeMap;
use std::sync::Arc;

use rootfs::TreePath;

use super::encode::MAGIC;
use super::{IndexEntry, LayerIndex};
use crate::{Entry, EntryKind, Error, Timestamp};

impl LayerIndex {
    /// Reads [`LayerIndex::to_bytes`]. Memory stays in proportion to the length of `bytes`.
    ///
    /// # Errors
    /// When the bytes are of another version, cut off or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<LayerIndex, Error> {
        let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(Error::Index("it is cut off"))?;
        let fields = body.strip_prefix(MAGIC).ok_or(Error::Index("it is of another version"))?;
        if libdeflater::crc32(body) != u32::from_le_bytes(*checksum) {
            return Err(Error::Index("its checksum is wrong"));
        }
        let mut input = Input(fields);
        let index = input.index()?;
        if !input.0.is_empty() {
            return Err(Error::Index("something follows it"));
        }
        Ok(index)
    }
}

struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn index(&mut self) -> Result<LayerIndex, Error> {
        let mut index = LayerIndex { tar_size: self.number()?, ..LayerIndex::default() };
        for _ in 0..self.number()? {
            let path = TreePath::new(self.bytes()?)?;
            index.captured.push((path, Arc::from(self.bytes()?)));
        }
        for _ in 0..self.number()? {
            let entry = self.entry(index.entries.last())?;
            index.entries.push(entry);
        }
        Ok(index)
    }

    fn entry(&mut self, before: Option<&IndexEntry>) -> Result<IndexEntry, Error> {
        let (root, shared) = (TreePath::root(), self.length()?);
        let before = before.map_or(&root, |before| &before.entry.path);
        if shared > before.as_bytes().len() {
            return Err(Error::Index("a path shares more than there is"));
        }
        let path = before.sharing(shared, self.bytes()?)?;
        let offset = self.number()?;
        let (mode, uid, gid, nanos) = (self.small()?, self.small()?, self.small()?, self.small()?);
        let mtime = Timestamp { seconds: self.signed()?, nanos };
        if mode > 0o7777 || nanos > 999_999_999 {
            return Err(Error::Index("a mode or a time is out of range"));
        }
        let kind = self.kind()?;
        let xattrs = self.xattrs()?;
        Ok(IndexEntry { entry: Arc::new(Entry { path, kind, mode, uid, gid, mtime, xattrs }), offset })
    }

    fn kind(&mut self) -> Result<EntryKind, Error> {
        Ok(match self.byte()? {
            0 => EntryKind::File { size: self.number()? },
            1 => EntryKind::Directory,
            2 => EntryKind::Symlink { target: self.bytes()?.to_vec() },
            3 => EntryKind::Hardlink { target: TreePath::new(self.bytes()?)? },
            4 => EntryKind::CharDevice { major: self.small()?, minor: self.small()? },
            5 => EntryKind::BlockDevice { major: self.small()?, minor: self.small()? },
            6 => EntryKind::Fifo,
            7 => EntryKind::Whiteout,
            8 => EntryKind::OpaqueWhiteout,
            _ => return Err(Error::Index("a kind is unknown")),
        })
    }

    fn xattrs(&mut self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        let mut xattrs = BTreeMap::new();
        for _ in 0..self.number()? {
            xattrs.insert(self.bytes()?.to_vec(), self.bytes()?.to_vec());
        }
        Ok(xattrs)
    }

    fn bytes(&mut self) -> Result<&'b [u8], Error> {
        let length = self.length()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Error::Index("it is cut off"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.number()?).map_err(|_| Error::Index("a length is out of range"))
    }

    fn small(&mut self) -> Result<u32, Error> {
        u32::try_from(self.number()?).map_err(|_| Error::Index("a number is out of range"))
    }

    fn signed(&mut self) -> Result<i64, Error> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn number(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::Index("a number is too long"))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let (byte, rest) = self.0.split_first().ok_or(Error::Index("it is cut off"))?;
        self.0 = rest;
        Ok(*byte)
    }
}
