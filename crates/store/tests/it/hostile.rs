//! Archives with bytes changed at random: refused or fine, never a panic, never a damaged store.

use crate::support::{count, new_store, put_image, reference};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use shipsmith_store::{NamedImage, Store};

/// A change of an archive.
#[derive(Debug, Clone)]
enum Change {
    Set { at: usize, byte: u8 },
    Cut { at: usize },
    Repeat { at: usize },
}

fn change(length: usize) -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (0..length, any::<u8>()).prop_map(|(at, byte)| Change::Set { at, byte }),
        1 => (0..length).prop_map(|at| Change::Cut { at }),
        1 => (0..length).prop_map(|at| Change::Repeat { at: at / 512 * 512 }),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match *self {
            Self::Set { at, byte } => bytes.iter_mut().skip(at).take(1).for_each(|place| *place = byte),
            Self::Cut { at } => bytes.truncate(at),
            Self::Repeat { at } => bytes.extend_from_within(at.min(bytes.len())..),
        }
    }
}

/// Headers whose checksums are right again, so that the changes reach what is behind them.
fn repair(bytes: &mut [u8]) {
    for block in bytes.as_chunks_mut::<512>().0 {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        if block[257..262] == *b"ustar" {
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
}

fn archives() -> Vec<Vec<u8>> {
    let (_dir, store) = new_store().expect("a store");
    let image = put_image(&store, "hello").expect("an image");
    let images = [NamedImage { image, names: vec![reference("app:v1")] }];
    let oci = store.export_oci(&images, Vec::new()).expect("an archive");
    let docker = store.export_docker(&images, Vec::new()).expect("an archive");
    // Without these names it is imported by its manifest.json.
    let old = String::from_utf8_lossy(&docker).replace("oci-layout", "oci-layxxx").into_bytes();
    vec![oci, docker, old]
}

#[test]
fn changed_archives_never_harm() {
    for archive in archives() {
        let (_dir, store) = new_store().expect("a store");
        let length = archive.len();
        let changes = prop::collection::vec(change(length), 1..4);
        proptest!(ProptestConfig::with_cases(64), |(changes in changes, repaired in any::<bool>())| {
            let mut bytes = archive.clone();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            if repaired {
                repair(&mut bytes);
            }
            check(&store, &bytes)?;
        });
    }
}

fn check(store: &Store, archive: &[u8]) -> Result<(), TestCaseError> {
    let images = store.import_archive(archive).unwrap_or_default();
    let damage = store.verify().expect("it can be looked over");
    prop_assert!(damage.is_empty(), "{damage:?}");
    prop_assert_eq!(count(store, "shipsmith/ingest"), 0);
    for image in images {
        store.forget(&image.image.digest).expect("it can be forgotten");
    }
    Ok(())
}
