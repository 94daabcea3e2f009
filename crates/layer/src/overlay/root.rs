//! The root directory of a layer.
//!
//! An overlay mount shows its upper directory's root, and a tree's own root has to be one that its owner can rename. So what a
//! layer says of the root is kept in an extended attribute, and given to new upper directories.

use rootfs::{Dir, Root, TreePath};

use super::Scheme;
use super::describe::describe;
use crate::{Entry, Error, Timestamp};

/// `MODE:UID:GID:SECONDS:NANOSECONDS`, the mode in octal.
const ROOT_XATTR: &[u8] = b"user.shipsmith.root";

/// What the root is where no layer describes it, and what it is in a tree.
pub(super) fn plain_root() -> Entry {
    Entry::implied(TreePath::root())
}

/// Notes what a layer says of its root; its extended attributes are not kept.
pub(super) fn note_root(dir: &Dir, entry: &Entry, scheme: Scheme) -> Result<(), Error> {
    let Timestamp { seconds, nanos } = entry.mtime;
    let text = format!("{:o}:{}:{}:{seconds}:{nanos}", entry.mode, entry.uid, entry.gid);
    dir.node().set_xattr(ROOT_XATTR, text.as_bytes())?;
    describe(dir.node(), &plain_root(), scheme)
}

/// Makes the root of a new upper directory what the merged root of `lowers` (base first) is: what the topmost layer says that says
/// anything, or mode 0755, owned by root, of the epoch.
///
/// # Errors
/// When that cannot be read or set.
pub fn describe_root(upper: &Root, lowers: &[Root], scheme: Scheme) -> Result<(), Error> {
    describe(upper.dir(&TreePath::root())?.node(), &merged_root(lowers)?, scheme)
}

/// What the root of these layers is, base first.
pub(super) fn merged_root(lowers: &[Root]) -> Result<Entry, Error> {
    for lower in lowers.iter().rev() {
        let note = lower.dir(&TreePath::root())?.node().xattr(ROOT_XATTR)?;
        if let Some(noted) = note.and_then(|text| parse(&text)) {
            return Ok(noted);
        }
    }
    Ok(plain_root())
}

fn parse(text: &[u8]) -> Option<Entry> {
    let mut fields = std::str::from_utf8(text).ok()?.split(':');
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let mtime = Timestamp { seconds: fields.next()?.parse().ok()?, nanos: fields.next()?.parse().ok()? };
    Some(Entry { mode, uid, gid, mtime, ..plain_root() })
}

#[cfg(test)]
mod tests {
    use super::super::{Marks, Owning};
    use super::*;

    #[test]
    fn the_topmost_layer_that_describes_the_root_wins() {
        let scheme = Scheme { marks: Marks::User, owning: Owning::Aside };
        let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().expect("a directory")).collect();
        let mut roots: Vec<Root> = dirs.iter().map(|dir| Root::open(dir.path()).expect("opens")).collect();
        let upper = roots.pop().expect("the last");
        let metadata = |root: &Root| root.stat(&TreePath::root()).expect("told").expect("there");
        describe_root(&upper, &roots, scheme).expect("described");
        assert_eq!((metadata(&upper).mode, metadata(&upper).mtime.seconds), (0o755, 0));
        for (root, mode) in roots.iter().zip([0o500, 0o750]) {
            let entry = Entry { mode, mtime: Timestamp { seconds: -3, nanos: 4 }, ..plain_root() };
            note_root(&root.dir(&TreePath::root()).expect("opens"), &entry, scheme).expect("noted");
            assert_eq!(metadata(root).mode, 0o755);
        }
        describe_root(&upper, &roots, scheme).expect("described");
        assert_eq!((metadata(&upper).mode, metadata(&upper).mtime.nanos), (0o750, 4));
    }
}
