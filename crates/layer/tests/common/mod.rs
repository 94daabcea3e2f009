//! What several test programs need.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod raw;

use std::io;
use std::sync::Arc;

use rootfs::TreePath;
use shipsmith_layer::{
    Compression, Content, Entry, EntryKind, Layer, LayerWriter, TarSource, Timestamp, Tree, Writing,
};

/// An entry and its bytes.
pub(crate) type Member = (Entry, Option<Vec<u8>>);

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("canonical path")
}

pub(crate) fn file(name: &str, content: &str) -> Member {
    let kind = EntryKind::File { size: content.len() as u64 };
    (Entry::new(path(name), kind, 0o644), Some(content.as_bytes().to_vec()))
}

pub(crate) fn dir(name: &str) -> Member {
    (Entry::new(path(name), EntryKind::Directory, 0o755), None)
}

pub(crate) fn symlink(name: &str, target: &str) -> Member {
    (Entry::new(path(name), EntryKind::Symlink { target: target.into() }, 0o777), None)
}

pub(crate) fn hardlink(name: &str, target: &str) -> Member {
    (Entry::new(path(name), EntryKind::Hardlink { target: path(target) }, 0o644), None)
}

pub(crate) fn whiteout(name: &str) -> Member {
    (Entry::new(path(name), EntryKind::Whiteout, 0), None)
}

pub(crate) fn opaque(name: &str) -> Member {
    (Entry::new(path(name), EntryKind::OpaqueWhiteout, 0), None)
}

/// One of everything, with what ustar cannot say.
pub(crate) fn varied() -> Vec<Member> {
    let mut all = vec![dir(""), dir("etc"), file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"), file("empty", "")];
    all.push(symlink("link", "/etc/passwd"));
    all.push(hardlink("hard", "etc/passwd"));
    all.push((Entry::new(path("null"), EntryKind::CharDevice { major: 1, minor: 3 }, 0o666), None));
    all.push((Entry::new(path("sda"), EntryKind::BlockDevice { major: 8, minor: 0 }, 0o660), None));
    all.push((Entry::new(path("pipe"), EntryKind::Fifo, 0o600), None));
    all.push(file(&format!("{}/{}", "d".repeat(120), "f".repeat(90)), "prefix"));
    all.push(file(&"n".repeat(200), "long name"));
    all.push(symlink("long", &"t".repeat(300)));
    all.push(file("späße", "not ascii"));
    let (mut odd, content) = file("odd", "odd");
    odd.mode = 0o4755;
    (odd.uid, odd.gid) = (3_000_000, 4_294_967_294);
    odd.mtime = Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 };
    odd.xattrs.insert(b"user.key".to_vec(), b"va\nlue\0".to_vec());
    all.push((odd, content));
    let (mut old, content) = file("old", "before 1970");
    old.mtime = Timestamp { seconds: -2, nanos: 500_000_000 };
    all.push((old, content));
    all
}

pub(crate) fn write(entries: &[Member], compression: Compression, threads: usize) -> (Layer, Vec<u8>) {
    let mut writer = LayerWriter::with_threads(Vec::new(), compression, threads).expect("a known level");
    for (entry, content) in entries {
        writer.append(entry, content.as_ref().map(|c| c as &dyn Content)).expect("appended");
    }
    writer.finish().expect("finished")
}

/// Layers over each other, each with its tar.
pub(crate) fn tree(layers: &[Vec<Member>]) -> Tree {
    layers.iter().fold(Tree::new(), |tree, entries| {
        let (layer, tar) = write(entries, Compression::None, 1);
        let tar: Arc<dyn TarSource> = Arc::new(tar);
        tree.with_layer(&layer.index, Some(tar)).expect("applies")
    })
}

/// Layers that are being made, more than any machine has cores: as long as they are, others get no threads.
pub(crate) fn crowd() -> Vec<LayerWriter<Writing<io::Sink>>> {
    (0..1024).map(|_| LayerWriter::new(io::sink(), Compression::None).expect("no level")).collect()
}
