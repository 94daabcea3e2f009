//! The stored form of a header index.
//!
//! `"shipsmith index"`, a version byte, the fields, and the CRC-32 (little-endian) of all before it. Numbers are LEB128, byte
//! strings are preceded by their length; a path is the length of what it shares with the path before it, and the rest.

use super::{IndexEntry, LayerIndex};
use crate::{Entry, EntryKind};

pub(super) const MAGIC: &[u8] = b"shipsmith index\x01";

impl LayerIndex {
    /// The stored form. Equal indexes have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Bytes(MAGIC.to_vec());
        out.number(self.tar_size);
        out.number(self.captured.len() as u64);
        for (path, content) in &self.captured {
            out.bytes(path.as_bytes());
            out.bytes(content);
        }
        out.number(self.entries.len() as u64);
        let mut before: &[u8] = &[];
        for IndexEntry { entry, offset } in &self.entries {
            out.entry(entry, *offset, before);
            before = entry.path.as_bytes();
        }
        let checksum = libdeflater::crc32(&out.0);
        out.0.extend_from_slice(&checksum.to_le_bytes());
        out.0
    }
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn entry(&mut self, entry: &Entry, offset: u64, before: &[u8]) {
        let path = entry.path.as_bytes();
        let shared = path.iter().zip(before).take_while(|(a, b)| a == b).count();
        self.number(shared as u64);
        self.bytes(path.get(shared..).unwrap_or_default());
        self.number(offset);
        for value in [entry.mode, entry.uid, entry.gid, entry.mtime.nanos] {
            self.number(u64::from(value));
        }
        self.signed(entry.mtime.seconds);
        self.kind(&entry.kind);
        self.number(entry.xattrs.len() as u64);
        for (key, value) in &entry.xattrs {
            self.bytes(key);
            self.bytes(value);
        }
    }

    fn kind(&mut self, kind: &EntryKind) {
        match kind {
            EntryKind::File { size } => self.tagged(0, &[*size]),
            EntryKind::Directory => self.tagged(1, &[]),
            EntryKind::Symlink { target } => {
                self.tagged(2, &[]);
                self.bytes(target);
            }
            EntryKind::Hardlink { target } => {
                self.tagged(3, &[]);
                self.bytes(target.as_bytes());
            }
            EntryKind::CharDevice { major, minor } => self.tagged(4, &[u64::from(*major), u64::from(*minor)]),
            EntryKind::BlockDevice { major, minor } => self.tagged(5, &[u64::from(*major), u64::from(*minor)]),
            EntryKind::Fifo => self.tagged(6, &[]),
            EntryKind::Whiteout => self.tagged(7, &[]),
            EntryKind::OpaqueWhiteout => self.tagged(8, &[]),
        }
    }

    fn tagged(&mut self, tag: u8, numbers: &[u64]) {
        self.0.push(tag);
        for number in numbers {
            self.number(*number);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Small numbers of either sign stay small.
    fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }
}
