//! Huffman codes, limited in length, and how a block tells them.

use super::bits::Bits;

/// No alphabet has more symbols.
pub(super) const MOST: usize = 288;

/// The words of an alphabet's symbols.
pub(super) struct Code {
    /// Each symbol's word, its first bit lowest, and how long it is.
    words: [(u16, u8); MOST],
    symbols: usize,
}

impl Code {
    /// A code for symbols that occur so often, with words of at most `limit` bits. Counts two symbols at least, so that every
    /// reader takes the code for whole.
    pub(super) fn new<const N: usize>(counts: &mut [u32; N], limit: u8) -> Code {
        let used = counts.iter().filter(|count| **count > 0).count();
        counts.iter_mut().filter(|count| **count == 0).take(2_usize.saturating_sub(used)).for_each(|count| *count = 1);
        let mut lengths = [0; N];
        limited_lengths(counts, limit, &mut lengths);
        Code::of_lengths(&lengths)
    }

    /// The canonical code with these lengths.
    fn of_lengths(lengths: &[u8]) -> Code {
        let mut next = [0_u16; 17];
        lengths.iter().filter(|length| **length > 0).for_each(|length| next[usize::from(*length) + 1] += 1);
        for length in 1..next.len() {
            next[length] = (next[length] + next[length - 1]) << 1;
        }
        let mut code = Code { words: [(0, 0); MOST], symbols: lengths.len() };
        for (word, length) in code.words.iter_mut().zip(lengths).filter(|(_, length)| **length > 0) {
            let next = &mut next[usize::from(*length)];
            *word = (next.reverse_bits() >> (16 - length), *length);
            *next += 1;
        }
        code
    }

    #[inline]
    pub(super) fn word(&self, symbol: usize) -> (u16, u8) {
        self.words[symbol]
    }

    /// All words, by their symbols.
    pub(super) fn words(&self) -> &[(u16, u8); MOST] {
        &self.words
    }

    /// How many bits symbols that occur so often take.
    pub(super) fn cost(&self, counts: &[u32]) -> u64 {
        counts.iter().zip(&self.words).map(|(count, (_, length))| u64::from(*count) * u64::from(*length)).sum()
    }

    /// The words' lengths up to the last used symbol, but of no fewer than `least`.
    fn lengths(&self, least: usize) -> impl Iterator<Item = u8> {
        let words = &self.words[..self.symbols];
        let used = words.iter().rposition(|(_, length)| *length > 0).map_or(0, |last| last + 1);
        words[..used.max(least)].iter().map(|(_, length)| *length)
    }
}

/// Gives each symbol that occurs a length: the more often, the shorter.
fn limited_lengths(counts: &[u32], limit: u8, lengths: &mut [u8]) {
    let mut order: Vec<(u32, usize)> =
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(symbol, count)| (*count, symbol)).collect();
    order.sort_unstable();
    let mut of_length = lengths_of_tree(&order.iter().map(|(count, _)| *count).collect::<Vec<_>>());
    limit_lengths(&mut of_length, usize::from(limit));
    let mut rarest_first = order.iter();
    for length in (1..=limit).rev() {
        for (_, symbol) in rarest_first.by_ref().take(of_length[usize::from(length)]) {
            lengths[*symbol] = length;
        }
    }
}

/// No tree over a block's symbols is deeper: Fibonacci's numbers would have to fit into its length.
const DEEPEST: usize = 32;

/// How many leaves of Huffman's tree over `counts`, which ascend, have each depth.
fn lengths_of_tree(counts: &[u32]) -> [usize; DEEPEST] {
    let leaves = counts.len();
    // Leaves first, then inner nodes in the order in which they are made, which is that of their weights.
    let mut parents = vec![0; 2 * leaves];
    let mut weights = counts.to_vec();
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let lightest = match weights.get(inner) {
                Some(other) if leaf == leaves || *other < weights[leaf] => &mut inner,
                _ => &mut leaf,
            };
            weight += weights[*lightest];
            parents[*lightest] = node;
            *lightest += 1;
        }
        weights.push(weight);
    }
    let mut depths = vec![0; 2 * leaves];
    let mut of_depth = [0; DEEPEST];
    for node in (0..2 * leaves - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
        of_depth[depths[node]] += usize::from(node < leaves);
    }
    of_depth
}

/// Moves leaves up to the limit, and others down until all have room.
fn limit_lengths(of_length: &mut [usize; DEEPEST], limit: usize) {
    of_length[limit] += of_length[limit + 1..].iter_mut().map(std::mem::take).sum::<usize>();
    let taken = |of_length: &[usize; DEEPEST]| (1..=limit).map(|length| of_length[length] << (limit - length)).sum();
    let mut over: usize = taken(of_length);
    while over > 1 << limit {
        // There are fewer symbols than words of the longest length, so there is one.
        let Some(shorter) = (1..limit).rev().find(|length| of_length[*length] > 0) else { break };
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
        of_length[limit] -= 1;
        over -= 1;
    }
}

/// The order in which the lengths of the code of lengths are told.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Both codes' lengths, in a code of their own.
pub(super) struct Head {
    code: Code,
    /// Symbols with their extra bits, and how many these are.
    symbols: Vec<(u8, u8, u8)>,
    counts: [u32; 19],
    told: usize,
    literals: usize,
    distances: usize,
}

impl Head {
    pub(super) fn new(literals: &Code, distances: &Code) -> Head {
        let mut lengths: Vec<u8> = literals.lengths(257).collect();
        let count = lengths.len();
        lengths.extend(distances.lengths(1));
        let symbols = runs(&lengths);
        let mut counts = [0; 19];
        symbols.iter().for_each(|(symbol, ..)| counts[usize::from(*symbol)] += 1);
        let code = Code::new(&mut counts, 7);
        let told = ORDER.iter().rposition(|symbol| code.word(*symbol).1 > 0).map_or(4, |last| (last + 1).max(4));
        Head { code, symbols, counts, told, literals: count, distances: lengths.len() - count }
    }

    pub(super) fn bits(&self) -> u64 {
        let extra: u64 = self.symbols.iter().map(|(.., bits)| u64::from(*bits)).sum();
        14 + 3 * self.told as u64 + extra + self.code.cost(&self.counts)
    }

    pub(super) fn write(&self, out: &mut Bits) {
        out.put(self.literals as u64 - 257, 5);
        out.put(self.distances as u64 - 1, 5);
        out.put(self.told as u64 - 4, 4);
        for symbol in &ORDER[..self.told] {
            out.put(u64::from(self.code.word(*symbol).1), 3);
        }
        for (symbol, extra, bits) in &self.symbols {
            let (code, length) = self.code.word(usize::from(*symbol));
            out.put(u64::from(code) | u64::from(*extra) << length, u32::from(length + bits));
        }
    }
}

/// Lengths, and runs of them: 16 repeats the last one 3 to 6 times, 17 and 18 are 3 to 10 and 11 to 138 zeros.
fn runs(lengths: &[u8]) -> Vec<(u8, u8, u8)> {
    let mut symbols = Vec::new();
    for run in lengths.chunk_by(u8::eq) {
        let (length, mut left) = (run[0], run.len());
        if length > 0 {
            symbols.push((length, 0, 0));
            left -= 1;
        }
        while left >= 3 {
            let (symbol, least, most, bits) = match length {
                0 if left >= 11 => (18, 11, 138, 7),
                0 => (17, 3, 10, 3),
                _ => (16, 3, 6, 2),
            };
            let count = left.min(most);
            symbols.push((symbol, (count - least) as u8, bits));
            left -= count;
        }
        symbols.extend(std::iter::repeat_n((length, 0, 0), left));
    }
    symbols
}
