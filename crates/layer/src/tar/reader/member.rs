//! One member's header block.

use rootfs::{MAX_PATH, TreePath};

use super::Dialect;
use super::extended::Extended;
use super::{field, malformed, refused};
use crate::tar::BLOCK;
use crate::{Entry, EntryKind, Error, Timestamp};

/// Linux has twelve bits for a device's major number and twenty for its minor one.
const MAX_MAJOR: u64 = 0xfff;
const MAX_MINOR: u64 = 0xf_ffff;
/// What the AUFS driver kept at the root of its branches.
const AUFS: [&[u8]; 3] = [b".wh..wh.aufs", b".wh..wh.plnk", b".wh..wh.orph"];

pub(super) struct RawHeader([u8; BLOCK]);

impl RawHeader {
    /// Some old writers summed signed bytes; both sums are accepted, as everywhere.
    pub(super) fn checked(block: [u8; BLOCK]) -> Result<RawHeader, Error> {
        let header = RawHeader(block);
        let told = field::number(header.field(148, 8));
        let is = |sum: i32| told == Some(sum.into());
        if is(header.sum(i32::from)) || is(header.sum(|byte| i32::from(byte as i8))) {
            return Ok(header);
        }
        Err(malformed("", "a header's checksum is wrong"))
    }

    /// The sum of all bytes as numbers, those of the checksum itself taken for blanks.
    fn sum(&self, number: impl Fn(u8) -> i32) -> i32 {
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| number(*byte)).sum::<i32>();
        sum(&self.0[..148]) + sum(b"        ") + sum(&self.0[156..])
    }

    pub(super) fn field(&self, offset: usize, width: usize) -> &[u8] {
        self.0.get(offset..offset + width).unwrap_or_default()
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.0[156]
    }

    /// For messages.
    pub(super) fn shown_name(&self) -> String {
        String::from_utf8_lossy(&self.name()).into_owned()
    }

    /// The size that this header gives, which may not be the last word.
    pub(super) fn size(&self, member: &str) -> Result<u64, Error> {
        self.number(124, 12, "size", member)
    }

    /// How many content bytes follow.
    pub(super) fn content_size(&self, extended: &Extended, member: &str) -> Result<u64, Error> {
        let size = match extended.number("size", member)? {
            Some(size) => size,
            None => self.size(member)?,
        };
        if size > i64::MAX as u64 {
            return Err(malformed(member, "its size is out of range"));
        }
        let is_file = matches!(self.type_flag(), 0 | b'0') && !self.is_old_directory();
        if size > 0 && !is_file {
            // Readers disagree on whether such bytes are there.
            return Err(refused(member, "it has a size though it is no regular file"));
        }
        Ok(size)
    }

    /// The entry as described by this header and those before it. `member` becomes the full name.
    pub(super) fn entry(&self, extended: &Extended, dialect: Dialect, member: &mut String) -> Result<Entry, Error> {
        let name = self.name();
        let name = extended.path(member)?.unwrap_or(&name);
        *member = String::from_utf8_lossy(name.get(..MAX_PATH).unwrap_or(name)).into_owned();
        let path = dialect.path(name).map_err(|error| refused(member, error.to_string()))?;
        let kind = self.kind(extended, dialect, member)?;
        let mode = self.number(100, 8, "mode", member)? as u32 & 0o7777;
        Ok(Entry {
            path,
            // Linux knows no other, whatever a header says.
            mode: if matches!(kind, EntryKind::Symlink { .. }) { 0o777 } else { mode },
            kind,
            uid: self.owner("uid", 108, extended, member)?,
            gid: self.owner("gid", 116, extended, member)?,
            mtime: self.mtime(extended, member)?,
            xattrs: extended.xattrs(),
        })
    }

    fn kind(&self, extended: &Extended, dialect: Dialect, member: &str) -> Result<EntryKind, Error> {
        let size = || self.content_size(extended, member);
        Ok(match self.type_flag() {
            0 if self.is_old_directory() => EntryKind::Directory,
            0 | b'0' => EntryKind::File { size: size()? },
            b'1' => EntryKind::Hardlink { target: self.hard_link_target(extended, dialect, member)? },
            b'2' => EntryKind::Symlink { target: self.symlink_target(extended, member)? },
            b'3' => {
                let (major, minor) = self.device(member)?;
                EntryKind::CharDevice { major, minor }
            }
            b'4' => {
                let (major, minor) = self.device(member)?;
                EntryKind::BlockDevice { major, minor }
            }
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            other => {
                let known = if other == b'S' { " (GNU's old form of sparse files)" } else { "" };
                let problem = format!("its type {:?}{known} is not supported", char::from(other));
                return Err(refused(member, problem));
            }
        })
    }

    /// Before ustar there was no type for directories: their names end in a slash.
    fn is_old_directory(&self) -> bool {
        self.type_flag() == 0 && self.name().ends_with(b"/")
    }

    fn symlink_target(&self, extended: &Extended, member: &str) -> Result<Vec<u8>, Error> {
        let target = extended.link(member)?.unwrap_or(field::text(self.field(157, 100)));
        if target.is_empty() || target.len() > MAX_PATH || target.contains(&0) {
            return Err(malformed(member, "its link target is empty, too long or not text"));
        }
        Ok(target.to_vec())
    }

    fn hard_link_target(&self, extended: &Extended, dialect: Dialect, member: &str) -> Result<TreePath, Error> {
        let target = extended.link(member)?.unwrap_or(field::text(self.field(157, 100)));
        let path = dialect.path(target).map_err(|e| refused(member, format!("its hard link: {e}")))?;
        if path.is_root() {
            return Err(refused(member, "it is a hard link to the root"));
        }
        Ok(path)
    }

    fn device(&self, member: &str) -> Result<(u32, u32), Error> {
        let major = self.number(329, 8, "major number", member)?;
        let minor = self.number(337, 8, "minor number", member)?;
        if major > MAX_MAJOR || minor > MAX_MINOR {
            return Err(malformed(member, "its device number is out of range"));
        }
        Ok((major as u32, minor as u32))
    }

    fn owner(&self, key: &str, offset: usize, extended: &Extended, member: &str) -> Result<u32, Error> {
        let number = match extended.number(key, member)? {
            Some(number) => number,
            None => self.number(offset, 8, key, member)?,
        };
        u32::try_from(number).map_err(|_| malformed(member, format!("its {key} is out of range")))
    }

    fn mtime(&self, extended: &Extended, member: &str) -> Result<Timestamp, Error> {
        if let Some(time) = extended.mtime(member)? {
            return Ok(time);
        }
        let seconds =
            field::number(self.field(136, 12)).ok_or_else(|| malformed(member, "its mtime is not a number"))?;
        Ok(Timestamp::from_seconds(seconds))
    }

    fn number(&self, offset: usize, width: usize, what: &str, member: &str) -> Result<u64, Error> {
        let number = field::number(self.field(offset, width)).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| malformed(member, format!("its {what} is not a number")))
    }

    /// Only ustar has a prefix; GNU's header has other fields there, and star's is shorter.
    fn name(&self) -> Vec<u8> {
        let name = field::text(self.field(0, 100));
        let prefix: &[u8] = match (self.field(257, 6), self.field(508, 4)) {
            (b"ustar\0", b"tar\0") => field::text(self.field(345, 131)),
            (b"ustar\0", _) => field::text(self.field(345, 155)),
            _ => &[],
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }
}

/// Turns `.wh.` names into whiteouts. `false` for AUFS' bookkeeping, which is not part of the tree.
pub(super) fn recognise_whiteout(entry: &mut Entry, member: &str) -> Result<bool, Error> {
    let path = entry.path.clone();
    let mut components = path.components();
    if components.clone().next().is_some_and(|top| AUFS.contains(&top)) {
        return Ok(false);
    }
    let last = components.next_back().and_then(|name| name.strip_prefix(b".wh."));
    if components.any(|name| name.starts_with(b".wh.")) {
        return Err(refused(member, "it lies below a whiteout"));
    }
    let Some(hidden) = last else { return Ok(true) };
    let dir = path.parent().unwrap_or_default();
    (entry.path, entry.kind) = match hidden {
        b".wh..opq" => (dir, EntryKind::OpaqueWhiteout),
        _ => (dir.join(hidden).map_err(|_| refused(member, "its whiteout hides no name"))?, EntryKind::Whiteout),
    };
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with a name that has bytes above 127, and a checksum.
    fn block(sum: i32) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(&[0xff, 0x80, b'a', 0xc3]);
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn both_ways_to_sum_are_accepted_and_no_other() {
        let blanks = 8 * 32;
        let (unsigned, signed) = (0xff + 0x80 + 97 + 0xc3 + blanks, -1 - 128 + 97 - 61 + blanks);
        for (sum, expected) in
            [(unsigned, true), (signed, true), (unsigned + 1, false), (signed - 1, false), (0, false)]
        {
            assert_eq!(RawHeader::checked(block(sum)).is_ok(), expected, "{sum}");
        }
    }
}
