//! Several trees as one, each in its place: a context made of directories that lie anywhere, without copies.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockerfile::ignore::{Matched, Patterns};
use layer::{Content, Entry, FileIdentity, SourceTree, TreeError};
use rootfs::TreePath;

use crate::filter::{Filter, Sight};

/// Trees laid over each other, later ones over earlier: directories join, anything else hides what was in its place.
pub struct Union {
    parts: Vec<(TreePath, Arc<dyn SourceTree>)>,
    filter: Filter,
}

impl Union {
    /// The trees at their places, of which `patterns` leave out what an ignore file names.
    #[must_use]
    pub fn new(parts: Vec<(TreePath, Arc<dyn SourceTree>)>, patterns: Option<Patterns>) -> Self {
        Self { parts, filter: Filter::new(patterns) }
    }

    /// The part that has `path`, its place among the parts, and the path there; the top one.
    fn holder(&self, path: &TreePath) -> Result<Option<(usize, TreePath, Entry)>, TreeError> {
        for (number, (place, tree)) in self.parts.iter().enumerate().rev() {
            let Some(inner) = path.strip_prefix(place) else { continue };
            if let Some(entry) = tree.entry(&inner)? {
                return Ok(Some((number, inner, entry)));
            }
            if hides(&**tree, &inner)? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// What is at `path`, ignored or not. Directories that only lead to a part's place are made up.
    fn look(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let held = self.holder(path)?.map(|(_, _, entry)| Entry { path: path.clone(), ..entry });
        let leads = self.parts.iter().any(|(place, _)| place.starts_with(path));
        Ok(held.or_else(|| leads.then(|| Entry::new(path.clone(), layer::EntryKind::Directory, 0o755))))
    }

    fn names(&self, dir: &TreePath) -> Result<BTreeMap<Vec<u8>, Entry>, TreeError> {
        let mut names = BTreeMap::new();
        for (place, tree) in &self.parts {
            if let Some(inner) = dir.strip_prefix(place)
                && tree.entry(&inner)?.is_some_and(|entry| entry.is_dir())
            {
                for child in tree.children(&inner)? {
                    let name = child.path.file_name().unwrap_or_default().to_vec();
                    self.add(dir, name, &mut names)?;
                }
            } else if let Some(name) =
                place.strip_prefix(dir).and_then(|rest| rest.components().next().map(<[u8]>::to_vec))
            {
                self.add(dir, name, &mut names)?;
            }
        }
        Ok(names)
    }

    fn add(&self, dir: &TreePath, name: Vec<u8>, names: &mut BTreeMap<Vec<u8>, Entry>) -> Result<(), TreeError> {
        if !names.contains_key(&name)
            && let Some(entry) = self.look(&dir.join(&name)?)?
        {
            names.insert(name, entry);
        }
        Ok(())
    }

    fn is_visible(&self, entry: &Entry, parent: &Matched) -> Result<bool, TreeError> {
        match self.filter.look(&entry.path, entry.is_dir(), parent).0 {
            Sight::Shown => Ok(true),
            Sight::Hidden => Ok(false),
            Sight::Perhaps => Ok(!self.children(&entry.path)?.is_empty()),
        }
    }
}

/// Whether something that is no directory stands on the way to `path`.
fn hides(tree: &dyn SourceTree, path: &TreePath) -> Result<bool, TreeError> {
    for above in path.ancestors().filter(|above| above != path) {
        if let Some(entry) = tree.entry(&above)? {
            return Ok(!entry.is_dir());
        }
    }
    Ok(false)
}

impl SourceTree for Union {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let Some(parent) = path.parent() else { return self.look(path) };
        let Some(state) = self.filter.inside(&parent) else { return Ok(None) };
        match self.look(path)? {
            Some(entry) if self.is_visible(&entry, &state)? => Ok(Some(entry)),
            _ => Ok(None),
        }
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        match self.look(dir)? {
            None => return Err(TreeError::NotFound(dir.clone())),
            Some(entry) if !entry.is_dir() => return Err(TreeError::NotADirectory(dir.clone())),
            Some(_) => {}
        }
        let state = self.filter.inside(dir).ok_or_else(|| TreeError::NotFound(dir.clone()))?;
        let mut children = Vec::new();
        for entry in self.names(dir)?.into_values() {
            if self.is_visible(&entry, &state)? {
                children.push(entry);
            }
        }
        Ok(children)
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        match self.holder(path)? {
            Some((number, inner, _)) => self.parts[number].1.content(&inner),
            None => Err(TreeError::NotFound(path.clone())),
        }
    }

    /// Files of different parts are different; numbers of devices leave room to say so.
    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        let Some((number, inner, _)) = self.holder(path)? else { return Ok(None) };
        let identity = self.parts[number].1.identity(&inner)?;
        Ok(identity.map(|FileIdentity(device, inode)| FileIdentity(device ^ (number as u64) << 48, inode)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::Mapped;

    fn path(text: &str) -> TreePath {
        TreePath::clean(text).expect("a path")
    }

    fn part(place: &str, files: &[(&str, &str)]) -> (TreePath, Arc<dyn SourceTree>) {
        let mut tree = Mapped::new();
        for (name, text) in files {
            let kind = layer::EntryKind::File { size: text.len() as u64 };
            let content: Arc<dyn Content> = Arc::new(text.as_bytes().to_vec());
            tree.insert(Entry::new(path(name), kind, 0o644), Some(content)).expect("room");
        }
        (path(place), Arc::new(tree))
    }

    fn names(tree: &Union, dir: &str) -> Vec<String> {
        tree.children(&path(dir)).expect("a directory").iter().map(|entry| entry.path.to_string()).collect()
    }

    fn text(tree: &Union, name: &str) -> String {
        let mut text = String::new();
        tree.content(&path(name)).expect("content").open().expect("open").read_to_string(&mut text).expect("read");
        text
    }

    #[test]
    fn directories_join_and_later_files_win() {
        let parts = vec![part("", &[("a", "1"), ("d/b", "1")]), part("d", &[("b", "2"), ("c", "2")])];
        let tree = Union::new(parts, None);
        assert_eq!(names(&tree, ""), ["/a", "/d"]);
        assert_eq!(names(&tree, "d"), ["/d/b", "/d/c"]);
        assert_eq!((text(&tree, "d/b"), text(&tree, "d/c"), text(&tree, "a")), ("2".into(), "2".into(), "1".into()));
    }

    #[test]
    fn a_file_hides_what_is_below_its_name() {
        let tree = Union::new(vec![part("", &[("d/b", "1")]), part("", &[("d", "2")])], None);
        assert_eq!(names(&tree, ""), ["/d"]);
        assert!(tree.entry(&path("d/b")).expect("readable").is_none());
        assert!(tree.children(&path("d")).is_err());
    }

    #[test]
    fn places_nobody_made_lead_to_their_trees() {
        let tree = Union::new(vec![part("", &[("a", "1")]), part("x/y", &[("b", "2")])], None);
        assert_eq!(names(&tree, ""), ["/a", "/x"]);
        assert_eq!(names(&tree, "x"), ["/x/y"]);
        assert_eq!(names(&tree, "x/y"), ["/x/y/b"]);
        assert!(tree.entry(&path("x/y/z")).expect("readable").is_none());
    }

    #[test]
    fn what_is_ignored_is_ignored_in_all_of_them() {
        let parts = vec![part("", &[("a", "1"), ("d/b", "1")]), part("x", &[("a", "2"), ("c", "2")])];
        let patterns = Patterns::parse("a\nx\n!x/c\nd").expect("patterns");
        let tree = Union::new(parts, Some(patterns));
        assert_eq!(names(&tree, ""), ["/x"]);
        assert_eq!(names(&tree, "x"), ["/x/c"]);
        assert!(tree.entry(&path("x/a")).expect("readable").is_none());
    }
}
