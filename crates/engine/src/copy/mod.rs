//! What COPY and ADD do to a stage's tree: BuildKit's file operation (`solver/llbsolver/file` and fsutil's `copy`),
//! played on an [`Overlay`].

mod asked;
mod wildcard;

use std::collections::BTreeMap;
use std::sync::Arc;

use dockerfile::ignore::{Matched, Patterns};
use graph::ModeSpec;
use layer::{Content, Entry, EntryKind, FileIdentity, SourceTree, Timestamp, TreeError, resolve, resolve_existing};
use rootfs::TreePath;

use crate::overlay::{Inode, Overlay};
pub(crate) use asked::Asked;

/// How entries change on their way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    /// `--chown`; what the source has without.
    pub(crate) owner: Option<(u32, u32)>,
    /// `--chmod`; what the source has without.
    pub(crate) mode: Option<ModeSpec>,
    /// The time of directories created on the way.
    pub(crate) created: Timestamp,
}

/// One source of a COPY or ADD, and how it is looked up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Symbolic links in the source's last component are followed.
    pub(crate) follow: bool,
    /// A directory's contents are copied, not the directory.
    pub(crate) contents: bool,
    /// Wildcards are expanded; none that matches is no error.
    pub(crate) wildcards: bool,
    /// What the build takes from this directory, where BuildKit would ask a client for just that: a malformed wildcard is an
    /// error then, and so is one below a directory of which nothing is asked.
    pub(crate) asked: Option<Asked>,
    /// Only what matches, with its parents (`--parents`).
    pub(crate) include: Option<Patterns>,
    /// Not what matches (`--exclude`).
    pub(crate) exclude: Option<Patterns>,
    /// The path without wildcards that `--parents` keeps: something at or below it must be left.
    pub(crate) required: Option<String>,
}

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CopyError {
    /// The source is not there.
    #[error("{path}: not found in {origin}")]
    Missing {
        path: String,
        /// What was searched, such as `the build context`.
        origin: String,
    },
    /// `--parents` is to keep a path of which `--exclude` leaves nothing.
    #[error("{0}: --exclude leaves nothing of it")]
    Excluded(String),
    /// A wildcard matches nothing, and nothing else is wanted of the directory before it.
    #[error("{path}: nothing matches in {origin}")]
    NoMatch {
        path: String,
        /// What was searched, such as `the build context`.
        origin: String,
    },
    /// A directory is copied onto something else.
    #[error("cannot copy a directory onto {0}, which is not a directory")]
    OntoNonDirectory(TreePath),
    /// Something else is copied onto a directory.
    #[error("cannot replace the directory {0} by a file")]
    OntoDirectory(TreePath),
    /// A wildcard in a source is malformed.
    #[error("invalid wildcard: {0}")]
    Pattern(#[source] dockerfile::ignore::Error),
    /// The destination cannot be reached.
    #[error(transparent)]
    Destination(TreeError),
    /// The source or destination tree failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl CopyError {
    /// Whether it is the destination that is at fault.
    pub(crate) fn is_at_destination(&self) -> bool {
        matches!(self, Self::Destination(_) | Self::OntoNonDirectory(_) | Self::OntoDirectory(_))
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { origin, .. } if origin.starts_with("the build context") => {
                Some("check the spelling and .dockerignore; nothing outside of a context can be copied".into())
            }
            Self::Missing { .. } => Some("check the spelling".into()),
            Self::Excluded(_) => Some("--parents needs something of the path; let no pattern of --exclude match it".into()),
            Self::NoMatch { .. } => Some(
                "check the spelling and .dockerignore; as in BuildKit, a wildcard below a directory may match nothing only \
                 where another source takes something of that directory"
                    .into(),
            ),
            Self::OntoNonDirectory(_) => {
                Some("copy to the path that the link there points to, or remove what is there first".into())
            }
            Self::OntoDirectory(_) => Some("end the destination with a slash to copy into the directory".into()),
            Self::Pattern(error) => error.hint(),
            Self::Destination(error) | Self::Tree(error) => error.hint(),
        }
    }
}

/// Whether each source is one path, with all that is there.
pub(crate) fn takes_all(op: &graph::Copy) -> bool {
    let is_path = |source: &graph::CopySource| source.below.is_none() && wildcard::split(&source.path).1.is_empty();
    op.excludes.is_empty() && op.sources.iter().all(is_path)
}

/// The paths that a source names, before links in them are followed.
pub(crate) fn select(
    tree: &dyn SourceTree,
    source: &str,
    selection: &Selection,
    origin: &str,
) -> Result<Vec<TreePath>, CopyError> {
    let (fixed, patterns) = if selection.wildcards { wildcard::split(source) } else { (source.into(), Vec::new()) };
    let no_match = || CopyError::NoMatch { path: source.to_owned(), origin: origin.to_owned() };
    if patterns.is_empty() {
        let path = TreePath::clean(&fixed).map_err(TreeError::from)?;
        let pivot = selection.include.is_some() && tree.entry(&path)?.is_some();
        return if pivot && !selection.is_asked(tree, &path)? { Err(no_match()) } else { Ok(vec![path]) };
    }
    if selection.asked.is_some() {
        Patterns::new([source.trim_start_matches('/')]).map_err(CopyError::Pattern)?;
    }
    let base = match resolve(tree, &fixed, selection.follow) {
        Err(error) if error.is_not_found() => {
            return Err(CopyError::Missing { path: source.to_owned(), origin: origin.to_owned() });
        }
        other => other?,
    };
    let found = match tree.entry(&base)? {
        Some(entry) if !entry.is_dir() => Vec::new(),
        _ => wildcard::expand(tree, &base, &patterns)?,
    };
    if found.is_empty() && !selection.is_asked(tree, &base)? { Err(no_match()) } else { Ok(found) }
}

impl Selection {
    /// What becomes of the entry at `below`, where patterns matched what holds it as told.
    fn look(&self, below: &str, include: &Matched, exclude: &Matched) -> Sight {
        let matches = |patterns: &Option<Patterns>, parent: &Matched, without: bool| match patterns {
            Some(patterns) => patterns.matches_below(below, parent),
            None => (without, Matched::default()),
        };
        let (included, include) = matches(&self.include, include, true);
        let (excluded, exclude) = matches(&self.exclude, exclude, false);
        Sight { wanted: included && !excluded, excluded, include, exclude }
    }

    /// Whether something at, above or below `path` is there where BuildKit copies from.
    fn is_asked(&self, tree: &dyn SourceTree, path: &TreePath) -> Result<bool, CopyError> {
        self.asked.as_ref().map_or(Ok(true), |asked| asked.reaches(tree, path))
    }
}

/// Copies what `path` of `source` names to `destination`, an absolute path of the overlay as written in the
/// Dockerfile: a trailing slash makes it a directory.
pub(crate) fn copy(
    overlay: &mut Overlay,
    source: &dyn SourceTree,
    path: &TreePath,
    destination: &str,
    selection: &Selection,
    attributes: &Attributes,
    origin: &str,
) -> Result<(), CopyError> {
    let followed = follow(source, path, selection.follow, origin)?;
    let missing = || CopyError::Missing { path: path.to_string(), origin: origin.to_owned() };
    let entry = source.entry(&followed)?.ok_or_else(missing)?;
    let (names, open, seen) = (BTreeMap::new(), Vec::new(), Seen::default());
    let mut copier = Copier { overlay, source, selection, attributes, names, open, seen };
    let target = copier.ensure(destination).and_then(|()| copier.target(destination, path, &entry));
    copier.copy(entry, target.map_err(CopyError::Destination)?)?;
    match (&selection.required, copier.seen) {
        (Some(required), Seen { wanted: false, excluded: true }) => Err(CopyError::Excluded(required.clone())),
        _ => Ok(()),
    }
}

fn follow(source: &dyn SourceTree, path: &TreePath, follow: bool, origin: &str) -> Result<TreePath, CopyError> {
    match resolve(source, path.as_bytes(), follow) {
        Err(error) if error.is_not_found() => {
            Err(CopyError::Missing { path: path.to_string(), origin: origin.to_owned() })
        }
        other => Ok(other?),
    }
}

/// A directory whose contents are being copied.
struct Open {
    entry: Entry,
    target: TreePath,
    /// Its path below what the Dockerfile named.
    below: String,
    include: Matched,
    exclude: Matched,
    /// False while include patterns have not called for it; what is above one that is made is made.
    made: bool,
    waiting: std::vec::IntoIter<Entry>,
}

/// What the patterns say of one entry.
#[derive(Default)]
struct Sight {
    wanted: bool,
    excluded: bool,
    include: Matched,
    exclude: Matched,
}

/// What was met below a source, of either kind.
#[derive(Default)]
struct Seen {
    wanted: bool,
    excluded: bool,
}

struct Copier<'a> {
    overlay: &'a mut Overlay,
    source: &'a dyn SourceTree,
    selection: &'a Selection,
    attributes: &'a Attributes,
    /// The first copied name of each file that has several.
    names: BTreeMap<FileIdentity, (TreePath, Inode)>,
    /// The way down to where the copy is: trees may be deeper than a stack.
    open: Vec<Open>,
    seen: Seen,
}

impl Copier<'_> {
    /// Creates the destination's parents, or the destination itself if it is written as a directory.
    fn ensure(&mut self, destination: &str) -> Result<(), TreeError> {
        let directory = match destination.rsplit_once('/') {
            Some((parent, name)) if !name.is_empty() && name != "." => parent,
            _ => destination,
        };
        let path = self.resolved(directory)?;
        self.make_dirs(&path)
    }

    fn resolved(&self, path: &str) -> Result<TreePath, TreeError> {
        resolve_existing(&*self.overlay, path, true)?.path()
    }

    fn make_dirs(&mut self, path: &TreePath) -> Result<(), TreeError> {
        let attributes = self.attributes;
        self.overlay.make_dirs(path, |path, parent| attributes.directory(path, parent))
    }

    /// Where the source goes: below the destination if that is a directory, at it otherwise.
    fn target(&mut self, destination: &str, path: &TreePath, entry: &Entry) -> Result<TreePath, TreeError> {
        let mut target = self.resolved(destination)?;
        let existing = self.overlay.entry(&target)?;
        let contents = self.selection.contents && entry.is_dir();
        let into = existing.as_ref().is_some_and(|there| !contents && (entry.is_dir() || there.is_dir()));
        if into && let Some(name) = path.file_name() {
            target = target.join(name)?;
        }
        let parent = match existing {
            None if contents => target.clone(),
            _ => target.parent().unwrap_or_default(),
        };
        self.make_dirs(&parent)?;
        Ok(target)
    }

    /// Copies `entry`, which the Dockerfile named: an existing directory at `target` keeps its attributes.
    fn copy(&mut self, entry: Entry, target: TreePath) -> Result<(), CopyError> {
        self.visit(entry, String::new(), target, Sight { wanted: true, ..Sight::default() })?;
        while let Some(open) = self.open.last_mut() {
            match open.waiting.next() {
                Some(child) => self.descend(child)?,
                None => drop(self.open.pop()),
            }
        }
        Ok(())
    }

    fn descend(&mut self, child: Entry) -> Result<(), CopyError> {
        let Some(open) = self.open.last() else { return Ok(()) };
        let name = child.path.file_name().unwrap_or_default();
        let target = open.target.join(name).map_err(TreeError::from)?;
        let name = String::from_utf8_lossy(name);
        let below = if open.below.is_empty() { name.into_owned() } else { format!("{}/{name}", open.below) };
        let sight = self.selection.look(&below, &open.include, &open.exclude);
        self.seen.wanted |= sight.wanted;
        self.seen.excluded |= sight.excluded;
        self.visit(child, below, target, sight)
    }

    fn visit(&mut self, entry: Entry, below: String, target: TreePath, sight: Sight) -> Result<(), CopyError> {
        if entry.is_dir() {
            return self.enter(entry, below, target, sight);
        }
        if !sight.wanted {
            return Ok(());
        }
        self.make_open()?;
        if self.overlay.entry(&target)?.is_some_and(|there| there.is_dir()) {
            return Err(CopyError::OntoDirectory(target));
        }
        self.copy_file(&entry, &target)
    }

    fn enter(&mut self, entry: Entry, below: String, target: TreePath, sight: Sight) -> Result<(), CopyError> {
        let Sight { wanted, excluded, include, exclude } = sight;
        if wanted {
            self.make_open()?;
            self.make_dir(&entry, &target, !below.is_empty())?;
        }
        if excluded && !self.selection.exclude.as_ref().is_some_and(Patterns::has_exceptions) {
            return Ok(());
        }
        let waiting = self.source.children(&entry.path)?.into_iter();
        self.open.push(Open { entry, target, below, include, exclude, made: wanted, waiting });
        Ok(())
    }

    /// Makes the directories above a match that no pattern named themselves. One that is there already takes the
    /// source's mode, but not its owner.
    fn make_open(&mut self) -> Result<(), CopyError> {
        let made = self.open.iter().rposition(|open| open.made).map_or(0, |last| last + 1);
        for index in made..self.open.len() {
            let (entry, target) = (self.open[index].entry.clone(), self.open[index].target.clone());
            match self.overlay.entry(&target)? {
                Some(there) if there.is_dir() => drop(self.overlay.put(Entry { mode: entry.mode, ..there }, None)?),
                _ => self.make_dir(&entry, &target, true)?,
            }
            self.open[index].made = true;
        }
        Ok(())
    }

    fn make_dir(&mut self, entry: &Entry, target: &TreePath, overwrite: bool) -> Result<(), CopyError> {
        match self.overlay.entry(target)? {
            Some(there) if !there.is_dir() => return Err(CopyError::OntoNonDirectory(target.clone())),
            Some(_) if !overwrite => return Ok(()),
            _ => {}
        }
        self.overlay.put(self.attributes.apply(entry, target), None)?;
        Ok(())
    }

    fn copy_file(&mut self, entry: &Entry, target: &TreePath) -> Result<(), CopyError> {
        let identity = self.source.identity(&entry.path)?;
        if let Some((first, inode)) = identity.and_then(|identity| self.names.get(&identity))
            && self.overlay.link(first, *inode, target.clone())?
        {
            return Ok(());
        }
        let content = self.content(entry)?;
        let inode = self.overlay.put(self.attributes.apply(entry, target), content)?;
        if let Some(identity) = identity {
            self.names.insert(identity, (target.clone(), inode));
        }
        Ok(())
    }

    fn content(&self, entry: &Entry) -> Result<Option<Arc<dyn Content>>, TreeError> {
        match entry.kind {
            EntryKind::File { .. } => self.source.content(&entry.path).map(Some),
            _ => Ok(None),
        }
    }
}

impl Attributes {
    fn apply(&self, entry: &Entry, target: &TreePath) -> Entry {
        let (path, kind, xattrs) = (target.clone(), entry.kind.clone(), entry.xattrs.clone());
        let mut entry = Entry { path, kind, xattrs, ..*entry };
        // BuildKit's copy clears a bit that tells block devices from others.
        if let EntryKind::BlockDevice { major, minor } = entry.kind {
            entry.kind = EntryKind::CharDevice { major, minor };
        }
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if let Some(mode) = &self.mode
            && !matches!(entry.kind, EntryKind::Symlink { .. })
        {
            entry.mode = mode.apply(entry.mode, entry.is_dir());
        }
        entry
    }

    /// A directory created on the way to a destination, in `parent`: as the kernel does, a set-group-id parent hands
    /// down its group and that bit.
    pub(crate) fn directory(&self, path: TreePath, parent: &Entry) -> Entry {
        let inherited = parent.mode & 0o2000;
        let own = if inherited == 0 { (0, 0) } else { (0, parent.gid) };
        let (uid, gid) = self.owner.unwrap_or(own);
        let mode = match self.mode {
            Some(ModeSpec::Octal(mode)) => mode & 0o777,
            _ => 0o755,
        };
        Entry { uid, gid, mtime: self.created, ..Entry::new(path, EntryKind::Directory, mode | inherited) }
    }
}
