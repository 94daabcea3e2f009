//! `--cache-from` and `--cache-to`: what RUNs made, for other machines.
//!
//! A cache is an OCI image whose config also lists, under [`FIELD`], which step made which of its layers. So any registry
//! stores it, layers that an image shares with it are stored once, and an image that carries the list itself is a cache too
//! (`type=inline`). A layer that is found so is not fetched before somebody needs its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::future::try_join_all;
use oci::{Descriptor, DiffId, Digest, ImageConfig, Index, Manifest, Platform, Reference};
use registry::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::ArchiveFormat;

use crate::assemble::{Artifact, Built, Form, assemble};
use crate::bases::{parse, pinned};
use crate::build::fetch_blobs;
use crate::encode::in_compression;
use crate::event::Events;
use crate::execute::Work;
use crate::layers::{LayerRef, Origin, blocking};
use crate::sink::archive;
use crate::sink::push::Pusher;
use crate::{ArchiveOptions, CachePlace, CacheSource, CacheTarget, Destination, Error, ImageForm, TimestampPolicy};

/// Where a config lists its steps; the number goes up when keys change their meaning.
const FIELD: &str = "shipsmith.cache.v1";
/// No list is longer.
const MAX_CONFIG: u64 = 16 << 20;
/// The repository that a cache in a directory has.
const LOCAL: &str = "shipsmith/cache";

/// A step, and the layer it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    key: Digest,
    diff_id: DiffId,
}

/// What a RUN of this build was known by, and what it made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) key: Digest,
    pub(crate) layer: LayerRef,
    /// Whether an image has it.
    pub(crate) kept: bool,
}

/// The layers of other machines' steps, by key.
#[derive(Debug, Default)]
pub(crate) struct Imported(BTreeMap<Digest, LayerRef>);

impl Imported {
    /// The layer that the step with this key made elsewhere.
    pub(crate) fn find(&self, key: &Digest) -> Option<&LayerRef> {
        self.0.get(key)
    }

    /// Reads the lists of `sources`. A cache that is not there is told of, and does without.
    pub(crate) async fn read(sources: &[CacheSource], client: &Client, events: &Events) -> Self {
        let mut imported = Self::default();
        for source in sources {
            let vertex = events.start(format!("importing cache manifest from {source}"));
            let read = match &source.place {
                CachePlace::Registry(reference) => from_registry(client, reference).await,
                CachePlace::Directory { path, tag } => from_directory(path, tag),
            };
            match vertex.finish(false, read) {
                Ok(found) => imported.0.extend(found),
                Err(error) => events.warn(format!("the cache {source} cannot be used: {error}"), None),
            }
        }
        imported
    }
}

async fn from_registry(client: &Client, reference: &Reference) -> Result<BTreeMap<Digest, LayerRef>, Error> {
    let repository = reference.repository();
    let mut found = BTreeMap::new();
    for (descriptor, bytes) in manifests(client, &reference.clone().or_latest()).await? {
        let manifest: Manifest = parse(&bytes, &descriptor.digest)?;
        let config = client.get_blob_bytes(repository, &manifest.config, MAX_CONFIG).await?;
        found.extend(layers(&manifest, &config, &Origin::Registry(vec![repository.clone()])));
    }
    Ok(found)
}

/// The manifest of that name, or all of an index.
async fn manifests(client: &Client, reference: &Reference) -> Result<Vec<(Descriptor, Bytes)>, Error> {
    let (root, bytes) = client.get_manifest(reference).await?;
    if !root.media_type.is_index() {
        return Ok(vec![(root, bytes)]);
    }
    let mut manifests = Vec::new();
    for child in parse::<Index>(&bytes, &root.digest)?.manifests {
        manifests.push(client.get_manifest(&pinned(reference.repository(), &child.digest)?).await?);
    }
    Ok(manifests)
}

fn from_directory(path: &Path, tag: &str) -> Result<BTreeMap<Digest, LayerRef>, Error> {
    let root = crate::layout::entry(path, Some(tag))?;
    let manifest: Manifest = parse(&crate::layout::document(path, &root)?, &root.digest)?;
    let config = crate::layout::document(path, &manifest.config)?;
    Ok(layers(&manifest, &config, &Origin::Layout(path.to_owned())))
}

/// The layers that a config says are steps'. A config without such a list is no cache, and has none.
fn layers(manifest: &Manifest, config: &[u8], origin: &Origin) -> BTreeMap<Digest, LayerRef> {
    let Ok(config) = serde_json::from_slice::<ImageConfig>(config) else { return BTreeMap::new() };
    let records = config.other.get(FIELD).cloned().unwrap_or_default();
    let Ok(records) = serde_json::from_value::<Vec<Record>>(records) else { return BTreeMap::new() };
    let blobs: BTreeMap<&DiffId, &Descriptor> = config.rootfs.diff_ids.iter().zip(&manifest.layers).collect();
    let layer = |record: Record| {
        let blob = blobs.get(&record.diff_id).map(|&blob| blob.clone())?;
        Some((record.key, LayerRef { diff_id: record.diff_id, blob: Some(blob), origin: origin.clone() }))
    };
    records.into_iter().filter_map(layer).collect()
}

/// Lists in an image's own config the steps that made its layers: `type=inline`.
pub(crate) fn inline(built: &mut Built, made: &[Made]) -> Result<(), Error> {
    let of_image = |made: &&Made| built.layers.iter().any(|layer| layer.diff_id == made.layer.diff_id);
    let records: Vec<&Made> = made.iter().filter(of_image).collect();
    let value = list(&records)?;
    built.config.other.insert(FIELD.to_owned(), value);
    Ok(())
}

/// Sorted, so that the order in which steps ended does not show.
fn list(made: &[&Made]) -> Result<Value, Error> {
    let record = |made: &&Made| (made.key.clone(), made.layer.diff_id.clone());
    let records: BTreeMap<Digest, DiffId> = made.iter().map(record).collect();
    let records: Vec<Record> = records.into_iter().map(|(key, diff_id)| Record { key, diff_id }).collect();
    serde_json::to_value(records).map_err(|error| Error::Internal(error.to_string()))
}

/// Writes what `made` came to where `target` says.
pub(crate) async fn export(target: &CacheTarget, made: &[Made], work: &Work, pusher: &Pusher<'_>) -> Result<(), Error> {
    let Some(place) = &target.place else { return Ok(()) };
    let wanted: Vec<&Made> = made.iter().filter(|made| target.all || made.kept).collect();
    let (artifact, built) = artifact(&wanted, work).await?;
    match place {
        CachePlace::Registry(reference) => pusher.push(&artifact, &[reference.clone().or_latest()], false).await,
        CachePlace::Directory { path, tag } => {
            fetch_blobs(&work.layers, std::slice::from_ref(&built)).await?;
            write_directory(work, artifact, path.clone(), tag).await
        }
    }
}

/// An image of all the layers, which is a cache because its config says so.
async fn artifact(made: &[&Made], work: &Work) -> Result<(Artifact, Built), Error> {
    let distinct: BTreeMap<&DiffId, &LayerRef> = made.iter().map(|made| (&made.layer.diff_id, &made.layer)).collect();
    let blobs = distinct.into_values().map(|layer| async move {
        match &layer.blob {
            Some(_) => Ok(layer.clone()),
            None => in_compression(work, layer).await,
        }
    });
    let host = Platform::host();
    let mut config = ImageConfig::empty(&host);
    config.other.insert(FIELD.to_owned(), list(made)?);
    let layers = try_join_all(blobs).await?;
    let built = Built { platform: host, config, own_history: Vec::new(), layers, attested: None };
    let form = Form { docker: false, annotations: &[], timestamp: TimestampPolicy::Default };
    Ok((assemble(std::slice::from_ref(&built), &form, false)?, built))
}

async fn write_directory(work: &Work, artifact: Artifact, path: PathBuf, tag: &str) -> Result<(), Error> {
    let name: Reference =
        format!("{LOCAL}:{tag}").parse().map_err(|error| Error::Conflict(format!("{tag}: {error}")))?;
    let store = work.layers.store().clone();
    let options = ArchiveOptions {
        destination: Destination::File(path),
        tar: false,
        names: Vec::new(),
        form: ImageForm::default(),
    };
    blocking(move || archive::write(&store, &artifact, &[name], ArchiveFormat::Oci, &options)).await
}

#[cfg(test)]
mod tests {
    use oci::MediaType;

    use super::*;

    fn made(key: &str, layer: &str) -> Made {
        let blob = Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(format!("{layer} blob").as_bytes()), 1);
        let diff_id = DiffId(Digest::of(layer.as_bytes()));
        let layer = LayerRef { diff_id, blob: Some(blob), origin: Origin::Store };
        Made { key: Digest::of(key.as_bytes()), layer, kept: true }
    }

    fn image(layers: &[&Made]) -> Built {
        let layers = layers.iter().map(|made| made.layer.clone()).collect();
        Built {
            platform: Platform::host(),
            config: ImageConfig::empty(&Platform::host()),
            own_history: Vec::new(),
            layers,
            attested: None,
        }
    }

    #[test]
    fn an_image_lists_the_steps_of_its_own_layers() {
        let (a, b) = (made("a", "1"), made("b", "2"));
        let mut built = image(&[&b]);
        inline(&mut built, &[a, b.clone()]).expect("listed");
        let form = Form { docker: false, annotations: &[], timestamp: TimestampPolicy::Default };
        let artifact = assemble(&[built], &form, false).expect("assembled");
        let manifest: Manifest = serde_json::from_slice(&artifact.images[0].manifest.bytes).expect("a manifest");
        let found = layers(&manifest, &artifact.images[0].config.bytes, &Origin::Store);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&b.key].diff_id, b.layer.diff_id);
        assert_eq!(found[&b.key].blob, b.layer.blob);
    }

    #[test]
    fn other_images_are_no_caches() {
        let form = Form { docker: false, annotations: &[], timestamp: TimestampPolicy::Default };
        let artifact = assemble(&[image(&[&made("a", "1")])], &form, false).expect("assembled");
        let manifest: Manifest = serde_json::from_slice(&artifact.images[0].manifest.bytes).expect("a manifest");
        assert!(layers(&manifest, &artifact.images[0].config.bytes, &Origin::Store).is_empty());
        assert!(layers(&manifest, b"no json", &Origin::Store).is_empty());
    }
}
