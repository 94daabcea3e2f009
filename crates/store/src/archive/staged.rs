//! An archive's members, unpacked aside and hashed, under numbers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use oci::{Descriptor, Digest, Hasher};

use crate::archive::members::{MemberKind, Members};
use crate::error::At;
use crate::ingest::Staging;
use crate::verify::copy_hashed;
use crate::{DOCUMENT_LIMIT, Error, Store};

/// How many links may lead from a name to a file.
const MAX_LINKS: usize = 8;

/// A member's content.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// All members of an archive, by name.
#[derive(Debug)]
pub(super) struct StagedArchive {
    files: BTreeMap<String, Staged>,
    links: BTreeMap<String, String>,
    staging: Staging,
}

impl StagedArchive {
    /// Reads the archive to its end.
    pub(super) fn read(store: &Store, tar: impl Read) -> Result<Self, Error> {
        let staging = Staging::new(store.place())?;
        let mut archive = Self { files: BTreeMap::new(), links: BTreeMap::new(), staging };
        let mut members = Members::new(tar);
        while let Some(member) = members.next()? {
            match member.kind {
                MemberKind::File => {
                    let staged = archive.stage(&mut members)?;
                    archive.files.insert(member.name, staged);
                }
                MemberKind::Link(target) => drop(archive.links.insert(member.name, target)),
                MemberKind::Other => {}
            }
        }
        Ok(archive)
    }

    fn stage(&self, content: &mut dyn Read) -> Result<Staged, Error> {
        let path = self.staging.path().join(self.files.len().to_string());
        let mut file = File::create(&path).at("create", &path)?;
        let mut hasher = Hasher::new();
        let size = copy_hashed(content, &mut file, &mut hasher).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Archive(error.to_string()),
            _ => Error::writing(&path, file.metadata().map_or(1, |metadata| metadata.len() + 1), error),
        })?;
        Ok(Staged { path, digest: hasher.finish(), size })
    }

    /// The file of this name, links followed.
    pub(super) fn get(&self, name: &str) -> Option<&Staged> {
        let mut name = name;
        for _ in 0..MAX_LINKS {
            if let Some(staged) = self.files.get(name) {
                return Some(staged);
            }
            name = self.links.get(name)?;
        }
        None
    }

    /// The content of a small file.
    pub(super) fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(staged) = self.get(name) else { return Ok(None) };
        if staged.size > DOCUMENT_LIMIT {
            return Err(Error::TooLarge { digest: staged.digest.clone(), size: staged.size, limit: DOCUMENT_LIMIT });
        }
        fs::read(&staged.path).at("read", &staged.path).map(Some)
    }

    /// Makes a file a blob if it is what is expected; `false` when there is no such file.
    pub(super) fn adopt(&self, store: &Store, name: &str, expected: &Descriptor) -> Result<bool, Error> {
        let Some(staged) = self.get(name) else { return Ok(false) };
        if staged.digest != expected.digest || staged.size != expected.size {
            return Err(Error::Mismatch {
                expected: expected.digest.clone(),
                expected_size: expected.size,
                found: staged.digest.clone(),
                found_size: staged.size,
            });
        }
        // A file may have been adopted already under another name.
        if staged.path.exists() {
            store.adopt(&staged.path, &staged.digest)?;
        }
        Ok(true)
    }
}
