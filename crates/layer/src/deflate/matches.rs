//! Repetitions.

use super::sequences::Sequences;

/// The longest that the format can repeat.
const LONGEST: usize = 258;
/// How far back.
const WINDOW: u16 = 32 << 10;
/// As much is read and compared at once.
const WORD: usize = 8;
const HASH_BITS: u32 = 13;
/// A repetition of fewer bytes is not worth it.
const SEEN: usize = 6;
/// Of the bits that are read at once, those that do not matter to whether there is a repetition. So there are as many of them as
/// whoever shifts the word to the next places needs.
const UNSEEN: u32 = 64 - 8 * SEEN as u32;
/// Every second place is looked for; after two to the power of this many bytes without a repetition every third, and so on.
const PATIENCE: u32 = 6;

/// Where each few bytes were seen last.
pub(super) struct Finder {
    /// Places, but for a multiple of two windows: small enough to stay in a core's own cache.
    seen: Box<[u16; 1 << HASH_BITS]>,
}

impl Finder {
    pub(super) fn new() -> Finder {
        Finder { seen: Box::new([0; 1 << HASH_BITS]) }
    }

    /// Forgets the input.
    pub(super) fn restart(&mut self) {
        self.seen.fill(0);
    }

    /// Appends what `input` is made of from `from` on.
    pub(super) fn find(&mut self, input: &[u8], from: usize, sequences: &mut Sequences) {
        let (mut start, mut at) = (from, from);
        while let Some(now) = word(input, at) {
            let distance = self.look(now, at);
            let far = u64::from(distance.wrapping_sub(1) / WINDOW);
            let then = word(input, at.wrapping_sub(usize::from(distance)));
            if then.is_none_or(|then| (then ^ now) << UNSEEN | far != 0) {
                // The next place is not looked for, but can be found: that costs little, and a sixth of the size.
                self.look(now >> 8, at + 1);
                at += 2 + ((at - start) >> PATIENCE);
                continue;
            }
            let earlier = at - usize::from(distance);
            // Places before were passed over.
            let back = equal_before(input, earlier, at).min(at - start).min(earlier);
            let length = repeated(input, earlier, at).min(LONGEST - back);
            sequences.add(&input[start..], at - back - start, length + back, distance);
            at += length;
            start = at;
            if let Some(last) = word(input, at - 3) {
                self.look(last, at - 3);
                self.look(last >> 16, at - 1);
            }
        }
        sequences.add(&input[start..], input.len() - start, 0, 0);
    }

    /// How far back the first bytes of `word` were seen, perhaps; from now on, they were seen here.
    #[inline]
    fn look(&mut self, word: u64, at: usize) -> u16 {
        let hash = word.wrapping_mul(0x9e37_79b9_7f4a_7c15 << UNSEEN) >> (64 - HASH_BITS);
        let here = at as u16;
        here.wrapping_sub(std::mem::replace(&mut self.seen[hash as usize], here))
    }
}

/// The bytes from `at` on. Places have 32 bits: that the sum cannot overflow saves a comparison for each.
#[inline]
fn word(input: &[u8], at: usize) -> Option<u64> {
    let at = at as u32 as usize;
    input.get(at..at + WORD)?.first_chunk().map(|bytes: &[u8; WORD]| u64::from_le_bytes(*bytes))
}

/// Two words.
#[inline]
fn wide(input: &[u8], at: usize) -> Option<u128> {
    let at = at as u32 as usize;
    input.get(at..at + 2 * WORD)?.first_chunk().map(|bytes: &[u8; 2 * WORD]| u128::from_le_bytes(*bytes))
}

/// How many bytes before `earlier` and before `later` are equal, of the last [`WORD`].
#[inline]
fn equal_before(input: &[u8], earlier: usize, later: usize) -> usize {
    let before = |at: usize| word(input, at.wrapping_sub(WORD));
    match (before(earlier), before(later)) {
        (Some(one), Some(other)) => ((one ^ other).leading_zeros() / 8) as usize,
        _ => 0,
    }
}

/// How many bytes at `earlier` and at `later` are equal, the first [`SEEN`] of which are; perhaps more than [`LONGEST`].
#[inline]
fn repeated(input: &[u8], earlier: usize, later: usize) -> usize {
    let mut length = SEEN;
    while let (Some(one), Some(other)) = (wide(input, earlier + length), wide(input, later + length)) {
        let different = one ^ other;
        if different != 0 {
            return length + (different.trailing_zeros() / 8) as usize;
        }
        length += 2 * WORD;
        if length >= LONGEST {
            return length;
        }
    }
    let tail = |from: usize| input[from + length..].iter();
    length + tail(earlier).zip(tail(later)).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_say_what_the_input_is() {
        let mut found = Sequences::default();
        found.restart(100);
        Finder::new().find(b"abcdefghi abcdefghi, abcdefg and more", 0, &mut found);
        let expected = [(10, 9, 10), (1, 8, 11), (9, 0, 0)];
        assert_eq!(found.each().iter().map(|s| (s.literals, s.length, s.distance)).collect::<Vec<_>>(), expected);
        assert_eq!(found.literals(), b"abcdefghi , and more");
    }
}
