//! A context put together from single files that lie anywhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use layer::{Content, Entry, EntryKind, SourceTree, TreeError};
use rootfs::TreePath;

use crate::Error;
use crate::file::HostFile;

/// A tree of which each file is named: context path to content. Empty, it is the context of a build that has none.
#[derive(Default)]
pub struct Mapped {
    nodes: BTreeMap<TreePath, Node>,
}

struct Node {
    entry: Entry,
    content: Option<Arc<dyn Content>>,
}

impl Mapped {
    /// A tree that holds nothing but its root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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
        for parent in parents(&entry.path) {
            let node = self.nodes.entry(parent.clone()).or_insert_with(|| directory(parent));
            if !node.entry.is_dir() {
                return Err(TreeError::NotADirectory(node.entry.path.clone()).into());
            }
        }
        if entry.path.is_root() || self.nodes.contains_key(&entry.path) {
            return Err(Error::Taken { path: entry.path });
        }
        self.nodes.insert(entry.path.clone(), Node { entry, content });
        Ok(())
    }

    fn node(&self, path: &TreePath) -> Result<&Node, TreeError> {
        self.nodes.get(path).ok_or_else(|| TreeError::NotFound(path.clone()))
    }
}

/// The directories that hold `path`, without the root.
fn parents(path: &TreePath) -> impl Iterator<Item = TreePath> {
    std::iter::successors(path.parent(), TreePath::parent).filter(|parent| !parent.is_root())
}

fn directory(path: TreePath) -> Node {
    Node { entry: Entry::new(path, EntryKind::Directory, 0o755), content: None }
}

impl SourceTree for Mapped {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        if path.is_root() {
            return Ok(Some(directory(TreePath::root()).entry));
        }
        Ok(self.nodes.get(path).map(|node| node.entry.clone()))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        if !dir.is_root() && !self.node(dir)?.entry.is_dir() {
            return Err(TreeError::NotADirectory(dir.clone()));
        }
        let below = self.nodes.range(dir.clone()..).take_while(|(path, _)| path.starts_with(dir));
        Ok(below.filter(|(path, _)| path.parent().as_ref() == Some(dir)).map(|(_, node)| node.entry.clone()).collect())
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
}
