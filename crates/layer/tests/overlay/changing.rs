//! Upper directories as layers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink as link};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rootfs::{Root, TreePath};
use shipsmith_layer::overlay::{Diff, Listing, Owners, Scheme, Times, flatten, write_differences};
use shipsmith_layer::{Compression, EntryKind, Timestamp, index_layer};

use crate::common::{Member, dir, file, path, symlink, write};
use crate::mounted::{Stack, assert_same, may_mount, schemes, seen_in_tree, seen_on_disk};

fn base() -> Vec<Member> {
    let mut members = vec![dir("d"), file("d/a", "aaa"), file("d/b", "bbb"), dir("d/sub"), file("d/sub/c", "ccc")];
    members.extend([dir("e"), file("e/f", "fff"), symlink("l", "d/a"), file("same", "same")]);
    members
}

fn stack(scheme: Scheme, base: &[Member]) -> Stack {
    let mut stack = Stack::new(scheme);
    stack.push(write(base, Compression::None, 1).1).expect("unpacked");
    stack
}

/// The entries of a layer: a letter for the kind, and the path.
fn entries(tar: &[u8]) -> Vec<String> {
    let index = index_layer(tar, None).expect("a layer").index;
    let letter = |kind: &EntryKind| match kind {
        EntryKind::File { .. } => "f".to_owned(),
        EntryKind::Directory => "d".to_owned(),
        EntryKind::Symlink { .. } => "l".to_owned(),
        EntryKind::Hardlink { target } => format!("h{}", text(target)),
        EntryKind::Whiteout => "w".to_owned(),
        EntryKind::OpaqueWhiteout => "o".to_owned(),
        _ => "s".to_owned(),
    };
    index.entries().iter().map(|one| format!("{} {}", letter(&one.entry.kind), text(&one.entry.path))).collect()
}

fn text(path: &TreePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// What the layer says after something was done to the base, by an overlay and by a copy; and whether the directory that is kept, the
/// layer unpacked, and the tree agree.
fn changed(test: &str, expected: &[&str], change: impl Fn(&Path)) {
    changed_over(&base(), test, expected, change);
}

fn changed_over(base: &[Member], test: &str, expected: &[&str], change: impl Fn(&Path)) {
    if !may_mount(test) {
        return;
    }
    for scheme in schemes() {
        let mut stack = stack(*scheme, base);
        let mounted = stack.mount("upper");
        change(&mounted.path());
        drop(mounted);
        let tar = stack.changes(
            "upper",
            Times::Made { seconds: 1000, since: Timestamp::from_seconds(1_000_000) },
            &Owners::default(),
        );
        assert_eq!(entries(&tar), expected, "{scheme:?}");
        assert_eq!(entries(&copied(&stack, &change)), expected, "of a copy, {scheme:?}");
        let upper = Root::open(stack.dir.path().join("upper")).expect("opened");
        let kept = stack.view(&[&upper]).seen();
        stack.push(tar).expect("unpacked");
        assert_same("kept and unpacked", &kept, &stack.view(&[]).seen());
        assert_same("unpacked and merged", &kept, &seen_in_tree(&stack.tree));
    }
}

fn copied(stack: &Stack, change: impl Fn(&Path)) -> Vec<u8> {
    let (copy, owners) = (stack.make("copy"), Owners::default());
    flatten(&stack.lowers, &copy, stack.scheme, &owners).expect("copied");
    assert_same("copy", &seen_on_disk(&copy, stack.scheme), &stack.view(&[]).seen());
    let before = Listing::take(&copy).expect("listed");
    change(copy.path());
    let diff = Diff { root: &copy, lowers: &stack.lowers, scheme: stack.scheme, times: Times::Kept, owners: &owners };
    write_differences(&diff, &before, Vec::new()).expect("written")
}

#[test]
fn nothing_done_is_nothing_said() {
    changed("changing::nothing_done_is_nothing_said", &[], |_| {});
}

#[test]
fn what_was_only_touched_is_no_change() {
    changed("changing::what_was_only_touched_is_no_change", &[], |root| {
        let file = root.join("d/sub/c");
        let mode = fs::metadata(&file).expect("there").permissions();
        fs::set_permissions(&file, mode).expect("set");
        drop(fs::File::options().append(true).open(root.join("same")).expect("opened"));
        fs::write(root.join("d/sub/temporary"), "x").expect("written");
        fs::remove_file(root.join("d/sub/temporary")).expect("removed");
    });
}

#[test]
fn changes_come_with_the_directories_above_them() {
    changed(
        "changing::changes_come_with_the_directories_above_them",
        &["d d", "d d/sub", "f d/sub/c", "f new"],
        |root| {
            fs::write(root.join("d/sub/c"), "changed").expect("written");
            fs::write(root.join("new"), "new").expect("written");
        },
    );
}

#[test]
fn a_change_that_hides_behind_old_times_is_one() {
    changed("changing::a_change_that_hides_behind_old_times_is_one", &["d d", "f d/a"], |root| {
        let path = root.join("d/a");
        let modified = fs::metadata(&path).expect("there").modified().expect("a time");
        fs::write(&path, "AAA").expect("written");
        fs::File::options().write(true).open(&path).expect("opened").set_modified(modified).expect("set");
    });
}

#[test]
fn removed_and_replaced() {
    changed("changing::removed_and_replaced", &["d d", "w d/a", "w d/sub", "f e", "f l"], |root| {
        fs::remove_file(root.join("d/a")).expect("removed");
        fs::remove_dir_all(root.join("d/sub")).expect("removed");
        fs::remove_dir_all(root.join("e")).expect("removed");
        fs::write(root.join("e"), "a file now").expect("written");
        fs::remove_file(root.join("l")).expect("removed");
        fs::write(root.join("l"), "a file now").expect("written");
    });
}

#[test]
fn a_directory_made_again_hides_what_it_had() {
    let expected = ["d d", "w d/a", "f d/b", "f d/new", "w d/sub"];
    changed("changing::a_directory_made_again_hides_what_it_had", &expected, |root| {
        fs::remove_dir_all(root.join("d")).expect("removed");
        fs::create_dir(root.join("d")).expect("made");
        fs::set_permissions(root.join("d"), Permissions::from_mode(0o755)).expect("set");
        fs::write(root.join("d/b"), "other").expect("written");
        fs::write(root.join("d/new"), "new").expect("written");
    });
}

#[test]
fn a_renamed_directory_is_a_new_one() {
    let expected = ["w d", "d moved", "f moved/a"];
    changed("changing::a_renamed_directory_is_a_new_one", &expected, |root| {
        fs::create_dir(root.join("first")).expect("made");
        fs::write(root.join("first/a"), "aaa").expect("written");
        fs::remove_dir_all(root.join("d")).expect("removed");
        fs::rename(root.join("first"), root.join("moved")).expect("renamed");
    });
}

#[test]
fn names_of_one_file_are_links() {
    changed("changing::names_of_one_file_are_links", &["f x", "hx y", "d z", "hx z/z"], |root| {
        fs::write(root.join("y"), "shared").expect("written");
        fs::create_dir(root.join("z")).expect("made");
        fs::hard_link(root.join("y"), root.join("x")).expect("linked");
        fs::hard_link(root.join("y"), root.join("z/z")).expect("linked");
    });
}

#[test]
fn a_socket_is_left_out_and_hides_what_it_replaced() {
    changed("changing::a_socket_is_left_out_and_hides_what_it_replaced", &["w same"], |root| {
        fs::remove_file(root.join("same")).expect("removed");
        drop(UnixListener::bind(root.join("same")).expect("bound"));
        drop(UnixListener::bind(root.join("new")).expect("bound"));
    });
}

#[test]
fn links_pipes_and_modes() {
    changed("changing::links_pipes_and_modes", &["d d", "f d/a", "l l", "l new"], |root| {
        fs::set_permissions(root.join("d/a"), Permissions::from_mode(0o4711)).expect("set");
        fs::remove_file(root.join("l")).expect("removed");
        link("elsewhere", root.join("l")).expect("linked");
        link("d", root.join("new")).expect("linked");
    });
}

#[test]
fn a_name_that_would_be_a_whiteout_is_refused() {
    if !may_mount("changing::a_name_that_would_be_a_whiteout_is_refused") {
        return;
    }
    let stack = stack(schemes()[0], &base());
    let mounted = stack.mount("upper");
    fs::write(mounted.path().join(".wh.x"), "x").expect("written");
    drop(mounted);
    let root = Root::open(stack.dir.path().join("upper")).expect("opened");
    let owners = Owners::default();
    let diff = Diff { root: &root, lowers: &stack.lowers, scheme: stack.scheme, times: Times::Kept, owners: &owners };
    let error = shipsmith_layer::overlay::write_changes(&diff, Vec::new()).expect_err("refused");
    assert!(error.to_string().contains(".wh.x"), "{error}");
}

#[test]
fn times_that_a_step_made_become_one_and_the_directory_has_them_too() {
    if !may_mount("changing::times_that_a_step_made_become_one_and_the_directory_has_them_too") {
        return;
    }
    let stack = stack(schemes()[0], &base());
    let mounted = stack.mount("upper");
    fs::write(mounted.path().join("now"), "x").expect("written");
    fs::write(mounted.path().join("old"), "x").expect("written");
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(77, 5);
    fs::File::options().write(true).open(mounted.path().join("old")).expect("opened").set_modified(old).expect("set");
    drop(mounted);
    let tar = stack.changes(
        "upper",
        Times::Made { seconds: 1000, since: Timestamp::from_seconds(1_000_000) },
        &Owners::default(),
    );
    let index = index_layer(&tar[..], None).expect("a layer").index;
    let time = |name: &str| index.entries().iter().find(|one| one.entry.path == path(name)).map(|one| one.entry.mtime);
    assert_eq!(time("now"), Some(Timestamp::from_seconds(1000)));
    assert_eq!(time("old"), Some(Timestamp { seconds: 77, nanos: 5 }));
    let upper = Root::open(stack.dir.path().join("upper")).expect("opened");
    assert_eq!(upper.stat(&path("now")).expect("told").map(|found| found.mtime.seconds), Some(1000));
}

#[test]
fn an_owner_kept_aside_is_told_and_stays() {
    if !may_mount("changing::an_owner_kept_aside_is_told_and_stays") {
        return;
    }
    let stack = stack(crate::mounted::SCHEMES[2], &base());
    let mounted = stack.mount("upper");
    fs::write(mounted.path().join("mine"), "x").expect("written");
    fs::set_permissions(mounted.path().join("d/a"), Permissions::from_mode(0o600)).expect("set");
    drop(mounted);
    let upper = Root::open(stack.dir.path().join("upper")).expect("opened");
    let inode = upper.stat(&path("mine")).expect("told").expect("there").inode;
    let owners = Owners { changed: [(inode, (5, 6))].into(), ..Owners::default() };
    let tar = stack.changes("upper", Times::Kept, &owners);
    let index = index_layer(&tar[..], None).expect("a layer").index;
    let mine = index.entries().iter().find(|one| one.entry.path == path("mine")).expect("there");
    assert_eq!((mine.entry.uid, mine.entry.gid), (5, 6));
    let seen = stack.view(&[&upper]).seen();
    assert_eq!(seen.get(&path("mine")).map(|file| file.entry.uid), Some(5));
}

#[test]
fn what_is_made_again_as_it_was_is_no_change() {
    let base = [dir("d"), dir("d/inner"), dir("d/inner/empty")];
    changed_over(&base, "changing::what_is_made_again_as_it_was_is_no_change", &[], |root| {
        fs::remove_dir_all(root.join("d/inner")).expect("removed");
        fs::create_dir_all(root.join("d/inner/empty")).expect("made");
    });
    changed_over(&base, "changing::what_is_made_again_as_it_was_is_no_change", &["d d", "f d/new"], |root| {
        fs::remove_dir_all(root.join("d/inner")).expect("removed");
        fs::create_dir_all(root.join("d/inner/empty")).expect("made");
        fs::write(root.join("d/new"), "new").expect("written");
    });
}
