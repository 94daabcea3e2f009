//! What is written is read back, by us and by others, and its bits depend on nothing but the input.

mod common;

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use common::{Member, crowd, file, path, varied, write};
use oci::Digest;
use shipsmith_layer::tar::{Dialect, Reader, Writer};
use shipsmith_layer::{
    Compression, Content, Entry, EntryKind, Error, Format, LayerIndex, LayerWriter, index_layer, recompress,
};

const ALL: [Compression; 6] = [
    Compression::None,
    Compression::FastGzip,
    Compression::Gzip { level: 1 },
    Compression::Gzip { level: 9 },
    Compression::Zstd { level: 1 },
    Compression::Zstd { level: 3 },
];

/// Bytes that compress a little and repeat nowhere.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 58) as u8
    };
    (0..size).map(step).collect()
}

fn large() -> Vec<Member> {
    let mut entries = varied();
    for (name, size) in [("a", 3 << 20), ("b", (1 << 20) - 512), ("c", 5), ("d", (1 << 20) + 1)] {
        entries.push((Entry::new(path(name), EntryKind::File { size }, 0o644), Some(noise(size as usize))));
    }
    entries
}

#[test]
fn every_entry_is_read_back_as_it_was_written() {
    let entries = varied();
    let (_, tar) = write(&entries, Compression::None, 1);
    let mut reader = Reader::new(tar.as_slice(), Dialect::Layer);
    for (entry, content) in &entries {
        assert_eq!(reader.next_entry().expect("well-formed").as_ref(), Some(entry));
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("readable");
        assert_eq!(bytes, content.clone().unwrap_or_default(), "{}", entry.path);
    }
    assert_eq!(reader.next_entry().expect("the end"), None);
    assert_eq!(tar.len() % 512, 0);
}

#[test]
fn the_tar_crate_reads_the_same() {
    let entries = varied();
    let (_, tar) = write(&entries, Compression::None, 1);
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut members = archive.entries().expect("a tar");
    for (entry, content) in &entries {
        let mut member = members.next().expect("as many").expect("well-formed");
        let name = member.path_bytes().into_owned();
        assert_eq!(
            name.strip_suffix(b"/").unwrap_or(&name),
            match entry.path.as_bytes() {
                b"" => b".",
                name => name,
            }
        );
        let header = member.header();
        assert_eq!(header.mode().expect("mode"), entry.mode);
        assert_eq!(header.username_bytes(), Some(&b""[..]));
        if let EntryKind::Symlink { target } = &entry.kind {
            assert_eq!(member.link_name_bytes().expect("a target").as_ref(), target);
        }
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("readable");
        assert_eq!(bytes, content.clone().unwrap_or_default());
    }
}

/// Runs a program on the tar when the machine has it.
fn shown_by(program: &str, arguments: &[&str], tar: &[u8]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().expect("piped").write_all(tar).expect("taken");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn other_programs_list_the_same_names() {
    let (_, tar) = write(&varied(), Compression::None, 1);
    let python = "import sys,tarfile\nfor m in tarfile.open(fileobj=sys.stdin.buffer, mode='r|'):\n print(m.name, m.linkname, m.size, m.uid, m.gid, m.mtime)";
    for (program, arguments) in [
        ("tar", &["--numeric-owner", "--full-time", "-tvf", "-"][..]),
        ("python3", &["-X", "utf8", "-c", python]),
        ("bsdtar", &["-tvf", "-"]),
    ] {
        let Some(shown) = shown_by(program, arguments, &tar) else { continue };
        assert_eq!(shown.lines().count(), varied().len(), "{program}: {shown}");
        for expected in ["etc/passwd", &"n".repeat(200), &"t".repeat(300), "3000000", "4294967294"] {
            assert!(shown.contains(expected), "{program} does not show {expected}: {shown}");
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for compression in ALL {
        let (layer, blob) = write(&large(), compression, 1);
        assert_eq!((layer.digest.clone(), layer.size), (Digest::of(&blob), blob.len() as u64));
        for threads in [2, 3, 8] {
            let (other, bytes) = write(&large(), compression, threads);
            assert!(bytes == blob, "{compression:?} with {threads} threads");
            assert_eq!(other, layer);
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_what_else_is_made() {
    for compression in ALL {
        let alone = write(&large(), compression, 2);
        let _crowd = crowd();
        assert!(write(&large(), compression, 2) == alone, "{compression:?}");
    }
}

/// Gives its bytes in pieces of odd sizes.
struct Drops(Vec<u8>);

impl Content for Drops {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let pieces: Vec<_> = self.0.chunks(70_001).map(|piece| io::Cursor::new(piece.to_vec())).collect();
        let empty: Box<dyn Read + Send> = Box::new(io::empty());
        Ok(pieces.into_iter().rev().fold(empty, |rest, piece| Box::new(piece.chain(rest))))
    }
}

#[test]
fn the_bits_do_not_depend_on_the_sizes_of_reads() {
    let bytes = noise(3 << 20);
    let entry = Entry::new(path("f"), EntryKind::File { size: bytes.len() as u64 }, 0o644);
    let (whole, _) = write(&[(entry.clone(), Some(bytes.clone()))], Compression::default(), 2);
    let mut writer = LayerWriter::new(io::sink(), Compression::default()).expect("a known level");
    writer.append(&entry, Some(&Drops(bytes))).expect("appended");
    assert_eq!(writer.finish().expect("finished").0, whole);
}

#[test]
fn a_layer_read_back_has_the_same_index() {
    for compression in ALL {
        let (layer, blob) = write(&large(), compression, 2);
        let mut copy = Vec::new();
        let indexed = index_layer(blob.as_slice(), Some(&mut copy)).expect("a layer");
        assert_eq!(indexed.index, layer.index);
        assert_eq!(indexed.diff_id, layer.diff_id);
        assert_eq!(Digest::of(&copy), layer.diff_id.0);
        assert_eq!(copy.len() as u64, layer.uncompressed_size);
        let format = match compression {
            Compression::None => Format::Plain,
            Compression::Gzip { .. } | Compression::FastGzip => Format::Gzip,
            Compression::Zstd { .. } => Format::Zstd,
        };
        assert_eq!(indexed.format, format);
        let stored = layer.index.to_bytes();
        assert_eq!(LayerIndex::from_bytes(&stored).expect("valid"), layer.index);
        assert_eq!(layer.index.captured(&path("etc/passwd")), Some(&b"root:x:0:0::/root:/bin/sh\n"[..]));
        assert_eq!(layer.index.captured(&path("etc/group")), None);
    }
}

#[test]
fn other_programs_decompress_it() {
    for (compression, program) in [(Compression::default(), "gzip"), (Compression::Zstd { level: 3 }, "zstd")] {
        let (layer, blob) = write(&large(), compression, 2);
        let mut tar = Vec::new();
        shipsmith_layer::decompress(blob.as_slice()).expect("known").1.read_to_end(&mut tar).expect("whole");
        assert_eq!(Digest::of(&tar), layer.diff_id.0);
        let Some(shown) = shown_by("tar", &["-tf", "-", "-I", program], &blob) else { continue };
        assert_eq!(shown.lines().count(), large().len());
    }
}

#[test]
fn gzip_headers_tell_nothing() {
    let (_, blob) = write(&[file("a", "b")], Compression::default(), 1);
    assert_eq!(blob[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
}

#[test]
fn a_file_of_another_length_is_an_error_that_names_it() {
    for (size, found) in [(4, "expected 4 bytes, found 3"), (2, "expected 2 bytes, found more")] {
        let entry = Entry::new(path("dir/changing"), EntryKind::File { size }, 0o644);
        let mut writer = LayerWriter::new(Vec::new(), Compression::None).expect("no level");
        let error = writer.append(&entry, Some(&b"abc".to_vec())).expect_err("another length");
        assert_eq!(error.to_string(), format!("/dir/changing changed while it was read: {found}"));
        assert!(error.hint().is_some());
    }
    let entry = Entry::new(path("f"), EntryKind::File { size: 1 }, 0o644);
    let mut writer = LayerWriter::new(Vec::new(), Compression::None).expect("no level");
    assert!(matches!(writer.append(&entry, None), Err(Error::NoContent(_))));
}

/// A disk that is full after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_reported_however_late() {
    for compression in ALL {
        for room in [0, 100_000, 2 << 20] {
            let mut writer = LayerWriter::with_threads(Full(room), compression, 2).expect("a known level");
            let content = noise(8 << 20);
            let entry = Entry::new(path("f"), EntryKind::File { size: content.len() as u64 }, 0o644);
            let result = writer.append(&entry, Some(&content)).and_then(|()| writer.finish().map(drop));
            let Err(Error::Write(error)) = result else { panic!("{result:?}") };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{compression:?} {room}");
        }
    }
}

#[test]
fn levels_that_do_not_exist_are_refused_at_once() {
    for compression in
        [Compression::Gzip { level: 13 }, Compression::Gzip { level: 0 }, Compression::Zstd { level: 23 }]
    {
        assert!(matches!(LayerWriter::new(Vec::new(), compression), Err(Error::Compress(_))));
    }
}

#[test]
fn an_attribute_that_pax_cannot_name_is_refused() {
    let (mut entry, content) = file("f", "x");
    entry.xattrs.insert(b"user.a=b".to_vec(), b"v".to_vec());
    let mut writer = Writer::new(Vec::new());
    let error = writer.append(&entry, content.as_ref().map(|c| c as &dyn Content)).expect_err("ambiguous");
    assert!(error.to_string().contains("user.a=b"), "{error}");
}

#[test]
fn a_plain_tar_is_the_uncompressed_layer() {
    let (_, layer) = write(&large(), Compression::None, 2);
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in large() {
        writer.append(&entry, content.as_ref().map(|c| c as &dyn Content)).expect("appended");
    }
    assert!(writer.finish().expect("finished") == layer);
}

#[test]
fn a_blob_compressed_again_is_the_same_whatever_it_was_compressed_with() {
    let members = large();
    for to in ALL {
        let (wanted, bytes) = write(&members, to, 1);
        let mut first = None;
        for from in ALL {
            let (_, blob) = write(&members, from, 2);
            let (made, sink) = recompress(blob.as_slice(), Vec::new(), to).expect("a good blob");
            assert_eq!((&made.diff_id, made.size), (&wanted.diff_id, sink.len() as u64));
            assert_eq!(made.digest, Digest::of(&sink));
            assert!(to != Compression::None || sink == bytes);
            let first = first.get_or_insert_with(|| sink.clone());
            assert!(sink == *first, "{from:?} to {to:?}");
        }
    }
    let (_, blob) = write(&members, Compression::default(), 1);
    assert!(recompress(&blob[..blob.len() / 2], Vec::new(), Compression::None).is_err());
}
