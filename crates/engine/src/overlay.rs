//! A stage's tree while one step changes it.
//!
//! The lower tree is only read. What the step does is kept beside it and becomes a layer at the end: this is what an
//! overlay file system's upper directory would hold, with no file system.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::io;
use std::sync::Arc;

use layer::{Content, Entry, EntryKind, SourceTree, TreeError};
use rootfs::TreePath;

/// The one extended attribute that layers carry, as containerd's differ has it.
const LAYER_ATTRIBUTE: &[u8] = b"security.capability";

/// What the kernel's overlay file system takes for a whiteout, and refuses to make.
const REMOVED: EntryKind = EntryKind::CharDevice { major: 0, minor: 0 };

/// Identifies the names of one file inside one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Inode(u64);

/// What goes into a layer: an entry and, for a file, its bytes.
pub(crate) type Item = (Entry, Option<Arc<dyn Content>>);

struct Node {
    entry: Entry,
    content: Option<Arc<dyn Content>>,
    inode: Inode,
    /// Hides what the lower tree has below this directory.
    opaque: bool,
}

enum Change {
    Present(Node),
    Gone,
}

/// A lower tree and the changes over it.
pub(crate) struct Overlay {
    lower: Arc<dyn SourceTree>,
    changes: BTreeMap<TreePath, Change>,
    /// The directories of the lower tree of which nothing is seen any more, but for those below one of them.
    covered: BTreeSet<TreePath>,
    inodes: u64,
    /// What later names said of a file: it holds for all of them.
    renewed: BTreeMap<Inode, Entry>,
}

impl Overlay {
    pub(crate) fn new(lower: Arc<dyn SourceTree>) -> Self {
        Self { lower, changes: BTreeMap::new(), covered: BTreeSet::new(), inodes: 0, renewed: BTreeMap::new() }
    }

    /// Puts `entry` in place of whatever is there; a directory over a directory keeps what is below.
    pub(crate) fn put(&mut self, entry: Entry, content: Option<Arc<dyn Content>>) -> Result<Inode, TreeError> {
        self.inodes += 1;
        let inode = Inode(self.inodes);
        self.insert(Node { entry, content, inode, opaque: false })?;
        Ok(inode)
    }

    /// Gives the file `inode`, put before at `of`, another name; false when that file is no longer at `of`.
    pub(crate) fn link(&mut self, of: &TreePath, inode: Inode, path: TreePath) -> Result<bool, TreeError> {
        let Some(Change::Present(node)) = self.changes.get(of) else { return Ok(false) };
        if node.inode != inode {
            return Ok(false);
        }
        let entry = Entry { path, ..node.entry.clone() };
        self.insert(Node { entry, content: node.content.clone(), inode, opaque: false })?;
        Ok(true)
    }

    /// Gives the file at `path`, under all its names, the owner, mode, time and further extended attributes of `entry`.
    pub(crate) fn renew(&mut self, path: &TreePath, inode: Inode, entry: Entry) -> Result<(), TreeError> {
        let mut old = match self.renewed.remove(&inode) {
            Some(renewed) => renewed,
            None => self.entry(path)?.ok_or_else(|| TreeError::NotFound(path.clone()))?,
        };
        old.xattrs.extend(entry.xattrs);
        let mode = if matches!(old.kind, EntryKind::Symlink { .. }) { old.mode } else { entry.mode };
        let Entry { uid, gid, mtime, .. } = entry;
        self.renewed.insert(inode, Entry { mode, uid, gid, mtime, ..old });
        Ok(())
    }

    fn insert(&mut self, mut node: Node) -> Result<(), TreeError> {
        let path = node.entry.path.clone();
        if node.entry.kind == REMOVED {
            let source = io::Error::other("the device 0:0 stands for a name that was removed");
            return Err(TreeError::Io { operation: "make", path, source });
        }
        if node.entry.is_dir() {
            node.opaque = match self.changes.get(&path) {
                Some(Change::Gone) => true,
                Some(Change::Present(old)) => old.opaque || !old.entry.is_dir() && self.lower_has_dir(&path)?,
                None => false,
            };
            self.changes.insert(path, Change::Present(node));
            return Ok(());
        }
        let covers = self.lower_has_dir(&path)?;
        let old = self.changes.insert(path.clone(), Change::Present(node));
        if covers || matches!(old, Some(Change::Present(old)) if old.entry.is_dir()) {
            self.forget_below(&path);
        }
        if covers {
            self.cover(&path);
        }
        Ok(())
    }

    /// Removes whatever is at `path`, with all below.
    pub(crate) fn remove(&mut self, path: &TreePath) -> Result<(), TreeError> {
        self.forget_below(path);
        self.changes.remove(path);
        if let Some(below) = self.lower_entry(path)? {
            self.changes.insert(path.clone(), Change::Gone);
            if below.is_dir() {
                self.cover(path);
            }
        }
        Ok(())
    }

    /// Hides what the lower tree has in the directory `path`, for good.
    fn cover(&mut self, path: &TreePath) {
        let below: Vec<TreePath> =
            self.covered.range::<TreePath, _>(path..).take_while(|other| other.starts_with(path)).cloned().collect();
        for path in below {
            self.covered.remove(&path);
        }
        self.covered.insert(path.clone());
    }

    /// Creates the directory `path` and its missing parents, each as `make` says of its path and the one above it.
    pub(crate) fn make_dirs(
        &mut self,
        path: &TreePath,
        make: impl Fn(TreePath, &Entry) -> Entry,
    ) -> Result<(), TreeError> {
        let mut above = Entry::new(TreePath::root(), EntryKind::Directory, 0o755);
        let mut missing = Vec::new();
        for path in path.ancestors() {
            match self.entry(&path)? {
                Some(entry) if !entry.is_dir() => return Err(TreeError::NotADirectory(entry.path)),
                Some(entry) => {
                    above = entry;
                    break;
                }
                None => missing.push(path),
            }
        }
        for path in missing.into_iter().rev() {
            above = make(path, &above);
            self.put(above.clone(), None)?;
        }
        Ok(())
    }

    fn forget_below(&mut self, path: &TreePath) {
        let below: Vec<TreePath> = self.below(path).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.changes.remove(&path);
        }
    }

    /// The changes strictly below `path`: a directory's content follows it at once in the order of paths.
    fn below<'a>(&'a self, path: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, &'a Change)> + 'a {
        let after = (std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded);
        self.changes.range::<TreePath, _>(after).take_while(move |(other, _)| other.starts_with(path))
    }

    fn lower_entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        if self.hidden(path) { Ok(None) } else { self.lower.entry(path) }
    }

    fn lower_has_dir(&self, path: &TreePath) -> Result<bool, TreeError> {
        Ok(self.lower_entry(path)?.is_some_and(|entry| entry.is_dir()))
    }

    /// Whether a change above `path` hides what the lower tree has there. A directory comes at once before all that it holds,
    /// and none of those covered lies below another: so only the last before `path` can be above it.
    fn hidden(&self, path: &TreePath) -> bool {
        self.covered.range::<TreePath, _>(..path).next_back().is_some_and(|above| path.starts_with(above))
    }

    /// The layer that these changes make, parents first; names of one file become hard links to the first of them.
    pub(crate) fn into_items(self) -> Result<Vec<Item>, TreeError> {
        let mut items = Vec::with_capacity(self.changes.len());
        let mut first_names: BTreeMap<Inode, TreePath> = BTreeMap::new();
        let mut last_parent = TreePath::root();
        for (path, change) in &self.changes {
            self.push_parents(path, &mut last_parent, &mut items)?;
            match change {
                Change::Gone => items.push((Entry::new(path.clone(), EntryKind::Whiteout, 0), None)),
                Change::Present(node) => push_node(node, self.renewed.get(&node.inode), &mut first_names, &mut items),
            }
        }
        for (entry, _) in &mut items {
            entry.xattrs.retain(|name, _| name == LAYER_ATTRIBUTE);
        }
        Ok(items)
    }

    /// A layer names the parents of what it changes, with the attributes they have: unpackers that look at one layer
    /// alone would invent others.
    fn push_parents(&self, path: &TreePath, last: &mut TreePath, items: &mut Vec<Item>) -> Result<(), TreeError> {
        let parent = path.parent().unwrap_or_default();
        if parent == *last {
            return Ok(());
        }
        let mut missing: Vec<TreePath> = parent.ancestors().take_while(|above| !last.starts_with(above)).collect();
        while let Some(above) = missing.pop() {
            if self.changes.contains_key(&above) {
                continue;
            }
            if let Some(entry) = self.lower.entry(&above)? {
                items.push((entry, None));
            }
        }
        *last = parent;
        Ok(())
    }
}

fn push_node(node: &Node, renewed: Option<&Entry>, first_names: &mut BTreeMap<Inode, TreePath>, items: &mut Vec<Item>) {
    let entry = Entry { path: node.entry.path.clone(), ..renewed.unwrap_or(&node.entry).clone() };
    match first_names.entry(node.inode) {
        Slot::Occupied(first) => {
            let kind = EntryKind::Hardlink { target: first.get().clone() };
            items.push((Entry { kind, ..entry }, None));
        }
        Slot::Vacant(slot) => {
            slot.insert(entry.path.clone());
            items.push((entry, node.content.clone()));
        }
    }
    if node.opaque {
        items.push((Entry::new(node.entry.path.clone(), EntryKind::OpaqueWhiteout, 0), None));
    }
}

impl SourceTree for Overlay {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        match self.changes.get(path) {
            Some(Change::Present(node)) => Ok(Some(node.entry.clone())),
            Some(Change::Gone) => Ok(None),
            None => self.lower_entry(path),
        }
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let mut found = BTreeMap::new();
        if !self.covered.contains(dir) && self.lower_has_dir(dir)? {
            found.extend(self.lower.children(dir)?.into_iter().map(|entry| (entry.path.clone(), entry)));
        }
        for (path, change) in self.below(dir).filter(|(path, _)| path.parent().as_ref() == Some(dir)) {
            match change {
                Change::Present(node) => drop(found.insert(path.clone(), node.entry.clone())),
                Change::Gone => drop(found.remove(path)),
            }
        }
        Ok(found.into_values().collect())
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        match self.changes.get(path) {
            Some(Change::Present(node)) => node.content.clone().ok_or_else(|| TreeError::NotAFile(path.clone())),
            Some(Change::Gone) => Err(TreeError::NotFound(path.clone())),
            None => self.lower.content(path),
        }
    }
}

/// A tree with nothing in it: `FROM scratch`.
pub(crate) struct Empty;

impl SourceTree for Empty {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        Ok(path.is_root().then(|| Entry::new(TreePath::root(), EntryKind::Directory, 0o755)))
    }

    fn children(&self, _dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        Ok(Vec::new())
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        Err(TreeError::NotFound(path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("a canonical path")
    }

    fn dir(text: &str) -> Entry {
        Entry::new(path(text), EntryKind::Directory, 0o755)
    }

    fn file(text: &str) -> Entry {
        Entry::new(path(text), EntryKind::File { size: 1 }, 0o644)
    }

    fn lower() -> Arc<dyn SourceTree> {
        let mut overlay = Overlay::new(Arc::new(Empty));
        for entry in [dir("a"), dir("a/b"), file("a/b/c"), file("a/d"), Entry { mode: 0o1777, ..dir("tmp") }] {
            overlay.put(entry, Some(Arc::new(b"x".to_vec()))).expect("put");
        }
        Arc::new(overlay)
    }

    fn shown(overlay: Overlay) -> Vec<String> {
        let item = |(entry, _): &Item| match &entry.kind {
            EntryKind::Whiteout => format!("- {}", entry.path),
            EntryKind::OpaqueWhiteout => format!("o {}", entry.path),
            EntryKind::Hardlink { target } => format!("h {} {target}", entry.path),
            _ => format!("{:o} {}", entry.mode, entry.path),
        };
        overlay.into_items().expect("items").iter().map(item).collect()
    }

    #[test]
    fn parents_come_with_the_attributes_they_have() {
        let mut overlay = Overlay::new(lower());
        overlay.put(file("tmp/new"), None).expect("put");
        overlay.put(file("a/b/new"), None).expect("put");
        overlay.put(file("a/e"), None).expect("put");
        assert_eq!(shown(overlay), ["755 /a", "755 /a/b", "644 /a/b/new", "644 /a/e", "1777 /tmp", "644 /tmp/new"]);
    }

    #[test]
    fn removal_leaves_a_whiteout_only_where_something_was() {
        let mut overlay = Overlay::new(lower());
        overlay.put(file("a/new"), None).expect("put");
        overlay.remove(&path("a/new")).expect("remove");
        overlay.remove(&path("a/d")).expect("remove");
        assert_eq!(overlay.entry(&path("a/d")).expect("entry"), None);
        assert_eq!(shown(overlay), ["755 /a", "- /a/d"]);
    }

    #[test]
    fn a_directory_made_again_hides_what_was_below() {
        let mut overlay = Overlay::new(lower());
        overlay.remove(&path("a/b")).expect("remove");
        overlay.put(dir("a/b"), None).expect("put");
        assert_eq!(overlay.entry(&path("a/b/c")).expect("entry"), None);
        assert_eq!(overlay.children(&path("a/b")).expect("children"), []);
        assert_eq!(shown(overlay), ["755 /a", "755 /a/b", "o /a/b"]);
    }

    #[test]
    fn a_file_over_a_directory_hides_it() {
        let mut overlay = Overlay::new(lower());
        overlay.put(file("a/b"), None).expect("put");
        assert_eq!(overlay.entry(&path("a/b/c")).expect("entry"), None);
        let names: Vec<String> =
            overlay.children(&path("a")).expect("children").iter().map(|e| e.path.to_string()).collect();
        assert_eq!(names, ["/a/b", "/a/d"]);
    }

    #[test]
    fn names_of_one_file_are_hard_links_while_it_lasts() {
        let mut overlay = Overlay::new(Arc::new(Empty));
        let inode = overlay.put(file("x"), None).expect("put");
        assert!(overlay.link(&path("x"), inode, path("y")).expect("link"));
        assert!(overlay.link(&path("x"), inode, path("z")).expect("link"));
        overlay.put(file("x"), None).expect("put");
        assert!(!overlay.link(&path("x"), inode, path("w")).expect("link"));
        assert_eq!(shown(overlay), ["644 /x", "644 /y", "h /z /y"]);
    }
}
