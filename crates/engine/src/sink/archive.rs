//! Archives and layout directories as destinations.

use std::sync::Arc;

use oci::Reference;
use store::{ArchiveFormat, NamedImage, Store};

use super::Target;
use super::local::put_documents;
use crate::assemble::Artifact;
use crate::{ArchiveOptions, Destination, Error};

/// Writes `artifact`, whose blobs are all in the store, as an archive or, with `tar=false`, as a layout directory.
pub(crate) fn write(
    store: &Arc<Store>,
    artifact: &Artifact,
    names: &[Reference],
    format: ArchiveFormat,
    options: &ArchiveOptions,
) -> Result<(), Error> {
    put_documents(store, artifact)?;
    let Some(root) = artifact.root() else { return Ok(()) };
    let images = [NamedImage { image: root.descriptor.clone(), names: names.to_vec() }];
    match (&options.destination, options.tar) {
        (destination, true) => store::export(&images, format, &**store, Target::create(destination)?)?.finish(),
        (Destination::File(dir), false) => Ok(store::export_layout(&images, &**store, dir)?),
        (Destination::Stdout, false) => Err(Error::Conflict("a directory cannot be written to standard output".into())),
    }
}
