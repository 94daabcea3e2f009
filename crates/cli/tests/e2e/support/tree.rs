//! A directory on disk against what an image should hold.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use oci::Digest;
use testkit::canonical::{CanonicalImage, Node, NodeKind};

/// Whether owners are compared: not where an ordinary user wrote the directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    Compared,
    Ignored,
}

/// Panics unless `directory` holds exactly what `image` does.
pub(crate) fn assert_holds(directory: &Path, image: &CanonicalImage, owners: Owners) {
    let mut found = BTreeSet::new();
    walk(directory, "", &mut found);
    let expected: BTreeSet<String> = image.files.keys().filter(|path| *path != "/").cloned().collect();
    assert_eq!(found, expected, "the paths in {}", directory.display());
    for (path, node) in image.files.iter().filter(|(path, _)| *path != "/") {
        assert_node(&directory.join(&path[1..]), node, owners);
    }
}

fn walk(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let entry = entry.expect("the directory can be read");
        let path = format!("{prefix}/{}", entry.file_name().to_str().expect("fixtures have UTF-8 names"));
        if entry.file_type().expect("a type").is_dir() {
            walk(&entry.path(), &path, found);
        }
        found.insert(path);
    }
}

fn assert_node(path: &Path, node: &Node, owners: Owners) {
    let at = path.display();
    let meta = path.symlink_metadata().unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(kind(&meta), node.kind, "{at}");
    assert_eq!(format!("{:04o}", meta.mode() & 0o7777), node.mode, "mode of {at}");
    if owners == Owners::Compared {
        assert_eq!((u64::from(meta.uid()), u64::from(meta.gid())), (node.uid, node.gid), "owner of {at}");
    }
    match node.kind {
        NodeKind::Symlink => {
            let link = fs::read_link(path).expect("a link");
            assert_eq!(link.to_str(), node.link.as_deref(), "{at}");
        }
        NodeKind::File => {
            let digest = Digest::of(&fs::read(path).expect("a file"));
            assert_eq!(Some(digest.hex()), node.sha256.as_deref(), "content of {at}");
        }
        _ => {}
    }
}

fn kind(meta: &fs::Metadata) -> NodeKind {
    let kind = meta.file_type();
    match () {
        () if kind.is_dir() => NodeKind::Dir,
        () if kind.is_symlink() => NodeKind::Symlink,
        () if kind.is_fifo() => NodeKind::Fifo,
        () if kind.is_char_device() => NodeKind::Char,
        () if kind.is_block_device() => NodeKind::Block,
        () => NodeKind::File,
    }
}
