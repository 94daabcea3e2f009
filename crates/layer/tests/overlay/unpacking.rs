//! One layer's tar as a lower directory.

use rootfs::{FileKind, Root, TreePath};
use shipsmith_layer::overlay::{Marks, Owning, Scheme, unpack_lower};
use shipsmith_layer::{Compression, Entry, EntryKind, Error};

use crate::common::raw::{Raw, archive, pax};
use crate::common::{Member, dir, file, hardlink, opaque, path, symlink, whiteout, write};
use crate::mounted::{Stack, assert_same, may_mount, schemes, seen_in_tree};

/// What any user can unpack into a directory of his own.
const MINE: Scheme = Scheme { marks: Marks::User, owning: Owning::Aside };

fn tar(entries: &[Member]) -> Vec<u8> {
    write(entries, Compression::None, 1).1
}

fn empty() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().expect("a directory");
    let root = Root::open(dir.path()).expect("opened");
    (dir, root)
}

fn is_whiteout(root: &Root, name: &str) -> bool {
    root.stat(&path(name)).expect("told").is_some_and(|found| found.kind == FileKind::CharDevice { major: 0, minor: 0 })
}

fn is_opaque(root: &Root, name: &str) -> bool {
    root.xattrs(&path(name)).expect("read").get(&b"user.overlay.opaque"[..]).is_some_and(|value| value == b"y")
}

/// The layers, unpacked and mounted, are what the merged tree is.
fn agrees(test: &str, layers: &[Vec<Member>]) {
    if !may_mount(test) {
        return;
    }
    for scheme in schemes() {
        let mut stack = Stack::new(*scheme);
        for layer in layers {
            stack.push(tar(layer)).expect("unpacked");
        }
        assert_same(&format!("{scheme:?}"), &seen_in_tree(&stack.tree), &stack.view(&[]).seen());
    }
}

#[test]
fn marks_are_what_the_kernel_reads() {
    let (_dir, root) = empty();
    let layer = [dir("d"), opaque("d"), file("d/new", "x"), dir("e"), whiteout("e/gone")];
    let unpacked = unpack_lower(&tar(&layer)[..], &root, MINE, None).expect("unpacked");
    assert!(unpacked.alone);
    assert!(is_opaque(&root, "d") && !is_opaque(&root, "e") && is_whiteout(&root, "e/gone"));
}

#[test]
fn what_hides_and_what_is_new_may_come_in_any_order() {
    let base = vec![dir("d"), file("d/old", "1"), dir("e"), file("e/old", "1"), file("f", "1")];
    let before =
        vec![whiteout("d"), dir("d"), file("d/new", "2"), whiteout("f"), file("f", "2"), opaque("e"), dir("e")];
    let after = vec![
        dir("d"),
        file("d/new", "2"),
        whiteout("d"),
        file("f", "2"),
        whiteout("f"),
        dir("e"),
        file("e/new", "2"),
        opaque("e"),
    ];
    agrees("unpacking::what_hides_and_what_is_new_may_come_in_any_order", &[base.clone(), before]);
    agrees("unpacking::what_hides_and_what_is_new_may_come_in_any_order", &[base, after]);
}

#[test]
fn a_later_member_replaces_an_earlier_one() {
    let base = vec![dir("d"), file("d/old", "1"), dir("e"), file("e/old", "1")];
    let layer = vec![
        file("d", "file"),
        dir("d"),
        file("d/new", "2"),
        dir("e"),
        file("e/x", "2"),
        file("e", "file"),
        file("f", "1"),
        file("f", "22"),
        symlink("f", "d"),
        file("f", "333"),
    ];
    agrees("unpacking::a_later_member_replaces_an_earlier_one", &[base, layer]);
}

#[test]
fn directories_that_no_member_describes_are_as_below() {
    let (mut tmp, _) = dir("tmp");
    tmp.mode = 0o1777;
    let base = vec![(tmp, None), symlink("bin", "usr/bin"), dir("usr"), dir("usr/bin")];
    let layer = vec![file("tmp/new", "2"), file("bin/tool", "2"), file("never/seen/file", "2"), whiteout("no/where")];
    agrees("unpacking::directories_that_no_member_describes_are_as_below", &[base, layer]);
}

/// Who unpacks a layer has only that layer before him.
#[test]
fn what_lower_layers_have_in_the_place_of_a_directory_is_replaced() {
    let test = "unpacking::what_lower_layers_have_in_the_place_of_a_directory_is_replaced";
    let (mut usr, _) = dir("usr");
    (usr.mode, usr.mtime.seconds) = (0o700, 9);
    let links = [("l", "usr"), ("up", "/"), ("round", "round"), ("none", "nowhere"), ("chain", "l")];
    let base = [vec![(usr, None), file("f", "1")], links.map(|(name, target)| symlink(name, target)).to_vec()].concat();
    let layers = [
        links.map(|(name, _)| file(&format!("{name}/x"), "2")).to_vec(),
        links.map(|(name, _)| whiteout(&format!("{name}/x"))).to_vec(),
        links.map(|(name, _)| opaque(name)).to_vec(),
        vec![file("f/x", "2"), hardlink("new", "f/x"), whiteout("f")],
        vec![hardlink("new", "f"), file("f/x", "2")],
        vec![hardlink("new", "l"), file("l/x", "2"), file("new/y", "3")],
        vec![symlink("own", "l"), file("own/x", "2"), whiteout("no/where")],
        vec![whiteout("l"), file("l/x", "2")],
        vec![file("l/x", "2"), whiteout("l")],
    ];
    for layer in layers {
        agrees(test, &[base.clone(), layer]);
    }
}

#[test]
fn links_to_files_of_lower_layers_are_links() {
    let base = vec![dir("d"), file("d/old", "1"), symlink("d/link", "nowhere")];
    let layer = vec![hardlink("d/again", "d/old"), hardlink("third", "d/again"), hardlink("l", "d/link")];
    agrees("unpacking::links_to_files_of_lower_layers_are_links", &[base, layer]);
}

#[test]
fn a_link_takes_the_place_of_the_directory_its_target_is_in() {
    let layer = vec![dir("a"), file("a/x", "1"), hardlink("a", "a/x")];
    agrees("unpacking::a_link_takes_the_place_of_the_directory_its_target_is_in", &[layer]);
}

#[test]
fn what_a_layer_only_passes_through_is_not_its_own() {
    let base = vec![dir("b"), dir("b/a"), file("b/f", "1"), dir("c"), file("c/f", "1")];
    let layers = [
        vec![opaque("b/a"), whiteout("b")],
        vec![whiteout("b/f"), whiteout("b")],
        vec![hardlink("new", "b/f"), whiteout("b")],
        vec![hardlink("new", "b/f"), opaque("b")],
        vec![hardlink("new", "b/f"), whiteout("b/f")],
        vec![file("c/new", "2"), hardlink("c/again", "b/f"), opaque("")],
    ];
    for layer in layers {
        agrees("unpacking::what_a_layer_only_passes_through_is_not_its_own", &[base.clone(), layer]);
    }
}

#[test]
fn a_link_to_itself_makes_a_file_below_the_layer_s_own() {
    let base = vec![file("f", "1")];
    agrees(
        "unpacking::a_link_to_itself_makes_a_file_below_the_layer_s_own",
        &[base.clone(), vec![hardlink("f", "f"), whiteout("f")]],
    );
    let mut stack = Stack::new(MINE);
    stack.push(tar(&base)).expect("unpacked");
    let refused = stack.push(tar(&[hardlink("f", "f"), file("f/x", "2")])).expect_err("it is a file");
    assert!(refused.to_string().contains("/f: it is to be a directory"), "{refused}");
}

#[test]
fn the_root_can_be_opaque() {
    let base = vec![dir("d"), file("d/old", "1"), file("gone", "1"), file("changed", "1")];
    let layer = vec![dir("d"), file("d/new", "2"), opaque(""), file("changed", "2")];
    agrees("unpacking::the_root_can_be_opaque", &[base, layer]);
}

#[test]
fn a_layer_that_needs_the_others_says_so() {
    let needs: [Vec<Member>; 4] =
        [vec![file("tmp/new", "2")], vec![hardlink("b", "a")], vec![whiteout("etc/gone")], vec![opaque("")]];
    for layer in needs {
        let (_dir, root) = empty();
        let error = unpack_lower(&tar(&layer)[..], &root, MINE, None).expect_err("it needs them");
        assert!(matches!(error, Error::NeedsBelow(_)), "{error}");
        let (_dir, root) = empty();
        let result = unpack_lower(&tar(&layer)[..], &root, MINE, Some(&[]));
        assert!(result.is_ok_and(|unpacked| !unpacked.alone) || matches!(layer[0].0.kind, EntryKind::Hardlink { .. }));
    }
}

#[test]
fn nothing_leaves_the_directory() {
    let outside = tempfile::tempdir().expect("a directory");
    let target = outside.path().to_str().expect("text").to_owned();
    let layers: [Vec<Member>; 6] = [
        vec![symlink("l", &target), file("l/planted", "x")],
        vec![symlink("l", &target), whiteout("l/planted")],
        vec![symlink("l", &target), opaque("l")],
        vec![symlink("l", "../../../../../../../../.."), dir("l/tmp"), file("l/tmp/planted", "x")],
        vec![symlink("l", &target), hardlink("h", "l/secret")],
        vec![file("f", "x"), symlink("l", &target), dir("l"), file("l/in", "x")],
    ];
    std::fs::write(outside.path().join("secret"), "s").expect("written");
    for layer in layers {
        let (inside, root) = empty();
        let _ = unpack_lower(&tar(&layer)[..], &root, MINE, Some(&[]));
        assert_eq!(std::fs::read_dir(outside.path()).expect("read").count(), 1);
        assert_eq!(root.xattrs(&TreePath::root()).expect("read").len(), 0);
        drop(inside);
    }
}

#[test]
fn what_other_readers_trip_over_is_refused() {
    let up = archive([Raw::new(b'0', "../up", b"x")]);
    let out = archive([Raw::new(b'1', "l", b"").link("../../etc/passwd")]);
    let below = archive([Raw::new(b'0', ".wh.x", b""), Raw::new(b'0', ".wh.x/y", b"")]);
    let device = archive([Raw::new(b'3', "marked", b"")]);
    let file_parent = archive([Raw::new(b'0', "f", b"x"), Raw::new(b'0', "f/g", b"x")]);
    let cut = archive([Raw::new(b'0', "f", &[1; 4096])])[..1024].to_vec();
    for tar in [up, out, below, device, file_parent, cut] {
        let (_dir, root) = empty();
        assert!(unpack_lower(&tar[..], &root, MINE, Some(&[])).is_err());
    }
}

#[test]
fn marks_in_a_tar_never_reach_the_disk() {
    let records = [
        ("SCHILY.xattr.user.overlay.opaque", "y"),
        ("SCHILY.xattr.trusted.overlay.opaque", "y"),
        ("SCHILY.xattr.user.shipsmith.owner", "7:7"),
        ("SCHILY.xattr.user.kept", "k"),
    ];
    let tar = archive([pax(b'x', &records), Raw::new(b'5', "d/", b"")]);
    let (_dir, root) = empty();
    unpack_lower(&tar[..], &root, MINE, None).expect("unpacked");
    let names: Vec<_> = root.xattrs(&path("d")).expect("read").into_keys().collect();
    assert_eq!(names, [b"user.kept"]);
}

#[test]
fn owners_that_cannot_be_set_are_kept_aside() {
    let (_dir, root) = empty();
    let (mut owned, content) = file("f", "x");
    (owned.uid, owned.gid, owned.mode) = (1000, 33, 0o4755);
    unpack_lower(&tar(&[(owned, content), file("g", "x")])[..], &root, MINE, None).expect("unpacked");
    let xattrs = root.xattrs(&path("f")).expect("read");
    assert_eq!(xattrs.get(&b"user.shipsmith.owner"[..]).map(Vec::as_slice), Some(&b"1000:33"[..]));
    assert_eq!(root.stat(&path("f")).expect("told").map(|found| found.mode), Some(0o4755));
    assert!(root.xattrs(&path("g")).expect("read").is_empty());
}

#[test]
fn a_read_only_directory_is_filled_and_its_time_is_its_own() {
    let (_dir, root) = empty();
    let mut closed = Entry::new(path("d"), EntryKind::Directory, 0o555);
    closed.mtime.seconds = 1234;
    unpack_lower(&tar(&[(closed, None), file("d/f", "x")])[..], &root, MINE, None).expect("unpacked");
    let found = root.stat(&path("d")).expect("told").expect("there");
    assert_eq!((found.mode, found.mtime.seconds), (0o555, 1234));
}
