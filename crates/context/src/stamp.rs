//! What stands for a whole tree without a word about each file: one digest over all that `stat` says.
//!
//! Who only wants to know whether a tree is what it was needs no entries, and no order to list directories in: several
//! threads list them, and each listing is digested by itself.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use dockerfile::ignore::Matched;
use layer::{Fingerprint, TreeError};
use oci::{Digest, Hasher};
use rootfs::{FileKind, Metadata, Root, TreePath};

use crate::file::Identity;
use crate::filter::{Filter, Sight};

/// With as many directories waiting, more threads help.
const MANY: usize = 16;
/// No more threads than this list directories: the file system is the same for all.
const MAX_THREADS: usize = 8;

/// Stands for the directory `top`, of which `stat` says `metadata` and the filter `state`, and for all that is visible in it. It
/// covers also left out directories in which something may be visible: more than is asked, but nothing less.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn of_directory(
    root: &Root,
    filter: &Filter,
    (top, metadata, state): (TreePath, &Metadata, Matched),
) -> Result<Fingerprint, TreeError> {
    let walk = Walk { root, filter, progress: Mutex::default(), news: Condvar::new() };
    walk.lock().waiting.push((top, state));
    thread::scope(|scope| walk.work(Some(scope)));
    let progress = walk.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress.failed.map_or(Ok(()), Err)?;
    let mut key = Hasher::new();
    let identity = Identity::from(metadata);
    key.update(numbers(metadata, identity).as_flattened());
    for (path, listing) in &progress.listed {
        put(&mut key, path.as_bytes());
        key.update(listing.as_str().as_bytes());
    }
    let changed = latest([progress.changed, Some(identity.changed())]);
    Ok(Fingerprint { key: key.finish().as_str().into(), changed })
}

/// Stands for what is no directory.
pub(crate) fn of_file(metadata: &Metadata) -> Fingerprint {
    let identity = Identity::from(metadata);
    Fingerprint { key: numbers(metadata, identity).as_flattened().to_vec(), changed: Some(identity.changed()) }
}

struct Walk<'a> {
    root: &'a Root,
    filter: &'a Filter,
    progress: Mutex<Progress>,
    /// Something waits, or all is listed.
    news: Condvar,
}

#[derive(Default)]
struct Progress {
    waiting: Vec<(TreePath, Matched)>,
    /// How many directories are being listed: what is in them may be waiting next.
    busy: usize,
    helped: bool,
    listed: BTreeMap<TreePath, Digest>,
    changed: Option<i128>,
    failed: Option<TreeError>,
}

/// What one directory holds.
struct Listing {
    digest: Digest,
    changed: Option<i128>,
    directories: Vec<(TreePath, Matched)>,
}

impl Walk<'_> {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists directories while there are any; with `scope`, calls others to help when there are many.
    fn work<'scope>(&'scope self, scope: Option<&'scope Scope<'scope, '_>>) {
        while let Some((path, state)) = self.next() {
            let listing = self.list(&path, &state);
            let call = self.lock().end(path, listing);
            self.news.notify_all();
            if let Some(scope) = scope.filter(|_| call) {
                let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
                // Without a helper all is done here.
                (1..threads).for_each(|_| {
                    let _ = thread::Builder::new().spawn_scoped(scope, || self.work(None));
                });
            }
        }
    }

    /// A directory to list; `None` when all are.
    fn next(&self) -> Option<(TreePath, Matched)> {
        let mut progress = self.lock();
        while progress.waiting.is_empty() && progress.busy > 0 {
            progress = self.news.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        let next = progress.waiting.pop()?;
        progress.busy += 1;
        Some(next)
    }

    fn list(&self, dir: &TreePath, state: &Matched) -> Result<Listing, TreeError> {
        let (mut digest, mut last, mut directories) = (Hasher::new(), None, Vec::new());
        for (name, metadata) in self.root.read_dir(dir)? {
            let is_directory = metadata.kind == FileKind::Directory;
            if is_directory || !self.filter.shows_all() {
                let path = dir.join(&name)?;
                match self.filter.look(&path, is_directory, state) {
                    (Sight::Hidden, _) => continue,
                    (_, below) if is_directory => directories.push((path, below)),
                    _ => {}
                }
            }
            let identity = Identity::from(&metadata);
            put(&mut digest, &name);
            digest.update(numbers(&metadata, identity).as_flattened());
            last = latest([last, Some(identity.changed())]);
        }
        Ok(Listing { digest: digest.finish(), changed: last, directories })
    }
}

impl Progress {
    /// Takes what was listed of `path`; whether to call for help, once.
    fn end(&mut self, path: TreePath, listing: Result<Listing, TreeError>) -> bool {
        self.busy -= 1;
        match listing {
            Ok(listing) => {
                self.listed.insert(path, listing.digest);
                self.changed = latest([self.changed, listing.changed]);
                self.waiting.extend(listing.directories);
            }
            Err(error) => self.failed = Some(error),
        }
        if self.failed.is_some() {
            self.waiting.clear();
        }
        let call = !self.helped && self.waiting.len() >= MANY;
        self.helped |= call;
        call
    }
}

/// All of `stat` that matters for a tree whose files are all root's. Where a link leads does not change while its inode lives.
fn numbers(metadata: &Metadata, identity: Identity) -> [[u8; 8]; 11] {
    let (kind, major, minor) = match metadata.kind {
        FileKind::File => (0, 0, 0),
        FileKind::Directory => (1, 0, 0),
        FileKind::Symlink => (2, 0, 0),
        FileKind::CharDevice { major, minor } => (3, major, minor),
        FileKind::BlockDevice { major, minor } => (4, major, minor),
        FileKind::Fifo => (5, 0, 0),
        FileKind::Socket => (6, 0, 0),
    };
    let device = u64::from(major) << 32 | u64::from(minor);
    let [own, inode, size, mtime, mtime_nanos, ctime, ctime_nanos] = identity.numbers();
    let others = [kind, device, metadata.mode.into(), metadata.links].map(u64::to_le_bytes);
    let [kind, device, mode, links] = others;
    [own, inode, size, mtime, mtime_nanos, ctime, ctime_nanos, kind, device, mode, links]
}

/// Of two times of changes, the one that is at rest last.
fn latest(times: [Option<i128>; 2]) -> Option<i128> {
    times.into_iter().flatten().max_by_key(|changed| Fingerprint::rests_from(*changed))
}

fn put(key: &mut Hasher, text: &[u8]) {
    key.update(&(text.len() as u64).to_le_bytes());
    key.update(text);
}
