//! Trees as deep as a path can tell: what asks at each level for all those above, or recurses, hangs here or overflows.

use std::io::Write;

use rootfs::{Root, TreePath};

use crate::bench::Bench;
use crate::raw::{Raw, archive, pax};

const LEVELS: usize = 2000;

fn deep(levels: usize) -> String {
    vec!["d"; levels].join("/")
}

/// Files at every level of the context, made below held directories: the whole paths are longer than the system takes.
fn deep_context(bench: &Bench) {
    let root = Root::open(bench.path("work/context")).expect("the context");
    let at = |path: String| TreePath::new(path).expect("a path");
    for level in 1..=LEVELS {
        root.create_dir(&at(deep(level)), 0o755).expect("a directory");
        let mut file = root.create_file(&at(format!("{}/f", deep(level))), 0o644).expect("a file");
        file.write_all(b"x").expect("written");
    }
}

/// The deepest first, so that each file climbs one directory up again.
fn climbing() -> Vec<u8> {
    let file = |level: usize| [pax(b'x', &[("path", &format!("{}/f", deep(level)))]), Raw::new(b'0', "short", b"x")];
    archive((1..=LEVELS).rev().flat_map(file))
}

fn descending() -> Vec<u8> {
    let entries = |level: usize| {
        let name = deep(level);
        let file = format!("{name}/f");
        [
            pax(b'x', &[("path", &name)]),
            Raw::new(b'5', "short", b""),
            pax(b'x', &[("path", &file)]),
            Raw::new(b'0', "short", b"x"),
        ]
    };
    archive((1..=LEVELS).flat_map(entries))
}

#[test]
fn a_deep_context_is_copied() {
    let bench = Bench::new();
    deep_context(&bench);
    bench.file(".dockerignore", "**/nothing\n!d/d/d\n");
    bench.image("FROM scratch\nCOPY . /c/\nCOPY --exclude=**/f d /e/\nCOPY --parents d/**/f /p/\n").expect("builds");
    bench.image("FROM scratch AS one\nCOPY . /c/\nFROM scratch\nCOPY --from=one /c /e\n").expect("builds");
}

#[test]
fn a_deep_archive_is_unpacked() {
    for members in [descending(), climbing()] {
        let bench = Bench::new();
        bench.file("evil.tar", members);
        bench.image("FROM scratch\nADD evil.tar /a/\nWORKDIR /a/d\n").expect("builds");
    }
}

#[test]
fn a_deep_base_is_changed_and_hidden() {
    let bench = Bench::new();
    let hidden = archive([Raw::new(b'0', "d/.wh..wh..opq", b""), Raw::new(b'0', "d/new", b"x")]);
    bench.base("deep", &[descending()]).base("hidden", &[climbing(), hidden]).file("f", "x");
    let end = deep(LEVELS);
    let dockerfile = format!("FROM deep\nCOPY f /{end}/new\nWORKDIR /{end}/more\nADD --chown=1:1 f /{end}/g\n");
    bench.image(&dockerfile).expect("builds");
    bench.image("FROM scratch\nCOPY --from=deep / /x/\nCOPY --from=hidden / /x/\n").expect("builds");
}

#[test]
fn a_deep_tree_is_unpacked_into_an_archive() {
    let bench = Bench::new();
    bench.file("evil.tar", descending());
    bench.tar("FROM scratch\nADD evil.tar /a/\n").expect("builds");
}
