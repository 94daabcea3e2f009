//! Bits, the lowest first.

/// What is written, in whole bytes, and what waits for more. Its memory is used again.
///
/// Who appends bits makes room for all of them first: whoever asks at each, or reaches this through a reference, keeps the
/// compiler from holding it in registers, which costs a fifteenth of the speed.
#[derive(Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    at: usize,
    waiting: u64,
    count: u32,
}

/// As much is written at once.
const WORD: usize = 8;

impl Bits {
    /// Forgets what was written.
    pub(super) fn restart(&mut self) {
        (self.at, self.waiting, self.count) = (0, 0, 0);
    }

    /// Makes room for so many more bits, and as always for those that fill the last byte.
    pub(super) fn reserve(&mut self, bits: u64) {
        let end = self.at + (bits / 8) as usize + 2 * WORD;
        if self.bytes.len() < end {
            self.bytes.resize(end + end / 2, 0);
        }
    }

    /// Appends the lowest `count` bits of `bits`, whose others are zero; at most 56.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.waiting |= bits << self.count;
        self.count += count;
        let word = self.bytes[self.at..].first_chunk_mut::<WORD>().expect("room was made");
        *word = self.waiting.to_le_bytes();
        self.at += (self.count / 8) as usize;
        self.waiting >>= self.count & !7;
        self.count &= 7;
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        self.put(0, (8 - self.count) & 7);
    }

    /// Appends whole bytes after [`Bits::align`].
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.reserve(8 * bytes.len() as u64);
        let end = self.at + bytes.len();
        self.bytes[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }
}
