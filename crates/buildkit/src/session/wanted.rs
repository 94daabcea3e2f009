//! Which files of a tree a builder asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use dockerfile::ignore::Patterns;
use tonic::metadata::MetadataMap;

use super::{FileEntry, FileKind, Files};

/// Links followed for the sake of one request; a tree with more is sent whole.
const MAX_LINKS: usize = 255;

/// What is asked, as it comes with the request.
pub(crate) struct Wanted {
    /// The tree's name.
    pub(crate) directory: String,
    /// Only these paths, what is below them and what links among them point to; all of them when empty.
    only: Vec<String>,
    /// Only what these patterns match, too.
    include: Option<Patterns>,
}

impl Wanted {
    pub(crate) fn read(metadata: &MetadataMap) -> Result<Self, tonic::Status> {
        let directory = values(metadata, "dir-name").into_iter().next().unwrap_or_default();
        let include = values(metadata, "include-patterns");
        let include = if include.is_empty() { None } else { Some(patterns(&include)?) };
        Ok(Self { directory, only: values(metadata, "followpaths"), include })
    }

    /// The entries to send, directories before what is in them.
    pub(crate) fn walk(&self, files: &dyn Files) -> io::Result<Vec<FileEntry>> {
        let mut all = Vec::new();
        list(files, "", &mut all)?;
        let only = self.followed(&all)?;
        let shown = |path: &str| {
            only.as_ref().is_none_or(|only| only.matches(path))
                && self.include.as_ref().is_none_or(|include| include.matches(path))
        };
        let mut kept = BTreeSet::new();
        for entry in all.iter().filter(|entry| shown(&entry.path)) {
            kept.extend(above(&entry.path).map(str::to_owned));
            kept.insert(entry.path.clone());
        }
        all.retain(|entry| kept.contains(&entry.path));
        Ok(all)
    }

    /// `only`, with links on the way and what they point to.
    fn followed(&self, all: &[FileEntry]) -> io::Result<Option<Patterns>> {
        let links = links(all);
        // Which links a wildcard passes through is the builder's to say: it may look at all of them.
        let vague = |path: &String| path.rsplit_once('/').is_some_and(|(above, _)| above.contains(['*', '?', '[']));
        if self.only.is_empty() || (!links.is_empty() && self.only.iter().any(vague)) {
            return Ok(None);
        }
        let mut paths: Vec<String> = self.only.clone();
        let mut seen = BTreeSet::new();
        while let Some((path, more)) = links.iter().find_map(|(path, target)| {
            let more = if seen.contains(path) { Vec::new() } else { through(&paths, path, target) };
            (!more.is_empty()).then_some((*path, more))
        }) {
            seen.insert(path);
            paths.extend(more);
            if seen.len() > MAX_LINKS {
                return Ok(None);
            }
        }
        let whole = paths.iter().any(|path| matches!(path.trim_matches('/'), "" | "."));
        if whole { Ok(None) } else { Patterns::new(&paths).map(Some).map_err(io::Error::other) }
    }
}

/// What else is wanted, as a link is one of these paths or on the way to them.
fn through(paths: &[String], link: &str, target: &str) -> Vec<String> {
    let on_the_way = paths.iter().filter_map(|path| path.strip_prefix(link)?.strip_prefix('/'));
    let mut more: Vec<String> = on_the_way.map(|rest| join(target, rest)).collect();
    if !more.is_empty() {
        more.push(link.to_owned());
    }
    if Patterns::new(paths).is_ok_and(|patterns| patterns.matches(link)) {
        more.push(target.to_owned());
    }
    more
}

fn links(all: &[FileEntry]) -> BTreeMap<&str, String> {
    let links = all.iter().filter_map(|entry| match &entry.kind {
        FileKind::Symlink(target) => Some((entry.path.as_str(), resolve(&entry.path, target))),
        _ => None,
    });
    links.collect()
}

/// Where a link points, from the root of the tree and never above it.
fn resolve(link: &str, target: &str) -> String {
    let directory = link.rsplit_once('/').map_or("", |(directory, _)| directory);
    let start = if target.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn join(directory: &str, rest: &str) -> String {
    if directory.is_empty() { rest.to_owned() } else { format!("{directory}/{rest}") }
}

fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

fn list(files: &dyn Files, top: &str, all: &mut Vec<FileEntry>) -> io::Result<()> {
    let mut open = files.children(top)?;
    open.reverse();
    while let Some(entry) = open.pop() {
        let inside = if entry.kind == FileKind::Directory { files.children(&entry.path)? } else { Vec::new() };
        open.extend(inside.into_iter().rev());
        all.push(entry);
    }
    Ok(())
}

fn patterns(texts: &[String]) -> Result<Patterns, tonic::Status> {
    Patterns::new(texts).map_err(|error| tonic::Status::invalid_argument(error.to_string()))
}

/// The values of a key; newer builders escape them, and say so.
fn values(metadata: &MetadataMap, key: &str) -> Vec<String> {
    let escaped = metadata.contains_key(format!("{key}-encoded").as_str());
    let texts = metadata.get_all(key).iter().filter_map(|value| value.to_str().ok());
    texts.map(|text| if escaped { unescape(text) } else { text.to_owned() }).collect()
}

fn unescape(text: &str) -> String {
    let decoded = url::form_urlencoded::parse(text.as_bytes()).next();
    decoded.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(Vec<(&'static str, FileKind)>);

    impl Files for Tree {
        fn children(&self, directory: &str) -> io::Result<Vec<FileEntry>> {
            let parent = |path: &str| path.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
            let inside = self.0.iter().filter(|(path, _)| parent(path) == directory);
            let entry = |(path, kind): &(&str, FileKind)| FileEntry {
                path: (*path).to_owned(),
                kind: kind.clone(),
                mode: 0o644,
                mtime: 0,
            };
            Ok(inside.map(entry).collect())
        }

        fn open(&self, _: &str) -> io::Result<Box<dyn io::Read + Send>> {
            Ok(Box::new(io::empty()))
        }
    }

    fn walked(only: &[&str]) -> Vec<String> {
        let tree = Tree(vec![
            ("a", FileKind::Directory),
            ("a/b", FileKind::File(1)),
            ("a/c", FileKind::Symlink("../d/e".into())),
            ("d", FileKind::Directory),
            ("d/e", FileKind::File(1)),
            ("d/f", FileKind::File(1)),
            ("g", FileKind::Symlink("d".into())),
        ]);
        let only = only.iter().map(|path| (*path).to_owned()).collect();
        let wanted = Wanted { directory: String::new(), only, include: None };
        wanted.walk(&tree).expect("a tree").into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn all_is_sent_when_nothing_is_named() {
        assert_eq!(walked(&[]), ["a", "a/b", "a/c", "d", "d/e", "d/f", "g"]);
    }

    #[test]
    fn links_bring_what_they_point_to() {
        assert_eq!(walked(&["a/b"]), ["a", "a/b"]);
        assert_eq!(walked(&["a/c"]), ["a", "a/c", "d", "d/e"]);
        assert_eq!(walked(&["g/f"]), ["d", "d/f", "g"]);
        assert_eq!(walked(&["*/f"]).len(), 7, "who knows which links that passes through");
        assert_eq!(walked(&["d/*"]), ["d", "d/e", "d/f"]);
    }
}
