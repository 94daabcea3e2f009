//! Images that a package's context holds as archives.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use oci::{Descriptor, Platform, Reference};
use store::{ArchiveFormat, NamedImage};
use tempfile::TempDir;

use crate::bases::{parse, select};
use crate::layers::blocking;
use crate::{ContextImages, Engine, Error};

/// The name of the archive that holds all images.
pub(crate) const ONE: &str = "images.tar";

impl Engine {
    /// Writes the archives into a directory that goes when it is dropped; nothing is written into the package's own.
    pub(crate) async fn archive_images(&self, wanted: &ContextImages, platform: &Platform) -> Result<TempDir, Error> {
        let failed = |source| Error::File { operation: "create", path: std::env::temp_dir(), source };
        let directory = tempfile::Builder::new().prefix("shipsmith-").tempdir().map_err(failed)?;
        let mut images = Vec::new();
        for reference in &wanted.images {
            let image = self.fetch_image(reference, platform).await?;
            // The digest is in the archive; a tag is its name there, where one is written.
            let names = reference.tag().and_then(|tag| reference.with_tag(tag).ok()).into_iter().collect();
            images.push((reference.clone(), NamedImage { image, names }));
        }
        if wanted.directory {
            for (reference, image) in images {
                let file = directory.path().join(file_name(&reference));
                self.archive(vec![image], &file).await?;
            }
        } else {
            let all = images.into_iter().map(|(_, image)| image).collect();
            self.archive(all, &directory.path().join(ONE)).await?;
        }
        Ok(directory)
    }

    async fn fetch_image(&self, reference: &Reference, platform: &Platform) -> Result<Descriptor, Error> {
        let digest = reference.digest().ok_or_else(|| Error::BaseNotFound(reference.clone()))?;
        let (found, bytes) = match self.store.contains(digest) {
            true => (self.store.describe(digest)?, self.store.read(digest)?),
            false => self.client.get_manifest(reference).await.map(|(found, bytes)| (found, bytes.to_vec()))?,
        };
        let image = match found.media_type.is_index() {
            true => select(&parse(&bytes, digest)?, platform, &reference.to_string())?,
            false => found,
        };
        self.fetch_manifest(reference.repository(), &image).await?;
        Ok(image)
    }

    async fn archive(&self, images: Vec<NamedImage>, path: &Path) -> Result<(), Error> {
        let (store, path) = (self.store.clone(), path.to_owned());
        blocking(move || {
            let failed = |source| Error::File { operation: "write", path: path.clone(), source };
            let file = BufWriter::new(File::create(&path).map_err(failed)?);
            let file = store::export(&images, ArchiveFormat::Docker, &*store, file)?;
            file.into_inner().map(drop).map_err(|error| failed(error.into_error()))
        })
        .await
    }
}

/// As LinuxKit names archives: the last part of the name, and the digest.
fn file_name(reference: &Reference) -> String {
    let last = reference.repository().path().rsplit('/').next().unwrap_or_default().to_owned();
    format!("{last}@{}.tar", reference.digest().map(ToString::to_string).unwrap_or_default())
}
