//! How much a tree holds.

use std::collections::BTreeSet;
use std::path::Path;

use rootfs::{FileKind, Root, TreePath};

/// How long the files below a directory are together, in bytes; a file with several names counts once. What cannot be looked at,
/// such as directories of other users, does not count.
pub fn disk_usage(dir: &Path) -> u64 {
    let Ok(root) = Root::open(dir).map(Root::refusing_links) else { return 0 };
    let (mut total, mut seen) = (0_u64, BTreeSet::new());
    let mut pending = vec![TreePath::root()];
    while let Some(path) = pending.pop() {
        for (name, found) in root.read_dir(&path).unwrap_or_default() {
            match found.kind {
                FileKind::Directory => pending.extend(path.join(&name).ok()),
                _ if found.links > 1 && !seen.insert(found.inode) => {}
                _ => total = total.saturating_add(found.size),
            }
        }
    }
    total
}
