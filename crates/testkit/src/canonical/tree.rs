//! Applying layers: the file system that remains after every whiteout.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use super::layout::sha256;
use super::{CanonicalError, Node, NodeKind};

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// A file system under construction. Names point to inodes, as hard links need.
#[derive(Default)]
pub(super) struct Tree {
    names: BTreeMap<String, usize>,
    inodes: Vec<Node>,
}

/// What one entry of a layer asks for.
enum Change {
    Put(Node),
    HardLink(String),
    Whiteout(String),
    Opaque(String),
}

impl Tree {
    /// Applies an uncompressed layer. Whiteouts hide what lower layers hold, never the layer's own.
    pub(super) fn apply(&mut self, layer: usize, bytes: &[u8]) -> Result<(), CanonicalError> {
        let unreadable = |source| CanonicalError::Layer { layer, source };
        let mut written = BTreeSet::new();
        let mut archive = Archive::new(bytes);
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            if matches!(entry.header().entry_type(), EntryType::XGlobalHeader) {
                continue;
            }
            self.apply_entry(&mut entry, &mut written).map_err(|problem| CanonicalError::Tree { layer, problem })?;
        }
        Ok(())
    }

    /// The flattened file system, every inode with its names.
    pub(super) fn into_files(self) -> BTreeMap<String, Node> {
        let mut names_of: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (name, inode) in &self.names {
            names_of.entry(*inode).or_default().push(name.clone());
        }
        let with_links = |name: String, inode: usize| {
            let mut node = self.inodes[inode].clone();
            node.hard_links = names_of[&inode].clone();
            node.hard_links.retain(|other| *other != name);
            (name, node)
        };
        let names = self.names.clone().into_iter();
        names.map(|(name, inode)| with_links(name, inode)).collect()
    }

    fn apply_entry(&mut self, entry: &mut Entry<'_, impl Read>, written: &mut BTreeSet<String>) -> Result<(), String> {
        let path = absolute(&entry.path_bytes())?;
        match change(entry, &path)? {
            Change::Whiteout(hidden) => self.remove(&hidden, true, written),
            Change::Opaque(directory) => self.remove(&directory, false, written),
            Change::Put(node) => {
                self.inodes.push(node);
                self.put(&path, self.inodes.len() - 1)?;
                written.insert(path);
            }
            Change::HardLink(target) => {
                let inode = self.names.get(&target);
                let inode = *inode.ok_or(format!("{path} is a hard link to {target}, which is absent"))?;
                self.put(&path, inode)?;
                written.insert(path);
            }
        }
        Ok(())
    }

    fn put(&mut self, path: &str, inode: usize) -> Result<(), String> {
        self.ensure_parents(path)?;
        if self.inodes[inode].kind != NodeKind::Dir {
            self.remove(path, false, &BTreeSet::new());
        }
        self.names.insert(path.to_owned(), inode);
        Ok(())
    }

    /// Unpackers make missing parents with mode 0755 for root; a parent that is no directory would
    /// be followed by some and replaced by others, so no sound layer has one.
    fn ensure_parents(&mut self, path: &str) -> Result<(), String> {
        for (end, _) in path.match_indices('/').skip(1) {
            let parent = &path[..end];
            match self.names.get(parent) {
                None => {
                    self.inodes.push(implicit_directory());
                    self.names.insert(parent.to_owned(), self.inodes.len() - 1);
                }
                Some(inode) if self.inodes[*inode].kind == NodeKind::Dir => {}
                Some(_) => return Err(format!("{path} lies below {parent}, which is no directory")),
            }
        }
        Ok(())
    }

    /// Removes what is below `path`, and `path` itself if `with_itself`, except what is in `keep`.
    fn remove(&mut self, path: &str, with_itself: bool, keep: &BTreeSet<String>) {
        let below = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let doomed: Vec<String> = self
            .names
            .range(below.clone()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(&below))
            .filter(|name| *name != path)
            .chain(with_itself.then_some(&path.to_owned()))
            .filter(|name| !keep.contains(*name))
            .cloned()
            .collect();
        for name in doomed {
            self.names.remove(&name);
        }
    }
}

fn change(entry: &mut Entry<'_, impl Read>, path: &str) -> Result<Change, String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name == OPAQUE {
        return Ok(Change::Opaque(if directory.is_empty() { "/" } else { directory }.to_owned()));
    }
    if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        return Ok(Change::Whiteout(format!("{directory}/{hidden}")));
    }
    if entry.header().entry_type() == EntryType::Link {
        let target = entry.link_name_bytes().ok_or(format!("{path} is a hard link to nothing"))?;
        return Ok(Change::HardLink(absolute(&target)?));
    }
    node(entry).map(Change::Put).map_err(|problem| format!("{path}: {problem}"))
}

fn node(entry: &mut Entry<'_, impl Read>) -> io::Result<Node> {
    let kind = kind(entry.header().entry_type())?;
    let header = entry.header();
    let mut node = Node {
        kind,
        mode: format!("{:04o}", if kind == NodeKind::Symlink { 0o777 } else { header.mode()? & 0o7777 }),
        uid: header.uid()?,
        gid: header.gid()?,
        device: device(entry)?,
        link: entry.link_name_bytes().filter(|_| kind == NodeKind::Symlink).map(|link| printable(&link)),
        xattrs: xattrs(entry)?,
        size: None,
        sha256: None,
        hard_links: Vec::new(),
    };
    if kind == NodeKind::File {
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        node.size = Some(content.len() as u64);
        node.sha256 = Some(sha256(&content));
    }
    Ok(node)
}

fn kind(entry_type: EntryType) -> io::Result<NodeKind> {
    Ok(match entry_type {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => NodeKind::File,
        EntryType::Directory => NodeKind::Dir,
        EntryType::Symlink => NodeKind::Symlink,
        EntryType::Fifo => NodeKind::Fifo,
        EntryType::Char => NodeKind::Char,
        EntryType::Block => NodeKind::Block,
        other => return Err(io::Error::other(format!("unknown entry type {other:?}"))),
    })
}

fn device(entry: &Entry<'_, impl Read>) -> io::Result<Option<String>> {
    let header = entry.header();
    if !matches!(header.entry_type(), EntryType::Char | EntryType::Block) {
        return Ok(None);
    }
    let major = header.device_major()?.unwrap_or(0);
    let minor = header.device_minor()?.unwrap_or(0);
    Ok(Some(format!("{major}:{minor}")))
}

fn xattrs(entry: &mut Entry<'_, impl Read>) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for record in entry.pax_extensions()?.into_iter().flatten() {
        let record = record?;
        if let Some(name) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") {
            found.insert(printable(name), printable(record.value_bytes()));
        }
    }
    Ok(found)
}

fn implicit_directory() -> Node {
    Node {
        kind: NodeKind::Dir,
        mode: "0755".to_owned(),
        uid: 0,
        gid: 0,
        size: None,
        sha256: None,
        link: None,
        device: None,
        xattrs: BTreeMap::new(),
        hard_links: Vec::new(),
    }
}

/// `./a/b/`, `a/b` and `/a/b` are all `/a/b`; no layer may name a parent by `..`.
fn absolute(raw: &[u8]) -> Result<String, String> {
    let name = printable(raw);
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!("{name} leaves its directory"));
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The bytes as text that can be read back: `\\` for a backslash, `\xNN` for what is not UTF-8.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
