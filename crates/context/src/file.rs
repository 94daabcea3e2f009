//! Single files whose bytes are read more than once and must stay what they were.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layer::{Content, Entry, EntryKind, Fingerprint, Timestamp};
use rootfs::TreePath;
use rustix::fs::{Advice, fadvise};

use crate::Error;

/// Of files from so many bytes on, the kernel is told that they will be read from end to end.
const LARGE: u64 = 1 << 20;

/// What tells that a file is still the one that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Identity {
    /// Stands for the bytes, as far as the file system tells.
    pub(crate) fn fingerprint(self) -> Fingerprint {
        Fingerprint { key: self.numbers().as_flattened().to_vec(), changed: Some(self.changed()) }
    }

    /// All of it, for keys.
    pub(crate) fn numbers(self) -> [[u8; 8]; 7] {
        let times = [self.mtime.0, self.mtime.1, self.ctime.0, self.ctime.1].map(i64::cast_unsigned);
        let [mtime, mtime_nanos, ctime, ctime_nanos] = times;
        [self.device, self.inode, self.size, mtime, mtime_nanos, ctime, ctime_nanos].map(u64::to_le_bytes)
    }

    /// The last change of anything, in nanoseconds since 1970.
    pub(crate) fn changed(self) -> i128 {
        let nanoseconds = |(seconds, nanos)| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        nanoseconds(self.mtime).max(nanoseconds(self.ctime))
    }

    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

impl From<&rootfs::Metadata> for Identity {
    fn from(meta: &rootfs::Metadata) -> Self {
        let pair = |time: rootfs::Time| (time.seconds, i64::from(time.nanos));
        Self {
            device: meta.device,
            inode: meta.inode,
            size: meta.size,
            mtime: pair(meta.mtime),
            ctime: pair(meta.ctime),
        }
    }
}

/// Reads `file` to its end, provided that it still is what `seen` says and stays so long.
pub(crate) fn read_unchanged(file: File, seen: Identity, name: &str) -> io::Result<Box<dyn Read + Send>> {
    if Identity::of(&file.metadata()?) != seen {
        return Err(changed(name));
    }
    if seen.size >= LARGE {
        // A hint: who does not take it reads all the same.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
    }
    Ok(Box::new(Unchanged { file, left: seen.size, name: name.to_owned() }))
}

fn changed(name: &str) -> io::Error {
    io::Error::other(format!("{name} was changed while it was read"))
}

/// Gives exactly the expected number of bytes, or an error.
struct Unchanged {
    file: File,
    left: u64,
    name: String,
}

impl Read for Unchanged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.file.read(buffer)?;
        let fits = self.left.checked_sub(count as u64).filter(|left| count > 0 || *left == 0);
        self.left = fits.ok_or_else(|| changed(&self.name))?;
        Ok(count)
    }
}

/// A regular file of the host, by a path that the user gave.
pub(crate) struct HostFile {
    path: PathBuf,
    seen: Identity,
}

impl HostFile {
    /// Looks at the file; the entry has no path yet.
    pub(crate) fn open(path: &Path) -> Result<(Self, Entry), Error> {
        let meta = path.metadata().map_err(|source| Error::Read { path: path.to_owned(), source })?;
        if !meta.is_file() {
            return Err(Error::NotAFile { path: path.to_owned() });
        }
        let mut entry = Entry::new(TreePath::root(), EntryKind::File { size: meta.size() }, meta.mode() & 0o7777);
        entry.mtime = Timestamp { seconds: meta.mtime(), nanos: u32::try_from(meta.mtime_nsec()).unwrap_or(0) };
        Ok((Self { path: path.to_owned(), seen: Identity::of(&meta) }, entry))
    }
}

impl Content for HostFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        read_unchanged(File::open(&self.path)?, self.seen, &self.path.display().to_string())
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(self.seen.fingerprint())
    }
}

/// Part of a file that only we have: read at positions, so that many readers share the descriptor.
pub(crate) struct HeldFile {
    file: Arc<File>,
    start: u64,
    size: u64,
}

impl HeldFile {
    pub(crate) fn new(file: Arc<File>, start: u64, size: u64) -> Self {
        Self { file, start, size }
    }

    pub(crate) fn reader(&self) -> impl Read + Send + use<> {
        HeldReader { file: Arc::clone(&self.file), at: self.start, left: self.size }
    }
}

impl Content for HeldFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.reader()))
    }
}

struct HeldReader {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for HeldReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..want).unwrap_or_default(), self.at)?;
        if count == 0 && want > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn host_file(content: &str) -> (tempfile::TempDir, PathBuf, HostFile) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, content).expect("written");
        let (file, _) = HostFile::open(&path).expect("open");
        (directory, path, file)
    }

    #[test]
    fn a_file_replaced_after_it_was_looked_at_is_refused() {
        let (directory, path, file) = host_file("before");
        let other = directory.path().join("other");
        fs::write(&other, "after!").expect("written");
        fs::rename(&other, &path).expect("renamed");
        let error = file.open().err().expect("refused");
        assert!(error.to_string().contains("was changed while it was read"), "{error}");
    }

    #[test]
    fn a_file_that_shrinks_or_grows_under_the_reader_is_refused() {
        for size in [2, 10] {
            let (_directory, path, file) = host_file("before");
            let mut reader = file.open().expect("unchanged so far");
            File::options().write(true).open(&path).expect("open").set_len(size).expect("resized");
            assert!(reader.read_to_end(&mut Vec::new()).is_err(), "{size}");
        }
    }

    #[test]
    fn readers_of_a_held_file_do_not_disturb_each_other() {
        let (_directory, path, _) = host_file("content");
        let held = HeldFile::new(Arc::new(File::open(path).expect("open")), 0, 7);
        let (mut one, mut two) = (held.reader(), held.reader());
        let (mut first, mut second) = (String::new(), String::new());
        one.by_ref().take(3).read_to_string(&mut first).expect("read");
        two.read_to_string(&mut second).expect("read");
        one.read_to_string(&mut first).expect("read");
        assert_eq!((first.as_str(), second.as_str()), ("content", "content"));
    }
}
