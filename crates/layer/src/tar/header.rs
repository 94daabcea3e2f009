//! The 512-byte header of one member, as written.

use std::borrow::Cow;

use rootfs::TreePath;

use super::{BLOCK, padding, pax};
use crate::{Entry, EntryKind, Error};

/// The largest number that eleven octal digits hold.
const MAX_OCTAL_11: u64 = 0o77_777_777_777;
/// The largest number that seven octal digits hold.
const MAX_OCTAL_7: u64 = 0o7_777_777;

/// Appends an entry's header blocks: a ustar header, preceded by a PAX header where ustar cannot say it.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) -> Result<(), Error> {
    let name = member_name(entry);
    let link = link_name(entry);
    let records = pax_records(entry, &name, &link)?;
    if !records.is_empty() {
        encode_pax(&entry.path, &records, out);
    }
    let (prefix, short) = split_name(&name).unwrap_or((&[], truncated(&name)));
    let mut header = Header::new(kind_byte(&entry.kind));
    header.text(345, 155, prefix);
    header.text(0, 100, short);
    header.number(100, 7, u64::from(entry.mode & 0o7777));
    header.number(108, 7, clip(u64::from(entry.uid), MAX_OCTAL_7));
    header.number(116, 7, clip(u64::from(entry.gid), MAX_OCTAL_7));
    header.number(124, 11, clip(entry.size(), MAX_OCTAL_11));
    header.number(136, 11, clip(u64::try_from(entry.mtime.seconds).unwrap_or(0), MAX_OCTAL_11));
    header.text(157, 100, link.get(..100).unwrap_or(&link));
    if let EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } = entry.kind {
        header.number(329, 7, clip(u64::from(major), MAX_OCTAL_7));
        header.number(337, 7, clip(u64::from(minor), MAX_OCTAL_7));
    }
    header.finish(out);
    Ok(())
}

/// What does not fit into its field is zero there; the PAX record says it.
fn clip(value: u64, max: u64) -> u64 {
    if value > max { 0 } else { value }
}

/// The name as the tar shows it: directories end in a slash, whiteouts carry their marks.
fn member_name(entry: &Entry) -> Vec<u8> {
    let path = entry.path.as_bytes();
    match entry.kind {
        EntryKind::Directory if path.is_empty() => b"./".to_vec(),
        EntryKind::Directory => [path, b"/"].concat(),
        EntryKind::Whiteout => {
            let name = entry.path.file_name().unwrap_or_default();
            [path.strip_suffix(name).unwrap_or_default(), b".wh.", name].concat()
        }
        EntryKind::OpaqueWhiteout if path.is_empty() => b".wh..wh..opq".to_vec(),
        EntryKind::OpaqueWhiteout => [path, b"/.wh..wh..opq"].concat(),
        _ => path.to_vec(),
    }
}

fn link_name(entry: &Entry) -> Cow<'_, [u8]> {
    match &entry.kind {
        EntryKind::Symlink { target } => Cow::Borrowed(target),
        EntryKind::Hardlink { target } => Cow::Borrowed(target.as_bytes()),
        _ => Cow::Borrowed(&[]),
    }
}

fn pax_records(entry: &Entry, name: &[u8], link: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut number = |key: &[u8], value: u64, max: u64| {
        if value > max {
            pax::push_record(&mut out, key, value.to_string().as_bytes());
        }
    };
    number(b"uid", u64::from(entry.uid), MAX_OCTAL_7);
    number(b"gid", u64::from(entry.gid), MAX_OCTAL_7);
    number(b"size", entry.size(), MAX_OCTAL_11);
    let whole = u64::try_from(entry.mtime.seconds).is_ok_and(|seconds| seconds <= MAX_OCTAL_11);
    if entry.mtime.nanos != 0 || !whole {
        pax::push_record(&mut out, b"mtime", pax::format_time(entry.mtime).as_bytes());
    }
    if !name.is_ascii() || split_name(name).is_none() {
        pax::push_record(&mut out, b"path", name);
    }
    if !link.is_ascii() || link.len() > 100 {
        pax::push_record(&mut out, b"linkpath", link);
    }
    for (key, value) in &entry.xattrs {
        if key.contains(&b'=') {
            return Err(xattr_error(entry, key));
        }
        pax::push_record(&mut out, &[pax::XATTR, key].concat(), value);
    }
    Ok(out)
}

/// A PAX keyword ends at the first equals sign.
fn xattr_error(entry: &Entry, key: &[u8]) -> Error {
    let key = String::from_utf8_lossy(key);
    let problem = format!("the name of its extended attribute {key:?} contains \"=\", which no tar can say");
    Error::Refused { member: entry.path.to_string(), problem }
}

/// The PAX header's own name only matters to readers that do not know PAX: they unpack it as a file of that name.
fn encode_pax(path: &TreePath, records: &[u8], out: &mut Vec<u8>) {
    let mut header = Header::new(b'x');
    let base = path.file_name().unwrap_or_default();
    let name = [b"PaxHeaders.0/", base.get(..80).unwrap_or(base)].concat();
    header.text(0, 100, &name);
    header.number(124, 11, records.len() as u64);
    for (offset, value) in [(100, 0), (108, 0), (116, 0)] {
        header.number(offset, 7, value);
    }
    header.number(136, 11, 0);
    header.finish(out);
    out.extend_from_slice(records);
    out.resize(out.len() + padding(records.len() as u64), 0);
}

/// The prefix and the name field for a name, split at a slash, if it fits at all.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((&[], name));
    }
    // The earliest slash that leaves at most 100 bytes behind it; a directory's closing slash does not count.
    let from = name.len().saturating_sub(101);
    let candidates = name.get(from..name.len().saturating_sub(1))?;
    let slash = from + candidates.iter().position(|b| *b == b'/')?;
    let (prefix, rest) = name.split_at(slash);
    (slash > 0 && slash <= 155).then_some((prefix, rest.get(1..)?))
}

fn truncated(name: &[u8]) -> &[u8] {
    name.get(..100).unwrap_or(name)
}

fn kind_byte(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File { .. } | EntryKind::Whiteout | EntryKind::OpaqueWhiteout => b'0',
        EntryKind::Hardlink { .. } => b'1',
        EntryKind::Symlink { .. } => b'2',
        EntryKind::CharDevice { .. } => b'3',
        EntryKind::BlockDevice { .. } => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    }
}

struct Header([u8; BLOCK]);

impl Header {
    fn new(kind: u8) -> Header {
        let mut header = Header([0; BLOCK]);
        header.0[156] = kind;
        header.text(257, 8, b"ustar\x0000");
        header.number(329, 7, 0);
        header.number(337, 7, 0);
        header
    }

    fn text(&mut self, offset: usize, width: usize, text: &[u8]) {
        for (to, from) in self.0.iter_mut().skip(offset).take(width).zip(text) {
            *to = *from;
        }
    }

    /// Octal digits, zero-filled; the NUL that ends the field is there already.
    fn number(&mut self, offset: usize, digits: usize, value: u64) {
        self.text(offset, digits, format!("{value:0digits$o}").as_bytes());
    }

    /// The checksum counts its own field as blanks.
    fn finish(mut self, out: &mut Vec<u8>) {
        self.text(148, 8, b"        ");
        let sum: u64 = self.0.iter().map(|b| u64::from(*b)).sum();
        self.number(148, 6, sum);
        self.text(154, 2, b"\0 ");
        out.extend_from_slice(&self.0);
    }
}
