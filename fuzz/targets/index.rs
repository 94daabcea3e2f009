//! Stored header indexes: nothing in them is trusted, whatever their checksum says.
#![no_main]

use layer::{LayerIndex, Tree};
use libfuzzer_sys::fuzz_target;

/// What ends an empty index: its size, two counts, the checksum.
const EMPTY_BODY: usize = 3 + 4;

fuzz_target!(|fields: &[u8]| {
    assert!(LayerIndex::from_bytes(fields).is_err());
    let mut bytes = LayerIndex::default().to_bytes();
    bytes.truncate(bytes.len() - EMPTY_BODY);
    bytes.extend_from_slice(fields);
    bytes.extend_from_slice(&libdeflater::crc32(&bytes).to_le_bytes());
    if let Ok(index) = LayerIndex::from_bytes(&bytes) {
        let again = LayerIndex::from_bytes(&index.to_bytes());
        assert_eq!(again.ok().as_ref(), Some(&index));
        let _ = Tree::new().with_layer(&index, None);
    }
});
