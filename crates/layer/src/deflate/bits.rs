//! Bits, the lowest first.

/// What is written, in whole bytes, and what waits for more. Its memory is used again.
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
    /// Forgets what was written, and makes room for so many bytes or so.
    pub(super) fn restart(&mut self, expected: usize) {
        if self.bytes.len() < expected + 1024 {
            self.bytes.resize(expected + 1024, 0);
        }
        (self.at, self.waiting, self.count) = (0, 0, 0);
    }

    /// Appends the lowest `count` bits of `bits`, whose others are zero; at most 56.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.waiting |= bits << self.count;
        self.count += count;
        match self.bytes[self.at..].first_chunk_mut::<WORD>() {
            Some(word) => *word = self.waiting.to_le_bytes(),
            None => self.grow(),
        }
        self.at += (self.count / 8) as usize;
        self.waiting >>= self.count & !7;
        self.count &= 7;
    }

    #[cold]
    fn grow(&mut self) {
        self.bytes.resize(self.bytes.len() + self.bytes.len() / 2 + WORD, 0);
        self.bytes[self.at..self.at + WORD].copy_from_slice(&self.waiting.to_le_bytes());
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        self.put(0, (8 - self.count) & 7);
    }

    /// Appends whole bytes after [`Bits::align`].
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end + end / 2, 0);
        }
        self.bytes[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }
}
