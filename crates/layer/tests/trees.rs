//! Layers over layers, links inside trees, and trees on disk.

mod common;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink as host_symlink};

use common::{dir, file, hardlink, opaque, path, symlink, tree, varied, whiteout, write};
use rootfs::{Root, TreePath};
use shipsmith_layer::{
    Compression, Entry, EntryKind, Error, Ownership, Resolved, SourceTree, Timestamp, Tree, TreeError, resolve,
    resolve_existing, unpack,
};

fn text(tree: &Tree, name: &str) -> String {
    let mut text = String::new();
    let content = tree.content(&path(name)).expect("a file");
    content.open().expect("opened").read_to_string(&mut text).expect("read");
    text
}

/// Every path, directories with a slash behind.
fn listing(tree: &Tree) -> Vec<String> {
    let mut all = Vec::new();
    let mut pending = vec![TreePath::root()];
    while let Some(dir) = pending.pop() {
        for entry in tree.children(&dir).expect("a directory") {
            let slash = if entry.is_dir() { "/" } else { "" };
            all.push(format!("{}{slash}", entry.path));
            if entry.is_dir() {
                pending.push(entry.path);
            }
        }
    }
    all.sort();
    all
}

#[test]
fn later_layers_are_over_earlier_ones() {
    let base = vec![dir("d"), file("d/keep", "1"), file("d/change", "1"), file("d/gone", "1")];
    let two = tree(&[base.clone(), vec![dir("d"), file("d/change", "22"), whiteout("d/gone"), whiteout("never")]]);
    assert_eq!(listing(&two), ["/d/", "/d/change", "/d/keep"]);
    assert_eq!((text(&two, "d/keep"), text(&two, "d/change")), ("1".into(), "22".into()));
    assert_eq!(two.layers(), 2);
    let one = tree(&[base]);
    let (layer, _) = write(&[whiteout("d")], Compression::None, 1);
    assert!(listing(&one.with_layer(&layer.index, None).expect("applies")).is_empty());
    assert_eq!(listing(&one).len(), 4, "the tree below is as it was");
}

#[test]
fn an_opaque_directory_hides_lower_layers_only() {
    let base = vec![dir("d"), file("d/a", "1"), dir("d/sub"), file("d/sub/b", "1"), file("other", "1")];
    let first = tree(&[base.clone(), vec![dir("d"), opaque("d"), file("d/new", "2"), dir("d/sub")]]);
    let last = tree(&[base.clone(), vec![dir("d"), file("d/new", "2"), dir("d/sub"), opaque("d")]]);
    for tree in [first, last] {
        assert_eq!(listing(&tree), ["/d/", "/d/new", "/d/sub/", "/other"]);
    }
    let root = tree(&[base, vec![opaque(""), file("x", "2")]]);
    assert_eq!(listing(&root), ["/x"]);
}

#[test]
fn files_and_directories_replace_each_other() {
    let swapped =
        tree(&[vec![dir("a"), file("a/b", "1"), file("f", "1")], vec![file("a", "2"), dir("f"), file("f/x", "2")]]);
    assert_eq!(listing(&swapped), ["/a", "/f/", "/f/x"]);
    let below = Tree::new().with_layer(&write(&[file("f", "1"), file("f/x", "2")], Compression::None, 1).0.index, None);
    assert!(matches!(below, Err(Error::Apply { .. })), "{below:?}");
}

#[test]
fn hard_links_are_the_file() {
    let linked = tree(&[
        vec![file("a", "one"), hardlink("b", "a"), file("c", "")],
        vec![hardlink("d/c", "a"), file("a", "two")],
    ]);
    assert_eq!([text(&linked, "a"), text(&linked, "b"), text(&linked, "d/c")], ["two", "one", "one"]);
    let entry = linked.entry(&path("d/c")).expect("known").expect("there");
    assert_eq!(entry.kind, EntryKind::File { size: 3 });
    assert!(linked.same_file(&path("b"), &path("d/c")));
    assert!(!linked.same_file(&path("a"), &path("b")));
    let (layer, _) = write(&[hardlink("x", "missing")], Compression::None, 1);
    assert!(matches!(Tree::new().with_layer(&layer.index, None), Err(Error::Apply { .. })));
}

#[test]
fn entries_behind_links_land_where_the_links_lead() {
    let usr = tree(&[vec![
        dir("usr"),
        dir("usr/lib"),
        symlink("lib", "usr/lib"),
        symlink("out", "../../../../usr"),
        file("lib/x", "1"),
        file("out/y", "2"),
        hardlink("z", "lib/x"),
        whiteout("out/lib2"),
    ]]);
    assert_eq!(text(&usr, "usr/lib/x") + &text(&usr, "usr/y") + &text(&usr, "z"), "121");
    assert!(matches!(usr.entry(&path("lib")).expect("known").expect("there").kind, EntryKind::Symlink { .. }));
    assert_eq!(usr.entry(&path("lib/x")).expect("known"), None, "a tree follows nothing by itself");
    let (layer, _) = write(&[symlink("a", "b"), symlink("b", "a"), file("a/x", "")], Compression::None, 1);
    assert!(matches!(Tree::new().with_layer(&layer.index, None), Err(Error::Tree(TreeError::TooManyLinks(_)))));
}

/// They are put in one after the other: each finds what those before it left.
#[test]
fn an_entry_in_the_place_of_the_link_that_led_to_it_leads_the_next_ones_there() {
    let replaced = tree(&[vec![symlink("a", "/"), dir("a/a"), file("a/b", "1"), file("a/c", "2")]]);
    assert_eq!(listing(&replaced), ["/a/", "/a/b", "/a/c"]);
    let kept = tree(&[vec![symlink("a", "/"), file("a/b", "1"), file("a/c", "2")]]);
    assert_eq!(listing(&kept), ["/a", "/b", "/c"]);
}

/// Who unpacks a layer has only that layer before him: overlay file systems put it over the others.
#[test]
fn a_layer_that_takes_a_directory_for_granted_has_one() {
    let lib = Entry { mode: 0o700, ..dir("usr/lib").0 };
    let below = vec![dir("usr"), (lib, None), symlink("lib", "usr/lib"), symlink("none", "nowhere"), file("f", "")];
    let over = tree(&[
        below,
        vec![file("lib/x", "1"), file("none/y", "2"), file("f/z", "3"), symlink("own", "lib"), file("own/w", "4")],
    ]);
    assert_eq!(text(&over, "lib/x") + &text(&over, "none/y") + &text(&over, "f/z") + &text(&over, "lib/w"), "1234");
    let mode = |name: &str| over.entry(&path(name)).expect("known").expect("there").mode;
    assert_eq!([mode("lib"), mode("none"), mode("f")], [0o700, 0o755, 0o755]);
    assert_eq!(over.entry(&path("usr/lib/x")).expect("known"), None);
}

#[test]
fn directories_taken_for_granted_are_made() {
    let made = tree(&[vec![file("a/b/c", "x")]]);
    let entry = made.entry(&path("a/b")).expect("known").expect("there");
    assert_eq!(entry, Entry::new(path("a/b"), EntryKind::Directory, 0o755));
}

#[test]
fn contents_that_are_not_here_are_errors() {
    let (layer, _) = write(&[file("f", "x"), file("empty", ""), file("etc/passwd", "root")], Compression::None, 1);
    let bare = Tree::new().with_layer(&layer.index, None).expect("applies");
    assert!(matches!(bare.content(&path("f")), Err(TreeError::Absent(_))));
    assert_eq!(text(&bare, "empty") + &text(&bare, "etc/passwd"), "root");
    assert!(matches!(bare.content(&path("etc")), Err(TreeError::NotAFile(_))));
    assert!(matches!(bare.children(&path("f")), Err(TreeError::NotADirectory(_))));
    assert!(matches!(bare.children(&path("no")), Err(TreeError::NotFound(_))));
}

#[test]
fn paths_are_resolved_inside() {
    let links = tree(&[vec![
        dir("a"),
        file("a/f", "x"),
        symlink("abs", "/a"),
        symlink("up", "../../../a/../a"),
        symlink("dangling", "a/new/deep"),
        symlink("self", "self"),
        symlink("a/rel", "../abs/f"),
    ]]);
    let to = |name: &str, follow| resolve(&links, name, follow).map(|p| p.to_string()).map_err(|e| e.to_string());
    assert_eq!(to("/abs/f", true), Ok("/a/f".into()));
    assert_eq!(to("up/../../../abs/./f", true), Ok("/a/f".into()));
    assert_eq!(to("a/rel", true), Ok("/a/f".into()));
    assert_eq!(to("a/rel", false), Ok("/a/rel".into()));
    assert_eq!(to("abs/rel", false), Ok("/a/rel".into()));
    assert_eq!(to("/", true), Ok("/".into()));
    assert_eq!(to("self", true), Err("/self: too many levels of symbolic links".into()));
    assert_eq!(to("abs/none/x", true), Err("/a/none/x: not found".into()));
    assert_eq!(to("a/f/x", true), Err("/a/f: not a directory".into()));
    let missing = |name| resolve_existing(&links, name, true).expect("resolves");
    assert_eq!(missing("dangling/x"), Resolved { existing: path("a"), missing: path("new/deep/x") });
    assert_eq!(missing("abs/n/../m").path().expect("a path"), path("a/m"));
}

#[test]
fn the_deepest_tree_neither_overflows_nor_fails() {
    let deep = vec!["d"; 2000].join("/");
    let (layer, _) = write(&[file(&format!("{deep}/f"), "x")], Compression::None, 1);
    let tree = Tree::new().with_layer(&layer.index, None).expect("applies");
    let (upper, _) = write(&[opaque(""), file("x", "")], Compression::None, 1);
    assert_eq!(listing(&tree.with_layer(&upper.index, None).expect("applies")), ["/x"]);
    assert!(tree.entry(&path(&deep)).expect("known").is_some());
}

fn root(dir: &tempfile::TempDir) -> Root {
    Root::open(dir.path()).expect("a directory")
}

fn is_privileged() -> bool {
    fs::metadata("/proc/self").expect("/proc").uid() == 0
}

#[test]
fn a_tree_is_unpacked_as_it_is() {
    let host = tempfile::TempDir::new().expect("temporary directory");
    let mut closed = dir("closed");
    closed.0.mode = 0o555;
    closed.0.mtime = Timestamp { seconds: 1000, nanos: 5 };
    let mut inner = file("closed/f", "inner");
    inner.0.mode = 0o4640;
    let layers = [vec![closed, inner, hardlink("second", "closed/f"), symlink("link", "/etc/shadow")]];
    unpack(&tree(&layers), &root(&host), Ownership::Current).expect("unpacked");
    let at = |name: &str| fs::symlink_metadata(host.path().join(name)).expect("there");
    assert_eq!(at("closed").permissions().mode() & 0o7777, 0o555);
    assert_eq!((at("closed").mtime(), at("closed").mtime_nsec()), (1000, 5));
    assert_eq!((at("second").ino(), at("second").mode() & 0o7777), (at("closed/f").ino(), 0o4640));
    assert_eq!(fs::read_to_string(host.path().join("closed/f")).expect("read"), "inner");
    assert_eq!(fs::read_link(host.path().join("link")).expect("a link").as_os_str(), "/etc/shadow");
    assert_eq!(at("link").mtime(), 0);
}

#[test]
fn owners_and_devices_are_kept_when_permitted() {
    if !is_privileged() {
        return;
    }
    let host = tempfile::TempDir::new().expect("temporary directory");
    unpack(&tree(&[varied()]), &root(&host), Ownership::Kept).expect("unpacked");
    let odd = fs::metadata(host.path().join("odd")).expect("there");
    assert_eq!((odd.uid(), odd.gid(), odd.mode() & 0o7777), (3_000_000, 4_294_967_294, 0o4755));
    assert_eq!((odd.mtime(), odd.mtime_nsec()), (1_700_000_000, 123_456_789));
    let null = fs::metadata(host.path().join("null")).expect("there");
    assert_eq!((null.rdev(), null.mode() & 0o777), (0x103, 0o666));
}

#[test]
fn nothing_outside_is_touched() {
    let host = tempfile::TempDir::new().expect("temporary directory");
    let outside = tempfile::TempDir::new().expect("temporary directory");
    fs::write(outside.path().join("canary"), "secret").expect("canary");
    // Planted in the destination, and planted by the layers.
    host_symlink(outside.path(), host.path().join("planted")).expect("link");
    host_symlink(outside.path().join("canary"), host.path().join("file")).expect("link");
    let target = outside.path().to_str().expect("text");
    let layers = [
        vec![dir("planted"), file("planted/canary", "x"), file("file", "x"), symlink("own", target)],
        vec![file("own/canary", "x"), symlink("late", target), whiteout("own/none")],
    ];
    unpack(&tree(&layers), &root(&host), Ownership::Current).expect("unpacked");
    assert_eq!(fs::read_to_string(outside.path().join("canary")).expect("there"), "secret");
    assert_eq!(fs::read_dir(outside.path()).expect("listed").count(), 1);
    assert_eq!(fs::read_to_string(host.path().join("planted/canary")).expect("there"), "x");
    assert!(fs::symlink_metadata(host.path().join("planted")).expect("there").is_dir());
    assert_eq!(fs::read_to_string(host.path().join("file")).expect("there"), "x");
}
