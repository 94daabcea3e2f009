//! Same input, same bits: on this machine, on any other, with any processor. A digest here changes only with the format of
//! layers, which has a number in the engine's `warm.rs`, or with a compressor's version.

mod common;

use std::process::Command;

use common::{Member, path};
use shipsmith_layer::{Compression, Entry, EntryKind};

const GOLDEN: [(Compression, &str); 5] = [
    (Compression::None, "c9a27c4dc80f9760078c3450bd6f77f37980be2f1d82e269b0439d070eec9e3c"),
    (Compression::Gzip { level: 1 }, "92c5756544bda3d55052383c6332d4d42a3cc10987f51800907e239c5605c6c3"),
    (Compression::Gzip { level: 6 }, "65674191369505b8887cb7a8b7890dc4ebfa25ce3234afda2109150147c7749b"),
    (Compression::FastGzip, "2ecdc8d5de00eb37bcf8e35bf0dbe3f0e2c31c014c97aa5f876f83271fd1e509"),
    (Compression::Zstd { level: 1 }, "2efc0680467fc6c0bd67b6478ce0a4f45c71ced586835bb7c373b647e3dea7af"),
];

/// Text, zeros and noise, in files small and large.
fn members() -> Vec<Member> {
    let mut all = common::varied();
    for number in 0..40_u64 {
        let size = if number == 20 { 1_500_000 } else { number * 1009 };
        let byte = |at: u64| match number % 3 {
            0 => b"the quick brown fox jumps over the lazy dog\n"[(at * number % 44) as usize],
            1 => (at.wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ number) >> 58) as u8,
            _ => 0,
        };
        let content = (0..size).map(byte).collect();
        all.push((Entry::new(path(&format!("golden/{number:02}")), EntryKind::File { size }, 0o644), Some(content)));
    }
    all
}

#[test]
fn layers_have_the_digests_they_always_had() {
    for threads in [1, 4] {
        let digest = |compression| common::write(&members(), compression, threads).0.digest;
        let made = GOLDEN.map(|(compression, _)| (compression, digest(compression).hex().to_owned()));
        assert_eq!(made, GOLDEN.map(|(compression, golden)| (compression, golden.to_owned())), "{threads} threads");
    }
}

/// An emulated processor of 2003, without any of the instructions that compressors look for; and one of 2013.
#[cfg(target_arch = "x86_64")]
#[test]
fn other_processors_make_the_same_layers() {
    let own = std::env::current_exe().expect("this program");
    for processor in ["qemu64", "Haswell-noTSX"] {
        let mut other = Command::new("qemu-x86_64-static");
        other.args(["-cpu", processor]).arg(&own).args(["--exact", "layers_have_the_digests_they_always_had"]);
        let Ok(output) = other.output() else {
            assert!(std::env::var_os("CI").is_none(), "qemu-user-static is missing");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{processor}: {said}");
    }
}
