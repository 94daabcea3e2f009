//! ADD of archives that try to leave the directory they are unpacked into.

use testkit::canonical::NodeKind;

use crate::bench::Bench;
use crate::raw::{Raw, archive, pax};

const ADD: &str = "FROM scratch\nADD evil.tar /app/\n";

fn file(name: &str) -> Raw {
    Raw::new(b'0', name, b"evil")
}

fn symlink(name: &str, target: &str) -> Raw {
    Raw::new(b'2', name, b"").link(target)
}

fn hardlink(name: &str, target: &str) -> Raw {
    Raw::new(b'1', name, b"").link(target)
}

fn bench(members: impl IntoIterator<Item = Raw>) -> Bench {
    let bench = Bench::new();
    bench.file("evil.tar", archive(members));
    bench
}

#[test]
fn dotdot_stops_at_the_directory() {
    let bench = bench([file("../../../../../../../../etc/passwd"), file("a/../../../b"), file("./../c")]);
    let built = bench.build(ADD);
    assert_eq!(built.files(), ["/app/b", "/app/c", "/app/etc/passwd"]);
}

#[test]
fn absolute_names_are_below_the_directory() {
    let bench = Bench::new();
    let name = bench.outside("passwd");
    bench.file("evil.tar", archive([pax(b'x', &[("path", &name)]), file("short"), file("//etc//passwd")]));
    let built = bench.build(ADD);
    assert_eq!(built.files(), ["/app/etc/passwd".to_owned(), format!("/app{name}")]);
}

#[test]
fn files_through_links_stay_inside() {
    let bench = Bench::new();
    let outside = bench.outside("");
    let inside = outside.trim_matches('/').to_owned();
    let up = "../".repeat(40);
    let mut members: Vec<Raw> = Vec::new();
    for (number, target) in [outside.clone(), format!("{up}{outside}"), format!("{up}../{inside}")].iter().enumerate() {
        members.extend([pax(b'x', &[("path", &inside)]), Raw::new(b'5', "dir", b"")]);
        members.extend([pax(b'x', &[("linkpath", target)]), symlink(&format!("out{number}"), "short")]);
        members.push(file(&format!("out{number}/passwd{number}")));
        members.push(file(&format!("out{number}/dir/file")));
    }
    bench.file("evil.tar", archive(members));
    let built = bench.build(ADD);
    for name in ["passwd0", "passwd1", "passwd2", "dir/file"] {
        assert_eq!(built.read(&format!("app/{inside}/{name}")), "evil", "{name}");
    }
}

#[test]
fn a_link_that_leads_nowhere_inside_is_an_error() {
    let bench = Bench::new();
    let members = [pax(b'x', &[("linkpath", &bench.outside(""))]), symlink("out", "short"), file("out/passwd")];
    bench.file("evil.tar", archive(members));
    assert!(bench.refusal(ADD).contains("not found"));
}

#[test]
fn chains_and_loops_of_links_end() {
    let loops = bench([symlink("a", "b"), symlink("b", "a"), file("a/x")]);
    assert!(loops.refusal(ADD).contains("too many levels of symbolic links"));
    let mut chain: Vec<Raw> = (0..300).map(|n| symlink(&format!("l{n}"), &format!("l{}", n + 1))).collect();
    chain.extend([Raw::new(b'5', "l300", b""), file("l0/x")]);
    assert!(bench(chain).refusal(ADD).contains("too many levels of symbolic links"));
    // 255 links, each of which is as many again as it has components.
    let wide = "x/../".repeat(600);
    let mut wide: Vec<Raw> = (0..200)
        .flat_map(|n| [pax(b'x', &[("linkpath", &format!("{wide}l{}", n + 1))]), symlink(&format!("l{n}"), "short")])
        .collect();
    wide.extend([Raw::new(b'5', "x", b""), Raw::new(b'5', "l200", b""), file("l0/f")]);
    assert!(bench(wide).build(ADD).files().contains(&"/app/l200/f".to_owned()));
}

#[test]
fn hard_links_reach_what_the_image_has_and_nothing_else() {
    let bench = Bench::new();
    let outside = bench.outside("passwd");
    for target in ["/etc/passwd", "../../../../etc/passwd", &outside] {
        bench.file("evil.tar", archive([pax(b'x', &[("linkpath", target)]), hardlink("hard", "short")]));
        assert!(bench.refusal(ADD).contains("not found"), "{target}");
    }
    // Through a symbolic link out of the tree.
    let link = [pax(b'x', &[("linkpath", &bench.outside(""))]), symlink("out", "short"), hardlink("h", "out/passwd")];
    bench.file("evil.tar", archive(link));
    assert!(bench.refusal(ADD).contains("not found"));
}

#[test]
fn a_hard_link_to_a_file_of_the_image_shares_it() {
    let bench = bench([hardlink("hard", "../../etc/passwd")]);
    bench.base("base", &[archive([file("etc/passwd"), file("app/etc/passwd")])]);
    let built = bench.build("FROM base\nADD evil.tar /app/\n");
    assert_eq!(built.image().files["/app/hard"].hard_links, ["/app/etc/passwd"]);
}

#[test]
fn devices_are_entries_of_the_layer_and_never_opened() {
    let device = |kind, name: &str| Raw::new(kind, name, b"").set(329, b"0000010\0").set(337, b"0000000\0");
    let bench = bench([device(b'3', "console"), device(b'4', "disk"), Raw::new(b'6', "pipe", b""), file("pipe2")]);
    let layout = bench.image(ADD).expect("builds");
    let image = testkit::canonical::read_image(&layout, "linux/amd64").expect("an image");
    assert_eq!(image.files["/app/disk"].kind, NodeKind::Block);
    assert_eq!(image.files["/app/console"].device.as_deref(), Some("8:0"));
    assert_eq!(image.files["/app/pipe"].kind, NodeKind::Fifo);
    let below = Bench::new();
    below.file("evil.tar", archive([device(b'3', "d"), file("d/x")]));
    assert!(below.refusal(ADD).contains("not a directory"));
}

/// On an overlay file system that device is a name that was removed.
#[test]
fn a_device_that_would_hide_a_file_is_refused() {
    let device = |minor: &[u8]| Raw::new(b'3', "passwd", b"").set(337, minor);
    assert!(bench([device(b"0000000\0")]).refusal(ADD).contains("stands for a name that was removed"));
    bench([device(b"0000001\0")]).image(ADD).expect("another device");
}

#[test]
fn the_root_of_an_archive_stays_a_directory() {
    for name in [".", "./", "/", "..", "a/.."] {
        for root in [symlink(name, "/etc"), file(name)] {
            assert_eq!(bench([root, file("passwd")]).build(ADD).files(), ["/app/passwd"], "{name}");
        }
    }
}

/// Programs that take the size in one header for the one in the other see different members.
#[test]
fn sizes_that_disagree_are_read_as_pax_says() {
    let smuggled = archive([Raw::new(b'0', "smuggled", b"evil")]);
    let hidden = [pax(b'x', &[("size", &smuggled.len().to_string())]), Raw::new(b'0', "f", &smuggled).size(0)];
    let hidden = bench(hidden);
    assert_eq!(hidden.build(ADD).files(), ["/app/f"]);
    let shown = bench([pax(b'x', &[("size", "0")]), Raw::new(b'0', "f", &smuggled[..512])]);
    assert_eq!(shown.build(ADD).files(), ["/app/f", "/app/smuggled"]);
    let sized = bench([symlink("link", "x").size(1024), file("x")]);
    assert!(sized.refusal(ADD).contains("it has a size though it is no regular file"));
}

#[test]
fn the_destination_of_an_archive_may_be_a_link_of_the_image() {
    let bench = bench([file("passwd")]);
    let outside = bench.outside("");
    let inside = outside.trim_matches('/').to_owned();
    let base = archive([
        pax(b'x', &[("linkpath", &outside)]),
        symlink("app", "short"),
        pax(b'x', &[("path", &inside)]),
        Raw::new(b'5', "dir", b""),
    ]);
    bench.base("base", &[base]);
    let built = bench.build("FROM base\nADD evil.tar /app/\n");
    assert_eq!(built.read(&format!("{inside}/passwd")), "evil");
}

#[test]
fn a_file_in_the_place_of_a_directory_takes_all_below_along() {
    let members = [file("d/secret"), symlink("d", "/etc"), file("d/passwd"), Raw::new(b'5', "etc", b"")];
    assert!(bench(members).refusal(ADD).contains("not found"));
    let members = [Raw::new(b'5', "etc", b""), file("d/secret"), symlink("d", "/etc"), file("d/passwd")];
    assert_eq!(bench(members).build(ADD).files(), ["/app/d", "/app/etc/passwd"]);
}
