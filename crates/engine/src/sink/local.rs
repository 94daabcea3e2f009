//! The local store as a destination.

use std::sync::Arc;

use oci::Reference;
use store::Store;

use crate::Error;
use crate::assemble::{Artifact, Document};

/// Puts the documents of `artifact` into the store, and names it: without names it is kept by its digest.
pub(crate) fn keep(store: &Arc<Store>, artifact: &Artifact, names: Option<&[Reference]>) -> Result<(), Error> {
    put_documents(store, artifact)?;
    let Some(root) = artifact.root() else { return Ok(()) };
    match names {
        None => {}
        Some([]) => store.keep(&root.descriptor)?,
        Some(names) => {
            let tags: Vec<_> = names.iter().map(|name| (name.clone(), root.descriptor.clone())).collect();
            store.tag_all(&tags)?;
        }
    }
    Ok(())
}

/// Puts configs, manifests and the index into the store, in this order: nothing is there before what it names.
pub(crate) fn put_documents(store: &Store, artifact: &Artifact) -> Result<(), Error> {
    let put = |document: &Document| store.put(&document.bytes, document.descriptor.media_type.clone()).map(drop);
    for image in &artifact.images {
        put(&image.config)?;
        put(&image.manifest)?;
    }
    artifact.index.as_ref().map_or(Ok(()), put)?;
    Ok(())
}
