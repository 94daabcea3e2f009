//! Paths inside a root file system, as values: nothing here touches a disk.

use std::cmp::Ordering;
use std::fmt;

/// The longest path in bytes: Linux' `PATH_MAX` without its closing NUL.
pub const MAX_PATH: usize = 4095;
/// The longest component in bytes: Linux' `NAME_MAX`.
pub const MAX_NAME: usize = 255;

/// A canonical path relative to a root: bytes without NUL, no empty, `.` or `..` component, no leading or trailing slash.
/// The empty path is the root itself. Bounded by [`MAX_PATH`] and [`MAX_NAME`], so that depth and memory are bounded too.
///
/// Ordered as a sorted walk visits files: a directory, all that it contains, then its next sibling.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath(Vec<u8>);

/// Why bytes are not a [`TreePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// An empty, `.` or `..` component where only real names are allowed.
    #[error("path {0:?} has a component that is empty, \".\" or \"..\"")]
    Component(String),
    /// A `..` that would climb out of the root.
    #[error("path {0:?} leaves the root")]
    Escapes(String),
    /// A NUL byte.
    #[error("path {0:?} contains a NUL byte")]
    Nul(String),
    /// More bytes than Linux can open ([`MAX_PATH`], [`MAX_NAME`]).
    #[error("path {0:?} is too long")]
    TooLong(String),
}

impl PathError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            PathError::TooLong(_) => Some(format!("paths have at most {MAX_PATH} bytes, names at most {MAX_NAME}")),
            _ => None,
        }
    }
}

impl TreePath {
    /// The root itself.
    pub const fn root() -> TreePath {
        TreePath(Vec::new())
    }

    /// Takes a path that is canonical already, such as `usr/bin/env`.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<TreePath, PathError> {
        TreePath::root().sharing(0, bytes.as_ref())
    }

    /// The path that begins with `shared` bytes of this one, at most all, and goes on with `rest`: how sorted lists of paths
    /// are kept. Components that this path has, too, are not checked again.
    pub fn sharing(&self, shared: usize, rest: &[u8]) -> Result<TreePath, PathError> {
        let shared = self.0.get(..shared).unwrap_or(&self.0);
        let bytes = [shared, rest].concat();
        let whole = shared.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        check_bytes(&bytes)?;
        if !bytes.is_empty() {
            bytes[whole..].split(|b| *b == b'/').try_for_each(|name| check_name(name, &bytes))?;
        }
        Ok(TreePath(bytes))
    }

    /// Cleans text lexically as Go's `path.Clean("/" + text)` does: `.` and empty components vanish, `..` drops the
    /// component before it and stops at the root.
    pub fn clean(text: impl AsRef<[u8]>) -> Result<TreePath, PathError> {
        normalise(text.as_ref(), |_| Ok(()))
    }

    /// As [`TreePath::clean`], but a `..` that climbs above the root is an error: the policy for names in archives.
    pub fn confined(text: impl AsRef<[u8]>) -> Result<TreePath, PathError> {
        normalise(text.as_ref(), |text| Err(PathError::Escapes(lossy(text))))
    }

    /// The path of `name`, one component, inside this directory.
    pub fn join(&self, name: impl AsRef<[u8]>) -> Result<TreePath, PathError> {
        let name = name.as_ref();
        if name.contains(&b'/') {
            return Err(PathError::Component(lossy(name)));
        }
        check_bytes(name)?;
        check_name(name, name)?;
        self.join_path(&TreePath(name.to_vec()))
    }

    /// This directory's path followed by a path below it.
    pub fn join_path(&self, rest: &TreePath) -> Result<TreePath, PathError> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + rest.0.len());
        bytes.extend_from_slice(&self.0);
        if !self.is_root() && !rest.is_root() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(&rest.0);
        if bytes.len() > MAX_PATH {
            return Err(PathError::TooLong(lossy(&bytes)));
        }
        Ok(TreePath(bytes))
    }

    /// The directory that holds this path; nothing holds the root.
    pub fn parent(&self) -> Option<TreePath> {
        self.split_last().map(|(parent, _)| TreePath(parent.to_vec()))
    }

    /// The last component; the root has none.
    pub fn file_name(&self) -> Option<&[u8]> {
        self.split_last().map(|(_, name)| name)
    }

    /// Whether both lie in the same directory; the root lies in none.
    pub fn is_sibling_of(&self, other: &TreePath) -> bool {
        let parents = self.split_last().zip(other.split_last());
        parents.is_some_and(|((parent, _), (of_other, _))| parent == of_other)
    }

    /// The components from the top down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        self.0.split(|b| *b == b'/').filter(|name| !name.is_empty())
    }

    /// This path and every directory above it but the root, the nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = TreePath> + use<> {
        let first = (!self.is_root()).then(|| self.clone());
        std::iter::successors(first, |path| path.parent().filter(|p| !p.is_root()))
    }

    /// Whether this is `base` or lies below it.
    pub fn starts_with(&self, base: &TreePath) -> bool {
        base.is_root() || matches!(self.0.strip_prefix(base.0.as_slice()), Some([] | [b'/', ..]))
    }

    /// The way from `base` to this path: the root path when they are equal, `None` when this is not below `base`.
    pub fn strip_prefix(&self, base: &TreePath) -> Option<TreePath> {
        if base.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(base.0.as_slice())? {
            [] => Some(TreePath::root()),
            [b'/', rest @ ..] => Some(TreePath(rest.to_vec())),
            _ => None,
        }
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn split_last(&self) -> Option<(&[u8], &[u8])> {
        if self.is_root() {
            return None;
        }
        match self.0.iter().rposition(|b| *b == b'/') {
            Some(slash) => {
                let (parent, name) = self.0.split_at(slash);
                Some((parent, name.get(1..).unwrap_or_default()))
            }
            None => Some((&[], &self.0)),
        }
    }
}

fn normalise(text: &[u8], above_root: impl Fn(&[u8]) -> Result<(), PathError>) -> Result<TreePath, PathError> {
    if text.contains(&0) {
        return Err(PathError::Nul(lossy(text)));
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for name in text.split(|b| *b == b'/') {
        match name {
            b"" | b"." => {}
            b".." if names.pop().is_none() => above_root(text)?,
            b".." => {}
            name => {
                check_name(name, text)?;
                names.push(name);
            }
        }
    }
    let bytes = names.join(&b'/');
    check_bytes(&bytes)?;
    Ok(TreePath(bytes))
}

fn check_bytes(bytes: &[u8]) -> Result<(), PathError> {
    if bytes.contains(&0) {
        return Err(PathError::Nul(lossy(bytes)));
    }
    if bytes.len() > MAX_PATH {
        return Err(PathError::TooLong(lossy(bytes)));
    }
    Ok(())
}

fn check_name(name: &[u8], whole: &[u8]) -> Result<(), PathError> {
    match name {
        b"" | b"." | b".." => Err(PathError::Component(lossy(whole))),
        name if name.len() > MAX_NAME => Err(PathError::TooLong(lossy(whole))),
        _ => Ok(()),
    }
}

/// For messages: hostile names must not make them huge.
fn lossy(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_NAME).unwrap_or(bytes);
    let ellipsis = if shown.len() < bytes.len() { "..." } else { "" };
    format!("{}{ellipsis}", String::from_utf8_lossy(shown))
}

impl Ord for TreePath {
    fn cmp(&self, other: &TreePath) -> Ordering {
        let same = common(&self.0, &other.0);
        // The slash sorts before every other byte: a directory's content follows it at once.
        let key = |b: &u8| if *b == b'/' { 0 } else { *b };
        self.0.get(same).map(key).cmp(&other.0.get(same).map(key))
    }
}

/// How many bytes two paths begin with alike: those of one tree are compared often, so this goes by the word.
fn common(one: &[u8], other: &[u8]) -> usize {
    let ((words, _), (others, _)) = (one.as_chunks(), other.as_chunks());
    let mut same = 0;
    for (word, other) in words.iter().zip(others) {
        let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += size_of::<u64>();
    }
    same + one[same..].iter().zip(&other[same..]).take_while(|(one, other)| one == other).count()
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &TreePath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As an absolute path, `/` for the root; bytes that are not UTF-8 are shown replaced.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl TryFrom<&str> for TreePath {
    type Error = PathError;

    fn try_from(text: &str) -> Result<TreePath, PathError> {
        TreePath::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("canonical")
    }

    #[test]
    fn what_paths_share_does_not_change_their_order() {
        for shared in [1, 62, 63, 64, 65, 127, 128] {
            let at = |rest: &str| TreePath::new(format!("{}{rest}", "x".repeat(shared))).expect("a path");
            let sorted = ["", "/a", "/b/c", "/b\u{1}", "\u{1}", "a", "a/b", "ab"].map(at);
            assert!(sorted.is_sorted(), "{shared}");
            assert!(sorted.windows(2).all(|pair| pair[0] != pair[1] && pair[1] > pair[0]), "{shared}");
        }
    }

    #[test]
    fn only_canonical_bytes_are_taken_as_they_are() {
        for bad in ["/a", "a/", "a//b", ".", "a/./b", "..", "a/..", "/"] {
            assert!(matches!(TreePath::new(bad), Err(PathError::Component(_))), "{bad}");
        }
        assert!(matches!(TreePath::new("a\0b"), Err(PathError::Nul(_))));
        assert!(matches!(TreePath::new("n".repeat(256)), Err(PathError::TooLong(_))));
        assert!(matches!(TreePath::new("ab/".repeat(1400) + "c"), Err(PathError::TooLong(_))));
        assert_eq!(TreePath::new("").expect("the root"), TreePath::root());
    }

    #[test]
    fn what_is_shared_is_as_if_it_were_written_out() {
        let before = path("usr/lib/os");
        let rests = [
            "",
            "/",
            "x",
            "/x",
            "x/",
            "x/y",
            "//",
            "..",
            ".",
            "/..",
            "/.",
            "a\0",
            &"n".repeat(255),
            &"/m".repeat(2100),
        ];
        for shared in 0..=before.as_bytes().len() {
            for rest in rests {
                let written = [&before.as_bytes()[..shared], rest.as_bytes()].concat();
                assert_eq!(before.sharing(shared, rest.as_bytes()), TreePath::new(&written), "{shared} and {rest:?}");
            }
        }
        assert_eq!(before.sharing(99, b"2"), Ok(path("usr/lib/os2")));
    }

    #[test]
    fn cleaning_stops_at_the_root_and_confining_refuses() {
        for (text, clean) in [("/", ""), ("a/../../b", "b"), ("./a//b/.", "a/b"), ("/../..", "")] {
            assert_eq!(TreePath::clean(text).expect(text), path(clean));
        }
        assert_eq!(TreePath::confined("a/b/../c").expect("inside"), path("a/c"));
        assert!(matches!(TreePath::confined("a/../../b"), Err(PathError::Escapes(_))));
    }

    #[test]
    fn joining_takes_one_name() {
        assert_eq!(path("a").join("b").expect("a name"), path("a/b"));
        for bad in ["b/c", "..", "", "x\0"] {
            assert!(path("a").join(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn parts_of_a_path() {
        let p = path("usr/lib/os");
        assert_eq!(p.parent(), Some(path("usr/lib")));
        assert_eq!(p.file_name(), Some(&b"os"[..]));
        assert_eq!(path("usr").parent(), Some(TreePath::root()));
        assert_eq!(TreePath::root().parent(), None);
        assert_eq!(p.components().count(), 3);
        assert_eq!(TreePath::root().components().count(), 0);
        assert_eq!(p.ancestors().collect::<Vec<_>>(), [p.clone(), path("usr/lib"), path("usr")]);
        assert_eq!(p.strip_prefix(&path("usr")), Some(path("lib/os")));
        assert!(!path("usrlib").starts_with(&path("usr")));
        assert!(p.starts_with(&TreePath::root()));
    }

    #[test]
    fn a_directory_is_followed_by_its_content() {
        let mut paths = [path("a-b"), path("a/b"), path("b"), path("a"), path("a/b/c")];
        paths.sort();
        assert_eq!(paths, [path("a"), path("a/b"), path("a/b/c"), path("a-b"), path("b")]);
    }

    proptest! {
        #[test]
        fn order_is_that_of_components(one in "[a./-]{0,30}", other in "(aaaa/aaaa/)?[a./-]{0,30}") {
            let (one, other) = (TreePath::clean(one).expect("short"), TreePath::clean(other).expect("short"));
            prop_assert_eq!(one.cmp(&other), one.components().cmp(other.components()));
        }

        #[test]
        fn cleaning_any_bytes_gives_a_canonical_path(bytes: Vec<u8>) {
            if let Ok(path) = TreePath::clean(&bytes) {
                prop_assert_eq!(TreePath::new(path.as_bytes()), Ok(path));
            }
        }

        #[test]
        fn cleaning_dotted_text_gives_a_canonical_path(text in "[a./]{0,40}") {
            let path = TreePath::clean(&text).expect("no NUL, short");
            prop_assert_eq!(TreePath::new(path.as_bytes()), Ok(path.clone()));
            if let Ok(confined) = TreePath::confined(&text) {
                prop_assert_eq!(confined, path);
            }
        }
    }
}
