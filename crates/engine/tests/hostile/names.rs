//! Names that are legal and unlikely.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::bench::Bench;
use crate::raw::{Raw, archive, pax};

#[test]
fn any_bytes_are_a_name() {
    let bench = Bench::new();
    let dir = bench.path("work/context/d");
    fs::create_dir(&dir).expect("a directory");
    let long = "n".repeat(255);
    let names: [&[u8]; 7] = [b"new\nline", b"\xff\xfe", b"tab\tbell\x07", b" ", b"-rf *", b"a\\b", long.as_bytes()];
    for name in names {
        fs::write(dir.join(OsStr::from_bytes(name)), "x").expect("a file");
    }
    let built = bench.build("FROM scratch\nCOPY d /x/\n");
    assert_eq!(built.files().len(), names.len());
    for name in names {
        assert_eq!(fs::read(built.local.join("x").join(OsStr::from_bytes(name))).expect("a file"), b"x");
    }
}

#[test]
fn names_that_no_file_system_takes_are_refused() {
    for name in ["n".repeat(256), format!("{}x", "d/".repeat(2048))] {
        let bench = Bench::new();
        bench.file("evil.tar", archive([pax(b'x', &[("path", &name)]), Raw::new(b'0', "short", b"")]));
        let refusal = bench.refusal("FROM scratch\nADD evil.tar /\n");
        assert!(refusal.contains("too long") || refusal.contains("longer than"), "{refusal}");
    }
}

/// In a layer these names are whiteouts, whoever puts them there.
#[test]
fn marks_of_whiteouts_hide_what_they_name() {
    let bench = Bench::new();
    bench.base("base", &[archive([Raw::new(b'0', "keep", b"x"), Raw::new(b'0', "d/keep", b"x")])]);
    bench.file("c/.wh.keep", "").file("c/d/.wh..wh..opq", "");
    let files = bench.build("FROM base\nCOPY c /\n").image().files;
    assert!(!files.contains_key("/keep") && !files.contains_key("/d/keep"), "{:?}", files.keys());
}
