//! Brings a builder's result into the store.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use bollard::Docker;
use bollard::query_parameters::RemoveImageOptions;
use buildkit::{Address, Exporter};
use futures_util::TryStreamExt;
use oci::{Descriptor, Digest, Platform};
use store::Store;

use super::result_error;
use crate::assemble::Built;
use crate::layers::{LayerRef, Origin, blocking};
use crate::{Error, TimestampPolicy};

/// How long an engine may take to say something.
const PATIENCE_SECONDS: u64 = 3600;

/// What one build is known by, to the builder and as an image of its engine.
pub(crate) struct TemporaryName {
    pub(crate) id: String,
    pub(crate) image: String,
}

/// A name that no other build has.
pub(crate) fn temporary_name() -> TemporaryName {
    let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), moment);
    let unique = Digest::of(format!("{}\0{random}\0{moment:?}", std::process::id()).as_bytes());
    let id = unique.hex().get(..25).unwrap_or_default().to_owned();
    TemporaryName { image: format!("shipsmith.invalid/build:{id}"), id }
}

/// How the builder hands over its result: an archive, or an image of the engine that it is part of.
pub(crate) fn exporter(address: &Address, name: &TemporaryName, times: TimestampPolicy) -> Exporter {
    let attributes = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    if address.engine().is_some() {
        return Exporter { kind: "moby", attributes: attributes(&[("name", &name.image)]) };
    }
    let epoch = times.seconds().to_string();
    let pairs = [("source-date-epoch", epoch.as_str()), ("rewrite-timestamp", "true"), ("oci-mediatypes", "true")];
    Exporter { kind: "oci", attributes: attributes(&pairs) }
}

/// The image that the builder made, now in the store.
pub(crate) async fn import(
    store: &Arc<Store>,
    address: &Address,
    name: &TemporaryName,
    archive: &Arc<File>,
    platform: &Platform,
) -> Result<Built, Error> {
    if let Some(socket) = address.engine() {
        let docker = engine(socket.and_then(|path| path.to_str()))?;
        let saved = save(&docker, &name.image, archive).await;
        let removed = docker.remove_image(&name.image, None::<RemoveImageOptions>, None).await;
        saved.and(removed.map(drop).map_err(|error| Error::Engine(error.to_string())))?;
    }
    let (store, archive, platform) = (Arc::clone(store), Arc::clone(archive), platform.clone());
    blocking(move || {
        (&*archive).rewind().map_err(result_error)?;
        let imported = store.import_archive(&*archive)?;
        let image = imported.into_iter().next();
        let image = image.ok_or_else(|| Error::Internal("the builder sent an archive without an image".into()))?;
        if let Some(reference) = &image.reference {
            store.untag(reference)?;
        }
        built(&store, &image.image, platform)
    })
    .await
}

fn engine(socket: Option<&str>) -> Result<Docker, Error> {
    let connected = match socket {
        Some(path) => Docker::connect_with_unix(path, PATIENCE_SECONDS, bollard::API_DEFAULT_VERSION),
        None => Docker::connect_with_defaults(),
    };
    let docker = connected.map_err(|error| Error::Engine(error.to_string()))?;
    Ok(docker.with_timeout(std::time::Duration::from_secs(PATIENCE_SECONDS)))
}

async fn save(docker: &Docker, image: &str, archive: &File) -> Result<(), Error> {
    let mut chunks = Box::pin(docker.export_image(image));
    while let Some(chunk) = chunks.try_next().await.map_err(|error| Error::Engine(error.to_string()))? {
        (&*archive).write_all(&chunk).map_err(result_error)?;
    }
    Ok(())
}

/// What an imported image is to the rest of the build.
fn built(store: &Store, image: &Descriptor, platform: Platform) -> Result<Built, Error> {
    let manifest = match image.media_type.is_index() {
        true => only_image(store, &image.digest)?,
        false => image.digest.clone(),
    };
    let manifest = store.manifest(&manifest)?;
    let config = store.config(&manifest.config.digest)?;
    let (blobs, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if blobs != diff_ids {
        return Err(Error::LayerCount { digest: image.digest.clone(), blobs, diff_ids });
    }
    let pairs = manifest.layers.into_iter().zip(config.rootfs.diff_ids.iter().cloned());
    let layers = pairs.map(|(blob, diff_id)| LayerRef { diff_id, blob: Some(blob), origin: Origin::Store }).collect();
    let own_history = vec![false; config.history.len()];
    Ok(Built { platform, config, own_history, layers })
}

fn only_image(store: &Store, index: &Digest) -> Result<Digest, Error> {
    let images = store.image_index(index)?.manifests;
    let image = images.into_iter().find(|entry| entry.platform.as_ref().is_none_or(|one| one.os != "unknown"));
    image.map(|image| image.digest).ok_or_else(|| Error::Internal("the builder sent an index without an image".into()))
}
