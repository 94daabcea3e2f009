//! Archives as contexts.

use std::io::{self, Read, Write};

use layer::{EntryKind, SourceTree};
use proptest::prelude::*;
use rootfs::TreePath;
use shipsmith_context::{Error, TarContext, read_dockerfile_in};
use tar::{Builder, EntryType, Header};

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

/// Writes an archive by another's code.
struct Archive(Builder<Vec<u8>>);

impl Archive {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o640);
        header.set_uid(12);
        header.set_gid(34);
        header.set_mtime(56);
        header.set_size(size);
        header
    }

    fn file(mut self, name: &str, content: &str) -> Self {
        let mut header = Self::header(EntryType::Regular, content.len() as u64);
        self.0.append_data(&mut header, name, content.as_bytes()).expect("written");
        self
    }

    fn link(mut self, kind: EntryType, name: &str, target: &str) -> Self {
        self.0.append_link(&mut Self::header(kind, 0), name, target).expect("written");
        self
    }

    /// A name that the other's code would not write.
    fn hostile(mut self, kind: EntryType, name: &str, target: &str) -> Self {
        let mut header = Self::header(kind, 0);
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0.append(&header, io::empty()).expect("written");
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("written")
    }

    fn read(self) -> Result<TarContext, Error> {
        read(&self.bytes())
    }
}

fn read(bytes: &[u8]) -> Result<TarContext, Error> {
    TarContext::from_reader(bytes, &std::env::temp_dir())
}

fn text(tree: &TarContext, name: &str) -> String {
    io::read_to_string(tree.content(&path(name)).expect("there").open().expect("open")).expect("text")
}

#[test]
fn files_come_with_what_the_archive_says_of_them() {
    let tree = Archive::new().file("a/b", "one").file("c", "two").read().expect("an archive");
    let entry = tree.entry(&path("a/b")).expect("readable").expect("there");
    assert_eq!((entry.mode, entry.uid, entry.gid, entry.mtime.seconds), (0o640, 12, 34, 56));
    assert_eq!((text(&tree, "a/b").as_str(), text(&tree, "c").as_str()), ("one", "two"));
    assert!(tree.entry(&path("a")).expect("readable").expect("made").is_dir());
}

#[test]
fn compressed_archives_are_known_by_their_bytes() {
    let plain = Archive::new().file("Dockerfile", "FROM scratch").bytes();
    for (tool, args) in [("gzip", "-c"), ("bzip2", "-c"), ("xz", "-c"), ("zstd", "-c")] {
        let Some(tool) = testkit::tools::require(tool) else { continue };
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&plain).expect("written");
        let packed = tool.run([args.as_ref(), file.path().as_os_str()]).stdout;
        let tree = read(&packed).expect("an archive");
        assert_eq!(read_dockerfile_in(&tree, "Dockerfile").expect("there"), b"FROM scratch");
    }
}

#[test]
fn later_members_replace_earlier_ones() {
    let tree = Archive::new().file("a/b", "one").file("a", "two").file("a", "three").read().expect("an archive");
    assert_eq!(text(&tree, "a"), "three");
    assert_eq!(tree.children(&TreePath::root()).expect("readable").len(), 1);
}

#[test]
fn links_on_the_way_stay_inside() {
    let archive = Archive::new().link(EntryType::Symlink, "out", "/etc").file("out/canary", "inside");
    let tree = archive.read().expect("an archive");
    assert_eq!(text(&tree, "etc/canary"), "inside");
    assert_eq!(
        tree.entry(&path("out")).expect("readable").expect("there").kind,
        EntryKind::Symlink { target: b"/etc".to_vec() }
    );
}

#[test]
fn hard_links_share_their_bytes_and_name_what_is_there() {
    let archive = Archive::new().file("a", "one").link(EntryType::Link, "b", "a");
    let tree = archive.read().expect("an archive");
    assert_eq!(text(&tree, "b"), "one");
    assert!(Archive::new().link(EntryType::Link, "b", "missing").read().is_err());
    assert!(Archive::new().file("d/a", "one").link(EntryType::Link, "b", "d").read().is_err());
}

#[test]
fn whiteout_names_are_names_like_any_other() {
    let tree = Archive::new().file(".wh.a", "one").read().expect("an archive");
    assert_eq!(text(&tree, ".wh.a"), "one");
}

#[test]
fn names_that_climb_out_stay_at_the_root() {
    for (name, place) in [("../a", "a"), ("a/../../b", "b")] {
        let tree = Archive::new().hostile(EntryType::Regular, name, "").read().expect("an archive");
        assert!(tree.entry(&path(place)).expect("readable").is_some(), "{name}");
    }
    assert!(Archive::new().hostile(EntryType::Link, "a", "../../etc/passwd").read().is_err());
    let tree = Archive::new().hostile(EntryType::Symlink, ".", "/etc").read().expect("passed over");
    assert!(tree.entry(&TreePath::root()).expect("readable").is_some_and(|root| root.is_dir()));
}

#[test]
fn a_file_on_the_way_and_links_in_circles_are_errors() {
    assert!(Archive::new().file("a", "one").file("a/b", "two").read().is_err());
    let circle = Archive::new().link(EntryType::Symlink, "a", "b").link(EntryType::Symlink, "b", "a");
    assert!(circle.file("a/c", "two").read().is_err());
}

#[test]
fn sizes_beyond_all_reason_are_refused_before_they_are_read() {
    let mut header = Archive::header(EntryType::Regular, 1 << 50);
    header.set_path("bomb").expect("a name");
    header.set_cksum();
    let error = read(header.as_bytes()).err().expect("refused");
    assert!(matches!(error, Error::TooMuch { .. }), "{error}");
}

#[test]
fn zeros_take_no_room() {
    let mut header = Archive::header(EntryType::Regular, 64 << 20);
    let mut archive = Archive::new();
    archive.0.append_data(&mut header, "zeros", io::repeat(0).take(64 << 20)).expect("written");
    let tree = archive.file("after", "one").read().expect("an archive");
    let mut zeros = tree.content(&path("zeros")).expect("there").open().expect("open");
    assert_eq!(io::copy(&mut zeros, &mut io::sink()).expect("read"), 64 << 20);
    assert_eq!(text(&tree, "after"), "one");
}

#[test]
fn a_cut_archive_is_an_error() {
    let whole = Archive::new().file("a", &"x".repeat(2000)).bytes();
    assert!(read(&whole[..1500]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_archives_never_panic(at in 0_usize..3072, byte: u8, cut in 0_usize..4096) {
        let mut bytes = Archive::new().file("a", "one").link(EntryType::Symlink, "b", "a").file("c/d", "two").bytes();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        let _ = read(&bytes);
    }
}
