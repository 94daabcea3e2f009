//! Inputs: the same bytes on every machine, and about as compressible as executables are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

/// How far back repetitions reach.
const BLOCK: usize = 16 << 10;
/// Of 256 steps, how many repeat.
const REPEATED: u64 = 88;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Bytes that compress as a program does: short repetitions of what came a little earlier, and new bytes, some of which are
/// more frequent than others. The shares were chosen so that gzip and zstd do with them what they do with an executable.
pub(crate) struct Program {
    random: Random,
    /// Of the two last blocks the later one is being made.
    window: [u8; 2 * BLOCK],
}

impl Program {
    pub(crate) fn new(seed: u64) -> Program {
        Program { random: Random::new(seed), window: [0; 2 * BLOCK] }
    }

    /// The next block.
    fn block(&mut self) -> &[u8] {
        self.window.copy_within(BLOCK.., 0);
        let mut at = BLOCK;
        while at < 2 * BLOCK {
            let roll = self.random.next();
            let (length, distance) =
                (4 + (roll >> 8 & 15) as usize + (roll >> 12 & 15) as usize, 1 + (roll >> 16) as usize);
            let end = (at + length).min(2 * BLOCK);
            if roll & 255 < REPEATED {
                let from = at - 1 - distance % BLOCK.min(at - 1);
                (at..end).enumerate().for_each(|(offset, to)| self.window[to] = self.window[from + offset]);
                at = end;
            } else {
                let end = (at + 1 + (roll >> 40 & 7) as usize).min(2 * BLOCK);
                // The smaller of two is more often small.
                self.window[at..end].fill_with(|| {
                    let roll = self.random.next();
                    (roll as u8).min((roll >> 8) as u8)
                });
                at = end;
            }
        }
        &self.window[BLOCK..]
    }

    /// Writes `size` bytes to `path`.
    pub(crate) fn write(&mut self, path: &Path, size: u64) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut left = size;
        while left > 0 {
            let length = left.min(BLOCK as u64);
            file.write_all(&self.block()[..length as usize])?;
            left -= length;
        }
        file.flush()
    }
}

/// One executable per image, each in a build context of its own. Megabytes; together 339.
const EXECUTABLES: [u64; 6] = [20, 40, 55, 64, 80, 80];

/// Makes the contexts of six images and gives their directories.
pub(crate) fn images(dir: &Path, megabyte: u64, base: &str) -> io::Result<Vec<PathBuf>> {
    let mut contexts = Vec::new();
    for (number, megabytes) in EXECUTABLES.into_iter().enumerate() {
        let context = dir.join(format!("image{number}"));
        fs::create_dir_all(&context)?;
        Program::new(number as u64 + 1).write(&context.join("app"), megabytes * megabyte)?;
        let text = format!("FROM {base}\nCOPY app /usr/local/bin/app\nENTRYPOINT [\"/usr/local/bin/app\"]\n");
        fs::write(context.join("Dockerfile"), text)?;
        contexts.push(context);
    }
    Ok(contexts)
}

/// Makes the tree of a toolchain: directories of some 30 files, most of them small, a few large, some links.
pub(crate) fn tree(dir: &Path, files: u64, bytes: u64, seed: u64) -> io::Result<()> {
    let mut random = Random::new(seed);
    let mut program = Program::new(seed);
    let large = bytes * 6 / 10 / 16;
    let small = bytes * 4 / 10 / files;
    for number in 0..files {
        let below = dir.join(format!("lib{}", number / 900)).join(format!("module{}", number / 30));
        if number % 30 == 0 {
            fs::create_dir_all(&below)?;
        }
        let path = below.join(format!("file{number}"));
        match number % (files / 16).max(1) {
            7 => program.write(&path, large)?,
            n if n % 100 == 99 => symlink(format!("file{}", number - 1), &path)?,
            _ => program.write(&path, random.below(2 * small))?,
        }
    }
    Ok(())
}

/// Changes a few bytes, so that the content is new to everybody.
pub(crate) fn change(path: &Path, round: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let stamp = [std::process::id().into(), round, Random::new(round).next()].map(u64::to_le_bytes).concat();
    file.write_all_at(&stamp, 64)
}
