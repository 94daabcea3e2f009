//! Chunks that were compressed before: taken where nothing in them changed, and never to be seen in the bytes.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{Member, crowd, path};
use oci::Digest;
use shipsmith_layer::{Compression, Content, Entry, EntryKind, Layer, LayerWriter, Members, Writing};

/// The members of the layers it was told of.
#[derive(Default)]
struct Kept {
    members: Mutex<BTreeMap<Digest, (u32, Vec<u8>)>>,
    found: AtomicUsize,
    missed: AtomicUsize,
}

impl Members for Kept {
    fn find(&self, recipe: &Digest, content: u32) -> Option<Vec<u8>> {
        let found = self.members.lock().expect("unpoisoned").get(recipe).filter(|kept| kept.0 == content).cloned();
        let counter = if found.is_some() { &self.found } else { &self.missed };
        counter.fetch_add(1, Ordering::Relaxed);
        found.map(|(_, bytes)| bytes)
    }
}

impl Kept {
    fn remember(&self, layer: &Layer, blob: &[u8]) {
        let mut members = self.members.lock().expect("unpoisoned");
        for member in &layer.members {
            let (from, to) = (member.offset as usize, (member.offset + member.length) as usize);
            members.insert(member.recipe.clone(), (member.content, blob[from..to].to_vec()));
        }
    }

    fn counts(&self) -> (usize, usize) {
        (self.found.swap(0, Ordering::Relaxed), self.missed.swap(0, Ordering::Relaxed))
    }
}

/// Files of many sizes, some of which fill chunks of their own.
fn tree() -> Vec<Member> {
    let file = |number: usize| {
        let size = if number.is_multiple_of(97) { 3_000_000 } else { number * 7919 % 60_000 };
        let content: Vec<u8> = (0..size).map(|at| ((at / 3 * number) >> (at % 5)) as u8).collect();
        let kind = EntryKind::File { size: size as u64 };
        (Entry::new(path(&format!("dir/file{number:04}")), kind, 0o644), Some(content))
    };
    (1..500).map(file).collect()
}

fn written(entries: &[Member], compression: Compression, kept: Option<&Arc<Kept>>) -> (Layer, Vec<u8>) {
    let members = kept.map(|kept| Arc::clone(kept) as Arc<dyn Members>);
    let mut writer = LayerWriter::on(Writing(Vec::new()), compression, members).expect("a known level");
    for (entry, content) in entries {
        writer.append(entry, content.as_ref().map(|c| c as &dyn Content)).expect("appended");
    }
    writer.finish().expect("finished")
}

/// The three ways in which a tree is changed, at a file in its midst.
fn changes() -> Vec<(&'static str, Vec<Member>)> {
    let (mut changed, mut inserted, mut removed) = (tree(), tree(), tree());
    let other = |name: &str, content: &str| common::file(name, content);
    changed[250] = other("dir/file0251", "changed");
    inserted.insert(250, other("dir/file0250a", "inserted"));
    removed.remove(250);
    vec![("changed", changed), ("inserted", inserted), ("removed", removed)]
}

#[test]
fn a_change_disturbs_only_its_neighbours_and_reuse_never_shows() {
    for compression in [Compression::Gzip { level: 1 }, Compression::FastGzip, Compression::Zstd { level: 1 }] {
        let kept = Arc::new(Kept::default());
        let (layer, blob) = written(&tree(), compression, Some(&kept));
        let (plain, bytes) = written(&tree(), compression, None);
        assert!(blob == bytes && layer.digest == plain.digest, "knowing members changes nothing");
        kept.remember(&layer, &blob);
        let (_, all) = kept.counts();
        for (what, entries) in changes() {
            let (again, blob) = written(&entries, compression, Some(&kept));
            let (plain, bytes) = written(&entries, compression, None);
            assert!(blob == bytes && again.diff_id == plain.diff_id, "{what}: reuse changes nothing");
            let (found, missed) = kept.counts();
            assert!(missed <= 3 && found + missed + 3 >= all, "{what}: {found} found, {missed} missed of {all}");
            let _crowd = crowd();
            assert!(written(&entries, compression, Some(&kept)) == (again, blob), "{what}: in a crowd");
            assert_eq!(kept.counts(), (found, missed), "{what}: in a crowd");
        }
    }
}

#[test]
fn another_level_is_another_member() {
    let kept = Arc::new(Kept::default());
    let (layer, blob) = written(&tree(), Compression::Gzip { level: 1 }, Some(&kept));
    kept.remember(&layer, &blob);
    kept.counts();
    written(&tree(), Compression::Gzip { level: 2 }, Some(&kept));
    assert_eq!(kept.counts().0, 0);
}

#[test]
fn what_nothing_stands_for_is_never_reused() {
    struct Unknown(Vec<u8>);
    impl Content for Unknown {
        fn open(&self) -> std::io::Result<Box<dyn std::io::Read + Send>> {
            Content::open(&self.0)
        }
    }
    let kept: Arc<dyn Members> = Arc::new(Kept::default());
    let mut writer = LayerWriter::on(Writing(Vec::new()), Compression::default(), Some(kept)).expect("a known level");
    let content = Unknown(vec![7; 5_000_000]);
    let entry = Entry::new(path("unknown"), EntryKind::File { size: 5_000_000 }, 0o644);
    writer.append(&entry, Some(&content)).expect("appended");
    let (layer, _) = writer.finish().expect("finished");
    assert_eq!(layer.members, []);
}
