//! What an upper directory changes, as a layer's tar.
//!
//! The entries are BuildKit's (`util/overlay`, containerd's `archive.ChangeWriter`): a file that was copied up and is what it was is
//! none, nor is a directory for its time alone, unless something in it is; an opaque directory becomes a whiteout for each
//! name that is gone; sockets are left out. What the tar does not say, the upper directory does not keep, and its times
//! become the tar's: whoever mounts it as a lower directory sees what unpacking the layer would have given.

use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;
use std::vec;

use rootfs::{Dir, FileKind, Metadata, Node, Root, SparseFile, Time, TreePath};

use super::below::{Below, Found, Layers, Merged};
use super::describe::{Attributes, Describer, OWNER_XATTR, Side, describe, entry_of, kind_of, owner_text};
use super::handover::{self, Outgoing};
use super::root::plain_root;
use super::{Listing, Owners, Scheme, Times, is_whiteout};
use crate::{Entry, EntryKind, Error};

/// What is compared with what, and how that is told.
#[derive(Clone, Copy)]
pub struct Diff<'a> {
    /// The upper directory, not mounted any more; or the changed copy.
    pub root: &'a Root,
    /// The unpacked layers below, base first.
    pub lowers: &'a [Root],
    /// How files and marks lie in all of these.
    pub scheme: Scheme,
    /// What becomes of times.
    pub times: Times,
    /// Owners that the disk does not show.
    pub owners: &'a Owners,
}

/// Writes what an upper directory changes to `sink`, and makes the directory what the tar says. One pass, sorted; memory grows with
/// the largest directory and the number of hard links only.
///
/// # Errors
/// When something cannot be read or changed, the sink fails, or a name begins with `.wh.`, which no layer can hold.
pub fn write_changes<W: Write + Send>(diff: &Diff<'_>, sink: W) -> Result<W, Error> {
    handover::write(sink, |outgoing| {
        Walk::new(diff, None, outgoing).run(false)?;
        let root = diff.root.dir(&TreePath::root())?;
        describe(root.node(), &plain_root(), diff.scheme)
    })
}

/// Writes what in a copy of the merged layers differs from them.
pub(super) fn write_copied<W: Write + Send>(diff: &Diff<'_>, before: &Listing, sink: W) -> Result<W, Error> {
    handover::write(sink, |outgoing| Walk::new(diff, Some(before), outgoing).run(true))
}

struct Walk<'a> {
    diff: Diff<'a>,
    /// For copies: what is as it was then needs no reading. Upper directories are tidied instead.
    before: Option<&'a Listing>,
    below: Below<'a>,
    describer: Describer<'a>,
    outgoing: &'a mut Outgoing,
    /// The directories from the root to where we are.
    frames: Vec<Frame>,
    /// The innermost of them, held open as long as it is.
    here: Option<Rc<Here>>,
    /// The first name of each file that has several.
    names: BTreeMap<u64, TreePath>,
}

/// A directory that is being walked.
struct Frame {
    path: TreePath,
    /// The layers below that have a part in it.
    layers: Layers,
    names: vec::IntoIter<Vec<u8>>,
    /// Whether what the layers below have in it is hidden.
    opaque: bool,
    /// Its entry, as long as nothing in it was written: it is what it was.
    pending: Option<Entry>,
    /// What time it has now.
    found: Time,
    /// What time it is to have, when its entry is written.
    told: Time,
    /// What time it has below.
    base: Option<Time>,
    /// Whether we removed something from it.
    touched: bool,
}

struct Here {
    upper: Dir,
    below: Merged,
}

/// One name, as it is looked at.
struct Item<'h> {
    path: TreePath,
    name: &'h [u8],
    here: &'h Here,
    base: Option<Found<'h>>,
}

impl<'a> Walk<'a> {
    fn new(diff: &Diff<'a>, before: Option<&'a Listing>, outgoing: &'a mut Outgoing) -> Walk<'a> {
        Walk {
            diff: *diff,
            before,
            below: Below { lowers: diff.lowers, marks: diff.scheme.marks },
            describer: Describer { scheme: diff.scheme, owners: diff.owners },
            outgoing,
            frames: Vec::new(),
            here: None,
            names: BTreeMap::new(),
        }
    }

    fn run(mut self, opaque: bool) -> Result<(), Error> {
        let root = self.diff.root.dir(&TreePath::root())?;
        let zero = Time { seconds: 0, nanos: 0 };
        let frame = Frame::new(TreePath::root(), self.below.root(), opaque, zero);
        self.enter(root, frame)?;
        while let Some(frame) = self.frames.last_mut() {
            match frame.names.next() {
                Some(name) => self.visit(&name)?,
                None => self.leave()?,
            }
        }
        Ok(())
    }

    /// Whether the directory is made what the tar says.
    fn tidies(&self) -> bool {
        self.before.is_none()
    }

    fn enter(&mut self, upper: Dir, mut frame: Frame) -> Result<(), Error> {
        let below = self.below.open(&frame.path, &frame.layers)?;
        let mut names = upper.names()?;
        if frame.opaque {
            names.extend(below.names()?);
            names.sort_unstable();
            names.dedup();
        }
        frame.names = names.into_iter();
        self.frames.push(frame);
        self.here = Some(Rc::new(Here { upper, below }));
        Ok(())
    }

    /// The innermost directory, opened again after one inside it was left: depth costs no descriptors.
    fn here(&mut self) -> Result<Rc<Here>, Error> {
        if let Some(here) = &self.here {
            return Ok(Rc::clone(here));
        }
        let root = (&TreePath::root(), &Layers::new());
        let (path, layers) = self.frames.last().map_or(root, |frame| (&frame.path, &frame.layers));
        let here = Rc::new(Here { upper: self.diff.root.dir(path)?, below: self.below.open(path, layers)? });
        self.here = Some(Rc::clone(&here));
        Ok(here)
    }

    fn visit(&mut self, name: &[u8]) -> Result<(), Error> {
        let here = self.here()?;
        let path = here.upper.path().join(name)?;
        let item = Item { path, name, here: &here, base: here.below.find(name)? };
        match here.upper.stat(name)? {
            Some(found) if !is_whiteout(&found) => match found.kind {
                FileKind::Directory => self.directory(item, &found),
                FileKind::Socket => self.socket(item),
                _ => self.file(item, &found),
            },
            marked => self.gone(item, marked.is_some()),
        }
    }

    /// A whiteout, or a name that an opaque directory hides. One that hides nothing is not needed.
    fn gone(&mut self, item: Item<'_>, marked: bool) -> Result<(), Error> {
        if item.base.is_some() {
            return self.append(Entry::new(item.path, EntryKind::Whiteout, 0), None);
        }
        if marked { self.drop_name(&item) } else { Ok(()) }
    }

    /// No layer can hold one; what was there before it is gone.
    fn socket(&mut self, item: Item<'_>) -> Result<(), Error> {
        self.drop_name(&item)?;
        if item.base.is_none() {
            return Ok(());
        }
        if self.tidies() {
            super::place::whiteout(&item.here.upper, item.name)?;
        }
        self.append(Entry::new(item.path, EntryKind::Whiteout, 0), None)
    }

    /// Removes a name that the tar does not say.
    fn drop_name(&mut self, item: &Item<'_>) -> Result<(), Error> {
        if self.tidies() {
            item.here.upper.remove(item.name)?;
            self.touch();
        }
        Ok(())
    }

    fn touch(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.touched = true;
        }
    }

    fn directory(&mut self, item: Item<'_>, found: &Metadata) -> Result<(), Error> {
        let dir = item.here.upper.dir(item.name)?;
        let xattrs = dir.node().xattrs()?;
        refuse_redirect(&item.path, &xattrs)?;
        let opaque = xattrs.get(self.diff.scheme.marks.opaque()).is_some_and(|value| value == b"y");
        let attributes = self.describer.of_node(xattrs, found, Side::Upper);
        let layers = item.here.below.descend(item.name)?.unwrap_or_default();
        let same = self.same_attributes(&item, found, &attributes)?;
        let mut frame = Frame::new(item.path.clone(), layers, false, found.mtime);
        frame.opaque = !frame.layers.is_empty() && (opaque || self.frames.last().is_some_and(|above| above.opaque));
        frame.base = item.base.map(|base| base.metadata.mtime);
        let entry = self.entry(item.path, EntryKind::Directory, found, attributes);
        frame.told = entry.mtime.into();
        if same {
            frame.pending = Some(entry);
        } else {
            self.keep_owner(dir.node(), found)?;
            self.append(entry, None)?;
        }
        self.enter(dir, frame)
    }

    fn entry(&self, path: TreePath, kind: EntryKind, found: &Metadata, attributes: Attributes) -> Entry {
        Entry { mtime: self.diff.times.of(found.mtime), ..entry_of(path, kind, found, attributes) }
    }

    /// Anything but a directory or a socket.
    fn file(&mut self, item: Item<'_>, found: &Metadata) -> Result<(), Error> {
        if item.base.is_some() && self.before.is_some_and(|before| before.has(&item.path, found)) {
            return Ok(());
        }
        let Some(kind) = kind_of(&item.here.upper, item.name, found)? else { return Ok(()) };
        let (attributes, node) = self.opened(&item, found)?;
        if self.same_attributes(&item, found, &attributes)? && same_content(&item, found, &kind)? {
            let hidden = self.frames.last().is_some_and(|frame| frame.opaque);
            return if hidden { Ok(()) } else { self.drop_name(&item) };
        }
        let Item { path, name, here, .. } = item;
        let mut entry = self.entry(path, kind, found, attributes);
        if let Some(node) = &node {
            self.keep_owner(node, found)?;
        }
        if self.tidies() && entry.mtime != found.mtime.into() {
            let told = entry.mtime.into();
            node.as_ref().map_or_else(|| here.upper.set_mtime(name, told), |node| node.set_mtime(told))?;
        }
        self.link(&mut entry, found);
        self.append(entry, node.map(|node| SparseFile::new(node.into_file(), found.size)))
    }

    /// What a file is besides its kind; a regular file is opened for that.
    fn opened(&self, item: &Item<'_>, found: &Metadata) -> Result<(Attributes, Option<Node>), Error> {
        if found.kind != FileKind::File {
            return Ok((self.describer.of_special(&item.path, found, Side::Upper), None));
        }
        let node = item.here.upper.open(item.name)?;
        Ok((self.describer.of_node(node.xattrs()?, found, Side::Upper), Some(node)))
    }

    /// From the second name on, a file is a link to the first.
    fn link(&mut self, entry: &mut Entry, found: &Metadata) {
        if found.links < 2 {
            return;
        }
        if let Some(first) = self.names.get(&found.inode) {
            entry.kind = EntryKind::Hardlink { target: first.clone() };
            entry.xattrs.clear();
        } else {
            self.names.insert(found.inode, entry.path.clone());
        }
    }

    /// Whether the layers below have the same here, but for its bytes and, for directories, its time.
    fn same_attributes(&self, item: &Item<'_>, found: &Metadata, attributes: &Attributes) -> Result<bool, Error> {
        let Some(base) = &item.base else { return Ok(false) };
        let there = &base.metadata;
        let dir = found.kind == FileKind::Directory;
        if there.kind != found.kind || there.mode != found.mode {
            return Ok(false);
        }
        if !dir && (there.size != found.size || there.mtime != found.mtime) {
            return Ok(false);
        }
        Ok(self.describer.of_base(item.name, &item.path, base)? == *attributes)
    }

    /// An owner that was told apart from the disk stays with the file.
    fn keep_owner(&self, node: &Node, found: &Metadata) -> Result<(), Error> {
        match self.describer.changed(found, Side::Upper) {
            Some(owner) => Ok(node.set_xattr(OWNER_XATTR, &owner_text(owner))?),
            None => Ok(()),
        }
    }

    /// Writes an entry, after the directories above it that were not written yet.
    fn append(&mut self, entry: Entry, content: Option<SparseFile>) -> Result<(), Error> {
        for parent in self.frames.iter_mut().filter_map(|frame| frame.pending.take()) {
            self.outgoing.put(parent, None)?;
        }
        if entry.path.file_name().is_some_and(|name| name.starts_with(b".wh.")) {
            let problem = "its name begins with \".wh.\", which means a removed file in a layer".into();
            return Err(Error::Refused { member: entry.path.to_string(), problem });
        }
        self.outgoing.put(entry, content)
    }

    /// A directory's time comes last: tidying in it changed that.
    fn leave(&mut self) -> Result<(), Error> {
        self.here = None;
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let (Some(name), true) = (frame.path.file_name(), self.tidies()) else { return Ok(()) };
        let here = self.here()?;
        let unchanged = frame.pending.is_some();
        // What was made again as it is below goes with all that it holds, once nothing above hides what is below.
        if unchanged && self.frames.last().is_none_or(|above| !above.opaque) {
            self.diff.root.remove_all(&frame.path)?;
            self.touch();
            return Ok(());
        }
        let told = if unchanged { frame.base.unwrap_or(frame.told) } else { frame.told };
        if frame.touched || told != frame.found {
            here.upper.set_mtime(name, told)?;
        }
        Ok(())
    }
}

impl Frame {
    fn new(path: TreePath, layers: Layers, opaque: bool, found: Time) -> Frame {
        let names = Vec::new().into_iter();
        Frame { path, layers, names, opaque, pending: None, found, told: found, base: None, touched: false }
    }
}

/// The mount options forbid both; such a directory's files would be somewhere else.
fn refuse_redirect(path: &TreePath, xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), Error> {
    let redirects = |name: &Vec<u8>| name.ends_with(b".overlay.redirect");
    match xattrs.keys().any(redirects) {
        true => Err(Error::Apply {
            path: path.clone(),
            problem: "the overlay file system redirects it, which is not supported",
        }),
        false => Ok(()),
    }
}

/// BuildKit reads only where both times are whole seconds, and takes equal times for equal bytes otherwise. Programs that put
/// times back after changing a file are not rare enough for that.
fn same_content(item: &Item<'_>, found: &Metadata, kind: &EntryKind) -> Result<bool, Error> {
    let Some(base) = &item.base else { return Ok(false) };
    match kind {
        EntryKind::Symlink { target } => Ok(base.dir.read_link(item.name)? == *target),
        EntryKind::File { size: 0 } => Ok(true),
        EntryKind::File { .. } => {
            let ours = SparseFile::new(item.here.upper.open(item.name)?.into_file(), found.size);
            let theirs = SparseFile::new(base.dir.open(item.name)?.into_file(), found.size);
            super::compare::same_bytes(ours, theirs).map_err(|source| Error::Read { path: item.path.clone(), source })
        }
        _ => Ok(true),
    }
}
