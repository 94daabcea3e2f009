//! Archives: no panic, memory bounded, what is read makes a tree, and its index comes back from its stored form.
#![no_main]

use std::io::Read;

use layer::tar::{Dialect, Reader};
use layer::{EntryKind, LayerIndex, SourceTree, Tree, decompress, index_layer};
use libfuzzer_sys::fuzz_target;

/// How much of what comes out of a decompressor is looked at.
const ENOUGH: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if kind % 2 == 1 {
        bytes.as_chunks_mut::<512>().0.iter_mut().for_each(set_checksum);
    }
    for dialect in [Dialect::Layer, Dialect::Archive] {
        read_all(&bytes, dialect);
    }
    if let Ok(indexed) = index_layer(bytes.as_slice(), None) {
        let stored = indexed.index.to_bytes();
        assert_eq!(LayerIndex::from_bytes(&stored).ok().as_ref(), Some(&indexed.index));
        merge(&indexed.index);
    }
});

/// Headers are hard to guess; those that say they are one get the checksum they need.
fn set_checksum(block: &mut [u8; 512]) {
    if &block[257..262] == b"ustar" {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

fn read_all(bytes: &[u8], dialect: Dialect) {
    let Ok((_, plain)) = decompress(bytes) else { return };
    let mut reader = Reader::new(plain.take(ENOUGH), dialect);
    while let Ok(Some(entry)) = reader.next_entry() {
        let path = entry.path.as_bytes();
        assert!(!path.starts_with(b"/") && path.split(|byte| *byte == b'/').all(|name| name != b".."));
        if let EntryKind::File { size } = entry.kind
            && size <= ENOUGH
        {
            let mut sink = std::io::sink();
            let copied = std::io::copy(&mut (&mut reader).take(size), &mut sink);
            assert!(copied.is_err() || copied.is_ok_and(|copied| copied == size));
        }
    }
}

/// Twice, so that the second falls on what the first made.
fn merge(index: &LayerIndex) {
    let Ok(tree) = Tree::new().with_layer(index, None).and_then(|tree| tree.with_layer(index, None)) else { return };
    let mut pending = vec![Default::default()];
    while let Some(dir) = pending.pop() {
        let children = tree.children(&dir).expect("a directory");
        pending.extend(children.into_iter().filter(|child| child.is_dir()).map(|child| child.path));
    }
}
