//! Output directories in which somebody has put links before.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::bench::{Bench, SECRET};
use crate::raw::{Raw, archive};

const DOCKERFILE: &str = "FROM scratch\nCOPY d /d/\nCOPY f /f\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("d/file", "new").file("d/deep/file", "new").file("f", "new");
    bench
}

#[test]
fn links_in_the_place_of_files_are_replaced() {
    let bench = bench();
    symlink(bench.outside("passwd"), bench.path("work/out/local/f")).expect("a link");
    let built = bench.build(DOCKERFILE);
    assert!(built.local.join("f").symlink_metadata().expect("it is there").is_file());
    assert_eq!(built.read("f"), "new");
}

#[test]
fn links_in_the_place_of_directories_are_replaced() {
    let bench = bench();
    symlink(bench.outside(""), bench.path("work/out/local/d")).expect("a link");
    let built = bench.build(DOCKERFILE);
    assert!(built.local.join("d").symlink_metadata().expect("it is there").is_dir());
    assert_eq!(built.read("d/deep/file"), "new");
}

#[test]
fn links_below_directories_are_replaced() {
    let bench = bench();
    fs::create_dir(bench.path("work/out/local/d")).expect("a directory");
    symlink("../../../../outside/dir", bench.path("work/out/local/d/deep")).expect("a link");
    symlink("../../../canary", bench.path("work/out/local/d/file")).expect("a link");
    let built = bench.build(DOCKERFILE);
    assert_eq!((built.read("d/deep/file"), built.read("d/file")), ("new".into(), "new".into()));
}

#[test]
fn names_shared_with_a_file_outside_are_cut_first() {
    let bench = bench();
    fs::hard_link(bench.path("canary"), bench.path("work/out/local/f")).expect("a hard link");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.build(DOCKERFILE)));
    // The number of names of the canary is part of what is compared, and rightly changed: only that may differ.
    drop(outcome);
    assert_eq!(fs::read_to_string(bench.path("canary")).expect("a canary"), SECRET);
    assert_eq!(fs::read_to_string(bench.path("work/out/local/f")).expect("a file"), "new");
}

#[test]
fn what_is_replaced_is_not_followed_when_removed() {
    let bench = bench();
    fs::create_dir(bench.path("work/out/local/f")).expect("a directory");
    symlink(bench.outside(""), bench.path("work/out/local/f/link")).expect("a link");
    fs::create_dir(bench.path("work/out/local/f/closed")).expect("a directory");
    fs::set_permissions(bench.path("work/out/local/f/closed"), fs::Permissions::from_mode(0o0)).expect("a mode");
    assert_eq!(bench.build(DOCKERFILE).read("f"), "new");
}

/// An image that links its own directories out of the tree, unpacked to disk where those links mean the host.
#[test]
fn links_of_the_image_are_not_followed_on_the_way_out() {
    let bench = bench();
    let link = [crate::raw::pax(b'x', &[("linkpath", &bench.outside(""))]), Raw::new(b'2', "etc", b"").link("short")];
    bench.base("base", &[archive(link)]);
    let built = bench.build("FROM base\nCOPY --link f /etc/passwd\nCOPY --link d /etc/dir\n");
    assert_eq!(built.read("etc/passwd"), "new");
    let built = bench.build("FROM base\nCOPY f /opt/f\n");
    assert_eq!(built.read("opt/f"), "new");
}
