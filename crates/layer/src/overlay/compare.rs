//! What changed in a copy of the layers, where no overlay file system kept count of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use rootfs::{FileKind, Metadata, Root, Time, TreePath};

use super::Diff;
use super::changes::write_copied;
use crate::Error;

const BUFFER: usize = 64 << 10;

/// Which files a tree held, and when each was last changed in any way. The kernel sets that time (`ctime`); nobody else can.
#[derive(Debug)]
pub struct Listing(BTreeMap<TreePath, (u64, Time)>);

impl Listing {
    /// Lists a tree. About 100 bytes of memory a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn take(root: &Root) -> Result<Listing, Error> {
        let mut files = BTreeMap::new();
        let mut pending = vec![TreePath::root()];
        while let Some(path) = pending.pop() {
            let dir = root.dir(&path)?;
            for name in dir.names()? {
                let Some(found) = dir.stat(&name)? else { continue };
                let path = path.join(&name)?;
                match found.kind {
                    FileKind::Directory => pending.push(path),
                    _ => drop(files.insert(path, (found.inode, found.ctime))),
                }
            }
        }
        Ok(Listing(files))
    }

    /// Whether that very file was there, and nothing was done to it since.
    pub(super) fn has(&self, path: &TreePath, found: &Metadata) -> bool {
        self.0.get(path) == Some(&(found.inode, found.ctime))
    }
}

/// Writes what differs between the merged layers and a copy of them that somebody changed, listed `before` that; the same
/// entries as [`write_changes`](super::write_changes) would from an upper directory. The copy stays as it is.
///
/// # Errors
/// As [`write_changes`](super::write_changes).
pub fn write_differences<W: Write + Send>(diff: &Diff<'_>, before: &Listing, sink: W) -> Result<W, Error> {
    write_copied(diff, before, sink)
}

/// Whether two streams give the same bytes.
pub(super) fn same_bytes(mut a: impl Read, mut b: impl Read) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let (got, there) = (fill(&mut a, &mut left)?, fill(&mut b, &mut right)?);
        if left.get(..got) != right.get(..there) {
            return Ok(false);
        }
        if got == 0 {
            return Ok(true);
        }
    }
}

fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) {
        match from.read(space) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
