//! Bases: what FROM and `COPY --from` name, resolved to manifests and configs; layers stay where they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dockerfile::{Source, did_you_mean};
use futures_util::future::try_join_all;
use graph::{BaseNeed, BaseOrigin, ResolvedBase};
use oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference, Repository};
use registry::Client;
use store::Store;
use tokio::sync::{Mutex, OnceCell};

use crate::event::Events;
use crate::layers::{LayerRef, Origin, blocking};
use crate::{Error, ErrorKind, PullPolicy, layout};

/// The largest config that is read.
const MAX_CONFIG: u64 = 16 << 20;
/// The kind of the store's records of what tags were last resolved to.
const RECORD: &str = "base";

/// Names the stage that was perhaps meant by an image that cannot be had.
fn mistyped(error: Error, need: &BaseNeed) -> Error {
    let lacking = error.kind() == ErrorKind::Registry || matches!(error, Error::BaseOffline(_));
    let BaseOrigin::Image(reference) = &need.origin else { return error };
    let name = reference.familiar();
    let name = name.strip_suffix(":latest").unwrap_or(&name);
    match did_you_mean(name, need.stages.iter().map(String::as_str)) {
        Some(stage) if lacking => Error::MistypedStage { stage: stage.to_owned(), cause: Box::new(error) },
        _ => error,
    }
}

/// An image that steps start from or copy from.
#[derive(Debug, Clone)]
pub(crate) struct BaseImage {
    pub(crate) resolved: ResolvedBase,
    pub(crate) layers: Vec<LayerRef>,
    /// What was asked for and the digest the name stands for, for metadata.
    pub(crate) name: String,
    pub(crate) named_digest: Digest,
}

type Found = Arc<OnceCell<Result<Arc<BaseImage>, Arc<Error>>>>;

/// Resolves bases; each is looked up once, whoever asks for it, and so is each name.
pub(crate) struct Bases {
    store: Arc<Store>,
    client: Client,
    policy: PullPolicy,
    names: Mutex<BTreeMap<Reference, Arc<OnceCell<Descriptor>>>>,
    images: Mutex<BTreeMap<(BaseOrigin, Platform), Found>>,
}

impl Bases {
    pub(crate) fn new(store: Arc<Store>, client: Client, policy: PullPolicy) -> Self {
        Self { store, client, policy, names: Mutex::default(), images: Mutex::default() }
    }

    /// Resolves all of `needs` side by side.
    pub(crate) async fn resolve_all(
        &self,
        needs: &[BaseNeed],
        source: &Arc<Source>,
        events: &Events,
    ) -> Result<Vec<Arc<BaseImage>>, Error> {
        let all = needs.iter().map(|need| async {
            self.resolve(need, events).await.map_err(|error| mistyped(error, need).within(source, need.span))
        });
        try_join_all(all).await
    }

    async fn resolve(&self, need: &BaseNeed, events: &Events) -> Result<Arc<BaseImage>, Error> {
        let key = (need.origin.clone(), need.platform.clone());
        let cell = Arc::clone(self.images.lock().await.entry(key).or_default());
        let found = cell.get_or_init(|| async { self.find(need, events).await.map_err(Arc::new) }).await;
        Ok(found.clone()?)
    }

    async fn find(&self, need: &BaseNeed, events: &Events) -> Result<Arc<BaseImage>, Error> {
        let vertex = events.start(format!("[internal] load metadata for {}", shown(&need.origin)));
        let image = match &need.origin {
            BaseOrigin::Image(reference) => self.image(reference, &need.platform).await,
            BaseOrigin::OciLayout { directory, object } => {
                let (directory, object) = (directory.clone(), object.clone());
                let (store, platform) = (Arc::clone(&self.store), need.platform.clone());
                blocking(move || from_layout(&store, Path::new(&directory), object.as_deref(), &platform)).await
            }
            BaseOrigin::Target(name) => Err(Error::Unsupported {
                what: format!("the context target:{name}"),
                hint: "targets of other builds are contexts in a bake file only".into(),
            }),
        };
        vertex.finish(false, image).map(Arc::new)
    }

    async fn image(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, Error> {
        let reference = reference.clone().or_latest();
        let cell = Arc::clone(self.names.lock().await.entry(reference.clone()).or_default());
        let named = cell.get_or_try_init(|| self.name(&reference)).await?;
        let repository = reference.repository();
        let chosen = self.choose(&reference, named, platform).await?;
        let manifest: Manifest = parse(&self.document(repository, &chosen).await?, &chosen.digest)?;
        let config = self.config(repository, &manifest.config).await?;
        let origin = Origin::Registry(vec![repository.clone()]);
        let layers = layer_refs(&manifest, &config, &chosen.digest, &origin)?;
        self.remember(&reference, named, &manifest)?;
        let resolved = ResolvedBase { digest: chosen.digest.clone(), config };
        Ok(BaseImage { resolved, layers, name: reference.to_string(), named_digest: named.digest.clone() })
    }

    /// What the name stands for now.
    async fn name(&self, reference: &Reference) -> Result<Descriptor, Error> {
        if self.policy == PullPolicy::Named
            && let Some(local) = self.store.resolve(reference)?
        {
            return Ok(local);
        }
        let known = self.known(reference)?;
        match (self.policy, known) {
            (PullPolicy::Offline | PullPolicy::Missing, Some(descriptor)) => Ok(descriptor),
            (PullPolicy::Offline, None) => Err(Error::BaseOffline(reference.clone())),
            (PullPolicy::Resolve | PullPolicy::Named, Some(descriptor)) if reference.digest().is_some() => {
                Ok(descriptor)
            }
            (_, known) => self.ask(reference, known).await,
        }
    }

    async fn ask(&self, reference: &Reference, known: Option<Descriptor>) -> Result<Descriptor, Error> {
        let built_here = self.store.resolve(reference)?;
        match (self.client.head_manifest(reference).await, built_here) {
            (Ok(Some(descriptor)), _) => Ok(known.filter(|k| k.digest == descriptor.digest).unwrap_or(descriptor)),
            // A name that no registry serves may still be an image that was built here.
            (Ok(None), Some(local)) => Ok(local),
            (Err(error), Some(local)) if matches!(error.kind(), registry::Kind::Auth | registry::Kind::Denied) => {
                tracing::debug!(%reference, %error, "not in its registry; using the local image");
                Ok(local)
            }
            (Ok(None), None) => Err(Error::BaseNotFound(reference.clone())),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// What the store knows of a name: an image under that tag, or what it was last resolved to.
    fn known(&self, reference: &Reference) -> Result<Option<Descriptor>, Error> {
        if let Some(record) = self.store.cache_get(RECORD, &record_key(reference))? {
            return Ok(serde_json::from_slice(&record).ok());
        }
        if let Some(digest) = reference.digest()
            && self.store.contains(digest)
        {
            return Ok(Some(self.store.describe(digest)?));
        }
        Ok(self.store.resolve(reference)?)
    }

    fn remember(&self, reference: &Reference, named: &Descriptor, manifest: &Manifest) -> Result<(), Error> {
        let mut unknown = Vec::new();
        for layer in &manifest.layers {
            if !self.store.origin(&layer.digest)?.contains(reference.repository()) {
                unknown.push(&layer.digest);
            }
        }
        // Reading is cheaper than writing, and what is warm is known.
        if unknown.is_empty() && self.known(reference)?.as_ref() == Some(named) {
            return Ok(());
        }
        self.store.add_origins(&unknown, reference.repository())?;
        let record = serde_json::to_vec(named).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(self.store.cache_put(RECORD, &record_key(reference), &record, std::slice::from_ref(&named.digest))?)
    }

    /// The manifest for `platform` among what the name stands for.
    async fn choose(
        &self,
        reference: &Reference,
        named: &Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor, Error> {
        if !named.media_type.is_index() {
            return Ok(named.clone());
        }
        let index: Index = parse(&self.document(reference.repository(), named).await?, &named.digest)?;
        select(&index, platform, &reference.to_string())
    }

    /// A manifest or index, from the store if it is there.
    async fn document(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        if self.policy != PullPolicy::Always && self.store.contains(&descriptor.digest) {
            return Ok(self.store.read(&descriptor.digest)?);
        }
        if self.policy == PullPolicy::Offline {
            return Err(Error::LayerOffline(descriptor.digest.clone()));
        }
        let pinned = pinned(repository, &descriptor.digest)?;
        let (found, bytes) = self.client.get_manifest(&pinned).await?;
        self.store.put(&bytes, found.media_type)?;
        Ok(bytes.to_vec())
    }

    async fn config(&self, repository: &Repository, descriptor: &Descriptor) -> Result<ImageConfig, Error> {
        let here = self.policy != PullPolicy::Always && self.store.contains(&descriptor.digest);
        if !here {
            let bytes = self.client.get_blob_bytes(repository, descriptor, MAX_CONFIG).await?;
            self.store.put(&bytes, descriptor.media_type.clone())?;
        }
        Ok(self.store.config(&descriptor.digest)?)
    }
}

fn shown(origin: &BaseOrigin) -> String {
    match origin {
        BaseOrigin::Image(reference) => reference.clone().or_latest().to_string(),
        BaseOrigin::OciLayout { directory, .. } => format!("oci-layout://{directory}"),
        BaseOrigin::Target(name) => format!("target:{name}"),
    }
}

fn record_key(reference: &Reference) -> Digest {
    Digest::of(reference.to_string().as_bytes())
}

/// `repository@digest`.
pub(crate) fn pinned(repository: &Repository, digest: &Digest) -> Result<Reference, Error> {
    format!("{repository}@{digest}").parse().map_err(|error: oci::ReferenceError| Error::Internal(error.to_string()))
}

/// Reads a document whose digest was verified.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], digest: &Digest) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Document { digest: digest.clone(), source })
}

pub(crate) fn select(index: &Index, platform: &Platform, name: &str) -> Result<Descriptor, Error> {
    index.select(platform).cloned().ok_or_else(|| Error::NoPlatform {
        name: name.to_owned(),
        wanted: Box::new(platform.clone()),
        offered: index.manifests.iter().filter(|m| !m.is_attestation()).filter_map(|m| m.platform.clone()).collect(),
    })
}

/// The layers of `manifest`, which must be as many as its config says, of types that are known.
pub(crate) fn layer_refs(
    manifest: &Manifest,
    config: &ImageConfig,
    digest: &Digest,
    origin: &Origin,
) -> Result<Vec<LayerRef>, Error> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(Error::LayerCount {
            digest: digest.clone(),
            blobs: manifest.layers.len(),
            diff_ids: diff_ids.len(),
        });
    }
    let layers = diff_ids.iter().zip(&manifest.layers);
    layers.map(|(diff_id, blob)| layer_ref(diff_id.clone(), blob, origin)).collect()
}

fn layer_ref(diff_id: oci::DiffId, blob: &Descriptor, origin: &Origin) -> Result<LayerRef, Error> {
    if blob.media_type.layer_encoding().is_none() || !blob.urls.is_empty() {
        return Err(Error::LayerType { digest: blob.digest.clone(), media_type: blob.media_type.clone() });
    }
    Ok(LayerRef { diff_id, blob: Some(blob.clone()), origin: origin.clone() })
}

/// An image of an OCI layout on disk; its manifest and config are copied to the store.
fn from_layout(store: &Store, dir: &Path, object: Option<&str>, platform: &Platform) -> Result<BaseImage, Error> {
    let named = layout::entry(dir, object)?;
    let read = |descriptor: &Descriptor| layout::document(dir, descriptor);
    let name = format!("oci-layout://{}", dir.display());
    let chosen = if named.media_type.is_index() {
        select(&parse(&read(&named)?, &named.digest)?, platform, &name)?
    } else {
        named.clone()
    };
    let bytes = read(&chosen)?;
    let manifest: Manifest = parse(&bytes, &chosen.digest)?;
    let config_bytes = read(&manifest.config)?;
    store.put(&bytes, chosen.media_type.clone())?;
    store.put(&config_bytes, manifest.config.media_type.clone())?;
    let config = parse(&config_bytes, &manifest.config.digest)?;
    let layers = layer_refs(&manifest, &config, &chosen.digest, &Origin::Layout(dir.to_owned()))?;
    let resolved = ResolvedBase { digest: chosen.digest, config };
    Ok(BaseImage { resolved, layers, name, named_digest: named.digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(name: &str) -> BaseNeed {
        let platform = "linux/amd64".parse().expect("a platform");
        let origin = BaseOrigin::Image(name.parse().expect("a reference"));
        BaseNeed { origin, platform, span: None, stages: vec!["build".into(), "test".into()] }
    }

    fn hint(error: Error, name: &str) -> Option<String> {
        mistyped(error, &need(name)).hint()
    }

    #[test]
    fn the_stage_that_was_perhaps_meant_is_named() {
        let absent = |name: &str| Error::BaseNotFound(name.parse().expect("a reference"));
        let stage = Some("did you mean the stage build?".to_owned());
        assert_eq!(hint(absent("biuld"), "biuld"), stage);
        assert_eq!(hint(Error::BaseOffline("biuld".parse().expect("a reference")), "biuld:latest"), stage);
        assert_eq!(mistyped(absent("biuld"), &need("biuld")).kind(), ErrorKind::Registry);
        assert_eq!(hint(absent("debian"), "debian"), absent("debian").hint());
        assert_eq!(hint(Error::Cancelled, "biuld"), None);
    }
}
