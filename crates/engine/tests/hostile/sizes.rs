//! Archives that are small, and large once they are read.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use layer::{Compression, Entry, EntryKind, LayerWriter};
use rootfs::TreePath;

use crate::bench::Bench;
use crate::raw::{Raw, archive, pax};

const ADD: &str = "FROM scratch\nADD evil.tar /app/\n";

/// Writes an archive of such entries by and by; it is compressed to next to nothing.
fn archive_of(bench: &Bench, entries: impl Iterator<Item = Entry>) {
    let file = File::create(bench.path("work/context/evil.tar")).expect("a file");
    let mut writer = LayerWriter::new(file, Compression::Zstd { level: 1 }).expect("a level");
    entries.for_each(|entry| writer.append(&entry, None).expect("written"));
    writer.finish().expect("written");
}

fn fifo(name: String) -> Entry {
    Entry::new(TreePath::new(name).expect("a path"), EntryKind::Fifo, 0o644)
}

/// The memory that this process has held at most, in MiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
}

/// The room that files below a directory take on disk, in MiB.
fn room(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    let blocks = entries.map(|entry| match entry.metadata().expect("a file") {
        meta if meta.is_dir() => room(&entry.path()) << 11,
        meta => meta.blocks(),
    });
    blocks.sum::<u64>() >> 11
}

#[test]
fn a_million_members_take_bounded_memory() {
    let bench = Bench::new();
    archive_of(&bench, (0..1_000_000).map(|number| fifo(format!("{}/{number}", number / 1000))));
    bench.image(ADD).expect("builds");
    assert!(peak_memory() < 2048, "{} MiB", peak_memory());
}

/// A sparse file: it is as long as it says, and one byte of it is stored.
fn sparse(size: u64) -> [Raw; 2] {
    let map = format!("{},1", size - 1);
    let records = [("GNU.sparse.map", map.as_str()), ("GNU.sparse.size", &size.to_string())];
    [pax(b'x', &records), Raw::new(b'0', "sparse", b"x")]
}

/// The length of a file that is nearly all hole: 1 GiB, and 10 GiB where `LONG_SIZES` is set, as its zeros have to be hashed.
fn long() -> u64 {
    let gib = if std::env::var_os("LONG_SIZES").is_some() { 10 } else { 1 };
    gib << 30
}

fn assert_little_was_taken(bench: &Bench) {
    let (memory, room) = (peak_memory(), room(&bench.path("work")));
    assert!(memory < 256 && room < 64, "{memory} MiB of memory, {room} MiB of disk");
}

#[test]
fn holes_of_an_archive_take_no_room() {
    let bench = Bench::new();
    bench.file("evil.tar", archive(sparse(long())));
    bench.image(ADD).expect("builds");
    assert_little_was_taken(&bench);
}

#[test]
fn holes_of_a_context_take_no_room() {
    let bench = Bench::new();
    bench.file("sparse", "");
    let file = File::options().write(true).open(bench.path("work/context/sparse")).expect("ours");
    file.write_all_at(b"x", long() - 1).expect("written");
    bench.image("FROM scratch\nCOPY sparse /\n").expect("builds");
    assert_little_was_taken(&bench);
}

#[test]
fn more_than_an_archive_may_hold_is_refused_before_it_is_read() {
    let bench = Bench::new();
    bench.file("evil.tar", archive(sparse((256 << 30) + 1)));
    assert!(bench.refusal(ADD).contains("at most 256 GiB"));
}

/// One global header describes every member that follows.
#[test]
fn attributes_are_counted() {
    let bench = Bench::new();
    let attribute = pax(b'g', &[("SCHILY.xattr.user.x", &"x".repeat(60_000))]);
    let members = (0..20_000).map(|number| Raw::new(b'6', &number.to_string(), b""));
    bench.file("evil.tar", archive(std::iter::once(attribute).chain(members)));
    assert!(bench.refusal(ADD).contains("at most 1 GiB of memory"));
    assert!(peak_memory() < 2048, "{} MiB", peak_memory());
}

#[test]
fn wildcards_do_not_explode() {
    let bench = Bench::new();
    bench.file(&"a".repeat(250), "x");
    let pattern = format!("{}b", "*a".repeat(40));
    assert!(bench.build(&format!("FROM scratch\nCOPY {pattern} /x/\n")).files().is_empty());
}
