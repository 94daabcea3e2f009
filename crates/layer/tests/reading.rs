//! What the reader takes, and what it refuses with the member's name.

mod common;

use std::io::{self, Read};
use std::process::Command;

use common::raw::{Raw, archive, pax};
use common::{path, varied, write};
use proptest::prelude::*;
use shipsmith_layer::tar::{Dialect, Reader};
use shipsmith_layer::{Compression, Entry, EntryKind, Error, LayerIndex, Timestamp, decompress, index_layer};

fn read_as(dialect: Dialect, tar: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    let mut reader = Reader::new(tar, dialect);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        // Hostile sparse sizes are not worth the memory of a test.
        (&mut reader).take(1 << 20).read_to_end(&mut content).map_err(Error::Archive)?;
        all.push((entry, content));
    }
    Ok(all)
}

fn read(members: impl IntoIterator<Item = Raw>) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    read_as(Dialect::Layer, &archive(members))
}

fn one(members: impl IntoIterator<Item = Raw>) -> (Entry, Vec<u8>) {
    let mut all = read(members).expect("well-formed");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[track_caller]
fn refused(members: impl IntoIterator<Item = Raw>, expected: &str) {
    let error = read(members).expect_err(expected);
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.hint().is_some());
}

fn file(name: &str) -> Raw {
    Raw::new(b'0', name, b"data")
}

#[test]
fn names_are_cleaned_and_confined() {
    for (name, clean) in [("/abs", "abs"), ("./a", "a"), ("a/../b", "b"), ("a//b/.", "a/b"), ("a/./b", "a/b")] {
        assert_eq!(one([file(name)]).0.path, path(clean), "{name}");
    }
    for name in ["../a", "a/../../b", "/..", "./../x"] {
        refused([file(name)], "leaves the root");
        refused([Raw::new(b'1', "hard", b"").link(name)], "leaves the root");
        let members = archive([file(name), Raw::new(b'1', "hard", b"").link(name)]);
        assert!(read_as(Dialect::Archive, &members).is_ok() || name == "/..", "{name} stays at the root of an archive");
    }
    let clamped = read_as(Dialect::Archive, &archive([file("a/../../b")])).expect("clamped");
    assert_eq!(clamped[0].0.path, path("b"));
    let (entry, _) = one([Raw::new(b'2', "soft", b"").link("../../../etc")]);
    assert_eq!(entry.kind, EntryKind::Symlink { target: b"../../../etc".to_vec() });
}

#[test]
fn the_root_is_a_directory() {
    assert!(one([Raw::new(b'5', "./", b"")]).0.is_dir());
    for name in [".", "/", "./", "a/.."] {
        refused([Raw::new(b'2', name, b"").link("/etc")], "the root can only be a directory");
        refused([file(name)], "the root can only be a directory");
        assert!(read_as(Dialect::Archive, &archive([file(name)])).is_ok(), "{name} is passed over by who unpacks");
    }
    refused([Raw::new(b'1', "a", b"").link("/")], "hard link to the root");
}

#[test]
fn whiteouts_are_known_in_layers_only() {
    let members = [file("d/.wh.gone"), file("d/.wh..wh..opq"), file(".wh..wh..opq"), file(".wh..wh.plnk/1.2")];
    let entries = read(members.clone()).expect("well-formed");
    let seen: Vec<_> = entries.iter().map(|(e, _)| (e.path.to_string(), e.kind.clone())).collect();
    assert_eq!(
        seen,
        [
            ("/d/gone".into(), EntryKind::Whiteout),
            ("/d".into(), EntryKind::OpaqueWhiteout),
            ("/".into(), EntryKind::OpaqueWhiteout),
        ]
    );
    let plain = read_as(Dialect::Archive, &archive(members)).expect("well-formed");
    assert_eq!(plain.len(), 4);
    assert!(plain.iter().all(|(e, _)| matches!(e.kind, EntryKind::File { size: 4 })));
    refused([file(".wh.")], "hides no name");
    refused([file(".wh...")], "hides no name");
    refused([file(".wh.a/b")], "below a whiteout");
}

#[test]
fn the_pax_size_is_the_size() {
    let inner = archive([file("smuggled")]);
    // By the header there are no data, and a member follows; by PAX that member is data.
    let outer = Raw::new(b'0', "outer", &inner).size(0);
    let size = inner.len().to_string();
    let entries = read([pax(b'x', &[("size", &size)]), outer, file("next")]).expect("well-formed");
    let names: Vec<_> = entries.iter().map(|(e, _)| e.path.to_string()).collect();
    assert_eq!(names, ["/outer", "/next"]);
    assert_eq!(entries[0].1, inner);
}

#[test]
fn the_pax_size_is_not_that_of_a_header_between() {
    let members = [pax(b'x', &[("size", "4")]), Raw::new(b'L', "././@LongLink", b"long/name\0"), file("x").size(0)];
    assert_eq!(one(members), (Entry::new(path("long/name"), EntryKind::File { size: 4 }, 0o644), b"data".to_vec()));
}

#[test]
fn only_files_have_content() {
    for kind in *b"123456" {
        refused([Raw::new(kind, "odd", b"data").link("t"), file("next")], "\"odd\"");
        refused([pax(b'x', &[("size", "4")]), Raw::new(kind, "odd", b"").link("t")], "\"odd\"");
    }
}

#[test]
fn ambiguous_headers_are_refused() {
    let x = || pax(b'x', &[("path", "p")]);
    let gnu = || Raw::new(b'L', "././@LongLink", b"long\0");
    refused([x(), x(), file("f")], "two PAX headers");
    refused([gnu(), gnu(), file("f")], "two GNU headers");
    refused([x(), gnu(), file("f")], "a PAX and a GNU header");
    refused([pax(b'g', &[("path", "p")]), file("f")], "global PAX header");
    refused([pax(b'g', &[("size", "1")]), file("f")], "global PAX header");
    let globals = (0..65).map(|number| pax(b'g', &[(&format!("key{number}"), "x")]));
    refused(globals.chain([file("f")]), "more than 64 records");
    let offsets = || pax(b'x', &[("GNU.sparse.offset", "1")]);
    refused([offsets(), offsets(), file("f")], "two PAX headers");
    refused([x()], "describes another member");
    refused([Raw::new(b'x', "h", b"9 path=x\n12"), file("f")], "PAX record is malformed");
    refused([Raw::new(b'x', "h", b"99999999999999999999 a=b\n"), file("f")], "PAX record is malformed");
    refused([Raw::new(b'V', "label", b"")], "type 'V' is not supported");
    refused([Raw::new(b'x', "h", b"").size(1 << 30), file("f")], "larger than 1 MiB");
    refused([pax(b'x', &[("size", "18446744073709551615")]), file("f")], "out of range");
    refused([pax(b'x', &[("uid", "4294967296")]), file("f")], "uid is out of range");
    refused([Raw::new(b'3', "dev", b"").set(329, b"7777777\0")], "device number");
}

#[test]
fn damaged_archives_are_malformed() {
    let whole = archive([file("f")]);
    let mut sum = whole.clone();
    sum[0] ^= 1;
    assert!(read_as(Dialect::Layer, &sum).expect_err("a wrong sum").to_string().contains("checksum"));
    for end in [100, 512, 514, 700] {
        let mut reader = Reader::new(&whole[..end], Dialect::Layer);
        let result = reader.next_entry().and_then(|_| reader.next_entry());
        assert!(matches!(result, Err(Error::Tar { .. })), "cut at {end}: {result:?}");
    }
    assert_eq!(read_as(Dialect::Layer, &whole[..1024]).expect("no closing blocks").len(), 1);
    assert_eq!(read_as(Dialect::Layer, &[]).expect("nothing").len(), 0);
}

#[test]
fn every_dialect_names_a_file() {
    let long = "l".repeat(150);
    assert_eq!(one([Raw::new(b'L', "@", long.as_bytes()), file("short")]).0.path, path(&long));
    let (entry, _) = one([Raw::new(b'K', "@", long.as_bytes()), Raw::new(b'2', "s", b"").link("short")]);
    assert_eq!(entry.kind, EntryKind::Symlink { target: long.clone().into_bytes() });
    assert_eq!(one([file("name").set(345, b"some/prefix")]).0.path, path("some/prefix/name"));
    assert_eq!(one([file("name").set(257, b"ustar  \0").set(345, b"12345")]).0.path, path("name"));
    assert_eq!(one([file("name").set(257, &[0; 8])]).0.path, path("name"));
    assert!(one([Raw::new(0, "olddir/", b"")]).0.is_dir());
    assert_eq!(one([Raw::new(0, "oldfile", b"data")]).1, b"data");
}

#[test]
fn records_say_what_fields_cannot() {
    let records = [
        ("uid", "3000000"),
        ("mtime", "-1.25"),
        ("SCHILY.xattr.user.a", "b"),
        ("path", "späße"),
        ("comment", "ignored"),
    ];
    let (entry, _) = one([pax(b'g', &[("gid", "7"), ("uid", "8")]), pax(b'x', &records), file("f")]);
    assert_eq!((entry.path, entry.uid, entry.gid), (path("späße"), 3_000_000, 7));
    assert_eq!(entry.mtime, Timestamp { seconds: -2, nanos: 750_000_000 });
    assert_eq!(entry.xattrs[&b"user.a"[..]], b"b");
    let base256 =
        file("f").set(108, b"\x80\0\0\0\0\x2d\xc6\xc0").set(136, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe");
    let (entry, _) = one([base256]);
    assert_eq!((entry.uid, entry.mtime), (3_000_000, Timestamp::from_seconds(-2)));
}

#[test]
fn sparse_files_are_expanded() {
    let expected = b"\0\0\0\0data\0\0\0\0".to_vec();
    let zero = [("GNU.sparse.size", "12"), ("GNU.sparse.offset", "4"), ("GNU.sparse.numbytes", "4")];
    let listed = [("GNU.sparse.size", "12"), ("GNU.sparse.map", "4,4"), ("GNU.sparse.name", "f")];
    let first =
        [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "12"), ("GNU.sparse.name", "f")];
    let mut data = b"1\n4\n4\n".to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"data");
    for members in [
        vec![pax(b'x', &zero), file("f")],
        vec![pax(b'x', &listed), file("GNUSparseFile.1/f")],
        vec![pax(b'x', &first), Raw::new(b'0', "GNUSparseFile.1/f", &data)],
    ] {
        let (entry, content) = one(members.clone());
        assert_eq!((entry.path, entry.kind), (path("f"), EntryKind::File { size: 12 }));
        assert_eq!(content, expected);
        let tar = archive(members.into_iter().chain([file("next")]));
        let error = index_layer(tar.as_slice(), None).expect_err("no one place");
        assert!(error.to_string().contains("sparse file in a layer"), "{error}");
        assert_eq!(read_as(Dialect::Archive, &tar).expect("well-formed").len(), 2);
    }
}

#[test]
fn types_that_gos_readers_do_not_unpack_are_refused() {
    for kind in [b'7', b'S', b'V', b'M'] {
        refused([Raw::new(kind, "f", b"")], "is not supported");
    }
}

#[test]
fn symbolic_links_have_the_mode_that_linux_gives_them() {
    let (entry, _) = one([Raw::new(b'2', "soft", b"").link("x").set(100, b"0000644\0")]);
    assert_eq!(entry.mode, 0o777);
}

#[test]
fn sparse_maps_are_checked() {
    let listed = |size: &str, map: &str| [pax(b'x', &[("GNU.sparse.size", size), ("GNU.sparse.map", map)]), file("f")];
    for (size, map) in
        [("12", "4,5"), ("6", "4,4"), ("12", "4"), ("12", "8,2,4,2"), ("12", "18446744073709551615,4"), ("12", "x")]
    {
        refused(listed(size, map), "sparse map");
    }
    refused([pax(b'x', &[("GNU.sparse.map", "4,4")]), file("f")], "no size");
    refused([pax(b'x', &[("GNU.sparse.size", "4")]), file("f")], "no map");
    let (entry, content) = one(listed("10737418240", "0,4"));
    assert_eq!(entry.kind, EntryKind::File { size: 10_737_418_240 });
    assert_eq!(content.len(), 1 << 20, "ten gigabytes are read as they are asked for");
}

#[test]
fn gnu_tar_s_sparse_files_are_read() {
    let dir = tempfile::TempDir::new().expect("temporary directory");
    let holes = std::fs::File::create(dir.path().join("holes")).expect("created");
    holes.set_len(3 << 20).expect("extended");
    for at in 0..40_u64 {
        std::os::unix::fs::FileExt::write_all_at(&holes, b"piece", at * 70_000).expect("written");
    }
    let expected = std::fs::read(dir.path().join("holes")).expect("read");
    for version in ["--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"] {
        let mut tar = Command::new("tar");
        let output = tar.arg("-C").arg(dir.path()).args(["--format=pax", version, "-Scf", "-", "holes"]).output();
        let Ok(output) = output else { return };
        let mut reader = Reader::new(output.stdout.as_slice(), Dialect::Archive);
        let entry = reader.next_entry().expect("well-formed").expect("one");
        assert_eq!((entry.path, entry.kind), (path("holes"), EntryKind::File { size: 3 << 20 }), "{version}");
        let mut content = Vec::new();
        reader.read_to_end(&mut content).expect("readable");
        assert!(content == expected, "{version}");
        assert_eq!(reader.next_entry().expect("the end"), None);
    }
}

#[test]
fn streams_are_decompressed_by_content() {
    let (_, tar) = write(&varied(), Compression::None, 1);
    let (front, back) = tar.split_at(tar.len() / 2);
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let compressed = |bytes: &[u8]| -> Option<Vec<u8>> {
            let dir = tempfile::TempDir::new().ok()?;
            std::fs::write(dir.path().join("f"), bytes).ok()?;
            Some(Command::new(program).arg("-c").arg(dir.path().join("f")).output().ok()?.stdout)
        };
        let (Some(front), Some(back)) = (compressed(front), compressed(back)) else { continue };
        let mut plain = Vec::new();
        let stream = front.as_slice().chain(back.as_slice());
        decompress(stream).expect("known").1.read_to_end(&mut plain).expect("whole");
        assert!(plain == tar, "two pieces of {program}");
        let cut = &front[..front.len() / 2];
        assert!(decompress(cut).expect("known").1.read_to_end(&mut Vec::new()).is_err(), "{program} cut off");
    }
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    // A frame header that asks for a window of 2 GiB, and an empty last block.
    let bomb = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    let result = decompress(bomb.as_slice())
        .and_then(|(_, mut plain)| io::copy(&mut plain, &mut io::sink()).map_err(Error::Archive));
    assert!(matches!(result, Err(Error::Archive(_))), "{result:?}");
}

#[test]
fn a_bomb_is_read_in_bounded_memory() {
    let zeros = vec![0; 64 << 20];
    let entry = Entry::new(path("zeros"), EntryKind::File { size: zeros.len() as u64 }, 0o644);
    let (layer, blob) = write(&[(entry, Some(zeros))], Compression::Zstd { level: 3 }, 2);
    assert!(blob.len() < 64 << 10);
    assert_eq!(index_layer(blob.as_slice(), None).expect("a layer").diff_id, layer.diff_id);
}

#[test]
fn damaged_indexes_are_refused() {
    let (layer, _) = write(&varied(), Compression::None, 1);
    let bytes = layer.index.to_bytes();
    for end in 0..bytes.len() {
        assert!(matches!(LayerIndex::from_bytes(&bytes[..end]), Err(Error::Index(_))));
    }
    let mut version = bytes;
    version[15] = 2;
    assert!(LayerIndex::from_bytes(&version).expect_err("a version").to_string().contains("another version"));
}

fn names() -> impl Strategy<Value = String> {
    "[a-zA-Zé]{1,60}(/[a-z0-9. ]{1,80}x){0,4}"
}

fn entries() -> impl Strategy<Value = (Entry, Option<Vec<u8>>)> {
    let kind = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..2000)
            .prop_map(|c| (EntryKind::File { size: c.len() as u64 }, Some(c))),
        Just((EntryKind::Directory, None)),
        "[ -~]{1,200}".prop_map(|t| (EntryKind::Symlink { target: t.into_bytes() }, None)),
        names().prop_map(|t| (EntryKind::Hardlink { target: path(&t) }, None)),
        (0..4096_u32, 0..1_048_576_u32).prop_map(|(major, minor)| (EntryKind::CharDevice { major, minor }, None)),
        Just((EntryKind::Whiteout, None)),
    ];
    let time = (any::<i32>(), 0..1_000_000_000_u32).prop_map(|(s, nanos)| Timestamp { seconds: s.into(), nanos });
    let xattrs = proptest::collection::btree_map(
        "[a-z]{1,5}\\.[a-z]{1,9}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..50),
        0..3,
    );
    (names(), kind, 0..0o10000_u32, any::<u32>(), any::<u32>(), time, xattrs).prop_map(
        |(name, (kind, content), mode, uid, gid, mtime, xattrs)| {
            let mode = if matches!(kind, EntryKind::Symlink { .. }) { 0o777 } else { mode };
            (Entry { path: path(&name), kind, mode, uid, gid, mtime, xattrs }, content)
        },
    )
}

proptest! {
    #[test]
    fn any_entries_come_back(entries in proptest::collection::vec(entries(), 0..8)) {
        let (layer, tar) = write(&entries, Compression::None, 1);
        let read = read_as(Dialect::Layer, &tar).expect("our own");
        let written: Vec<_> = entries.into_iter().map(|(e, c)| (e, c.unwrap_or_default())).collect();
        prop_assert_eq!(read, written);
        prop_assert_eq!(LayerIndex::from_bytes(&layer.index.to_bytes()).expect("our own"), layer.index);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = read_as(Dialect::Layer, &bytes);
        let _ = index_layer(bytes.as_slice(), None);
        let _ = LayerIndex::from_bytes(&bytes);
    }

    #[test]
    fn no_header_makes_the_reader_panic(
        kind in any::<u8>(),
        edits in proptest::collection::vec((0..500_usize, proptest::collection::vec(any::<u8>(), 1..12)), 0..6),
        records in proptest::collection::vec(("(size|path|GNU\\.sparse\\.(major|map|size|realsize|offset|numbytes))", "[0-9,]{0,12}"), 0..5),
    ) {
        let records: Vec<_> = records.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let raw = edits.iter().fold(Raw::new(kind, "name", b"1\n0\n4\n"), |raw, (at, bytes)| raw.set(*at, bytes));
        let tar = archive([pax(b'x', &records), raw, file("next")]);
        let _ = read_as(Dialect::Layer, &tar);
        let _ = read_as(Dialect::Archive, &tar);
    }

    #[test]
    fn mutated_archives_do_not_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let (_, mut tar) = write(&varied(), Compression::None, 1);
        for (at, byte) in edits {
            let at = at.index(tar.len());
            tar[at] = byte;
        }
        let _ = read_as(Dialect::Layer, &tar);
    }

    #[test]
    fn mutated_indexes_do_not_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9)) {
        let (layer, _) = write(&varied(), Compression::None, 1);
        let mut bytes = layer.index.to_bytes();
        let body = bytes.len() - 4;
        for (at, byte) in edits {
            let at = at.index(body);
            bytes[at] = byte;
        }
        let checksum = flate2_crc(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum.to_le_bytes());
        let _ = LayerIndex::from_bytes(&bytes);
    }
}

fn flate2_crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
