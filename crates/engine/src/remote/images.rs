//! Images of this machine that a builder may read, so that it pulls nothing that is here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buildkit::{Blobs, Builder};
use graph::BaseOrigin;
use oci::{Descriptor, Digest, Index, Manifest, Platform, Reference};
use store::Store;

use super::Remote;
use crate::assemble::{Built, Form, assemble};
use crate::bases::BaseImage;
use crate::build::fetch_blobs;
use crate::sink::local::put_documents;
use crate::{ContextSource, Error, PullPolicy, layout};

/// What the store is called for the builder.
const STORE: &str = "shipsmith";
/// What builders put before the name of a place that images are in.
const KIND: &str = "oci:";

/// What is offered, and by which attributes the builder knows of it.
#[derive(Default)]
pub(crate) struct Offered {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) blobs: BTreeMap<String, Arc<dyn Blobs>>,
}

impl Remote<'_> {
    /// The images of named contexts, and those bases that the store has where its word is good.
    pub(super) async fn offered_images(&self, builder: &Builder, platform: &Platform) -> Result<Offered, Error> {
        let mut offered = Offered::default();
        for (number, (name, source)) in self.request.named_contexts.iter().enumerate() {
            if let ContextSource::Layout { directory, object } = source {
                let entry = layout::entry(directory, object.as_deref())?;
                let place = format!("layout-{number}");
                let allowed = parts(&entry, &|part| layout::document(directory, part))?;
                offered.attributes.insert(format!("context:{name}"), address(&place, &entry.digest));
                offered
                    .blobs
                    .insert(format!("{KIND}{place}"), Arc::new(Layout { directory: directory.clone(), allowed }));
            }
        }
        let (store, mut allowed) = (self.work.layers.store(), BTreeSet::new());
        for (name, image) in self.needed_images(platform).await? {
            allowed.extend(parts(&image, &|part| Ok(store.read(&part.digest)?))?);
            offered.attributes.insert(format!("context:{name}"), address(STORE, &image.digest));
        }
        if builder.version().is_some() {
            for (reference, platform, image) in self.local_bases()? {
                allowed.extend(parts(&image, &|part| Ok(store.read(&part.digest)?))?);
                offered.attributes.insert(base(reference, platform), address(STORE, &image.digest));
            }
        }
        offered.blobs.insert(format!("{KIND}{STORE}"), Arc::new(Stored { store: Arc::clone(store), allowed }));
        Ok(offered)
    }

    /// The images of this run that are contexts, now in the store.
    async fn needed_images(&self, platform: &Platform) -> Result<Vec<(&str, Descriptor)>, Error> {
        let mut images = Vec::new();
        for (name, source) in &self.request.named_contexts {
            let ContextSource::Job(job) = source else { continue };
            let built = self.needed.get(job).and_then(|finished| finished.built(platform));
            let built = built.ok_or_else(|| Error::Internal(format!("{job} is not built")))?;
            images.push((name.as_str(), self.stored(built).await?));
        }
        Ok(images)
    }

    async fn stored(&self, built: &Built) -> Result<Descriptor, Error> {
        let (layers, timestamp) = (&self.work.layers, self.work.setting.timestamp);
        fetch_blobs(layers, std::slice::from_ref(built)).await?;
        let form = Form { docker: false, annotations: &[], timestamp };
        let artifact = assemble(std::slice::from_ref(built), &form, false)?;
        put_documents(layers.store(), &artifact)?;
        let image = artifact.images.into_iter().next();
        image.map(|image| image.manifest.descriptor).ok_or_else(|| Error::Internal("an image of nothing".into()))
    }

    /// Bases that are all here, if what is here need not be looked up anew.
    fn local_bases(&self) -> Result<Vec<(&Reference, &Platform, Descriptor)>, Error> {
        if !matches!(self.request.pull, PullPolicy::Named | PullPolicy::Missing | PullPolicy::Offline) {
            return Ok(Vec::new());
        }
        let store = self.work.layers.store();
        let mut found = Vec::new();
        for ((origin, platform), image) in self.images {
            let BaseOrigin::Image(reference) = origin else { continue };
            if let Some(descriptor) = local(store, reference, image)? {
                found.push((reference, platform, descriptor));
            }
        }
        Ok(found)
    }
}

fn local(store: &Store, reference: &Reference, image: &BaseImage) -> Result<Option<Descriptor>, Error> {
    let named = store.resolve(&reference.clone().or_latest())?.is_some();
    let digest = &image.resolved.digest;
    if !named || !is_whole(store, digest) {
        return Ok(None);
    }
    Ok(Some(store.describe(digest)?))
}

/// Whether the store has a manifest and all that it names.
fn is_whole(store: &Store, digest: &Digest) -> bool {
    store.contains(digest) && store.manifest(digest).is_ok_and(|manifest| store.missing(&manifest).is_empty())
}

/// The attribute that puts an image in a base's place.
fn base(reference: &Reference, platform: &Platform) -> String {
    let name = reference.familiar();
    format!("context:{}::{platform}", name.strip_suffix(":latest").unwrap_or(&name))
}

fn address(place: &str, digest: &Digest) -> String {
    format!("oci-layout://{place}@{digest}")
}

/// Everything an image consists of.
fn parts(image: &Descriptor, read: &dyn Fn(&Descriptor) -> Result<Vec<u8>, Error>) -> Result<BTreeSet<Digest>, Error> {
    let mut all = BTreeSet::new();
    let mut open = vec![image.clone()];
    while let Some(part) = open.pop() {
        if !all.insert(part.digest.clone()) || !(part.media_type.is_index() || part.media_type.is_manifest()) {
            continue;
        }
        let bytes = read(&part)?;
        let malformed = |source| Error::Document { digest: part.digest.clone(), source };
        if part.media_type.is_index() {
            open.extend(serde_json::from_slice::<Index>(&bytes).map_err(malformed)?.manifests);
        } else {
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(malformed)?;
            open.extend(manifest.layers.into_iter().chain([manifest.config]));
        }
    }
    Ok(all)
}

/// Parts of images of the store.
struct Stored {
    store: Arc<Store>,
    allowed: BTreeSet<Digest>,
}

impl Blobs for Stored {
    fn open(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        opened(self.allowed.contains(digest), &self.store.blob_path(digest))
    }
}

/// Parts of an image of a layout.
struct Layout {
    directory: PathBuf,
    allowed: BTreeSet<Digest>,
}

impl Blobs for Layout {
    fn open(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        let path = self.directory.join(oci::layout::blob(digest));
        opened(self.allowed.contains(digest), &path)
    }
}

fn opened(allowed: bool, path: &Path) -> io::Result<Option<(File, u64)>> {
    if !allowed {
        return Ok(None);
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok(Some((file, length)))
}
