//! Registries as destinations: blobs, then manifests, then tags; repositories side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use oci::{Descriptor, Digest, Reference, Repository};
use registry::{BlobSource, Client, FileSource, Pushed};
use store::Store;

use crate::Error;
use crate::assemble::{Artifact, Document, Image};
use crate::bases::pinned;
use crate::event::{Events, Transfers, Vertex};
use crate::layers::{LayerRef, Layers, Origin};
use crate::tags::{self, Tags};

/// Which blobs a run's images have put into which repositories: none is asked for or sent twice, and a registry that was
/// sent a blob for one repository is asked to give it to the others.
#[derive(Default)]
pub(crate) struct Sent(Mutex<BTreeMap<(String, Digest), Places>>);

/// The repositories of one registry that have a blob; locked while one is given it.
type Places = Arc<tokio::sync::Mutex<Vec<Repository>>>;

impl Sent {
    fn places(&self, repository: &Repository, digest: &Digest) -> Places {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sent.entry((repository.registry().to_owned(), digest.clone())).or_default())
    }

    /// The repository has been sent the blob. Blocks.
    pub(crate) fn note(&self, repository: &Repository, digest: &Digest) {
        self.places(repository, digest).blocking_lock().push(repository.clone());
    }

    /// Whether the repository is known to have been sent the blob.
    fn knows(&self, repository: &Repository, digest: &Digest) -> bool {
        self.places(repository, digest).try_lock().is_ok_and(|places| places.contains(repository))
    }
}

/// Sends artifacts to registries.
pub(crate) struct Pusher<'a> {
    pub(crate) client: &'a Client,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) layers: &'a Layers,
    pub(crate) events: &'a Events,
    pub(crate) transfers: &'a Transfers,
    pub(crate) sent: &'a Sent,
    pub(crate) tags: &'a Tags,
    /// Nothing was made anew, so it may all be there: worth asking.
    pub(crate) unchanged: bool,
}

impl Pusher<'_> {
    /// Pushes `artifact` under all of `names`; `by_digest` leaves tags out.
    pub(crate) async fn push(&self, artifact: &Artifact, names: &[Reference], by_digest: bool) -> Result<(), Error> {
        let mut repositories: BTreeMap<&Repository, Vec<&Reference>> = BTreeMap::new();
        for name in names {
            repositories.entry(name.repository()).or_default().push(name);
        }
        let pushes = repositories.iter().map(|(repository, names)| async move {
            let vertex = self.events.start(format!("pushing {repository}"));
            let names: &[&Reference] = if by_digest { &[] } else { names };
            let result = self.push_to(artifact, repository, names, &vertex).await;
            vertex.finish(false, result)
        });
        // One that fails keeps no other from being served.
        join_all(pushes).await.into_iter().collect()
    }

    async fn push_to(
        &self,
        artifact: &Artifact,
        repository: &Repository,
        names: &[&Reference],
        vertex: &Vertex,
    ) -> Result<(), Error> {
        if self.unchanged && self.is_there(artifact, repository, names).await {
            vertex.log("already there");
            return self.remember(artifact);
        }
        let mut seen = BTreeSet::new();
        let layers = artifact.images.iter().flat_map(|image| &image.layers);
        let layers: Vec<&LayerRef> = layers.filter(|layer| seen.insert(&layer.diff_id)).collect();
        let blobs = try_join_all(layers.into_iter().map(|layer| self.push_layer(repository, layer, vertex)));
        let configs = try_join_all(artifact.images.iter().map(|image| self.push_config(repository, image)));
        tokio::try_join!(blobs, configs)?;
        let children = artifact.index.iter().flat_map(|_| &artifact.images);
        try_join_all(children.map(|image| self.put(repository, &image.manifest, None))).await?;
        let Some(root) = artifact.root() else { return Ok(()) };
        if names.is_empty() {
            self.put(repository, root, None).await?;
        }
        names.iter().for_each(|name| self.tags.forget(name));
        try_join_all(names.iter().map(|name| self.put(repository, root, Some(name)))).await?;
        self.store.add_origins(&digests(artifact), repository)?;
        self.remember(artifact)?;
        vertex.log(format!("{repository}@{}", root.descriptor.digest));
        Ok(())
    }

    /// Remembers what a registry that has the artifact has, whoever sent it there.
    fn remember(&self, artifact: &Artifact) -> Result<(), Error> {
        let Some(root) = artifact.root() else { return Ok(()) };
        tags::remember(self.store, &root.descriptor.digest, &digests(artifact))
    }

    /// Whether all names point to just this already: a registry takes no manifest without what it names.
    async fn is_there(&self, artifact: &Artifact, repository: &Repository, names: &[&Reference]) -> bool {
        let Some(root) = artifact.root() else { return false };
        let digest = &root.descriptor.digest;
        let Ok(pinned) = pinned(repository, digest) else { return false };
        let wanted = if names.is_empty() { vec![&pinned] } else { names.to_vec() };
        let found = join_all(wanted.into_iter().map(|name| self.tags.find(self.client, name))).await;
        found.iter().all(|found| found.as_ref() == Some(digest))
    }

    async fn push_layer(&self, repository: &Repository, layer: &LayerRef, vertex: &Vertex) -> Result<(), Error> {
        let Some(blob) = &layer.blob else { return Err(Error::LayerLost(layer.diff_id.0.clone())) };
        let sent = self.sent.places(repository, &blob.digest);
        let mut sent = sent.lock().await;
        if sent.contains(repository) {
            return Ok(());
        }
        self.transfers.expect(vertex, blob);
        let pushed = if self.store.contains(&blob.digest) {
            let source: Arc<dyn BlobSource> = Arc::new(FileSource::from(self.store.open_sized(blob)?));
            self.client.push_blob(repository, blob, source, &self.sources(&sent, layer, blob)?).await?
        } else {
            self.push_absent(repository, layer, blob, &self.sources(&sent, layer, blob)?).await?
        };
        sent.push(repository.clone());
        let done = match pushed {
            Pushed::Existed => "already there".to_owned(),
            Pushed::Mounted(from) => format!("mounted from {from}"),
            Pushed::Uploaded => "sent".to_owned(),
        };
        vertex.log(format!("layer {} ({} bytes): {done}", blob.digest.short(), blob.size));
        Ok(())
    }

    /// Where a registry may have the blob already: best where it was just sent to.
    fn sources(&self, sent: &[Repository], layer: &LayerRef, blob: &Descriptor) -> Result<Vec<Repository>, Error> {
        let known = self.layers.places(layer, blob)?;
        Ok(sent.iter().cloned().chain(known.into_iter().filter(|known| !sent.contains(known))).collect())
    }

    /// A layer that is not here goes from registry to registry, or from the layout it is in.
    async fn push_absent(
        &self,
        repository: &Repository,
        layer: &LayerRef,
        blob: &Descriptor,
        sources: &[Repository],
    ) -> Result<Pushed, Error> {
        let mut last = Error::LayerLost(blob.digest.clone());
        for from in sources {
            match self.client.copy_blob(from, repository, blob).await {
                Ok(pushed) => return Ok(pushed),
                Err(error) => last = error.into(),
            }
        }
        if let Origin::Layout(_) = layer.origin {
            self.layers.ensure_blob(layer).await?;
            let source: Arc<dyn BlobSource> = Arc::new(FileSource::from(self.store.open_sized(blob)?));
            return Ok(self.client.push_blob(repository, blob, source, &[]).await?);
        }
        Err(last)
    }

    async fn push_config(&self, repository: &Repository, image: &Image) -> Result<(), Error> {
        let sent = self.sent.places(repository, &image.config.descriptor.digest);
        let mut sent = sent.lock().await;
        if sent.contains(repository) {
            return Ok(());
        }
        let source: Arc<dyn BlobSource> = Arc::new(Bytes::from(image.config.bytes.clone()));
        let mut layers = image.layers.iter().filter_map(|layer| layer.blob.as_ref());
        // It names its layers: where one of them is new, so is it.
        if layers.any(|layer| self.sent.knows(repository, &layer.digest)) {
            self.client.push_new_blob(repository, &image.config.descriptor, source).await?;
        } else {
            self.client.push_blob(repository, &image.config.descriptor, source, &sent).await?;
        }
        sent.push(repository.clone());
        Ok(())
    }

    async fn put(&self, repository: &Repository, document: &Document, name: Option<&Reference>) -> Result<(), Error> {
        let reference = match name {
            Some(name) => name.clone(),
            None => pinned(repository, &document.descriptor.digest)?,
        };
        let bytes = Bytes::from(document.bytes.clone());
        self.client.put_manifest(&reference, &document.descriptor.media_type, bytes).await?;
        Ok(())
    }
}

fn digests(artifact: &Artifact) -> Vec<&Digest> {
    let blobs = artifact.images.iter().flat_map(|image| image.layers.iter().filter_map(|layer| layer.blob.as_ref()));
    blobs.map(|blob| &blob.digest).collect()
}
