//! Compressed chunks that can be told before they are made, and taken from an earlier layer.
//!
//! A chunk's recipe is all that its bytes follow from: tar headers as they are, and for files what stands for their bytes
//! unread. Reuse never changes what a layer is: a chunk's bytes follow from its content alone, and a member is only taken
//! when the checksums of both are right.

use oci::{Digest, Hasher};

use crate::Fingerprint;

/// A compressed chunk in a layer's blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Stands for its content and how that was compressed.
    pub recipe: Digest,
    /// Where it starts in the blob.
    pub offset: u64,
    /// Its length there.
    pub length: u64,
    /// CRC-32 of its content.
    pub content: u32,
    /// CRC-32 of itself.
    pub checksum: u32,
}

/// Knows the members of earlier layers.
pub trait Members: Send + Sync {
    /// The compressed bytes that `recipe` stands for, whose content has the CRC-32 `content`.
    fn find(&self, recipe: &Digest, content: u32) -> Option<Vec<u8>>;
}

/// CRC-32 as gzip has it.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    libdeflater::crc32(bytes)
}

/// Smallest chunk that an entry may end.
const LEAST: usize = 256 << 10;
/// Entries that would fill a chunk of their own start one.
const LARGE: u64 = 1 << 20;

/// Whether a chunk of `filled` bytes ends before the entry at `path`, which has `size` bytes. It goes by the path, so that what
/// was changed, inserted or removed before matters no longer from the next such entry on.
pub(crate) fn ends_before(path: &[u8], size: u64, filled: usize) -> bool {
    filled >= LEAST && (size >= LARGE || fnv(path).is_multiple_of(16))
}

/// FNV-1a: part of the format, as it decides a layer's bytes.
fn fnv(bytes: &[u8]) -> u32 {
    let mixed = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    (mixed >> 32) as u32
}

/// What a chunk's bytes follow from, as they come.
pub(crate) struct Recipe {
    hasher: Hasher,
    /// Whether everything so far can be told unread.
    known: bool,
    content: Option<Piece>,
    start: Vec<u8>,
}

/// The part of a file that lies in the chunk.
struct Piece {
    key: Vec<u8>,
    from: u64,
    to: u64,
}

impl Recipe {
    /// Recipes of chunks that are compressed as `start` says.
    pub(crate) fn new(start: Vec<u8>) -> Recipe {
        let mut recipe = Recipe { hasher: Hasher::new(), known: true, content: None, start };
        recipe.restart();
        recipe
    }

    fn restart(&mut self) {
        self.hasher = Hasher::new();
        self.known = true;
        self.hasher.update(&self.start);
    }

    fn put(&mut self, kind: u8, field: &[u8]) {
        self.hasher.update(&[kind]);
        self.hasher.update(&(field.len() as u64).to_le_bytes());
        self.hasher.update(field);
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.put(b'b', bytes);
    }

    /// A file's bytes follow; `now` is in nanoseconds since 1970.
    pub(crate) fn begin(&mut self, fingerprint: Option<Fingerprint>, now: i128) {
        let settled = fingerprint.filter(|fingerprint| fingerprint.is_settled(now));
        self.known &= settled.is_some();
        self.content = settled.map(|fingerprint| Piece { key: fingerprint.key, from: 0, to: 0 });
    }

    /// `count` bytes of the file came.
    pub(crate) fn advance(&mut self, count: usize) {
        if let Some(piece) = &mut self.content {
            piece.to += count as u64;
        }
    }

    /// The file has ended.
    pub(crate) fn end(&mut self) {
        self.piece();
        self.content = None;
    }

    fn piece(&mut self) {
        let Some(mut piece) = self.content.take() else { return };
        if piece.from < piece.to {
            self.put(b'f', &piece.key);
            self.put(b'r', &[piece.from, piece.to].map(u64::to_le_bytes).concat());
        }
        piece.from = piece.to;
        self.content = Some(piece);
    }

    /// The chunk has ended, perhaps amid a file of which nothing is `known` unread.
    pub(crate) fn finish(&mut self, in_unknown: bool) -> Option<Digest> {
        self.piece();
        let digest = self.known.then(|| self.hasher.clone().finish());
        self.restart();
        self.known = !in_unknown;
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(work: impl Fn(&mut Recipe)) -> Option<Digest> {
        let mut recipe = Recipe::new(b"gzip".to_vec());
        work(&mut recipe);
        recipe.finish(false)
    }

    fn file(key: &'static str, counts: &'static [usize]) -> impl Fn(&mut Recipe) {
        move |recipe| {
            recipe.bytes(b"header");
            recipe.begin(Some(Fingerprint::fixed(key)), 0);
            counts.iter().for_each(|count| recipe.advance(*count));
            recipe.end();
        }
    }

    #[test]
    fn how_much_is_read_at_once_does_not_matter() {
        assert_eq!(recipe(file("a", &[3, 4])), recipe(file("a", &[7])));
        assert_ne!(recipe(file("a", &[6])), recipe(file("a", &[7])));
        assert_ne!(recipe(file("b", &[7])), recipe(file("a", &[7])));
    }

    #[test]
    fn a_chunk_with_unknown_or_restless_content_has_none() {
        let restless = Fingerprint { key: b"a".to_vec(), changed: Some(1_000) };
        assert_eq!(recipe(|recipe| recipe.begin(None, 0)), None);
        assert_eq!(recipe(|recipe| recipe.begin(Some(restless.clone()), 2_000)), None);
        assert!(recipe(|recipe| recipe.begin(Some(restless.clone()), 10_000_000_000)).is_some());
    }

    #[test]
    fn parts_of_one_file_differ() {
        let mut recipe = Recipe::new(Vec::new());
        recipe.begin(Some(Fingerprint::fixed("a")), 0);
        recipe.advance(5);
        let first = recipe.finish(false);
        recipe.advance(5);
        assert_ne!(first, recipe.finish(false));
    }
}
