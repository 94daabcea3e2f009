//! Reading files that may have holes.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Files below this size, in bytes, are read as they are: asking for holes costs more than reading them.
const WORTH_ASKING: u64 = 1 << 20;

/// Reads a file from its start. Holes are zeros that the file system is not asked for.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    size: u64,
    position: u64,
    /// Where the data that the position lies in ends; a hole begins there.
    data_end: u64,
}

impl SparseFile {
    /// A file of `size` bytes, nothing of it read yet.
    pub fn new(file: File, size: u64) -> SparseFile {
        let data_end = if size < WORTH_ASKING { u64::MAX } else { 0 };
        SparseFile { file, size, position: 0, data_end }
    }

    /// Finds the data at the position or behind it; gives how long the hole before it is.
    fn hole(&mut self) -> io::Result<u64> {
        let data = match seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => self.size.max(self.position),
            Err(Errno::INVAL) => {
                self.data_end = u64::MAX;
                self.position
            }
            Err(errno) => return Err(errno.into()),
        };
        if data == self.position && self.data_end != u64::MAX {
            self.data_end = seek(&self.file, SeekFrom::Hole(self.position))?;
        }
        seek(&self.file, SeekFrom::Start(data))?;
        Ok(data - self.position)
    }
}

impl Read for SparseFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wanted = buffer.len() as u64;
        if self.position >= self.data_end && self.position < self.size {
            let hole = self.hole()?.min(wanted);
            if hole > 0 {
                let zeros = buffer.get_mut(..usize::try_from(hole).unwrap_or(0)).unwrap_or_default();
                zeros.fill(0);
                self.position += hole;
                return Ok(zeros.len());
            }
            wanted = wanted.min(self.data_end - self.position);
        } else if self.position < self.size {
            wanted = wanted.min(self.data_end - self.position);
        }
        let space = buffer.get_mut(..usize::try_from(wanted).unwrap_or(usize::MAX)).unwrap_or_default();
        let got = self.file.read(space)?;
        self.position += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn holes_are_zeros() {
        let sizes = [0_u64, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 17];
        for size in sizes {
            for data in [vec![], vec![(0, 5)], vec![(0, 1 << 20), (2 << 20, 4096)], vec![(1 << 20, 70_000)]] {
                let mut file = tempfile::tempfile().expect("a file");
                file.set_len(size).expect("a hole");
                for (at, length) in data.into_iter().filter(|(at, length)| at + length <= size) {
                    file.seek(io::SeekFrom::Start(at)).expect("there");
                    let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
                    file.write_all(&bytes).expect("written");
                }
                let mut expected = Vec::new();
                file.rewind().expect("rewound");
                file.read_to_end(&mut expected).expect("read");
                file.rewind().expect("rewound");
                let mut found = Vec::new();
                SparseFile::new(file, size).read_to_end(&mut found).expect("read");
                assert!(found == expected, "a file of {size} bytes");
            }
        }
    }

    #[test]
    fn a_file_that_grew_shows_it() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![7; 2 << 20]).expect("written");
        file.rewind().expect("rewound");
        let mut found = Vec::new();
        SparseFile::new(file, 1 << 20).read_to_end(&mut found).expect("read");
        assert_eq!(found.len(), 2 << 20);
    }
}
