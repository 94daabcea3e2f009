//! One layer's tar as a lower directory.
//!
//! The result, under the other layers' directories, shows what [`Tree`](crate::Tree) says, whatever order the tar is in: a whiteout
//! hides what is below and not what the layer itself has of that name, wherever in the tar it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::rc::Rc;

use rootfs::{Dir, FileKind, Metadata, Root, TreePath};

use super::below::{Below, is_opaque};
use super::describe::{Describer, describe, entry_of, kind_of};
use super::place::{Maker, whiteout};
use super::root::{merged_root, note_root, plain_root};
use super::{Owners, Scheme, is_whiteout};
use crate::resolve::resolve_by;
use crate::tar::{Dialect, Reader};
use crate::{Entry, EntryKind, Error, TreeError};

/// The memory that the directories of one layer may take: they are described when all is in them.
const MAX_MEMORY: usize = 512 << 20;
/// No layer unpacks to more, 256 GiB: whatever does is a bomb.
const MAX_CONTENT: u64 = 256 << 30;
/// A name that no member can have.
const HELD: &[u8] = b".wh..shipsmith";
/// What a directory has until it is described.
const FILLING: u32 = 0o700;

/// What unpacking a layer told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Whether the directory is right over any layers. Otherwise only over those it was unpacked over: the layer takes for granted
    /// what they hold.
    pub alone: bool,
    /// How many devices were left out, because this user may make none.
    pub devices_left_out: u64,
}

/// Unpacks one layer's tar, decompressed, into the empty directory `root`. Nothing outside of it is touched, whatever the tar holds.
///
/// `below` are the unpacked layers under this one, base first; `None` when they are not at hand. Few layers need them: those that
/// hold files without the directories above them, which then are as they are below, or as what links there lead to; hard links to
/// files of layers below, which are copied; and an opaque root.
///
/// # Errors
/// [`Error::NeedsBelow`] when the layer needs `below` and has not got it: start again in another directory. When the tar is
/// malformed or holds something refused (see [`Reader`]; the character device 0/0), an entry lies below a file, a hard link's target is
/// missing, or something cannot be written.
pub fn unpack_lower(tar: impl Read, root: &Root, scheme: Scheme, below: Option<&[Root]>) -> Result<Unpacked, Error> {
    let mut reader = Reader::new(BufReader::with_capacity(1 << 20, tar), Dialect::Layer);
    let mut unpacker = Unpacker::new(root, scheme, below)?;
    while let Some(entry) = reader.next_entry()? {
        unpacker.apply(entry, &mut reader)?;
    }
    reader.drain()?;
    unpacker.finish()
}

struct Unpacker<'a> {
    /// Refuses links: they are followed here, and only those of this layer.
    root: Root,
    below: Option<Below<'a>>,
    owners: Owners,
    maker: Maker,
    /// Every directory that was made, by the path it really has.
    directories: BTreeMap<TreePath, Entry>,
    /// What is here only as it is below: directories above what the layer has, and targets of its links.
    borrowed: BTreeSet<TreePath>,
    /// The directory that the last entry was put in, by the name the tar has for it.
    here: Option<(TreePath, Rc<Dir>)>,
    opaque_root: bool,
    looked_below: bool,
    memory: usize,
    content: u64,
}

impl<'a> Unpacker<'a> {
    fn new(root: &Root, scheme: Scheme, below: Option<&'a [Root]>) -> Result<Unpacker<'a>, Error> {
        Ok(Unpacker {
            root: root.subroot(&TreePath::root())?.refusing_links(),
            below: below.map(|lowers| Below { lowers, marks: scheme.marks }),
            owners: Owners::default(),
            maker: Maker::new(scheme),
            directories: BTreeMap::new(),
            borrowed: BTreeSet::new(),
            here: None,
            opaque_root: false,
            looked_below: false,
            memory: MAX_MEMORY,
            content: MAX_CONTENT,
        })
    }

    fn apply(&mut self, entry: Entry, content: &mut impl Read) -> Result<(), Error> {
        match entry.kind {
            EntryKind::OpaqueWhiteout => self.hide_all(&entry.path),
            EntryKind::Whiteout => self.hide(&entry.path),
            _ if entry.path.is_root() => self.remember(TreePath::root(), entry),
            EntryKind::Directory => self.put_directory(entry),
            EntryKind::Hardlink { ref target } => self.put_link(&entry.path, target),
            _ => self.put_file(&entry, content),
        }
    }

    fn put_directory(&mut self, entry: Entry) -> Result<(), Error> {
        let (dir, name) = self.parent(&entry.path)?;
        let path = dir.path().join(&name)?;
        match dir.stat(&name)? {
            Some(found) if found.kind == FileKind::Directory => {}
            Some(_) => {
                dir.remove(&name)?;
                dir.create_dir(&name, FILLING)?;
                self.make_opaque(&dir.dir(&name)?)?;
            }
            None => dir.create_dir(&name, FILLING)?,
        }
        self.borrowed.remove(&path);
        self.remember(path, entry)
    }

    fn put_file(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Error> {
        let bomb = || Error::Refused {
            member: entry.path.to_string(),
            problem: "the layer unpacks to more than 256 GiB".into(),
        };
        self.content = self.content.checked_sub(entry.size()).ok_or_else(bomb)?;
        let (dir, name) = self.parent(&entry.path)?;
        self.clear(&dir, &name)?;
        self.maker.make(&dir, &name, entry, content)
    }

    /// A link's own header says nothing that the file's does not. A link to itself makes a file below this layer's own.
    fn put_link(&mut self, path: &TreePath, target: &TreePath) -> Result<(), Error> {
        let missing = || Error::Apply { path: path.clone(), problem: "its hard link's target is missing" };
        // Room first: it may be the target that is in the way.
        let (dir, name) = self.parent(path)?;
        let target = self.followed_parent(target)?;
        match self.look(&target)? {
            Some(entry) if !entry.is_dir() => {}
            _ => return Err(missing()),
        }
        let (from, existing) = self.parent(&target)?;
        if from.stat(&existing)?.is_none() {
            self.copy_up(&target, &from, &existing)?;
        }
        if dir.path() == from.path() && name == existing {
            self.borrowed.remove(&target);
            return Ok(());
        }
        if target.starts_with(&dir.path().join(&name)?) {
            return self.replace_by_inner(&dir, &name, &from, &existing);
        }
        self.clear(&dir, &name)?;
        Ok(dir.hard_link(&name, &from, &existing)?)
    }

    /// A link takes the place of the directory that its target lies in.
    fn replace_by_inner(&mut self, dir: &Dir, name: &[u8], from: &Dir, existing: &[u8]) -> Result<(), Error> {
        dir.hard_link(HELD, from, existing)?;
        self.clear(dir, name)?;
        dir.hard_link(name, dir, HELD)?;
        Ok(dir.remove(HELD)?)
    }

    /// Copies a file of the layers below into this one, so that it can have another name here.
    fn copy_up(&mut self, path: &TreePath, dir: &Dir, name: &[u8]) -> Result<(), Error> {
        let Some(entry) = self.look(path)? else { return Ok(()) };
        self.borrowed.insert(path.clone());
        let Some(below) = &self.below else { return Err(Error::NeedsBelow(path.clone())) };
        let Some(merged) = below.directory(&path.parent().unwrap_or_default())? else { return Ok(()) };
        let Some(found) = merged.find(name)? else { return Ok(()) };
        if found.metadata.kind == FileKind::File {
            let node = found.dir.open(name)?;
            return self.maker.make(dir, name, &entry, &mut node.file());
        }
        self.maker.make(dir, name, &entry, &mut std::io::empty())
    }

    /// What a whiteout names may never have existed; where its directory is none either, there is nothing to do.
    fn hide(&mut self, path: &TreePath) -> Result<(), Error> {
        let real = match self.followed_parent(path) {
            Err(Error::Tree(TreeError::NotADirectory(_))) => return Ok(()),
            real => real?,
        };
        let parent = real.parent().unwrap_or_default();
        if !parent.is_root() && !self.look(&parent)?.is_some_and(|entry| entry.is_dir()) {
            return Ok(());
        }
        let (dir, name) = self.parent(&real)?;
        match dir.stat(&name)? {
            None => whiteout(&dir, &name),
            Some(found) if is_whiteout(&found) => Ok(()),
            Some(found) if !self.shed(&dir, &name, &found)? => whiteout(&dir, &name),
            Some(found) if found.kind == FileKind::Directory => self.make_opaque(&dir.dir(&name)?),
            Some(_) => Ok(()),
        }
    }

    /// Removes from a name what is not the layer's own, which is hidden now; whether anything is left of it. The depth is
    /// bounded by the length of paths.
    fn shed(&mut self, dir: &Dir, name: &[u8], found: &Metadata) -> Result<bool, Error> {
        let path = dir.path().join(name)?;
        let mut own = !is_whiteout(found) && !self.borrowed.contains(&path);
        if found.kind == FileKind::Directory {
            own |= self.shed_all(&dir.dir(name)?)?;
        }
        if !own {
            self.here = None;
            self.borrowed.remove(&path);
            match found.kind {
                FileKind::Directory => self.remove_directory(&path)?,
                _ => dir.remove(name)?,
            }
        }
        Ok(own)
    }

    /// The same for all names in a directory.
    fn shed_all(&mut self, dir: &Dir) -> Result<bool, Error> {
        let mut own = false;
        for name in dir.names()? {
            if let Some(found) = dir.stat(&name)? {
                own |= self.shed(dir, &name, &found)?;
            }
        }
        Ok(own)
    }

    fn hide_all(&mut self, path: &TreePath) -> Result<(), Error> {
        if path.is_root() {
            self.opaque_root = true;
            self.below.ok_or(Error::NeedsBelow(TreePath::root()))?;
            return self.shed_all(&self.root.dir(path)?).map(drop);
        }
        let dir = self.directory(path)?;
        self.shed_all(&dir)?;
        self.make_opaque(&dir)
    }

    fn make_opaque(&self, dir: &Dir) -> Result<(), Error> {
        Ok(dir.node().set_xattr(self.maker.scheme.marks.opaque(), b"y")?)
    }

    /// Makes room for a name.
    fn clear(&mut self, dir: &Dir, name: &[u8]) -> Result<(), Error> {
        match dir.stat(name)? {
            None => Ok(()),
            Some(found) if found.kind == FileKind::Directory => self.remove_directory(&dir.path().join(name)?),
            Some(_) => {
                self.borrowed.remove(&dir.path().join(name)?);
                Ok(dir.remove(name)?)
            }
        }
    }

    fn remove_directory(&mut self, path: &TreePath) -> Result<(), Error> {
        self.here = None;
        self.root.remove_all(path)?;
        let gone: Vec<TreePath> = self
            .directories
            .range(path..)
            .map(|(gone, _)| gone.clone())
            .take_while(|gone| gone.starts_with(path))
            .collect();
        self.borrowed.retain(|gone| !gone.starts_with(path));
        for gone in gone {
            if let Some(entry) = self.directories.remove(&gone) {
                self.memory += entry.footprint();
            }
        }
        Ok(())
    }

    fn remember(&mut self, path: TreePath, entry: Entry) -> Result<(), Error> {
        let too_many = || Error::Refused {
            member: entry.path.to_string(),
            problem: "the layer's directories do not fit into 512 MiB of memory".into(),
        };
        self.memory = self.memory.checked_sub(entry.footprint()).ok_or_else(too_many)?;
        if let Some(before) = self.directories.insert(path, entry) {
            self.memory += before.footprint();
        }
        Ok(())
    }

    /// The directory that a member lies in, links followed, made where it is missing; and the member's name.
    fn parent(&mut self, path: &TreePath) -> Result<(Rc<Dir>, Vec<u8>), Error> {
        let name = path.file_name().unwrap_or_default().to_vec();
        Ok((self.directory(&path.parent().unwrap_or_default())?, name))
    }

    fn directory(&mut self, asked: &TreePath) -> Result<Rc<Dir>, Error> {
        if let Some((_, dir)) = self.here.as_ref().filter(|(path, _)| path == asked) {
            return Ok(Rc::clone(dir));
        }
        let dir = match self.root.dir(asked) {
            Ok(dir) => dir,
            Err(_) => {
                let real = self.followed(asked)?;
                self.make_directories(&real)?;
                self.root.dir(&real)?
            }
        };
        let dir = Rc::new(dir);
        self.here = Some((asked.clone(), Rc::clone(&dir)));
        Ok(dir)
    }

    /// Makes what is missing of a path without links.
    fn make_directories(&mut self, path: &TreePath) -> Result<(), Error> {
        let mut dir = self.root.dir(&TreePath::root())?;
        for name in path.components() {
            let here = dir.path().join(name)?;
            match dir.stat(name)? {
                Some(found) if found.kind == FileKind::Directory => {}
                Some(found) if !is_whiteout(&found) && !self.borrowed.contains(&here) => {
                    return Err(Error::Apply { path: here, problem: "it is to be a directory, and is none" });
                }
                found => self.imply(&dir, name, here, found)?,
            }
            dir = dir.dir(name)?;
        }
        Ok(())
    }

    /// A directory that the layer does not describe is what it is below, and otherwise as [`Tree`](crate::Tree) has it.
    fn imply(&mut self, dir: &Dir, name: &[u8], path: TreePath, found: Option<Metadata>) -> Result<(), Error> {
        self.borrowed.remove(&path);
        let entry = match self.look(&path)? {
            Some(entry) if entry.is_dir() => {
                self.borrowed.insert(path.clone());
                entry
            }
            Some(entry) => self.instead(&entry)?,
            None => Entry::implied(path.clone()),
        };
        if found.is_some() {
            dir.remove(name)?;
        }
        dir.create_dir(name, FILLING)?;
        if found.is_some() {
            self.make_opaque(&dir.dir(name)?)?;
        }
        self.remember(path, entry)
    }

    /// The directory in the place of what lower layers have: a link hands down the attributes of the directory it led to.
    fn instead(&mut self, entry: &Entry) -> Result<Entry, Error> {
        let led = match resolve_by(&mut |path| self.look_below(path), entry.path.as_bytes(), true) {
            Ok(led) if led.missing.is_root() => self.look_below(&led.existing)?,
            Ok(_) | Err(Error::Tree(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(match led.filter(Entry::is_dir) {
            Some(led) => Entry { path: entry.path.clone(), ..led },
            None => Entry::implied(entry.path.clone()),
        })
    }

    /// A path whose directories have no links of this layer, for one that may; its last component is left alone.
    fn followed_parent(&self, path: &TreePath) -> Result<TreePath, Error> {
        let parent = self.followed(&path.parent().unwrap_or_default())?;
        Ok(parent.join(path.file_name().unwrap_or_default())?)
    }

    fn followed(&self, dir: &TreePath) -> Result<TreePath, Error> {
        if self.root.dir(dir).is_ok() {
            return Ok(dir.clone());
        }
        Ok(resolve_by(&mut |path| self.own(path), dir.as_bytes(), true)?.path()?)
    }

    /// What this layer alone has at a path, and of that only the kind; links are not followed.
    fn own(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let name = path.file_name().unwrap_or_default();
        let dir = self.root.dir(&path.parent().unwrap_or_default())?;
        let Some(found) = dir.stat(name)?.filter(|found| !is_whiteout(found)) else { return Ok(None) };
        let own = |kind: &EntryKind| *kind == EntryKind::Directory || !self.borrowed.contains(path);
        Ok(kind_of(&dir, name, &found)?.filter(own).map(|kind| Entry::new(path.clone(), kind, 0)))
    }

    /// What this layer over those below has at a path; links are not followed. Of what this layer has itself, only the kind is told.
    fn look(&mut self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let mut dir = self.root.dir(&TreePath::root())?;
        let mut hidden = self.opaque_root;
        let last = path.components().count();
        for (depth, name) in path.components().enumerate() {
            let Some(found) = dir.stat(name)? else {
                return if hidden { Ok(None) } else { self.look_below(path) };
            };
            if depth + 1 == last && !is_whiteout(&found) {
                let kind = kind_of(&dir, name, &found)?;
                return Ok(kind.map(|kind| Entry::new(path.clone(), kind, 0)));
            }
            if found.kind != FileKind::Directory {
                return Ok(None);
            }
            dir = dir.dir(name)?;
            hidden |= is_opaque(&dir, self.maker.scheme.marks)?;
        }
        Ok(Some(plain_root()))
    }

    fn look_below(&mut self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let below = self.below.ok_or_else(|| Error::NeedsBelow(path.clone()))?;
        self.looked_below = true;
        if path.is_root() {
            return merged_root(below.lowers).map(Some);
        }
        let name = path.file_name().unwrap_or_default();
        let Some(merged) = below.directory(&path.parent().unwrap_or_default())? else { return Ok(None) };
        let Some(found) = merged.find(name)? else { return Ok(None) };
        let describer = Describer { scheme: self.maker.scheme, owners: &self.owners };
        let attributes = describer.of_base(name, path, &found)?;
        let kind = kind_of(found.dir, name, &found.metadata)?;
        Ok(kind.map(|kind| entry_of(path.clone(), kind, &found.metadata, attributes)))
    }

    fn finish(mut self) -> Result<Unpacked, Error> {
        if self.opaque_root {
            self.hide_below_root()?;
        }
        let top = self.root.dir(&TreePath::root())?;
        match self.directories.remove(&TreePath::root()) {
            Some(entry) => note_root(&top, &entry, self.maker.scheme)?,
            None => describe(top.node(), &plain_root(), self.maker.scheme)?,
        }
        for (path, entry) in self.directories.iter().rev() {
            describe(self.root.dir(path)?.node(), entry, self.maker.scheme)?;
        }
        Ok(Unpacked { alone: !self.looked_below, devices_left_out: self.maker.left_out })
    }

    /// An overlay mount knows no opaque root: each name is hidden for itself.
    fn hide_below_root(&mut self) -> Result<(), Error> {
        let Some(below) = self.below else { return Ok(()) };
        self.looked_below = true;
        let dir = self.root.dir(&TreePath::root())?;
        for name in below.open(&TreePath::root(), &below.root())?.names()? {
            match dir.stat(&name)? {
                None => whiteout(&dir, &name)?,
                Some(found) if found.kind == FileKind::Directory => self.make_opaque(&dir.dir(&name)?)?,
                Some(_) => {}
            }
        }
        Ok(())
    }
}
