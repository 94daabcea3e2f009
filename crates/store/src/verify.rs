//! Looking the whole store over.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use oci::{Digest, Hasher};

use crate::error::At;
use crate::inventory::{CacheKind, Holder, Inventory, StoredFile};
use crate::{Error, Store};

/// Something wrong in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// A file whose content is not what its name says.
    Content {
        /// The file.
        path: PathBuf,
        /// What its content is.
        found: Digest,
    },
    /// An image that needs a blob which is neither here nor known to be elsewhere.
    Missing {
        /// The image in `index.json`.
        image: Digest,
        /// The blob.
        blob: Digest,
    },
    /// An unpacked layer whose files are gone.
    Tree {
        /// The directory that holds them.
        path: PathBuf,
    },
    /// A document that cannot be understood.
    Document {
        /// Its digest.
        digest: Digest,
        /// Why not.
        reason: String,
    },
}

/// How much the store holds. Sizes are in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of blobs.
    pub blobs: usize,
    /// Their size.
    pub blob_bytes: u64,
    /// Size of the blobs that neither a named image nor anything else holds.
    pub garbage_bytes: u64,
    /// Number of images, named or not (an image with two names counts twice).
    pub images: usize,
    /// Number of the engine's records.
    pub records: usize,
    /// Size of header indexes and uncompressed tars.
    pub derived_bytes: u64,
    /// Number of unpacked layers and cache mounts.
    pub directories: usize,
    /// Size of the files in these.
    pub directory_bytes: u64,
}

impl Store {
    /// Hashes every blob and uncompressed tar and follows every image; lists what is wrong, sorted by file. Of unpacked layers it only
    /// tells whether they are there.
    ///
    /// # Errors
    /// When something cannot be read at all.
    pub fn verify(&self) -> Result<Vec<Damage>, Error> {
        let inventory = Inventory::take(self)?;
        let is_tar = |file: &&StoredFile| file.path.starts_with(self.place().tars());
        let tars = inventory.derived.iter().filter(is_tar);
        let mut damage = Vec::new();
        for file in inventory.blobs.values().chain(tars) {
            let found = hash(file)?;
            if file.path.file_name().is_some_and(|name| name != found.hex()) {
                damage.push(Damage::Content { path: file.path.clone(), found });
            }
        }
        let holders = inventory.directories.iter().filter(|one| one.kind == CacheKind::Tree).map(|one| &one.path);
        let gone = holders.filter(|path| !path.join(crate::trees::FILES).is_dir());
        damage.extend(gone.map(|path| Damage::Tree { path: path.clone() }));
        damage.extend(self.missing_parts(&inventory)?);
        damage.extend(inventory.unreadable.into_iter().map(|(digest, reason)| Damage::Document { digest, reason }));
        Ok(damage)
    }

    fn missing_parts(&self, inventory: &Inventory) -> Result<Vec<Damage>, Error> {
        let mut missing = Vec::new();
        for held in &inventory.held {
            let (Holder::Named(image) | Holder::Unnamed(image)) = &held.holder else { continue };
            for blob in held.reaches.iter().filter(|digest| !inventory.blobs.contains_key(digest)) {
                if self.origin(blob)?.is_empty() {
                    missing.push(Damage::Missing { image: image.clone(), blob: blob.clone() });
                }
            }
        }
        Ok(missing)
    }

    /// What the store holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn usage(&self) -> Result<Usage, Error> {
        let inventory = Inventory::take(self)?;
        let held: BTreeSet<&Digest> = inventory.held.iter().flat_map(|held| &held.reaches).collect();
        let garbage = inventory.blobs.iter().filter(|(digest, _)| !held.contains(digest)).map(|(_, file)| file.size);
        let records = inventory.held.iter().filter(|held| held.holder.record().is_some()).count();
        Ok(Usage {
            blobs: inventory.blobs.len(),
            blob_bytes: inventory.blobs.values().map(|file| file.size).sum(),
            garbage_bytes: garbage.sum(),
            images: inventory.held.len() - records,
            records,
            derived_bytes: inventory.derived.iter().map(|file| file.size).sum(),
            directories: inventory.directories.len(),
            directory_bytes: inventory.directories.iter().map(|directory| directory.bytes).sum(),
        })
    }
}

fn hash(file: &StoredFile) -> Result<Digest, Error> {
    let mut reader = File::open(&file.path).at("open", &file.path)?;
    let mut hasher = Hasher::new();
    copy_hashed(&mut reader, &mut io::sink(), &mut hasher).at("read", &file.path)?;
    Ok(hasher.finish())
}

/// Copies everything, hashing it on its way; returns how many bytes that were.
pub(crate) fn copy_hashed(from: &mut dyn Read, to: &mut dyn io::Write, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(total) };
        hasher.update(bytes);
        to.write_all(bytes)?;
        total += count as u64;
    }
}
