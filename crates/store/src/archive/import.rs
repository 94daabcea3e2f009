//! Importing images, whatever they come in.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use oci::{Descriptor, Reference};

use crate::archive::docker;
use crate::archive::layout::{self, LayoutDir};
use crate::archive::staged::StagedArchive;
use crate::error::At;
use crate::{Error, Store};

/// An image that is now in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The name the archive gave it, which it has in the store now; without one it is kept unnamed.
    pub reference: Option<Reference>,
    /// Its manifest or index.
    pub image: Descriptor,
}

impl Store {
    /// Imports all images from an OCI layout directory, or from an archive as [`Store::import_archive`] does.
    ///
    /// # Errors
    /// As [`Store::import_archive`].
    pub fn import(&self, path: &Path) -> Result<Vec<Imported>, Error> {
        if layout::is_layout(path) {
            return register(self, layout::read(self, &LayoutDir(path.to_owned()))?);
        }
        let file = File::open(path).at("open", path)?;
        if file.metadata().at("stat", path)?.is_dir() {
            return Err(Error::Archive(format!("{} is a directory but no OCI image layout", path.display())));
        }
        self.import_archive(BufReader::with_capacity(1 << 20, file))
    }

    /// Imports all images from a tar, compressed or not: an OCI layout, or what `docker save` and `podman save` write.
    ///
    /// Nothing is believed: every digest is verified before anything gets a name. Members are unpacked beside the
    /// store's blobs under numbers, so the archive's size is bounded by the disk only.
    ///
    /// # Errors
    /// When the archive is malformed, lacks a part, or a part is not what it should be. The store is then as before.
    pub fn import_archive(&self, archive: impl Read + Send) -> Result<Vec<Imported>, Error> {
        register(self, self.read_archive(archive)?)
    }

    /// As [`Store::import_archive`], but nothing gets its name: whoever made the archive has no say in what names mean
    /// here. The images stay while this process works with the store.
    ///
    /// # Errors
    /// As [`Store::import_archive`].
    pub fn read_archive(&self, archive: impl Read + Send) -> Result<Vec<Imported>, Error> {
        self.lease()?;
        let (_, tar) = layer::decompress(archive).map_err(|error| Error::Archive(error.to_string()))?;
        let archive = StagedArchive::read(self, tar)?;
        if archive.get("oci-layout").is_some() && archive.get("index.json").is_some() {
            return layout::read(self, &archive);
        }
        match archive.document("manifest.json")? {
            Some(manifest) => docker::read(self, &archive, &manifest),
            None => Err(Error::Archive("it has neither oci-layout and index.json nor manifest.json".into())),
        }
    }
}

/// Names or keeps images whose parts are all here.
fn register(store: &Store, images: Vec<Imported>) -> Result<Vec<Imported>, Error> {
    for Imported { reference, image } in &images {
        match reference {
            Some(reference) => store.tag(reference, image)?,
            None => store.keep(image)?,
        }
    }
    Ok(images)
}
