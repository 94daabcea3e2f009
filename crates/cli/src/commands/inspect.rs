//! `shipsmith inspect`: what an image is made of, and what of it is not here.

use std::collections::BTreeMap;

use ::store::Store;
use oci::{Descriptor, Digest, ImageConfig, Manifest, Platform, Reference};
use serde_json::{Value, json};

use super::output::{print, print_line};
use super::runtime::block_on;
use super::store::find;
use super::{client, open_store};
use crate::args::{GlobalArgs, InspectArgs};
use crate::failure::{Exit, Failure};
use crate::request;

/// An image of the store: one manifest, or those of an index that are here.
#[derive(Debug)]
pub(super) struct Image {
    parts: Vec<Part>,
}

/// One manifest of an image.
#[derive(Debug)]
struct Part {
    digest: Digest,
    platform: Option<Platform>,
    attestation: bool,
    manifest: Manifest,
}

impl Image {
    /// Reads the image's documents from the store.
    pub(super) fn read(store: &Store, image: &Descriptor) -> Result<Self, Failure> {
        let entries = match image.media_type.is_index() {
            true => store.image_index(&image.digest)?.manifests,
            false => vec![image.clone()],
        };
        let here = entries.into_iter().filter(|entry| store.contains(&entry.digest));
        let parts = here.map(|entry| Part::read(store, &entry)).collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }

    /// The platforms it is for, in its order.
    pub(super) fn platforms(&self) -> Vec<String> {
        let images = self.parts.iter().filter(|part| !part.attestation);
        images.filter_map(|part| part.platform.as_ref()).map(ToString::to_string).collect()
    }

    /// The bytes of its configurations and layers, each counted once.
    pub(super) fn size(&self) -> u64 {
        let blobs = self.parts.iter().flat_map(|part| part.manifest.layers.iter().chain([&part.manifest.config]));
        blobs.map(|blob| (&blob.digest, blob.size)).collect::<BTreeMap<_, _>>().into_values().sum()
    }
}

impl Part {
    fn read(store: &Store, entry: &Descriptor) -> Result<Self, Failure> {
        let manifest = store.manifest(&entry.digest)?;
        let attestation = entry.is_attestation();
        let platform = match &entry.platform {
            Some(platform) => Some(platform.clone()),
            None if attestation || !store.contains(&manifest.config.digest) => None,
            None => Some(platform_of(&store.config(&manifest.config.digest)?)),
        };
        Ok(Self { digest: entry.digest.clone(), platform, attestation, manifest })
    }

    fn describe(&self, store: &Store) -> Result<Value, Failure> {
        let layers = self.manifest.layers.iter().map(|layer| describe_layer(store, layer));
        let config = match store.contains(&self.manifest.config.digest) {
            true => json!(store.config(&self.manifest.config.digest)?),
            false => Value::Null,
        };
        Ok(json!({
            "digest": self.digest,
            "platform": self.platform.as_ref().map(ToString::to_string),
            "configDigest": self.manifest.config.digest,
            "layers": layers.collect::<Result<Vec<_>, _>>()?,
            "annotations": self.manifest.annotations,
            "config": config,
        }))
    }
}

fn describe_layer(store: &Store, layer: &Descriptor) -> Result<Value, Failure> {
    let mut value = json!({
        "digest": layer.digest, "mediaType": layer.media_type, "size": layer.size,
        "present": store.contains(&layer.digest),
    });
    let origins = store.origin(&layer.digest)?;
    if !origins.is_empty() {
        value["origins"] = json!(origins.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    Ok(value)
}

/// The platform a configuration names.
pub(super) fn platform_of(config: &ImageConfig) -> Platform {
    let mut platform = Platform::new(&config.os, &config.architecture, &config.variant);
    (platform.os_version, platform.os_features) = (config.os_version.clone(), config.os_features.clone());
    platform
}

/// `shipsmith inspect REF`: of the store, or with `--raw` of the registry where the store has none.
pub(super) fn run(args: &InspectArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let text = &args.reference;
    let store = open_store(global)?;
    match find(&store, text) {
        Ok((_, image)) if args.raw => print(store.read(&image.digest)?),
        Ok((name, image)) => describe(&store, name.as_ref(), &image),
        Err(failure) if Digest::parse(text).is_ok() || failure.exit() != Exit::Build => Err(failure),
        Err(_) if args.raw => raw_remote(&request::reference(text)?),
        Err(failure) => {
            let hint =
                format!("`shipsmith pull {text}` fetches it, `shipsmith inspect --raw {text}` asks its registry");
            Err(failure.with_hint(Some(hint)))
        }
    }
}

fn raw_remote(reference: &Reference) -> Result<(), Failure> {
    let (_, bytes) = block_on(async { Ok(client()?.get_manifest(reference).await?) })?;
    print(bytes)
}

fn describe(store: &Store, name: Option<&Reference>, descriptor: &Descriptor) -> Result<(), Failure> {
    let image = Image::read(store, descriptor)?;
    let parts = image.parts.iter().map(|part| part.describe(store)).collect::<Result<Vec<_>, _>>()?;
    let value = json!({
        "reference": name.map(ToString::to_string),
        "digest": descriptor.digest,
        "mediaType": descriptor.media_type,
        "size": image.size(),
        "manifests": parts,
    });
    let text = serde_json::to_string_pretty(&value);
    print_line(&text.map_err(|error| Failure::new(Exit::Internal, format!("cannot write JSON: {error}")))?)
}
