//! What each kind of step does to its parent's tree. Pure but for reading its inputs.

use std::sync::Arc;

use dockerfile::ignore::Patterns;
use graph::{Access, CopySource, OwnerSpec};
use layer::{Content, Entry, EntryKind, FileIdentity, SourceTree, Timestamp, Tree, TreeError};
use rootfs::TreePath;

use crate::copy::{self, Asked, Attributes, Selection};
use crate::overlay::{Empty, Item, Overlay};
use crate::owner::resolve_owner;
use crate::{Error, TimestampPolicy, archive, unpack};

/// What holds for every step of a build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) timestamp: TimestampPolicy,
    pub(crate) normalize_modes: bool,
}

impl Setting {
    /// The time of what steps make.
    fn created(&self) -> Timestamp {
        Timestamp::from_seconds(self.timestamp.seconds())
    }
}

/// Files that a step copies from.
pub(crate) struct Input {
    pub(crate) tree: Arc<dyn SourceTree>,
    /// What it is, for messages.
    pub(crate) origin: String,
    /// Whether its times and modes are this machine's, not part of content that has a digest.
    pub(crate) local: bool,
    /// What the build takes from it, where it is a directory that BuildKit would be sent.
    pub(crate) asked: Option<Asked>,
}

/// COPY and ADD.
pub(crate) fn copy(
    op: &graph::Copy,
    lower: Option<Tree>,
    inputs: &[Input],
    setting: &Setting,
) -> Result<Vec<Item>, Error> {
    let owner = owner(op.owner.as_ref(), lower.as_ref())?;
    let attributes = Attributes { owner, mode: op.mode.clone(), created: setting.created() };
    let mut overlay = overlay(lower);
    for (source, input) in op.sources.iter().zip(inputs) {
        copy_source(&mut overlay, op, source, input, &attributes, setting).map_err(|error| {
            let destination = matches!(&error, Error::Copy(error) if error.is_at_destination());
            error.at(if destination { op.destination_span.or(source.span) } else { source.span })
        })?;
    }
    items(overlay, setting)
}

fn copy_source(
    overlay: &mut Overlay,
    op: &graph::Copy,
    source: &CopySource,
    input: &Input,
    attributes: &Attributes,
    setting: &Setting,
) -> Result<(), Error> {
    let local = Local { tree: Arc::clone(&input.tree), setting: *setting };
    let tree: &dyn SourceTree = if input.local { &local } else { &*input.tree };
    require(tree, source, input)?;
    let selection = Selection { asked: input.asked.clone(), ..selection(op, source)? };
    for path in copy::select(tree, &source.path, &selection, &input.origin)? {
        if source.unpack
            && let Some(members) = archive::members(tree, &path)?
        {
            unpack::unpack(overlay, members, &op.destination, attributes)?;
        } else {
            copy::copy(overlay, tree, &path, &op.destination, &selection, attributes, &input.origin)?;
        }
    }
    Ok(())
}

/// `--parents` of a path without wildcards needs that path.
fn require(tree: &dyn SourceTree, source: &CopySource, input: &Input) -> Result<(), Error> {
    let Some(required) = source.below.as_ref().and_then(|below| below.required.as_deref()) else { return Ok(()) };
    let path = TreePath::clean(required).map_err(TreeError::from)?;
    // The root is no path that could be kept.
    match tree.entry(&path)? {
        Some(_) if !path.is_root() => Ok(()),
        _ => Err(copy::CopyError::Missing { path: required.to_owned(), origin: input.origin.clone() }.into()),
    }
}

fn selection(op: &graph::Copy, source: &CopySource) -> Result<Selection, Error> {
    let files = matches!(source.input, graph::Input::Context(_) | graph::Input::Step(_));
    let patterns = |texts: &[String]| Patterns::new(texts).map_err(Error::Pattern);
    let include = source.below.as_ref().map(|below| patterns(std::slice::from_ref(&below.pattern))).transpose()?;
    let exclude = if op.excludes.is_empty() { None } else { Some(patterns(&op.excludes)?) };
    let required = source.below.as_ref().and_then(|below| below.required.clone());
    Ok(Selection { asked: None, follow: files, contents: files, wildcards: files, include, exclude, required })
}

/// The files at and below a path of an input, at their own places: what a bind mount of a context shows. The whole input
/// where links lead from there to other files of it.
pub(crate) fn mirror(input: &Input, source: &str, setting: &Setting) -> Result<Vec<Item>, Error> {
    let path = mirrored(&*input.tree, source);
    let is_dir = input.tree.entry(&path)?.is_some_and(|entry| entry.is_dir());
    let place = if is_dir { path.clone() } else { path.parent().unwrap_or_default() };
    let mut overlay = overlay(None);
    copy_plainly(&mut overlay, input, &path, &format!("{place}/"), setting)?;
    items(overlay, setting)
}

/// Of an input, the path whose files [`mirror`] takes.
pub(crate) fn mirrored(tree: &dyn SourceTree, source: &str) -> TreePath {
    let direct = layer::resolve(tree, source, true).ok().filter(|resolved| resolved.to_string() == source);
    direct.unwrap_or_default()
}

/// What a cache mount holds at first, below [`CACHE`]: the files at `source` of an input, or nothing.
pub(crate) fn cache_content(
    input: Option<(&Input, &str)>,
    access: Option<&Access>,
    setting: &Setting,
) -> Result<Vec<Item>, Error> {
    let mut overlay = overlay(None);
    let path = TreePath::new(CACHE).map_err(TreeError::from)?;
    let mut root = Entry::new(path, EntryKind::Directory, 0o755);
    root.mtime = setting.created();
    let from = input.map(|(input, source)| Ok::<_, TreeError>((input, layer::resolve(&*input.tree, source, true)?)));
    let from = from.transpose()?;
    if let Some((input, path)) = &from
        && let Some(source) = input.tree.entry(path)?.filter(Entry::is_dir)
    {
        (root.mode, root.uid, root.gid) = (source.mode, source.uid, source.gid);
    }
    if let Some(access) = access {
        (root.mode, root.uid, root.gid) = (access.mode, access.uid, access.gid);
    }
    overlay.put(root, None)?;
    if let Some((input, path)) = from {
        copy_plainly(&mut overlay, input, &path, &format!("/{CACHE}/"), setting)?;
    }
    items(overlay, setting)
}

/// The directory of a cache's tree that is mounted.
pub(crate) const CACHE: &str = "data";

/// Copies a file, or what is in a directory, with all its attributes.
fn copy_plainly(
    overlay: &mut Overlay,
    input: &Input,
    path: &TreePath,
    destination: &str,
    setting: &Setting,
) -> Result<(), Error> {
    let local = Local { tree: Arc::clone(&input.tree), setting: *setting };
    let tree: &dyn SourceTree = if input.local { &local } else { &*input.tree };
    let attributes = Attributes { owner: None, mode: None, created: setting.created() };
    let selection = Selection { contents: true, ..Selection::default() };
    Ok(copy::copy(overlay, tree, path, destination, &selection, &attributes, &input.origin)?)
}

/// WORKDIR.
pub(crate) fn make_dir(op: &graph::MakeDir, lower: Option<Tree>, setting: &Setting) -> Result<Vec<Item>, Error> {
    let owner = owner(op.owner.as_ref(), lower.as_ref())?;
    let attributes = Attributes { owner, mode: Some(graph::ModeSpec::Octal(op.mode)), created: setting.created() };
    let mut overlay = overlay(lower);
    let path = layer::resolve_existing(&overlay, &op.path, true)?.path()?;
    overlay.make_dirs(&path, |path, above| attributes.directory(path, above))?;
    items(overlay, setting)
}

/// The layer that the changes make; under SOURCE_DATE_EPOCH nothing in it is newer.
fn items(overlay: Overlay, setting: &Setting) -> Result<Vec<Item>, Error> {
    let mut items = overlay.into_items()?;
    if let TimestampPolicy::Epoch(seconds) = setting.timestamp {
        let latest = Timestamp::from_seconds(seconds);
        items.iter_mut().for_each(|(entry, _)| entry.mtime = entry.mtime.min(latest));
    }
    Ok(items)
}

fn owner(owner: Option<&OwnerSpec>, lower: Option<&Tree>) -> Result<Option<(u32, u32)>, Error> {
    let tree = lower.map(|tree| tree as &dyn SourceTree);
    Ok(owner.map(|owner| resolve_owner(tree, owner)).transpose()?)
}

fn overlay(lower: Option<Tree>) -> Overlay {
    match lower {
        Some(tree) => Overlay::new(Arc::new(tree)),
        None => Overlay::new(Arc::new(Empty)),
    }
}

/// A tree of this machine, with the times and modes that the build gives its files.
struct Local {
    tree: Arc<dyn SourceTree>,
    setting: Setting,
}

impl Local {
    fn settle(&self, mut entry: Entry) -> Entry {
        if self.setting.timestamp != TimestampPolicy::Source {
            entry.mtime = self.setting.created();
        }
        if self.setting.normalize_modes && !matches!(entry.kind, EntryKind::Symlink { .. }) {
            entry.mode = if entry.is_dir() || entry.mode & 0o100 != 0 { 0o755 } else { 0o644 };
            (entry.uid, entry.gid) = (0, 0);
        }
        entry
    }
}

impl SourceTree for Local {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        Ok(self.tree.entry(path)?.map(|entry| self.settle(entry)))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        Ok(self.tree.children(dir)?.into_iter().map(|entry| self.settle(entry)).collect())
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        self.tree.content(path)
    }

    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        self.tree.identity(path)
    }
}
