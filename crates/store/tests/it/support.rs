//! Small images and other helpers for the store's tests.

use std::error::Error;
use std::io::Write;

use oci::{Descriptor, DiffId, Digest, ImageConfig, Manifest, MediaType, Platform, Reference};
use shipsmith_store::Store;
use tempfile::TempDir;

/// What a test returns.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// A new store in a directory of its own.
pub(crate) fn new_store() -> Result<(TempDir, Store), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path().join("store"))?;
    Ok((dir, store))
}

/// A reference known to be good.
pub(crate) fn reference(text: &str) -> Reference {
    text.parse().expect("a good reference")
}

/// A tar with one file.
pub(crate) fn layer_tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).expect("memory takes it");
    builder.into_inner().expect("memory takes it")
}

/// Writes bytes as a blob.
pub(crate) fn put_blob(store: &Store, bytes: &[u8]) -> Result<Digest, Box<dyn Error>> {
    let mut writer = store.writer(None)?;
    writer.write_all(bytes)?;
    Ok(writer.finish()?.0)
}

/// An image of one layer whose one file holds `content`; no name yet.
pub(crate) fn put_image(store: &Store, content: &str) -> Result<Descriptor, Box<dyn Error>> {
    let tar = layer_tar("hello", content.as_bytes());
    let layer = Descriptor::of(MediaType::OCI_LAYER, &tar);
    put_blob(store, &tar)?;
    put_image_of(store, layer.clone(), &DiffId(layer.digest))
}

/// An image over one layer, which need not be in the store.
pub(crate) fn put_image_of(store: &Store, layer: Descriptor, diff_id: &DiffId) -> Result<Descriptor, Box<dyn Error>> {
    let mut config = ImageConfig::empty(&Platform::new("linux", "amd64", ""));
    config.rootfs.diff_ids.push(diff_id.clone());
    let config = store.put(&serde_json::to_vec(&config)?, MediaType::OCI_CONFIG)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config,
        layers: vec![layer],
        subject: None,
        annotations: Default::default(),
        other: Default::default(),
    };
    Ok(store.put(&serde_json::to_vec(&manifest)?, MediaType::OCI_MANIFEST)?)
}

/// The digests an image needs: manifest, config, layers.
pub(crate) fn parts(store: &Store, image: &Descriptor) -> Result<Vec<Digest>, Box<dyn Error>> {
    let manifest = store.manifest(&image.digest)?;
    let mut parts = vec![image.digest.clone(), manifest.config.digest];
    parts.extend(manifest.layers.into_iter().map(|layer| layer.digest));
    Ok(parts)
}

/// How many files lie in a directory of the store.
pub(crate) fn count(store: &Store, dir: &str) -> usize {
    std::fs::read_dir(store.dir().join(dir)).map_or(0, Iterator::count)
}
