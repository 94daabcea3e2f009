//! A directory that a builder keeps a cache in: the blobs of an OCI layout, which it reads and writes over the session, and the
//! layout's index, which is this side's to keep.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci::layout::REF_NAME;
use oci::{Descriptor, Digest, Hasher, Index};
use tempfile::NamedTempFile;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// An index larger than this is not read.
const MAX_INDEX: u64 = 16 << 20;

/// A directory for caches.
#[derive(Debug, Clone)]
pub struct CacheDirectory {
    path: PathBuf,
    /// Whether the builder may write there.
    writable: bool,
}

impl CacheDirectory {
    /// The directory at `path`; a builder writes there only if it is `writable`.
    #[must_use]
    pub fn new(path: PathBuf, writable: bool) -> Self {
        Self { path, writable }
    }

    /// The manifest that has this name in the index; `None` when there is none, or no index.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(&self, name: &str) -> io::Result<Option<Descriptor>> {
        let found = self.index()?.manifests.into_iter().find(|entry| is_named(entry, name));
        Ok(found)
    }

    /// Gives a manifest that was written a name, in another's place.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn name(&self, mut manifest: Descriptor, name: &str) -> io::Result<()> {
        let mut index = self.index()?;
        index.manifests.retain(|entry| !is_named(entry, name));
        manifest.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        index.manifests.push(manifest);
        let text = serde_json::to_vec(&index).map_err(io::Error::other)?;
        self.put("oci-layout", LAYOUT)?;
        self.put("index.json", &text)
    }

    fn put(&self, name: &str, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        let mut file = readable(&self.path)?;
        file.write_all(content)?;
        file.persist(self.path.join(name)).map(drop).map_err(|error| error.error)
    }

    fn index(&self) -> io::Result<Index> {
        use io::Read;
        let mut text = Vec::new();
        match File::open(self.path.join("index.json")) {
            Ok(file) => file.take(MAX_INDEX).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::new(Vec::new(), false)),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&text).map_err(io::Error::other)
    }

    /// A blob, and how long it is.
    pub(crate) fn open(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        match File::open(self.blob(digest)) {
            Ok(file) => {
                let length = file.metadata()?.len();
                Ok(Some((file, length)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins a blob.
    pub(crate) fn begin(&self) -> io::Result<NewBlob> {
        if !self.writable {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "this cache is only read"));
        }
        fs::create_dir_all(&self.path)?;
        Ok(NewBlob { directory: self.clone(), file: readable(&self.path)?, hasher: Hasher::new(), length: 0 })
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.path.join(oci::layout::blob(digest))
    }
}

fn is_named(entry: &Descriptor, name: &str) -> bool {
    entry.annotations.get(REF_NAME).is_some_and(|found| found == name)
}

/// A file that others may read once it has its name, as caches are handed from user to user.
fn readable(directory: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".shipsmith-").permissions(fs::Permissions::from_mode(0o644)).tempfile_in(directory)
}

/// A blob in the making; dropped before it is committed, nothing is left of it.
pub(crate) struct NewBlob {
    directory: CacheDirectory,
    file: NamedTempFile,
    hasher: Hasher,
    length: u64,
}

impl NewBlob {
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Puts it in its place, if it is what it is said to be.
    pub(crate) fn commit(self, expected: Option<&Digest>) -> io::Result<Digest> {
        let digest = self.hasher.finish();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it has the digest {digest}, not {expected}"),
            ));
        }
        let path = self.directory.blob(&digest);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        self.file.persist(path).map_err(|error| error.error)?;
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use oci::MediaType;

    use super::*;

    #[test]
    fn a_name_stands_for_what_was_named_last() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = CacheDirectory::new(dir.path().join("new"), true);
        assert!(cache.find("latest").expect("looked").is_none());
        let mut blob = cache.begin().expect("begun");
        blob.write(b"some").expect("written");
        let digest = blob.commit(Some(&Digest::of(b"some"))).expect("whole");
        for (name, size) in [("latest", 1), ("other", 2), ("latest", 4)] {
            cache.name(Descriptor::new(MediaType::OCI_INDEX, digest.clone(), size), name).expect("named");
        }
        let size = |name: &str| cache.find(name).expect("looked").map(|found| found.size);
        assert_eq!((size("latest"), size("other"), size("none")), (Some(4), Some(2), None));
        assert_eq!(cache.open(&digest).expect("opened").map(|(_, length)| length), Some(4));
    }

    #[test]
    fn what_is_not_what_it_should_be_is_not_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = CacheDirectory::new(dir.path().to_owned(), true);
        let mut blob = cache.begin().expect("begun");
        blob.write(b"other").expect("written");
        assert!(blob.commit(Some(&Digest::of(b"some"))).is_err());
        drop(cache.begin().expect("begun"));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
        assert!(CacheDirectory::new(dir.path().to_owned(), false).begin().is_err());
    }
}
