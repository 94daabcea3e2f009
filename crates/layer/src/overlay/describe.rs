//! What a file on the disk is, as a layer says it; and the other way round.

use std::collections::BTreeMap;

use rootfs::{Dir, FileKind, Metadata, Node, TreePath};

use super::below::Found;
use super::{Owning, Scheme};
use crate::{Entry, EntryKind, Error};

/// Where [`Owning::Aside`] keeps the owner of a file or directory that is not 0:0: `UID:GID` in decimal. The attribute goes with
/// the file when it is copied up, renamed or linked.
pub const OWNER_XATTR: &[u8] = b"user.shipsmith.owner";

/// Owners that the disk does not show ([`Owning::Aside`]).
#[derive(Debug, Clone, Default)]
pub struct Owners {
    /// Of links, devices and pipes in the layers below, which cannot have [`OWNER_XATTR`]. Those of 0:0 are left out.
    pub below: BTreeMap<TreePath, (u32, u32)>,
    /// Of files whose owner was changed in the upper directory, by inode. It goes before the attribute.
    pub changed: BTreeMap<u64, (u32, u32)>,
}

/// What two files must share to be the same, besides their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Reads what files are.
#[derive(Clone, Copy)]
pub(super) struct Describer<'a> {
    pub(super) scheme: Scheme,
    pub(super) owners: &'a Owners,
}

/// Where a file lies. The inodes in [`Owners::changed`] are those of the upper directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Upper,
    Below,
}

impl Describer<'_> {
    /// Of a file or directory with these extended attributes.
    pub(super) fn of_node(&self, mut xattrs: BTreeMap<Vec<u8>, Vec<u8>>, found: &Metadata, side: Side) -> Attributes {
        let own = xattrs.get(OWNER_XATTR).and_then(|text| parse_owner(text));
        xattrs.retain(|name, _| is_content(name));
        let (uid, gid) = self.owner(found, side, own);
        Attributes { uid, gid, xattrs }
    }

    /// Of a link, device or pipe, which has none of the extended attributes that count.
    pub(super) fn of_special(&self, path: &TreePath, found: &Metadata, side: Side) -> Attributes {
        let (uid, gid) = self.owner(found, side, self.owners.below.get(path).copied());
        Attributes { uid, gid, xattrs: BTreeMap::new() }
    }

    /// Of what the layers below have at `path`.
    pub(super) fn of_base(&self, name: &[u8], path: &TreePath, found: &Found<'_>) -> Result<Attributes, Error> {
        let metadata = &found.metadata;
        Ok(match metadata.kind {
            FileKind::Directory => self.of_node(found.dir.dir(name)?.node().xattrs()?, metadata, Side::Below),
            FileKind::File => self.of_node(found.dir.open(name)?.xattrs()?, metadata, Side::Below),
            _ => self.of_special(path, metadata, Side::Below),
        })
    }

    fn owner(&self, found: &Metadata, side: Side, aside: Option<(u32, u32)>) -> (u32, u32) {
        match self.scheme.owning {
            Owning::Real => (found.uid, found.gid),
            Owning::Aside => self.changed(found, side).or(aside).unwrap_or((0, 0)),
        }
    }

    /// The owner that a file was given in the upper directory.
    pub(super) fn changed(&self, found: &Metadata, side: Side) -> Option<(u32, u32)> {
        self.owners.changed.get(&found.inode).copied().filter(|_| side == Side::Upper)
    }
}

/// Whether an extended attribute is part of a layer: a file's capabilities and what users set. The rest is the machine's (labels,
/// access lists that a directory above hands down), the overlay's or ours.
pub(super) fn is_content(name: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"user.overlay.", b"user.shipsmith."];
    let users = name.starts_with(b"user.") && !marks.iter().any(|prefix| name.starts_with(prefix));
    users || name == b"security.capability"
}

/// The owner that the text of [`OWNER_XATTR`] says.
pub fn parse_owner(text: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// The text of [`OWNER_XATTR`].
pub fn owner_text((uid, gid): (u32, u32)) -> Vec<u8> {
    format!("{uid}:{gid}").into_bytes()
}

/// Gives a new file or directory its entry's owner, mode, attributes and time. The owner first, because changing it clears
/// set-user-id bits and capabilities.
pub(super) fn describe(node: &Node, entry: &Entry, scheme: Scheme) -> Result<(), Error> {
    let takes_xattrs = matches!(entry.kind, EntryKind::File { .. } | EntryKind::Directory);
    match scheme.owning {
        Owning::Real => node.set_owner(entry.uid, entry.gid)?,
        Owning::Aside if takes_xattrs && (entry.uid, entry.gid) != (0, 0) => {
            node.set_xattr(OWNER_XATTR, &owner_text((entry.uid, entry.gid)))?;
        }
        Owning::Aside => {}
    }
    if !matches!(entry.kind, EntryKind::Symlink { .. }) {
        node.set_mode(entry.mode)?;
    }
    for (name, value) in entry.xattrs.iter().filter(|(name, _)| takes_xattrs && is_content(name)) {
        node.set_xattr(name, value)?;
    }
    Ok(node.set_mtime(entry.mtime.into())?)
}

/// An entry with a file's own time.
pub(super) fn entry_of(path: TreePath, kind: EntryKind, found: &Metadata, attributes: Attributes) -> Entry {
    let Attributes { uid, gid, xattrs } = attributes;
    Entry { path, kind, mode: found.mode, uid, gid, mtime: found.mtime.into(), xattrs }
}

/// The kind that a layer can say; `None` for sockets.
pub(super) fn kind_of(dir: &Dir, name: &[u8], found: &Metadata) -> Result<Option<EntryKind>, Error> {
    Ok(Some(match found.kind {
        FileKind::File => EntryKind::File { size: found.size },
        FileKind::Directory => EntryKind::Directory,
        FileKind::Symlink => EntryKind::Symlink { target: dir.read_link(name)? },
        FileKind::CharDevice { major, minor } => EntryKind::CharDevice { major, minor },
        FileKind::BlockDevice { major, minor } => EntryKind::BlockDevice { major, minor },
        FileKind::Fifo => EntryKind::Fifo,
        FileKind::Socket => return Ok(None),
    }))
}
