//! The files of an image of the store, as one tar.

use oci::Descriptor;
use rootfs::TreePath;

use crate::bases::layer_refs;
use crate::layers::{Layers, Origin, blocking};
use crate::sink::files;
use crate::snapshot::Snapshot;
use crate::{Destination, Engine, Error};

impl Engine {
    /// Writes the flattened file system of an image that is not an index.
    ///
    /// # Errors
    /// When the store lacks a part of it, or the destination cannot be written.
    pub async fn export_files(&self, image: &Descriptor, destination: &Destination) -> Result<(), Error> {
        let manifest = self.store.manifest(&image.digest)?;
        let config = self.store.config(&manifest.config.digest)?;
        let refs = layer_refs(&manifest, &config, &image.digest, &Origin::Store)?;
        let layers = Layers::new(self.store.clone(), self.client.clone(), false);
        let tree = Snapshot::of_layers(refs).tree(&layers).await?;
        let destination = destination.clone();
        blocking(move || files::write_tar(&[(TreePath::root(), tree)], &destination)).await
    }
}
