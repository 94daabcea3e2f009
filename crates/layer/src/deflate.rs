//! A fast compressor for DEFLATE (RFC 1951): one look at one earlier place for each position, one Huffman code per block.
//!
//! It is made for layers that are sent over a fast network to who reads gzip only: nearly twice as fast as libdeflate's first
//! level, its output an eighth larger. Only arithmetic decides what comes out, never what a processor can do.

mod bits;
mod huffman;
mod matches;
mod sequences;

use bits::Bits;
use huffman::{Code, Head, MOST};
use matches::Finder;
use sequences::{LENGTHS, SHORTEST, Sequences, distance, distance_extra, length_extra};

/// Input that shares a pair of Huffman codes.
const BLOCK: usize = 128 << 10;
/// The longest piece of a block that is stored as it is.
const STORED: usize = u16::MAX as usize;
/// Codes no longer than this, so that four literals fit into one word of the output.
const LITERAL_LIMIT: u8 = 12;
/// As long as the format has them.
const DISTANCE_LIMIT: u8 = 15;
/// The end of a block, among the literals.
const END: usize = 256;

/// mtime 0, as fast as can be (XFL 4), of no system (OS 255).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// Compresses; its tables are used again.
pub(crate) struct Deflate {
    finder: Finder,
    sequences: Sequences,
    out: Bits,
}

impl Deflate {
    pub(crate) fn new() -> Deflate {
        Deflate { finder: Finder::new(), sequences: Sequences::default(), out: Bits::default() }
    }

    /// One gzip member, of an input of less than 4 GiB.
    pub(crate) fn gzip(&mut self, input: &[u8]) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.out);
        out.restart();
        out.bytes(&GZIP_HEADER);
        self.finder.restart();
        let mut from = 0;
        loop {
            let to = input.len().min(from + BLOCK);
            out = self.block(input, from, to, out);
            from = to;
            if from == input.len() {
                break;
            }
        }
        out.align();
        out.bytes(&libdeflater::crc32(input).to_le_bytes());
        out.bytes(&(input.len() as u32).to_le_bytes());
        let member = out.written().to_vec();
        self.out = out;
        member
    }

    /// The bytes from `from` to `to`, which may repeat what came before.
    fn block(&mut self, input: &[u8], from: usize, to: usize, mut out: Bits) -> Bits {
        self.sequences.restart(to - from);
        self.finder.find(&input[..to], from, &mut self.sequences);
        let codes = Codes::of(&self.sequences);
        let last = to == input.len();
        // No bytes at all are no stored piece, but a block all the same.
        if from < to && codes.bits > 8 * (to - from) as u64 {
            store(&input[from..to], last, &mut out);
            return out;
        }
        out.reserve(codes.bits);
        codes.write_head(last, &mut out);
        codes.write(&self.sequences, out)
    }
}

/// Bytes as they are.
fn store(bytes: &[u8], last: bool, out: &mut Bits) {
    let mut pieces = bytes.chunks(STORED).peekable();
    while let Some(piece) = pieces.next() {
        out.put(u64::from(last && pieces.peek().is_none()), 3);
        out.align();
        let length = piece.len() as u16;
        out.bytes(&length.to_le_bytes());
        out.bytes(&(!length).to_le_bytes());
        out.bytes(piece);
    }
}

/// The codes of one block.
struct Codes {
    literals: Code,
    distances: Code,
    /// Both codes' lengths, as the format packs them.
    head: Head,
    /// How long the block becomes, head included.
    bits: u64,
}

impl Codes {
    fn of(sequences: &Sequences) -> Codes {
        let (mut literals, mut distances) = count(sequences);
        let (literal_code, distance_code) =
            (Code::new(&mut literals, LITERAL_LIMIT), Code::new(&mut distances, DISTANCE_LIMIT));
        let head = Head::new(&literal_code, &distance_code);
        let extra = extra_bits(&literals, length_extra) + extra_bits(&distances, distance_extra);
        let bits = 3 + head.bits() + extra + literal_code.cost(&literals) + distance_code.cost(&distances);
        Codes { literals: literal_code, distances: distance_code, head, bits }
    }

    fn write_head(&self, last: bool, out: &mut Bits) {
        out.put(u64::from(last), 1);
        out.put(2, 2);
        self.head.write(out);
    }

    fn write(&self, sequences: &Sequences, mut out: Bits) -> Bits {
        let literals = self.literals.words();
        let lengths = LengthWords::new(&self.literals);
        let mut rest = sequences.padded_literals();
        for sequence in sequences.each() {
            write_literals(literals, rest, sequence.literals as usize, &mut out);
            if sequence.length == 0 {
                break;
            }
            let (word, count) = lengths.of(sequence.length);
            let (base, extra, symbol) = distance(sequence.distance);
            let (code, length) = self.distances.word(symbol);
            let distance = u64::from(code) | u64::from(sequence.distance - base) << length;
            out.put(u64::from(word) | distance << count, u32::from(count) + u32::from(length) + extra);
            rest = &rest[sequence.literals as usize..];
        }
        let (code, length) = self.literals.word(END);
        out.put(u64::from(code), u32::from(length));
        out
    }
}

/// The first `count` literals, eight by eight. Of the last, all are looked up and some cut off: that there is nothing to guess
/// for the processor is worth more than what is done in vain.
#[inline]
fn write_literals(codes: &[(u16, u8); MOST], literals: &[u8], count: usize, out: &mut Bits) {
    let mut left = count;
    for eight in literals.chunks_exact(8) {
        let (one, two) = (Four::of(codes, &eight[..4]), Four::of(codes, &eight[4..]));
        if left <= 8 {
            one.put(left.min(4), out);
            return two.put(left.saturating_sub(4), out);
        }
        one.put(4, out);
        two.put(4, out);
        left -= 8;
    }
}

/// Four literals' codes.
struct Four {
    bits: u64,
    /// Where the first so many end.
    ends: [u32; 5],
}

impl Four {
    #[inline]
    fn of(codes: &[(u16, u8); MOST], literals: &[u8]) -> Four {
        let words = [literals[0], literals[1], literals[2], literals[3]].map(|byte| codes[usize::from(byte)]);
        let one = u32::from(words[0].1);
        let two = one + u32::from(words[1].1);
        let three = two + u32::from(words[2].1);
        let all = three + u32::from(words[3].1);
        let [a, b, c, d] = words.map(|(code, _)| u64::from(code));
        Four { bits: a | b << one | c << two | d << three, ends: [0, one, two, three, all] }
    }

    /// Appends the first `count`.
    #[inline]
    fn put(&self, count: usize, out: &mut Bits) {
        let bits = self.ends[count];
        out.put(self.bits & !(u64::MAX << bits), bits);
    }
}

/// What is written for each length of a match: its code and its extra bits, and how many these are together.
struct LengthWords([(u32, u8); 256]);

impl LengthWords {
    fn new(code: &Code) -> LengthWords {
        LengthWords(std::array::from_fn(|index| {
            let (symbol, extra, bits) = LENGTHS[index];
            let (code, length) = code.word(usize::from(symbol));
            (u32::from(code) | u32::from(extra) << length, length + bits)
        }))
    }

    fn of(&self, length: u16) -> (u32, u8) {
        self.0[usize::from(length) - SHORTEST]
    }
}

/// How often each symbol occurs, of literals with lengths and of distances.
fn count(sequences: &Sequences) -> ([u32; 286], [u32; 30]) {
    let (mut literals, mut distances) = ([0; 286], [0; 30]);
    count_literals(sequences.literals(), &mut literals);
    for sequence in sequences.each().iter().filter(|sequence| sequence.length > 0) {
        literals[usize::from(LENGTHS[usize::from(sequence.length) - SHORTEST].0)] += 1;
        distances[distance(sequence.distance).2] += 1;
    }
    literals[END] += 1;
    (literals, distances)
}

/// Neighbours are counted apart: the processor need not wait for one to count an equal one.
fn count_literals(bytes: &[u8], counts: &mut [u32; 286]) {
    let mut apart = [[0_u32; 256]; 4];
    let mut fours = bytes.chunks_exact(4);
    for four in &mut fours {
        apart.iter_mut().zip(four).for_each(|(counts, byte)| counts[usize::from(*byte)] += 1);
    }
    fours.remainder().iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    for apart in apart {
        counts.iter_mut().zip(apart).for_each(|(count, more)| *count += more);
    }
}

/// How many bits follow symbols that occur so often.
fn extra_bits(counts: &[u32], extra: fn(usize) -> u64) -> u64 {
    counts.iter().enumerate().map(|(symbol, count)| u64::from(*count) * extra(symbol)).sum()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn round_trip(input: &[u8]) -> usize {
        let mut deflate = Deflate::new();
        let member = deflate.gzip(input);
        assert_eq!(member, deflate.gzip(input), "what came before does not matter");
        let mut output = vec![0; input.len()];
        let written = libdeflater::Decompressor::new().gzip_decompress(&member, &mut output).expect("a gzip member");
        assert!(written == input.len() && output == input, "libdeflate reads what went in");
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&member[..]).read_to_end(&mut read).expect("a gzip member");
        assert!(read == input, "zlib reads what went in");
        member.len()
    }

    #[test]
    fn what_goes_in_comes_out() {
        for length in [0, 1, 2, 3, 4, 11, 100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
            round_trip(&vec![7; length]);
            let noise: Vec<u8> =
                (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8).collect();
            round_trip(&noise);
        }
    }

    #[test]
    fn repetitions_shrink_and_noise_hardly_grows() {
        assert!(round_trip(&vec![0; 1 << 20]) < 6_000);
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        let noise = noise.take(1 << 20).collect::<Vec<u8>>();
        assert!(round_trip(&noise) <= noise.len() + 200);
    }

    proptest! {
        #[test]
        fn anything_comes_out_as_it_went_in(pieces in prop::collection::vec((any::<u8>(), 0..5000_usize, 1..9000_usize), 0..60)) {
            let mut input: Vec<u8> = Vec::new();
            for (byte, length, distance) in pieces {
                input.push(byte);
                (0..length).for_each(|_| input.push(input[input.len() - distance.min(input.len())]));
            }
            round_trip(&input);
        }
    }
}
