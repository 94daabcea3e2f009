//! Brings a builder's result into the store.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use buildkit::{Address, Engine, Exporter};
use futures_util::future::try_join_all;
use layer::Compression;
use oci::{Descriptor, DiffId, Digest, Manifest, Platform};
use store::Store;

use super::{Remote, result_error};
use crate::assemble::{Built, Document, Image};
use crate::encode::encoded;
use crate::execute::Work;
use crate::layers::{LayerRef, Origin, blocking};
use crate::{BuildRequest, Error, TimestampPolicy};

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
pub(crate) fn exporter(address: &Address, name: &TemporaryName, work: &Work, request: &BuildRequest) -> Exporter {
    if let Address::Docker(_) = address {
        return Exporter { kind: "moby", attributes: BTreeMap::from([("name".to_owned(), name.image.clone())]) };
    }
    let compression = match work.compression {
        Compression::None => "uncompressed",
        Compression::Gzip { .. } | Compression::FastGzip => "gzip",
        Compression::Zstd { .. } => "zstd",
    };
    let mut pairs = vec![("oci-mediatypes", "true".to_owned()), ("compression", compression.to_owned())];
    if !matches!(work.setting.timestamp, TimestampPolicy::Now(_)) {
        pairs.push(("source-date-epoch", work.setting.timestamp.seconds().to_string()));
        pairs.push(("rewrite-timestamp", "true".to_owned()));
    }
    if !request.attestations.is_empty() {
        // What attestations say they are about.
        let names: Vec<String> = request.tags.iter().map(|tag| tag.clone().or_latest().to_string()).collect();
        pairs.push(("name", names.join(",")));
    }
    let attributes = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Exporter { kind: "oci", attributes }
}

/// The image that the builder made, now in the store.
pub(crate) async fn import(
    remote: &Remote<'_>,
    address: &Address,
    name: &TemporaryName,
    archive: &Arc<File>,
    platform: &Platform,
) -> Result<Built, Error> {
    if let Address::Docker(engine) = address {
        fetch(address, engine, &name.image, archive).await?;
    }
    let (store, archive, wanted) = (Arc::clone(remote.work.layers.store()), Arc::clone(archive), platform.clone());
    let mut built = blocking(move || {
        (&*archive).rewind().map_err(result_error)?;
        read(&store, &archive, &wanted)
    })
    .await?;
    remote.take_bases(&mut built);
    if built.attested.is_none() {
        let layers = built.layers.iter().map(|layer| own(remote.work, layer));
        built.layers = try_join_all(layers).await?;
    }
    Ok(built)
}

/// Layers that builders leave as they are belong to bases; the others are compressed as all of a build's are.
async fn own(work: &Work, layer: &LayerRef) -> Result<LayerRef, Error> {
    match layer.origin {
        Origin::Store => encoded(work, layer).await,
        _ => Ok(layer.clone()),
    }
}

impl Remote<'_> {
    /// Bases are never rewritten: a layer of one is that layer, wherever it came along.
    fn take_bases(&self, built: &mut Built) {
        let known: BTreeMap<&DiffId, &LayerRef> =
            self.images.values().flat_map(|image| &image.layers).map(|layer| (&layer.diff_id, layer)).collect();
        for layer in &mut built.layers {
            let base = known.get(&layer.diff_id).filter(|base| base.blob.is_some());
            if let Some(base) = base.filter(|base| built.attested.is_none() || base.blob == layer.blob) {
                *layer = (*base).clone();
            }
        }
    }
}

/// Fetches an image from the engine that made it, which need not keep it.
async fn fetch(address: &Address, engine: &Engine, image: &str, mut archive: &File) -> Result<(), Error> {
    let saved = engine.save(address, image, &mut |piece| archive.write_all(piece)).await;
    Ok(saved.and(engine.remove(address, image).await)?)
}

/// The one image of an archive. Names in it are not believed, nor is what it is for.
fn read(store: &Store, archive: &File, platform: &Platform) -> Result<Built, Error> {
    let unexpected = |what: &str| Error::from(buildkit::Error::Unexpected(what.to_owned()));
    let [image] = &store.read_archive(archive)?[..] else {
        return Err(unexpected("an archive that does not hold one image"));
    };
    if !image.image.media_type.is_index() {
        return built(store, &image.image, &[], platform);
    }
    let entries = store.image_index(&image.image.digest)?.manifests;
    let (about, images): (Vec<_>, Vec<_>) = entries.into_iter().partition(Descriptor::is_attestation);
    match &images[..] {
        [image] => built(store, image, &about, platform),
        _ => Err(unexpected("an index that does not hold one image")),
    }
}

/// What an imported image is to the rest of the build. Attestations name it by its digest, so with them it stays as it is.
fn built(store: &Store, image: &Descriptor, about: &[Descriptor], platform: &Platform) -> Result<Built, Error> {
    let manifest = store.manifest(&image.digest)?;
    let config = store.config(&manifest.config.digest)?;
    let found = Platform::new(&config.os, &config.architecture, &config.variant);
    if (found.os.as_str(), found.architecture.as_str()) != (platform.os.as_str(), platform.architecture.as_str()) {
        return Err(buildkit::Error::Unexpected(format!("an image for {found}, not {platform}")).into());
    }
    let (blobs, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if blobs != diff_ids {
        return Err(Error::LayerCount { digest: image.digest.clone(), blobs, diff_ids });
    }
    let layers: Vec<LayerRef> = manifest.layers.iter().zip(&config.rootfs.diff_ids).map(stored).collect();
    let attested = match about {
        [] => None,
        about => {
            let mut images = vec![whole(store, image, platform.clone(), layers.clone())?];
            for entry in about {
                images.push(attestation(store, entry)?);
            }
            Some(images)
        }
    };
    let own_history = vec![false; config.history.len()];
    Ok(Built { platform: platform.clone(), config, own_history, layers, attested })
}

fn stored((blob, diff_id): (&Descriptor, &DiffId)) -> LayerRef {
    LayerRef { diff_id: diff_id.clone(), blob: Some(blob.clone()), origin: Origin::Store }
}

/// What is said of an image: its parts are documents, not layers of files.
fn attestation(store: &Store, entry: &Descriptor) -> Result<Image, Error> {
    let manifest: Manifest = store.manifest(&entry.digest)?;
    let statements = manifest.layers.iter().map(|blob| stored((blob, &DiffId(blob.digest.clone())))).collect();
    let platform = entry.platform.clone().unwrap_or_else(|| Platform::new("unknown", "unknown", ""));
    whole(store, entry, platform, statements)
}

fn whole(store: &Store, entry: &Descriptor, platform: Platform, layers: Vec<LayerRef>) -> Result<Image, Error> {
    let document = |descriptor: &Descriptor| {
        let bytes = store.read(&descriptor.digest)?;
        Ok::<_, Error>(Document { descriptor: descriptor.clone(), bytes })
    };
    let config = document(&store.manifest(&entry.digest)?.config)?;
    let mut manifest = document(entry)?;
    manifest.descriptor.platform = None;
    Ok(Image { platform, manifest, config, layers })
}

#[cfg(test)]
mod tests {
    use oci::{ImageConfig, MediaType};
    use store::NamedImage;

    use super::*;

    fn archive(store: &Store, platforms: &[&str]) -> File {
        let image = |platform: &&str| {
            let config = serde_json::to_vec(&ImageConfig::empty(&platform.parse().expect("a platform"))).expect("JSON");
            let config = store.put(&config, MediaType::OCI_CONFIG).expect("it is stored");
            let manifest = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": [] });
            let bytes = serde_json::to_vec(&manifest).expect("JSON");
            let image = store.put(&bytes, MediaType::OCI_MANIFEST).expect("it is stored");
            NamedImage { image, names: vec!["theirs:1".parse().expect("a name")] }
        };
        let images: Vec<_> = platforms.iter().map(image).collect();
        let file = tempfile::tempfile().expect("a file");
        store.export_oci(&images, &file).expect("an archive");
        (&file).rewind().expect("it is ours");
        file
    }

    #[test]
    fn what_was_not_asked_for_is_refused_and_no_name_is_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let open = |name: &str| Store::open(dir.path().join(name)).expect("a store");
        let (theirs, ours) = (open("theirs"), open("ours"));
        let wanted: Platform = "linux/arm64".parse().expect("a platform");
        let told = |platforms: &[&str]| match read(&ours, &archive(&theirs, platforms), &wanted) {
            Ok(built) => built.platform.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(told(&["linux/arm64"]), "linux/arm64");
        assert_eq!(told(&["linux/amd64"]), "the builder sent an image for linux/amd64, not linux/arm64");
        assert_eq!(told(&["linux/arm64", "linux/amd64"]), "the builder sent an archive that does not hold one image");
        assert!(ours.tags().expect("a store").is_empty());
    }
}
