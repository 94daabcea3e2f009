//! Docker's archive (moby `image/spec`, v1.2): `manifest.json` names a config and layer tars by their paths in the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;

use layer::Format;
use oci::{Descriptor, DiffId, Digest, Hasher, ImageConfig, LayerEncoding, Manifest, MediaType, Reference};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::archive::import::Imported;
use crate::archive::staged::{Staged, StagedArchive};
use crate::error::At;
use crate::verify::copy_hashed;
use crate::{Error, Store, document};

/// One image in `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerImage {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) layers: Vec<String>,
}

/// Brings all images of a Docker archive.
pub(super) fn read(store: &Store, archive: &StagedArchive, manifest: &[u8]) -> Result<Vec<Imported>, Error> {
    let images: Vec<DockerImage> =
        serde_json::from_slice(manifest).map_err(|error| Error::malformed("manifest.json", error))?;
    let mut imported = Vec::new();
    for image in images {
        let descriptor = import_image(store, archive, &image)?;
        let tags = image.repo_tags.unwrap_or_default();
        for tag in &tags {
            let reference: Reference = tag.parse().map_err(|error| Error::malformed("manifest.json", error))?;
            imported.push(Imported { reference: Some(reference.or_latest()), image: descriptor.clone() });
        }
        if tags.is_empty() {
            imported.push(Imported { reference: None, image: descriptor });
        }
    }
    Ok(imported)
}

/// Makes the manifest such an archive lacks, over parts that are verified against the config.
fn import_image(store: &Store, archive: &StagedArchive, image: &DockerImage) -> Result<Descriptor, Error> {
    let (config, parsed) = read_config(archive, &image.config)?;
    let diff_ids = &parsed.rootfs.diff_ids;
    if diff_ids.len() != image.layers.len() {
        let reason = format!("its config names {} layers, its manifest.json {}", diff_ids.len(), image.layers.len());
        return Err(Error::Archive(reason));
    }
    let named = || image.layers.iter().zip(diff_ids);
    // Equal layers may be one file, which is taken once.
    let layers = named().map(|(name, diff_id)| describe_layer(part(archive, name)?, diff_id));
    let layers = layers.collect::<Result<Vec<_>, Error>>()?;
    let mut taken = BTreeSet::new();
    for ((name, diff_id), layer) in named().zip(&layers) {
        if taken.insert(&layer.digest) {
            archive.adopt(store, name, layer)?;
            store.put_diff_id(&layer.digest, diff_id)?;
        }
    }
    archive.adopt(store, &image.config, &config)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: BTreeMap::new(),
        other: Map::new(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|error| Error::malformed("manifest", error))?;
    store.put(&bytes, MediaType::OCI_MANIFEST)
}

fn part<'a>(archive: &'a StagedArchive, name: &str) -> Result<&'a Staged, Error> {
    archive.get(name).ok_or_else(|| Error::Archive(format!("manifest.json names {name:?}, which is not there")))
}

/// The config, which must have the digest it is named after, where it is.
fn read_config(archive: &StagedArchive, name: &str) -> Result<(Descriptor, ImageConfig), Error> {
    let staged = part(archive, name)?;
    let bytes = archive.document(name)?.unwrap_or_default();
    let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".json");
    if let Ok(expected) = Digest::parse(&format!("sha256:{stem}")) {
        document::check_digest(&expected, &bytes)?;
    }
    let descriptor = Descriptor::new(MediaType::OCI_CONFIG, staged.digest.clone(), staged.size);
    Ok((descriptor, document::config(&staged.digest, &bytes)?))
}

/// What a layer's file is. Docker writes plain tars, others compressed ones; decompressed, both must be what the config says.
fn describe_layer(staged: &Staged, diff_id: &DiffId) -> Result<Descriptor, Error> {
    let (encoding, found) = decompressed(staged)?;
    if found != diff_id.0 {
        return Err(Error::Archive(format!("a layer that should be {diff_id} is {found}")));
    }
    Ok(Descriptor::new(MediaType::layer(encoding, false), staged.digest.clone(), staged.size))
}

/// How a layer is compressed, and the digest of what is in it.
fn decompressed(staged: &Staged) -> Result<(LayerEncoding, Digest), Error> {
    let broken =
        |error: &dyn std::fmt::Display| Error::Archive(format!("layer {} cannot be read: {error}", staged.digest));
    let file = File::open(&staged.path).at("open", &staged.path)?;
    let (format, mut tar) = layer::decompress(file).map_err(|error| broken(&error))?;
    let encoding = match format {
        Format::Plain => return Ok((LayerEncoding::Plain, staged.digest.clone())),
        Format::Gzip => LayerEncoding::Gzip,
        Format::Zstd => LayerEncoding::Zstd,
        Format::Bzip2 | Format::Xz => return Err(broken(&"images have no layers compressed with bzip2 or xz")),
    };
    let mut hasher = Hasher::new();
    copy_hashed(&mut tar, &mut io::sink(), &mut hasher).map_err(|error| broken(&error))?;
    Ok((encoding, hasher.finish()))
}
