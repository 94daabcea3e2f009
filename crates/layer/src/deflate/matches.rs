//! Repetitions.

/// Literals, then a repetition; the last of a block has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) literals: u32,
    /// 0 for none.
    pub(super) length: u16,
    pub(super) distance: u16,
}

impl Sequence {
    /// Beside the codes.
    pub(super) fn extra_bits(&self) -> u64 {
        match self.length {
            0 => 0,
            length => u64::from(LENGTHS[usize::from(length) - SHORTEST].2) + u64::from(distance(self.distance).1),
        }
    }
}

/// The shortest and the longest that the format can repeat.
pub(super) const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// How far back.
const WINDOW: u16 = 32 << 10;
/// As much is read and compared at once.
const WORD: usize = 8;
const HASH_BITS: u32 = 13;
/// Of the bits that are read at once, those that do not matter to whether a repetition is worth it: it has six bytes at least.
/// So there are as many of them as whoever shifts the word to the next places needs.
const UNSEEN: u32 = 64 - 8 * 6;
/// Every second place is looked for; after two to the power of this many bytes without a repetition every third, and so on.
const PATIENCE: u32 = 6;

/// The symbol of each length from 3 on, its extra bits, and how many these are.
pub(super) const LENGTHS: [(u16, u8, u8); 256] = lengths();

const fn lengths() -> [(u16, u8, u8); 256] {
    let mut table = [(0, 0, 0); 256];
    let mut index = 0;
    while index < 255 {
        let bits = if index < 8 { 0 } else { (index as u32).ilog2() - 2 };
        let (symbol, extra) = (257 + 4 * bits as usize + (index >> bits), index & ((1 << bits) - 1));
        table[index] = (symbol as u16, extra as u8, bits as u8);
        index += 1;
    }
    // The longest has a symbol of its own.
    table[255] = (285, 0, 0);
    table
}

/// The first distance of a symbol, how many extra bits it has, and the symbol.
#[inline]
pub(super) fn distance(distance: u16) -> (u16, u32, usize) {
    let index = distance - 1;
    let bits = u16::BITS.saturating_sub(index.leading_zeros() + 2);
    let step = index >> bits;
    ((step << bits) + 1, bits, 2 * bits as usize + usize::from(step))
}

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
    pub(super) fn find(&mut self, input: &[u8], from: usize, sequences: &mut Vec<Sequence>) {
        let (mut start, mut at) = (from, from);
        while let Some(now) = word(input, at) {
            let distance = self.look(now, at);
            let then = word(input, at.wrapping_sub(usize::from(distance)));
            if then.is_none_or(|then| (then ^ now) << UNSEEN != 0) || distance.wrapping_sub(1) >= WINDOW {
                // The next place is not looked for, but can be found: that costs little, and a sixth of the size.
                self.look(now >> 8, at + 1);
                at += 2 + ((at - start) >> PATIENCE);
                continue;
            }
            let earlier = at - usize::from(distance);
            // The place before was passed over.
            let back = usize::from(at > start && earlier > 0 && input[at - 1] == input[earlier - 1]);
            let length = repeated(input, earlier - back, at - back);
            let literals = at - back - start;
            sequences.push(Sequence { literals: literals as u32, length: length as u16, distance });
            start += literals + length;
            at = start;
            if let Some(last) = word(input, at - 3) {
                self.look(last, at - 3);
                self.look(last >> 16, at - 1);
            }
        }
        sequences.push(Sequence { literals: (input.len() - start) as u32, length: 0, distance: 0 });
    }

    /// How far back the first bytes of `word` were seen, perhaps; from now on, they were seen here.
    #[inline]
    fn look(&mut self, word: u64, at: usize) -> u16 {
        let hash = (word << UNSEEN).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASH_BITS);
        let here = at as u16;
        here.wrapping_sub(std::mem::replace(&mut self.seen[hash as usize], here))
    }
}

#[inline]
fn word(input: &[u8], at: usize) -> Option<u64> {
    input.get(at..)?.first_chunk().map(|bytes: &[u8; WORD]| u64::from_le_bytes(*bytes))
}

/// How many bytes at `earlier` and at `later` are equal, at most [`LONGEST`].
#[inline]
fn repeated(input: &[u8], earlier: usize, later: usize) -> usize {
    let most = LONGEST.min(input.len() - later);
    let mut length = 0;
    while let (Some(one), Some(other)) = (word(input, earlier + length), word(input, later + length)) {
        let different = one ^ other;
        if different != 0 {
            return most.min(length + (different.trailing_zeros() / 8) as usize);
        }
        length += WORD;
        if length >= most {
            return most;
        }
    }
    let tail = |from: usize| input[from + length..].iter();
    most.min(length + tail(earlier).zip(tail(later)).take_while(|(one, other)| one == other).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_those_of_the_format() {
        let length = |length: usize| LENGTHS[length - SHORTEST];
        assert_eq!(
            [3, 10, 11, 12, 257, 258].map(length),
            [(257, 0, 0), (264, 0, 0), (265, 0, 1), (265, 1, 1), (284, 30, 5), (285, 0, 0)]
        );
        assert_eq!(
            [1, 4, 5, 6, 7, 24_577, 32_768].map(distance),
            [(1, 0, 0), (4, 0, 3), (5, 1, 4), (5, 1, 4), (7, 1, 5), (24_577, 13, 29), (24_577, 13, 29)]
        );
    }

    #[test]
    fn sequences_say_what_the_input_is() {
        let mut found = Vec::new();
        Finder::new().find(b"abcdefghi abcdefghi, abcdefg and more", 0, &mut found);
        let expected = [(10, 9, 10), (1, 8, 11), (9, 0, 0)];
        assert_eq!(found.iter().map(|s| (s.literals, s.length, s.distance)).collect::<Vec<_>>(), expected);
    }
}
