//! Base images whose layers, and whose links, lead out of the tree.

use crate::bench::Bench;
use crate::raw::{Raw, archive, pax};

fn file(name: &str) -> Raw {
    Raw::new(b'0', name, b"evil")
}

fn dir(name: &str) -> Raw {
    Raw::new(b'5', name, b"")
}

fn symlink(name: &str, target: &str) -> [Raw; 2] {
    [pax(b'x', &[("linkpath", target)]), Raw::new(b'2', name, b"").link("short")]
}

/// A refusal of `FROM base` with that layer.
fn refused(members: impl IntoIterator<Item = Raw>) -> String {
    let bench = Bench::new();
    bench.file("f", "x").base("base", &[archive(members)]);
    bench.refusal("FROM base\nCOPY f /x/\n")
}

#[test]
fn destinations_through_links_to_the_hosts_etc_stay_inside() {
    let bench = Bench::new();
    let outside = bench.outside("");
    let links = [symlink("opt", "/etc"), symlink("proc", ".."), symlink("srv", &outside), symlink("up", "../../../..")];
    bench.base("base", &[archive(links.into_iter().flatten())]);
    bench.file("passwd", "evil").file("file", "evil");
    let built = bench.build(
        "FROM base\nCOPY passwd /opt/passwd\nCOPY file /proc/dir/\nCOPY passwd /srv/passwd\nCOPY file /up/canary\n",
    );
    let inside = outside.trim_matches('/');
    for written in ["etc/passwd", "dir/file", &format!("{inside}/passwd"), "canary"] {
        assert_eq!(built.read(written), "evil", "{written}");
    }
}

#[test]
fn work_directories_through_links_stay_inside() {
    let bench = Bench::new();
    let outside = bench.outside("");
    bench.base("base", &[archive([symlink("w", &outside), symlink("u", "../../../../..")].into_iter().flatten())]);
    bench.file("f", "x");
    let built = bench.build("FROM base\nWORKDIR /w/new\nCOPY f .\nWORKDIR /u/../../up\nCOPY f .\n");
    let inside = outside.trim_matches('/');
    assert_eq!((built.read(&format!("{inside}/new/f")), built.read("up/f")), ("x".into(), "x".into()));
}

#[test]
fn copies_out_of_a_stage_follow_links_inside_it() {
    let bench = Bench::new();
    let outside = bench.outside("");
    let links = [symlink("abs", &bench.outside("passwd")), symlink("host", "/etc/passwd"), symlink("dir", &outside)];
    bench.base("base", &[archive(links.into_iter().flatten())]);
    for source in ["/abs", "/host", "/dir/passwd", "/../../../../../../etc/passwd", "/dir/dir"] {
        let refusal = bench.refusal(&format!("FROM scratch\nCOPY --from=base {source} /x\n"));
        assert!(refusal.contains("not found"), "{source}: {refusal}");
    }
}

#[test]
fn owners_are_looked_up_in_the_image_only() {
    let bench = Bench::new();
    let links = [symlink("etc/passwd", &bench.outside("passwd")), symlink("etc/group", "/etc/group")];
    bench.base("base", &[archive(links.into_iter().flatten())]);
    bench.file("f", "x");
    for owner in ["daemon", "daemon:daemon", ":daemon"] {
        let Ok(built) = bench.outcome(&format!("FROM base\nCOPY --chown={owner} f /x\n")) else { continue };
        let image = built.image();
        assert_eq!((image.files["/x"].uid, image.files["/x"].gid), (0, 0), "{owner} is known to the host alone");
    }
}

#[test]
fn layers_that_climb_are_refused() {
    for name in ["../x", "a/../../x", "/..", "../.wh.canary", "a/../../.wh..wh..opq"] {
        assert!(refused([file(name)]).contains("leaves the root"), "{name}");
    }
    assert!(refused([Raw::new(b'1', "h", b"").link("../../etc/passwd")]).contains("leaves the root"));
    assert!(refused([Raw::new(b'2', ".", b"").link("/etc")]).contains("the root can only be a directory"));
}

#[test]
fn whiteouts_that_name_no_file_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh..."] {
        assert!(refused([file(name)]).contains("its whiteout hides no name"), "{name}");
    }
    assert!(refused([file(".wh.d/x")]).contains("it lies below a whiteout"));
}

#[test]
fn hard_links_to_the_host_are_missing() {
    let bench = Bench::new();
    for target in ["etc/passwd".to_owned(), "/etc/passwd".to_owned(), bench.outside("passwd")] {
        let members = [pax(b'x', &[("linkpath", &target)]), Raw::new(b'1', "h", b"").link("short")];
        assert!(refused(members).contains("hard link's target is missing"), "{target}");
    }
    let [linkpath, link] = symlink("out", &bench.outside(""));
    let through = [linkpath, link, Raw::new(b'1', "h", b"").link("out/passwd")];
    assert!(refused(through).contains("hard link's target is missing"));
}

#[test]
fn entries_below_links_are_put_inside() {
    let bench = Bench::new();
    let outside = bench.outside("");
    let mut first: Vec<Raw> = symlink("out", &outside).into();
    first.extend([file("out/passwd"), file("out/dir/file"), dir("keep"), file("keep/f")]);
    let second = vec![file("out/.wh.passwd"), file("keep/.wh.f"), file("new/../.wh.keep")];
    bench.base("base", &[archive(first), archive(second)]);
    bench.file("f", "x");
    let built = bench.build("FROM base\nCOPY f /x/\n");
    let inside = outside.trim_matches('/');
    assert!(!built.local.join("keep").exists());
    for name in ["passwd", "dir/file"] {
        assert_eq!(built.read(&format!("{inside}/{name}")), "evil", "{name}");
    }
    assert!(built.local.join("out").is_symlink(), "a whiteout goes through no link of another layer");
}

#[test]
fn an_entry_below_a_file_is_refused() {
    assert!(refused([file("f"), file("f/x")]).contains("to be a directory"));
    assert!(refused([Raw::new(b'6', "pipe", b""), file("pipe/x")]).contains("to be a directory"));
}

#[test]
fn loops_of_links_in_a_layer_are_refused() {
    let members = [symlink("a", "b"), symlink("b", "a")].into_iter().flatten().chain([file("a/x")]);
    assert!(refused(members).contains("too many levels of symbolic links"));
}
