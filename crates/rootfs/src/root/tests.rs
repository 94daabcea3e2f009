//! Every trick is tried with both resolvers, with a canary outside of the root.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{FileKind, Special, Time};

/// `outside/canary` beside `root`, and a root for each resolver.
struct Jail {
    dir: TempDir,
    roots: [Root; 2],
}

impl Jail {
    fn new() -> Jail {
        let dir = TempDir::new().expect("temporary directory");
        fs::create_dir_all(dir.path().join("outside")).expect("outside");
        fs::create_dir_all(dir.path().join("root/etc")).expect("root");
        fs::write(dir.path().join("outside/canary"), "secret").expect("canary");
        fs::write(dir.path().join("root/etc/file"), "inside").expect("file");
        let root = |resolver| Root { resolver, ..Root::open(dir.path().join("root")).expect("root") };
        let roots = [root(Resolver::Kernel), root(Resolver::Walk)];
        Jail { dir, roots }
    }

    fn host(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    fn canary_is_untouched(&self) {
        let outside = self.dir.path().join("outside");
        assert_eq!(fs::read(outside.join("canary")).expect("canary"), b"secret");
        assert_eq!(fs::read_dir(outside).expect("outside").count(), 1);
    }
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("canonical path")
}

fn read(root: &Root, name: &str) -> Result<String, Error> {
    let mut text = String::new();
    root.open_file(&path(name))?.read_to_string(&mut text).expect("readable");
    Ok(text)
}

#[test]
fn links_on_the_way_stay_inside() {
    let jail = Jail::new();
    symlink("/etc", jail.host("absolute")).expect("link");
    symlink("../../../etc", jail.host("dotted")).expect("link");
    symlink("../../outside", jail.host("etc/up")).expect("link");
    symlink(jail.dir.path().join("outside"), jail.host("host")).expect("link");
    for root in &jail.roots {
        assert_eq!(read(root, "absolute/file").expect("followed inside"), "inside");
        assert_eq!(read(root, "dotted/file").expect("clamped"), "inside");
        for outside in ["host/canary", "etc/up/canary"] {
            assert!(read(root, outside).expect_err("not there").is_not_found());
        }
    }
}

#[test]
fn the_last_component_is_never_followed() {
    let jail = Jail::new();
    symlink("etc/file", jail.host("link")).expect("link");
    for root in &jail.roots {
        assert!(matches!(read(root, "link"), Err(Error::NotAFile { .. })));
        assert_eq!(root.read_link(&path("link")).expect("a link"), b"etc/file");
        let metadata = root.stat(&path("link")).expect("stat").expect("there");
        assert_eq!(metadata.kind, FileKind::Symlink);
        assert!(root.read_dir(&path("link")).is_err());
    }
}

#[test]
fn loops_end_in_an_error() {
    let jail = Jail::new();
    symlink("b", jail.host("a")).expect("link");
    symlink("a", jail.host("b")).expect("link");
    for root in &jail.roots {
        let error = read(root, "a/file").expect_err("a loop");
        assert!(error.hint().expect("a hint").contains("symbolic links"), "{error}");
        assert!(error.to_string().starts_with("cannot open /a/file: "), "{error}");
    }
}

#[test]
fn pipes_devices_and_directories_are_not_files() {
    let jail = Jail::new();
    for root in &jail.roots {
        let name = path("pipe");
        root.mknod(&name, Special::Fifo, 0o644).expect("a pipe");
        assert!(matches!(root.open_file(&name), Err(Error::NotAFile { .. })));
        assert!(matches!(root.open_file(&path("etc")), Err(Error::NotAFile { .. })));
        root.remove_all(&name).expect("removed");
    }
}

#[test]
fn directories_are_listed_in_order() {
    let jail = Jail::new();
    for name in ["b", "a", "a-b", "Z"] {
        fs::write(jail.host("etc").join(name), name).expect("file");
    }
    for root in &jail.roots {
        let names: Vec<_> = root.read_dir(&path("etc")).expect("listed").into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, [&b"Z"[..], b"a", b"a-b", b"b", b"file"]);
        assert_eq!(root.read_dir(&TreePath::root()).expect("the root").len(), 1);
    }
}

#[test]
fn what_is_set_is_read_back() {
    let jail = Jail::new();
    for (n, root) in jail.roots.iter().enumerate() {
        let name = path(&format!("etc/new{n}"));
        root.create_file(&name, 0o600).expect("created");
        let node = root.node(&name).expect("held");
        let before = node.metadata().expect("stat");
        let mtime = Time { seconds: -5, nanos: 7 };
        node.set_owner(before.uid, before.gid).expect("owner");
        node.set_mode(0o4751).expect("mode");
        node.set_mtime(mtime).expect("time");
        if node.set_xattr(b"user.k", b"v").is_ok() {
            assert_eq!(root.xattrs(&name).expect("xattrs")[&b"user.k"[..]], b"v");
        }
        let metadata = root.stat(&name).expect("stat").expect("there");
        assert_eq!((metadata.mode, metadata.mtime, metadata.kind), (0o4751, mtime, FileKind::File));
    }
}

#[test]
fn links_have_their_own_times() {
    let jail = Jail::new();
    let before = fs::metadata(jail.dir.path().join("outside/canary")).expect("canary").modified().expect("time");
    for (n, root) in jail.roots.iter().enumerate() {
        let name = path(&format!("link{n}"));
        root.symlink(&name, b"../outside/canary").expect("a link");
        let node = root.node(&name).expect("held");
        node.set_mtime(Time { seconds: 1, nanos: 2 }).expect("time");
        assert!(node.set_mode(0o777).is_err());
        assert_eq!(node.metadata().expect("stat").mtime, Time { seconds: 1, nanos: 2 });
        assert_eq!(node.xattrs().expect("none").len(), 0);
    }
    let after = fs::metadata(jail.dir.path().join("outside/canary")).expect("canary").modified().expect("time");
    assert_eq!(before, after);
}

#[test]
fn writing_through_links_stays_inside() {
    let jail = Jail::new();
    symlink(jail.dir.path().join("outside"), jail.host("host")).expect("link");
    symlink("../outside", jail.host("dotted")).expect("link");
    for root in &jail.roots {
        for name in ["host/x", "dotted/x"] {
            assert!(root.create_file(&path(name), 0o644).expect_err("no such directory").is_not_found());
            assert!(root.create_dir(&path(name), 0o755).is_err());
            assert!(root.symlink(&path(name), b"t").is_err());
            assert!(root.hard_link(&path(name), &path("etc/file")).is_err());
            assert!(root.mknod(&path(name), Special::Fifo, 0o644).is_err());
            root.remove_all(&path(name)).expect("nothing there");
        }
        assert!(root.hard_link(&path("stolen"), &path("host/canary")).is_err());
        assert!(root.create_file(&path("dotted"), 0o644).is_err(), "a link is not written through");
    }
    jail.canary_is_untouched();
}

#[test]
fn removing_does_not_follow_links() {
    for resolver in 0..2 {
        let jail = Jail::new();
        let root = &jail.roots[resolver];
        fs::create_dir_all(jail.host("tree/deep/deeper")).expect("directories");
        fs::write(jail.host("tree/deep/deeper/file"), "x").expect("file");
        symlink(jail.dir.path().join("outside"), jail.host("tree/deep/out")).expect("link");
        symlink("/etc", jail.host("tree/etc")).expect("link");
        root.remove_all(&path("tree")).expect("removed");
        assert!(root.stat(&path("tree")).expect("stat").is_none());
        assert_eq!(read(root, "etc/file").expect("untouched"), "inside");
        jail.canary_is_untouched();
        assert!(matches!(root.remove_all(&TreePath::root()), Err(Error::IsRoot { .. })));
    }
}

#[test]
fn a_deep_tree_is_removed() {
    let jail = Jail::new();
    for root in &jail.roots {
        let mut deep = path("d");
        for _ in 0..200 {
            root.create_dir(&deep, 0o755).expect("created");
            deep = deep.join("d").expect("short");
        }
        root.remove_all(&path("d")).expect("removed");
        assert!(root.stat(&path("d")).expect("stat").is_none());
    }
}

#[test]
fn a_link_swapped_in_never_shows_the_outside() {
    let jail = Jail::new();
    fs::create_dir(jail.host("real")).expect("directory");
    fs::write(jail.host("real/canary"), "inside").expect("file");
    symlink("../outside", jail.host("evil")).expect("link");
    fs::rename(jail.host("real"), jail.host("swap")).expect("rename");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [("swap", "real"), ("evil", "swap"), ("swap", "evil"), ("real", "swap")] {
                    fs::rename(jail.host(from), jail.host(to)).expect("rename");
                }
            }
        });
        for root in &jail.roots {
            for _ in 0..2000 {
                assert_ne!(read(root, "swap/canary").ok().as_deref(), Some("secret"));
                drop(root.create_file(&path("swap/new"), 0o644));
                drop(root.remove_all(&path("swap/new")));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    jail.canary_is_untouched();
}

#[test]
fn a_root_within_a_root_is_confined_to_itself() {
    let jail = Jail::new();
    symlink("/file", jail.host("etc/link")).expect("link");
    symlink("../..", jail.host("etc/up")).expect("link");
    for root in &jail.roots {
        let etc = root.subroot(&path("etc")).expect("a directory");
        assert_eq!(read(&etc, "up/file").expect("clamped"), "inside");
        assert!(root.subroot(&path("etc/file")).is_err());
    }
    assert!(fs::metadata(jail.host("etc")).expect("etc").permissions().mode() > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever links are planted, both resolvers agree, and neither shows the canary.
    #[test]
    fn both_resolvers_agree(
        links in proptest::collection::vec(("[ab]", "(/?(\\.\\.|a|b|etc|outside|canary)){1,4}"), 0..4),
        asked in "(a|b|etc)(/(a|b|etc|file|canary)){0,3}",
    ) {
        let jail = Jail::new();
        for (name, target) in &links {
            drop(symlink(target, jail.host(name)));
            drop(symlink(target, jail.host("etc").join(name)));
        }
        let [kernel, walk] = jail.roots.each_ref().map(|root| read(root, &asked).map_err(|e| e.to_string()));
        prop_assert_eq!(&kernel, &walk);
        prop_assert_ne!(kernel.as_deref(), Ok("secret"));
    }
}
