//! GNU's sparse files: stored pieces with holes of zeros between them.

use std::io::Read;

use super::stream::Blocks;
use super::{field, malformed};
use crate::Error;
use crate::tar::BLOCK;

/// Pieces of one file; at 16 bytes each, 16 MiB.
const MAX_PIECES: usize = 1 << 20;

/// Where the stored bytes of a file belong, and how far it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SparseMap {
    /// Offset and length, in order, not overlapping, within the size.
    pieces: Vec<(u64, u64)>,
    size: u64,
    position: u64,
    next_piece: usize,
}

/// What comes next in the file.
pub(super) enum Run {
    /// So many zeros.
    Hole(usize),
    /// So many stored bytes.
    Data(usize),
}

impl SparseMap {
    fn new(pieces: Vec<(u64, u64)>, size: u64, member: &str) -> Result<SparseMap, Error> {
        let mut end = 0;
        for (offset, length) in &pieces {
            let piece_end = offset.checked_add(*length).filter(|e| *offset >= end && *e <= size);
            end = piece_end.ok_or_else(|| malformed(member, "its sparse map is out of order or out of range"))?;
        }
        Ok(SparseMap { pieces, size, position: 0, next_piece: 0 })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The pieces must be all that is stored.
    pub(super) fn check(&self, stored: u64, member: &str) -> Result<(), Error> {
        // Cannot overflow: the pieces do not overlap.
        let listed: u64 = self.pieces.iter().map(|(_, length)| length).sum();
        if listed != stored || self.size > i64::MAX as u64 {
            return Err(malformed(member, "its sparse map does not fit its size"));
        }
        Ok(())
    }

    /// What comes next, at most `limit` bytes of it.
    pub(super) fn next(&mut self, limit: usize) -> Run {
        while self.pieces.get(self.next_piece).is_some_and(|(offset, length)| offset + length <= self.position) {
            self.next_piece += 1;
        }
        let clip = |length: u64| limit.min(usize::try_from(length).unwrap_or(usize::MAX));
        match self.pieces.get(self.next_piece) {
            Some((offset, length)) if *offset <= self.position => Run::Data(clip(offset + length - self.position)),
            Some((offset, _)) => Run::Hole(clip(offset - self.position)),
            None => Run::Hole(clip(self.size - self.position)),
        }
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.position += count as u64;
    }
}

/// Pairs of offset and length.
pub(super) fn from_numbers(numbers: &[u64], size: u64, member: &str) -> Result<SparseMap, Error> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > MAX_PIECES {
        return Err(malformed(member, "its sparse map is malformed"));
    }
    SparseMap::new(pairs.iter().map(|[offset, length]| (*offset, *length)).collect(), size, member)
}

/// Format 1.0: decimal lines before the data, padded to a block. Gives also how many stored bytes they took.
pub(super) fn in_data<R: Read>(
    size: u64,
    stored: u64,
    blocks: &mut Blocks<R>,
    member: &str,
) -> Result<(SparseMap, u64), Error> {
    let mut lines = Lines { blocks, member, line: Vec::new(), block: [0; BLOCK], at: BLOCK, left: stored };
    let count = lines.number()?;
    if count > MAX_PIECES as u64 {
        return Err(malformed(member, "its sparse map is too long"));
    }
    let mut pieces = Vec::new();
    for _ in 0..count {
        pieces.push((lines.number()?, lines.number()?));
    }
    let consumed = stored - lines.left;
    Ok((SparseMap::new(pieces, size, member)?, consumed))
}

struct Lines<'b, R> {
    blocks: &'b mut Blocks<R>,
    member: &'b str,
    line: Vec<u8>,
    block: [u8; BLOCK],
    at: usize,
    left: u64,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> Result<u64, Error> {
        self.line.clear();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte if self.line.len() < 20 => self.line.push(byte),
                _ => break self.line.clear(),
            }
        }
        field::decimal(&self.line).ok_or_else(|| malformed(self.member, "its sparse map is malformed"))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        if self.at == BLOCK {
            let left = self.left.checked_sub(BLOCK as u64);
            self.left = left.ok_or_else(|| malformed(self.member, "its sparse map is cut off"))?;
            self.block = self.blocks.expect_block(self.member)?;
            self.at = 0;
        }
        self.at += 1;
        Ok(self.block[self.at - 1])
    }
}
