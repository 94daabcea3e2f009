//! A tree held in memory, whose contents lie wherever they lie.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use layer::{Content, Entry, EntryKind, FileIdentity, SourceTree, TreeError};
use rootfs::TreePath;

use crate::Error;
use crate::file::HostFile;

/// A tree of which each file is named: context path to content. Empty, it is the context of a build that has none.
pub struct Mapped {
    nodes: BTreeMap<TreePath, Node>,
    weight: u64,
}

struct Node {
    entry: Entry,
    content: Option<Arc<dyn Content>>,
    names: BTreeSet<Vec<u8>>,
}

/// Roughly what a node takes besides its texts.
const NODE_WEIGHT: u64 = 400;

impl Default for Mapped {
    fn default() -> Self {
        Self::new()
    }
}

impl Mapped {
    /// A tree that holds nothing but its root.
    #[must_use]
    pub fn new() -> Self {
        let root = TreePath::root();
        Self { nodes: BTreeMap::from([(root.clone(), directory(root))]), weight: 0 }
    }

    /// Puts the host's regular file `host` at `path`, with its mode and time, owned by root.
    ///
    /// # Errors
    /// When the file cannot be read, is no regular file, or [`insert`](Self::insert) refuses the place.
    pub fn insert_file(&mut self, path: TreePath, host: &Path) -> Result<(), Error> {
        let (file, mut entry) = HostFile::open(host)?;
        entry.path = path;
        self.insert(entry, Some(Arc::new(file)))
    }

    /// Puts `entry` in its place; directories on the way that nobody named are made, mode 0755. A regular file needs its
    /// content.
    ///
    /// # Errors
    /// When the place is taken, or something other than a directory is on the way.
    pub fn insert(&mut self, entry: Entry, content: Option<Arc<dyn Content>>) -> Result<(), Error> {
        if self.nodes.contains_key(&entry.path) {
            return Err(Error::Taken { path: entry.path });
        }
        self.place(entry, content)
    }

    /// As [`insert`](Self::insert), but what is in the place gives way: a directory to a directory keeps what it holds,
    /// anything else goes with all it holds.
    pub(crate) fn replace(&mut self, entry: Entry, content: Option<Arc<dyn Content>>) -> Result<(), Error> {
        match self.nodes.get_mut(&entry.path) {
            Some(node) if node.entry.is_dir() && entry.is_dir() => {
                node.entry = entry;
                Ok(())
            }
            Some(_) => {
                self.remove(&entry.path);
                self.place(entry, content)
            }
            None => self.place(entry, content),
        }
    }

    /// Gives the file at `existing` the further name `path`.
    pub(crate) fn link(&mut self, path: TreePath, existing: &TreePath) -> Result<(), Error> {
        let node = self.node(existing)?;
        if node.entry.is_dir() {
            return Err(TreeError::NotAFile(existing.clone()).into());
        }
        let (mut entry, content) = (node.entry.clone(), node.content.clone());
        if entry.path == path {
            return Ok(());
        }
        entry.path = path;
        self.replace(entry, content)
    }

    /// About how many bytes of memory the tree has ever taken, without contents.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    fn place(&mut self, entry: Entry, content: Option<Arc<dyn Content>>) -> Result<(), Error> {
        let (Some(parent), Some(name)) = (entry.path.parent(), entry.path.file_name()) else {
            return Err(Error::Taken { path: entry.path });
        };
        self.make_directories(&parent)?.names.insert(name.to_vec());
        self.weight += NODE_WEIGHT + weight(&entry);
        self.nodes.insert(entry.path.clone(), Node { entry, content, names: BTreeSet::new() });
        Ok(())
    }

    /// Makes `dir` and what is missing above it.
    fn make_directories(&mut self, dir: &TreePath) -> Result<&mut Node, Error> {
        let mut missing = Vec::new();
        let mut above = Some(dir.clone());
        while let Some(path) = above.filter(|path| !self.nodes.contains_key(path)) {
            above = path.parent();
            missing.push(path);
        }
        while let Some(path) = missing.pop() {
            self.place(directory(path).entry, None)?;
        }
        let node = self.nodes.get_mut(dir).ok_or_else(|| TreeError::NotFound(dir.clone()))?;
        if node.entry.is_dir() { Ok(node) } else { Err(TreeError::NotADirectory(dir.clone()).into()) }
    }

    fn remove(&mut self, path: &TreePath) {
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
            && let Some(node) = self.nodes.get_mut(&parent)
        {
            node.names.remove(name);
        }
        let mut pending = vec![path.clone()];
        while let Some(path) = pending.pop() {
            let names = self.nodes.remove(&path).map(|node| node.names).unwrap_or_default();
            pending.extend(names.iter().filter_map(|name| path.join(name).ok()));
        }
    }

    fn node(&self, path: &TreePath) -> Result<&Node, TreeError> {
        self.nodes.get(path).ok_or_else(|| TreeError::NotFound(path.clone()))
    }
}

/// The texts of an entry, in bytes; the path is kept twice.
fn weight(entry: &Entry) -> u64 {
    let link = match &entry.kind {
        EntryKind::Symlink { target } => target.len(),
        _ => 0,
    };
    let xattrs: usize = entry.xattrs.iter().map(|(key, value)| key.len() + value.len() + 64).sum();
    (2 * entry.path.as_bytes().len() + link + xattrs) as u64
}

fn directory(path: TreePath) -> Node {
    Node { entry: Entry::new(path, EntryKind::Directory, 0o755), content: None, names: BTreeSet::new() }
}

impl SourceTree for Mapped {
    /// Names of one file share its content.
    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        let content = self.nodes.get(path).and_then(|node| node.content.as_ref());
        Ok(content.map(|content| FileIdentity(0, Arc::as_ptr(content).addr() as u64)))
    }

    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        Ok(self.nodes.get(path).map(|node| node.entry.clone()))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let node = self.node(dir)?;
        if !node.entry.is_dir() {
            return Err(TreeError::NotADirectory(dir.clone()));
        }
        node.names.iter().map(|name| Ok(self.node(&dir.join(name)?)?.entry.clone())).collect()
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        let content = self.node(path)?.content.as_ref();
        content.map(Arc::clone).ok_or_else(|| TreeError::NotAFile(path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("a path")
    }

    fn file(text: &str) -> Entry {
        Entry::new(path(text), EntryKind::File { size: 1 }, 0o644)
    }

    fn names(tree: &Mapped, dir: &str) -> Vec<String> {
        let children = tree.children(&TreePath::clean(dir).expect("a path")).expect("a directory");
        children.iter().map(|entry| entry.path.to_string()).collect()
    }

    #[test]
    fn files_appear_in_directories_that_nobody_named() {
        let mut tree = Mapped::new();
        tree.insert(file("a/b/c"), Some(Arc::new(b"x".to_vec()))).expect("room");
        tree.insert(file("a.b"), Some(Arc::new(b"y".to_vec()))).expect("room");
        assert_eq!(names(&tree, ""), ["/a", "/a.b"]);
        assert_eq!(names(&tree, "a/b"), ["/a/b/c"]);
        assert!(tree.entry(&path("a/b")).expect("readable").expect("there").is_dir());
    }

    #[test]
    fn a_place_is_taken_once_and_a_file_holds_nothing() {
        let mut tree = Mapped::new();
        tree.insert(file("a"), Some(Arc::new(b"x".to_vec()))).expect("room");
        assert!(matches!(tree.insert(file("a"), None), Err(Error::Taken { .. })));
        assert!(matches!(tree.insert(file("a/b"), None), Err(Error::Tree(TreeError::NotADirectory(_)))));
    }

    #[test]
    fn a_host_file_keeps_its_mode_and_its_bytes() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = directory.path().join("real");
        std::fs::write(&host, "content").expect("written");
        let mut tree = Mapped::new();
        tree.insert_file(path("here/named"), &host).expect("mapped");
        let mut text = String::new();
        let content = tree.content(&path("here/named")).expect("content");
        content.open().expect("open").read_to_string(&mut text).expect("read");
        assert_eq!(text, "content");
        assert_eq!(tree.entry(&path("here/named")).expect("readable").expect("there").uid, 0);
    }

    #[test]
    fn what_is_replaced_goes_with_all_it_holds() {
        let mut tree = Mapped::new();
        tree.insert(file("a/b/c"), Some(Arc::new(b"x".to_vec()))).expect("room");
        tree.replace(Entry::new(path("a"), EntryKind::Directory, 0o700), None).expect("replaced");
        assert_eq!(names(&tree, "a/b"), ["/a/b/c"]);
        tree.replace(file("a"), Some(Arc::new(b"y".to_vec()))).expect("replaced");
        assert_eq!(names(&tree, ""), ["/a"]);
        assert_eq!(tree.entry(&path("a/b/c")).expect("readable"), None);
    }
}
