//! ADD of an archive: its members applied to a directory in their order, as moby's `go-archive` does in a chroot.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use layer::{Content, Entry, EntryKind, SourceTree, Trail, TreeError, resolve, resolve_existing};
use rootfs::TreePath;

use crate::copy::{Attributes, CopyError};
use crate::overlay::{Inode, Item, Overlay};

/// The memory that directories may take which no member describes, 512 MiB: one name can imply two thousand of them.
const MAX_IMPLIED: usize = 512 << 20;

/// Applies `members` below `destination`, an absolute path of the overlay; links in the archive see that directory
/// as their root.
pub(crate) fn unpack(
    overlay: &mut Overlay,
    members: impl IntoIterator<Item = Item>,
    destination: &str,
    attributes: &Attributes,
) -> Result<(), CopyError> {
    let base = prepare(overlay, destination, attributes).map_err(CopyError::Destination)?;
    let (names, trail) = (BTreeMap::new(), Trail::default());
    let mut unpacker = Unpacker { overlay, base, attributes, names, trail, implied: Cell::new(0) };
    members.into_iter().try_for_each(|(entry, content)| Ok(unpacker.apply(entry, content)?))
}

/// The directory unpacked into, made where it is missing.
fn prepare(overlay: &mut Overlay, destination: &str, attributes: &Attributes) -> Result<TreePath, TreeError> {
    let base = resolve_existing(overlay, destination, true)?.path()?;
    let parents = Attributes { mode: None, ..attributes.clone() };
    overlay.make_dirs(&base, |path, above| parents.directory(path, above))?;
    Ok(base)
}

struct Unpacker<'a> {
    overlay: &'a mut Overlay,
    base: TreePath,
    attributes: &'a Attributes,
    names: BTreeMap<TreePath, Inode>,
    trail: Trail,
    /// What the directories take that no member describes, in bytes of memory.
    implied: Cell<usize>,
}

impl Unpacker<'_> {
    fn apply(&mut self, entry: Entry, content: Option<Arc<dyn Content>>) -> Result<(), TreeError> {
        if entry.path.is_root() {
            return Ok(());
        }
        let inside = self.place(&entry.path)?;
        if !entry.is_dir() {
            self.trail.forget(&inside);
        }
        let path = self.base.join_path(&inside)?;
        let merge = entry.is_dir() && self.overlay.entry(&path)?.is_some_and(|there| there.is_dir());
        if !merge {
            self.overlay.remove(&path)?;
        }
        let (uid, gid) = self.attributes.owner.unwrap_or((entry.uid, entry.gid));
        let entry = Entry { path: path.clone(), uid, gid, ..entry };
        if let EntryKind::Hardlink { target } = &entry.kind {
            let target = self.place(target)?;
            let target = self.base.join_path(&target)?;
            let inode = self.link(&target, path.clone())?;
            return self.overlay.renew(&path, inode, entry);
        }
        let inode = self.overlay.put(entry, content)?;
        self.names.insert(path, inode);
        Ok(())
    }

    /// The path below the base of a member's name, links on the way followed; missing parents are made.
    fn place(&mut self, name: &TreePath) -> Result<TreePath, TreeError> {
        let inside = Below { tree: self.overlay, base: &self.base };
        let named = name.parent().unwrap_or_default();
        let followed = if self.trail.is_plain(&inside, &named)? { named } else { parent_of(&inside, &named)? };
        let parent = self.base.join_path(&followed)?;
        let (created, implied) = (self.attributes.created, &self.implied);
        self.overlay.make_dirs(&parent, |path, above| {
            // The kernel hands the bit down, and the owner is set to root afterwards.
            let mode = 0o755 | above.mode & 0o2000;
            let made = Entry { mtime: created, ..Entry::new(path, EntryKind::Directory, mode) };
            implied.set(implied.get() + made.footprint());
            made
        })?;
        self.check_implied(&parent)?;
        Ok(followed.join(name.file_name().unwrap_or_default())?)
    }

    fn check_implied(&self, path: &TreePath) -> Result<(), TreeError> {
        if self.implied.get() <= MAX_IMPLIED {
            return Ok(());
        }
        let source = io::Error::other("the directories that no member describes take more than 512 MiB of memory");
        Err(TreeError::Io { operation: "unpack", path: path.clone(), source })
    }

    /// Gives the file at `target` a second name.
    fn link(&mut self, target: &TreePath, path: TreePath) -> Result<Inode, TreeError> {
        let entry = self.overlay.entry(target)?.ok_or_else(|| TreeError::NotFound(target.clone()))?;
        if entry.is_dir() {
            return Err(TreeError::NotAFile(target.clone()));
        }
        if let Some(inode) = self.names.get(target).copied()
            && self.overlay.link(target, inode, path.clone())?
        {
            self.names.insert(path, inode);
            return Ok(inode);
        }
        // A link to a file that was there before the archive: its bytes are copied into the layer.
        let content = match entry.kind {
            EntryKind::File { .. } => Some(self.overlay.content(target)?),
            _ => None,
        };
        let inode = self.overlay.put(Entry { path: target.clone(), ..entry }, content)?;
        self.overlay.link(target, inode, path.clone())?;
        self.names.insert(target.clone(), inode);
        self.names.insert(path, inode);
        Ok(inode)
    }
}

/// A directory that a member lies in, links followed. Only what is not there at all is made: a link that leads nowhere
/// is an error.
fn parent_of(inside: &Below<'_>, parent: &TreePath) -> Result<TreePath, TreeError> {
    let there = resolve_existing(inside, parent.as_bytes(), false)?;
    if there.missing.is_root() {
        return resolve(inside, parent.as_bytes(), true);
    }
    there.path()
}

/// A directory of a tree, as a root of its own; made for resolving links.
struct Below<'a> {
    tree: &'a dyn SourceTree,
    base: &'a TreePath,
}

impl SourceTree for Below<'_> {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let found = self.tree.entry(&self.base.join_path(path)?)?;
        Ok(found.map(|entry| Entry { path: path.clone(), ..entry }))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let mut children = self.tree.children(&self.base.join_path(dir)?)?;
        for child in &mut children {
            child.path = child.path.strip_prefix(self.base).unwrap_or_default();
        }
        Ok(children)
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        self.tree.content(&self.base.join_path(path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::Empty;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("a canonical path")
    }

    fn member(text: &str, kind: EntryKind) -> Item {
        let content = matches!(kind, EntryKind::File { .. }).then(|| Arc::new(b"x".to_vec()) as Arc<dyn Content>);
        (Entry { uid: 7, gid: 8, ..Entry::new(path(text), kind, 0o640) }, content)
    }

    fn unpacked(members: Vec<Item>, attributes: &Attributes) -> Vec<String> {
        let mut overlay = Overlay::new(Arc::new(Empty));
        unpack(&mut overlay, members, "/opt/", attributes).expect("unpacks");
        let items = overlay.into_items().expect("items");
        items.iter().map(|(entry, _)| format!("{} {:o} {}:{}", entry.path, entry.mode, entry.uid, entry.gid)).collect()
    }

    #[test]
    fn members_keep_their_attributes_and_missing_parents_are_made() {
        let members = vec![member("a/b", EntryKind::File { size: 1 })];
        assert_eq!(unpacked(members, &Attributes::default()), ["/opt 755 0:0", "/opt/a 755 0:0", "/opt/a/b 640 7:8"]);
    }

    #[test]
    fn an_owner_overrides_the_members_own() {
        let attributes = Attributes { owner: Some((1, 2)), ..Attributes::default() };
        let members = vec![member("f", EntryKind::File { size: 1 })];
        assert_eq!(unpacked(members, &attributes), ["/opt 755 1:2", "/opt/f 640 1:2"]);
    }

    #[test]
    fn links_stay_below_the_destination() {
        let members = vec![
            member("etc", EntryKind::Directory),
            member("out", EntryKind::Symlink { target: b"/../../etc".to_vec() }),
            member("out/passwd", EntryKind::File { size: 1 }),
        ];
        let shown = unpacked(members, &Attributes::default());
        assert_eq!(shown, ["/opt 755 0:0", "/opt/etc 640 7:8", "/opt/etc/passwd 640 7:8", "/opt/out 640 7:8"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_no_directory() {
        let members = vec![
            member("out", EntryKind::Symlink { target: b"/nowhere".to_vec() }),
            member("out/file", EntryKind::File { size: 1 }),
        ];
        let mut overlay = Overlay::new(Arc::new(Empty));
        let error = unpack(&mut overlay, members, "/opt/", &Attributes::default()).expect_err("nowhere");
        assert!(matches!(&error, CopyError::Tree(error) if error.is_not_found()), "{error}");
    }

    #[test]
    fn a_hard_link_s_header_holds_for_the_file() {
        let hard = |name: &str, mode| {
            Item::from((Entry { mode, ..member(name, EntryKind::Hardlink { target: path("f") }).0 }, None))
        };
        let members = vec![member("f", EntryKind::File { size: 1 }), hard("g", 0o600), hard("h", 0o4755)];
        let shown = unpacked(members, &Attributes::default());
        assert_eq!(shown, ["/opt 755 0:0", "/opt/f 4755 7:8", "/opt/g 4755 7:8", "/opt/h 4755 7:8"]);
    }

    #[test]
    fn made_parents_inherit_the_set_group_id_bit_but_not_the_group() {
        let setgid = (Entry { mode: 0o2770, gid: 8, ..Entry::new(path("d"), EntryKind::Directory, 0) }, None);
        let members = vec![setgid, member("d/e/f", EntryKind::File { size: 1 })];
        let shown = unpacked(members, &Attributes::default());
        assert_eq!(shown, ["/opt 755 0:0", "/opt/d 2770 0:8", "/opt/d/e 2755 0:0", "/opt/d/e/f 640 7:8"]);
    }

    #[test]
    fn a_directory_has_one_name() {
        let members = vec![member("d", EntryKind::Directory), member("e", EntryKind::Hardlink { target: path("d") })];
        let mut overlay = Overlay::new(Arc::new(Empty));
        let error = unpack(&mut overlay, members, "/opt/", &Attributes::default()).expect_err("a directory");
        assert_eq!(error.to_string(), "/opt/d: not a regular file");
    }

    #[test]
    fn a_later_member_replaces_an_earlier_one() {
        let members = vec![
            member("d", EntryKind::Directory),
            member("d/x", EntryKind::File { size: 1 }),
            member("d", EntryKind::File { size: 1 }),
        ];
        assert_eq!(unpacked(members, &Attributes::default()), ["/opt 755 0:0", "/opt/d 640 7:8"]);
    }
}
