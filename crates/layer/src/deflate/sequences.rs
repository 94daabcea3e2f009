//! What a block is made of: literals and repetitions.

/// Literals, then a repetition; the last of a block has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) literals: u32,
    /// 0 for none.
    pub(super) length: u16,
    pub(super) distance: u16,
}

/// The shortest that the format can repeat.
pub(super) const SHORTEST: usize = 3;

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

/// How many extra bits lengths of a symbol have.
pub(super) fn length_extra(symbol: usize) -> u64 {
    match symbol {
        0..265 | 285 => 0,
        _ => (symbol as u64 - 261) / 4,
    }
}

/// How many extra bits distances of a symbol have.
pub(super) fn distance_extra(symbol: usize) -> u64 {
    (symbol as u64 / 2).saturating_sub(1)
}

/// The first distance of a symbol, how many extra bits it has, and the symbol.
#[inline]
pub(super) fn distance(distance: u16) -> (u16, u32, usize) {
    let index = u32::from(distance) - 1;
    let bits = (index / 2).max(1).ilog2();
    let step = index >> bits;
    (((step << bits) + 1) as u16, bits, (2 * bits + step) as usize)
}

/// A block's sequences. Its memory is used again.
///
/// Literals lie one after another, without what is repeated between them, so that who counts or writes them has no ends of
/// runs to guess.
#[derive(Default)]
pub(super) struct Sequences {
    each: Vec<Sequence>,
    literals: Vec<u8>,
    /// How many of `literals` there are.
    count: usize,
}

/// As many literals are copied at once: few runs are longer.
const COPIED: usize = 32;

impl Sequences {
    /// Forgets everything, and makes room for a block of so many bytes.
    pub(super) fn restart(&mut self, block: usize) {
        self.each.clear();
        self.literals.resize(block + COPIED, 0);
        self.count = 0;
    }

    pub(super) fn each(&self) -> &[Sequence] {
        &self.each
    }

    pub(super) fn literals(&self) -> &[u8] {
        &self.literals[..self.count]
    }

    /// The literals, and at least [`COPIED`] bytes more of no meaning.
    pub(super) fn padded_literals(&self) -> &[u8] {
        &self.literals
    }

    /// Appends the first `count` bytes of `rest`, and a repetition.
    #[inline]
    pub(super) fn add(&mut self, rest: &[u8], count: usize, length: usize, distance: u16) {
        let to = &mut self.literals[self.count..];
        match (rest.first_chunk::<COPIED>(), to.first_chunk_mut()) {
            (Some(from), Some(to)) if count <= COPIED => *to = *from,
            _ => to[..count].copy_from_slice(&rest[..count]),
        }
        self.count += count;
        self.each.push(Sequence { literals: count as u32, length: length as u16, distance });
    }
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
    fn extra_bits_follow_from_the_symbol() {
        assert!(LENGTHS.iter().all(|(symbol, _, bits)| length_extra(usize::from(*symbol)) == u64::from(*bits)));
        assert!((1..=32_768).map(distance).all(|(_, bits, symbol)| distance_extra(symbol) == u64::from(bits)));
    }
}
