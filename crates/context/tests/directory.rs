//! Directories of this machine as contexts.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use dockerfile::ignore::{Matched, Patterns};
use layer::{Entry, EntryKind, SourceTree, Timestamp, TreeError};
use proptest::prelude::*;
use rootfs::TreePath;
use shipsmith_context::Directory;
use tempfile::TempDir;

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

/// Makes files; a name that ends in a slash is a directory.
fn written(names: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for name in names {
        let file = directory.path().join(name);
        let holder = if name.ends_with('/') { file.as_path() } else { file.parent().expect("not the root") };
        fs::create_dir_all(holder).expect("made");
        if !name.ends_with('/') {
            fs::write(file, name).expect("written");
        }
    }
    directory
}

fn open(directory: &TempDir, ignore: &str) -> Directory {
    let patterns = Patterns::parse(ignore).expect("patterns");
    Directory::open(directory.path(), Some(patterns)).expect("a directory")
}

fn name(entry: &Entry) -> String {
    String::from_utf8_lossy(entry.path.as_bytes()).into_owned()
}

/// All paths that a walk from the root meets.
fn walk(tree: &Directory) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![TreePath::root()];
    while let Some(dir) = pending.pop() {
        for entry in tree.children(&dir).expect("a directory") {
            found.push(name(&entry));
            if entry.is_dir() {
                pending.push(entry.path);
            }
        }
    }
    found.sort();
    found
}

fn read(tree: &Directory, name: &str) -> String {
    let mut text = String::new();
    let content = tree.content(&path(name)).expect("content");
    content.open().expect("open").read_to_string(&mut text).expect("read");
    text
}

#[test]
fn files_keep_mode_and_time_and_belong_to_root() {
    let directory = written(&["a/b"]);
    let file = directory.path().join("a/b");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).expect("changed");
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 5);
    fs::File::open(&file).expect("open").set_modified(time).expect("changed");
    let entry = open(&directory, "").entry(&path("a/b")).expect("readable").expect("there");
    assert_eq!(entry.kind, EntryKind::File { size: 3 });
    assert_eq!((entry.mode, entry.uid, entry.gid), (0o4751, 0, 0));
    assert_eq!(entry.mtime, Timestamp { seconds: 1_600_000_000, nanos: 5 });
    assert!(entry.xattrs.is_empty());
    assert_eq!(read(&open(&directory, ""), "a/b"), "a/b");
}

#[test]
fn one_time_for_all_when_asked() {
    let directory = written(&["a"]);
    let tree = open(&directory, "").with_mtime(Timestamp::from_seconds(7));
    assert_eq!(tree.entry(&path("a")).expect("readable").expect("there").mtime, Timestamp::from_seconds(7));
}

#[test]
fn children_are_sorted_by_bytes() {
    let directory = written(&["b", "a.x", "a/c", "B"]);
    let tree = open(&directory, "");
    let names: Vec<String> = tree.children(&TreePath::root()).expect("readable").iter().map(name).collect();
    assert_eq!(names, ["B", "a", "a.x", "b"]);
}

#[test]
fn links_are_entries_and_lead_nowhere() {
    let directory = written(&["real/file", "secret"]);
    symlink("real", directory.path().join("link")).expect("linked");
    symlink("/etc", directory.path().join("out")).expect("linked");
    let tree = open(&directory, "");
    let link = tree.entry(&path("link")).expect("readable").expect("there");
    assert_eq!(link.kind, EntryKind::Symlink { target: b"real".to_vec() });
    for below in ["link/file", "out/passwd"] {
        assert_eq!(tree.entry(&path(below)).expect("readable"), None, "{below}");
        assert!(tree.content(&path(below)).is_err(), "{below}");
    }
    assert!(tree.children(&path("link")).is_err());
    assert_eq!(layer::resolve(&tree, "link/file", true).expect("resolved"), path("real/file"));
}

#[test]
fn an_ignored_file_is_not_reached_through_a_link() {
    let directory = written(&["secret/key", "open"]);
    symlink("secret", directory.path().join("door")).expect("linked");
    let tree = open(&directory, "secret");
    let error = layer::resolve(&tree, "door/key", true).expect_err("not there");
    assert!(error.is_not_found(), "{error}");
}

#[test]
fn a_socket_is_an_empty_file_and_a_pipe_a_pipe() {
    let directory = written(&["dir/"]);
    let _listener = UnixListener::bind(directory.path().join("socket")).expect("bound");
    let tool = testkit::tools::find("mkfifo").expect("part of every system");
    tool.run([directory.path().join("pipe")]);
    let tree = open(&directory, "");
    let kind = |name: &str| tree.entry(&path(name)).expect("readable").expect("there").kind;
    assert_eq!(kind("socket"), EntryKind::File { size: 0 });
    assert_eq!(read(&tree, "socket"), "");
    assert_eq!(kind("pipe"), EntryKind::Fifo);
    assert!(matches!(tree.content(&path("pipe")), Err(TreeError::NotAFile(_))));
}

#[test]
fn a_left_out_directory_appears_with_what_is_brought_back() {
    let directory = written(&["a/b/c", "a/d", "e/f", "g"]);
    assert_eq!(walk(&open(&directory, "*\n!a/b")), ["a", "a/b", "a/b/c"]);
    assert_eq!(walk(&open(&directory, "a\n!a/nothing")), ["e", "e/f", "g"]);
    assert_eq!(walk(&open(&directory, "**\n!**/f")), ["e", "e/f"]);
    let tree = open(&directory, "a\n!a/nothing");
    assert_eq!(tree.entry(&path("a")).expect("readable"), None);
    assert!(tree.content(&path("a/d")).is_err());
}

#[test]
fn files_that_change_or_vanish_are_errors_that_name_them() {
    let directory = written(&["file", "gone"]);
    let tree = open(&directory, "");
    let (file, gone) = (tree.content(&path("file")).expect("there"), tree.content(&path("gone")).expect("there"));
    fs::write(directory.path().join("file"), "longer than before").expect("written");
    fs::remove_file(directory.path().join("gone")).expect("removed");
    let changed = file.open().err().expect("refused").to_string();
    assert!(changed.contains("file was changed"), "{changed}");
    let vanished = gone.open().err().expect("refused").to_string();
    assert!(vanished.contains("gone"), "{vanished}");
}

#[test]
fn a_file_swapped_for_a_link_is_not_followed() {
    let directory = written(&["file"]);
    let tree = open(&directory, "");
    let content = tree.content(&path("file")).expect("there");
    fs::remove_file(directory.path().join("file")).expect("removed");
    symlink("/etc/passwd", directory.path().join("file")).expect("linked");
    assert!(content.open().is_err());
}

#[test]
fn the_stat_key_tells_hard_links_and_changes() {
    let directory = written(&["one"]);
    fs::hard_link(directory.path().join("one"), directory.path().join("two")).expect("linked");
    let tree = open(&directory, "");
    let key = |name: &str| tree.stat_key(&path(name)).expect("readable").expect("a file");
    assert_eq!(key("one"), key("two"));
    assert_eq!(key("one").links, 2);
    let before = key("one");
    fs::set_permissions(directory.path().join("one"), fs::Permissions::from_mode(0o600)).expect("changed");
    assert_ne!(before, key("one"));
    assert_eq!(tree.stat_key(&TreePath::root()).expect("readable"), None);
}

/// A change to a directory with something that stands for it, and whether it is to be seen.
type Change = (&'static str, bool, fn(&Path));

#[test]
fn what_stands_for_a_tree_changes_with_all_that_is_visible_in_it() {
    let mut names: Vec<String> = (0..40).map(|number| format!("d/{number}/deep/file")).collect();
    names.extend(["d/f", "d/ignored/x", "d/kept/x", "d/kept/y", "other"].map(str::to_owned));
    let directory = written(&names.iter().map(String::as_str).collect::<Vec<_>>());
    symlink("f", directory.path().join("d/link")).expect("a link");
    let stamp = |at: &str| {
        let tree = open(&directory, "d/ignored\nd/kept\n!d/kept/x\n");
        tree.fingerprint(&path(at)).expect("looked").map(|stamp| stamp.key)
    };
    let changes: [Change; 12] = [
        ("nothing", false, |_| ()),
        ("another file", false, |at| fs::write(at.join("other"), "new").expect("written")),
        ("an ignored file", false, |at| fs::write(at.join("d/ignored/x"), "new").expect("written")),
        ("an ignored neighbour", false, |at| fs::write(at.join("d/kept/y"), "new").expect("written")),
        ("a file brought back", true, |at| fs::write(at.join("d/kept/x"), "new").expect("written")),
        ("a file far down", true, |at| fs::write(at.join("d/7/deep/file"), "new").expect("written")),
        ("a mode", true, |at| mode(&at.join("d/f"), 0o600)),
        ("a directory's mode", true, |at| mode(&at.join("d/9/deep"), 0o700)),
        ("a new file", true, |at| fs::write(at.join("d/9/new"), "").expect("written")),
        ("a new directory", true, |at| fs::create_dir(at.join("d/9/empty")).expect("made")),
        ("a second name", true, |at| fs::hard_link(at.join("d/f"), at.join("other name")).expect("linked")),
        ("a link to elsewhere", true, |at| {
            fs::remove_file(at.join("d/link")).expect("removed");
            symlink("g", at.join("d/link")).expect("a link");
        }),
    ];
    for (what, seen, change) in changes {
        let before = stamp("d");
        std::thread::sleep(std::time::Duration::from_millis(10));
        change(directory.path());
        assert!(before.is_some());
        assert_eq!(before != stamp("d"), seen, "{what}");
    }
    assert_ne!(stamp("d/f"), stamp("d/link"));
    assert_eq!((stamp("d/ignored"), stamp("nowhere")), (None, None));
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

#[test]
fn what_stands_for_a_tree_is_at_rest_when_its_last_file_is() {
    let directory = written(&["d/a", "d/e/b", "new"]);
    let changed =
        |at: &str| open(&directory, "").fingerprint(&path(at)).expect("looked").and_then(|stamp| stamp.changed);
    std::thread::sleep(std::time::Duration::from_millis(10));
    fs::write(directory.path().join("d/e/b"), "new").expect("written");
    assert!(changed("d/a") < changed("d") && changed("d") == changed("d/e/b"));
}

#[test]
fn one_file_is_found_without_looking_into_other_directories() {
    let directory = written(&["wanted/file", "closed/file"]);
    let closed = directory.path().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("changed");
    let tree = open(&directory, "nothing");
    assert_eq!(read(&tree, "wanted/file"), "wanted/file");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).expect("changed");
}

#[test]
fn what_is_no_directory_cannot_be_opened() {
    let directory = written(&["file"]);
    for wrong in ["file", "missing"] {
        let error = Directory::open(directory.path().join(wrong), None).err().expect("refused");
        assert!(error.to_string().contains(wrong), "{error}");
    }
}

/// BuildKit's walk of everything, top down; directories appear with what they hold. It does not enter a left out directory
/// that no exception can reach by its beginning, which is more than a short cut: `!a/*/**` brings nothing below `a/b` back.
fn slow_walk(root: &Path, patterns: &Patterns) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut pending = vec![(String::new(), Matched::default())];
    while let Some((dir, state)) = pending.pop() {
        for item in fs::read_dir(root.join(&dir)).expect("a directory") {
            let item = item.expect("readable");
            let name = item.file_name().into_string().expect("text");
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            let (matched, below) = patterns.matches_below(&path, &state);
            if !matched {
                found.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
                found.insert(path.clone());
            }
            let entered = !matched || patterns.must_enter(&path);
            if entered && item.file_type().expect("readable").is_dir() {
                pending.push((path, below));
            }
        }
    }
    found.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn asking_for_single_paths_finds_what_a_whole_walk_finds(lines in prop::collection::vec("!?(\\*\\*/)?[ab*](/[ab*]){0,2}(/\\*\\*)?", 0..5)) {
        let directory = written(&["a/a/a", "a/a/b", "a/b/", "b/a/b", "b/b", "ab"]);
        let patterns = Patterns::parse(&lines.join("\n")).expect("patterns");
        let tree = Directory::open(directory.path(), Some(patterns.clone())).expect("a directory");
        let wanted = slow_walk(directory.path(), &patterns);
        prop_assert_eq!(&walk(&tree), &wanted);
        for name in ["a", "a/a", "a/a/a", "a/a/b", "a/b", "b", "b/a", "b/a/b", "b/b", "ab"] {
            let there = tree.entry(&path(name)).expect("readable").is_some();
            prop_assert_eq!(there, wanted.contains(&name.to_owned()), "{}", name);
        }
    }
}
