//! What a registry has of a package, and how it comes here.

use futures_util::future::try_join_all;
use oci::{Descriptor, Digest, Index, Manifest, Platform, Reference, Repository};
use tokio::sync::OnceCell;

use crate::bases::{parse, pinned, select};
use crate::download::fetch_blob;
use crate::merge::image_platform;
use crate::{Engine, Error};

/// The largest config that is read.
const MAX_CONFIG: u64 = 16 << 20;

/// A name in its registry, asked about once.
pub(crate) struct Remote<'e> {
    engine: &'e Engine,
    name: &'e Reference,
    found: OnceCell<Option<(Descriptor, Index)>>,
}

impl<'e> Remote<'e> {
    pub(crate) fn new(engine: &'e Engine, name: &'e Reference) -> Self {
        Self { engine, name, found: OnceCell::new() }
    }

    /// The index under the name; `None` when the registry has no such name. Whatever else it says is a failure.
    pub(crate) async fn index(&self) -> Result<Option<&(Descriptor, Index)>, Error> {
        Ok(self.found.get_or_try_init(|| self.engine.remote_index(self.name)).await?.as_ref())
    }

    /// The image for a platform.
    pub(crate) async fn entry(&self, platform: &Platform) -> Result<Option<Descriptor>, Error> {
        let Some((_, index)) = self.index().await? else { return Ok(None) };
        let fits = |entry: &&Descriptor| image_platform(entry).is_some_and(|theirs| theirs.serves(platform));
        Ok(index.manifests.iter().find(fits).cloned())
    }

    /// An image and what is said about it.
    pub(crate) async fn with_attestations(&self, image: &Descriptor) -> Result<Vec<Descriptor>, Error> {
        let mut entries = vec![image.clone()];
        if let Some((_, index)) = self.index().await? {
            let about = |entry: &&Descriptor| {
                entry
                    .annotations
                    .get("vnd.docker.reference.digest")
                    .is_some_and(|about| *about == image.digest.as_str())
            };
            for attestation in index.manifests.iter().filter(about) {
                self.fetch(attestation).await?;
                entries.push(attestation.clone());
            }
        }
        Ok(entries)
    }

    /// Brings an image of the index here, all of it.
    pub(crate) async fn fetch(&self, entry: &Descriptor) -> Result<(), Error> {
        self.engine.fetch_manifest(self.name.repository(), entry).await
    }
}

impl Engine {
    /// What a name is in its registry, as an index: one HEAD, and what it leads to if that was never seen here.
    pub(crate) async fn remote_index(&self, name: &Reference) -> Result<Option<(Descriptor, Index)>, Error> {
        let Some(root) = self.client.head_manifest(name).await? else { return Ok(None) };
        let bytes = self.document(name.repository(), &root).await?;
        let index = match root.media_type.is_index() {
            true => parse(&bytes, &root.digest)?,
            false => {
                let manifest: Manifest = parse(&bytes, &root.digest)?;
                self.small_blob(name.repository(), &manifest.config).await?;
                Index::new(vec![self.entry_of(root.clone())?], false)
            }
        };
        Ok(Some((root, index)))
    }

    /// What a name stands for now: in its registry, else in the store.
    ///
    /// # Errors
    /// When it is nowhere, or the registry fails.
    pub async fn digest_of(&self, name: &Reference) -> Result<Digest, Error> {
        if let Some(digest) = name.digest() {
            return Ok(digest.clone());
        }
        let found = match self.client.head_manifest(name).await? {
            Some(found) => Some(found),
            None => self.store.resolve(name)?,
        };
        found.map(|found| found.digest).ok_or_else(|| Error::BaseNotFound(name.clone()))
    }

    /// Brings all of an image here for some platforms, where the store has not got it under its name.
    ///
    /// # Errors
    /// As [`Engine::pull_package`].
    pub async fn precache(&self, name: &Reference, platforms: &[Platform]) -> Result<(), Error> {
        let mut missing = Vec::new();
        for platform in platforms {
            match self.whole(name, platform)? {
                Some(entry) => self.complete(&entry.digest).await?,
                None => missing.push(platform.clone()),
            }
        }
        if missing.is_empty() { Ok(()) } else { self.pull_package(name, &missing).await }
    }

    /// Brings an image for some platforms here, and names it.
    ///
    /// # Errors
    /// When the registry has no such image, or fails.
    pub async fn pull_package(&self, name: &Reference, platforms: &[Platform]) -> Result<(), Error> {
        let remote = Remote::new(self, name);
        let Some((root, index)) = remote.index().await? else { return Err(Error::BaseNotFound(name.clone())) };
        if platforms.is_empty() {
            try_join_all(index.manifests.iter().map(|entry| remote.fetch(entry))).await?;
            return Ok(self.store.tag(name, root)?);
        }
        for platform in platforms {
            let entry = select(index, platform, &name.familiar())?;
            remote.fetch(&entry).await?;
            self.name_package(name, remote.with_attestations(&entry).await?, true).await?;
        }
        Ok(())
    }

    /// A manifest or index, from the store if it is there.
    async fn document(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        if self.store.contains(&descriptor.digest) {
            return Ok(self.store.read(&descriptor.digest)?);
        }
        let (found, bytes) = self.client.get_manifest(&pinned(repository, &descriptor.digest)?).await?;
        self.store.put(&bytes, found.media_type)?;
        Ok(bytes.to_vec())
    }

    async fn small_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<(), Error> {
        if !self.store.contains(&blob.digest) {
            let bytes = self.client.get_blob_bytes(repository, blob, MAX_CONFIG).await?;
            self.store.put(&bytes, blob.media_type.clone())?;
        }
        Ok(())
    }

    /// Brings a manifest and all its blobs here; the manifest last, so that whoever sees it finds the rest.
    pub(crate) async fn fetch_manifest(&self, repository: &Repository, entry: &Descriptor) -> Result<(), Error> {
        let reference = pinned(repository, &entry.digest)?;
        let (found, bytes) = match self.store.contains(&entry.digest) {
            true => (entry.clone(), self.store.read(&entry.digest)?),
            false => self.client.get_manifest(&reference).await.map(|(found, bytes)| (found, bytes.to_vec()))?,
        };
        let manifest: Manifest = parse(&bytes, &entry.digest)?;
        let blobs = manifest.layers.iter().chain([&manifest.config]);
        try_join_all(blobs.map(|blob| fetch_blob(&self.client, &self.store, repository, blob))).await?;
        self.store.put(&bytes, found.media_type)?;
        Ok(self.store.add_origin(&entry.digest, repository)?)
    }

    /// Brings what the store knows of an image only by where it is.
    pub(crate) async fn complete(&self, manifest: &Digest) -> Result<(), Error> {
        let missing = self.store.missing(&self.store.manifest(manifest)?);
        try_join_all(missing.iter().map(|blob| self.complete_blob(blob))).await.map(drop)
    }

    async fn complete_blob(&self, blob: &Descriptor) -> Result<(), Error> {
        let mut last = Error::LayerLost(blob.digest.clone());
        for from in self.store.origin(&blob.digest)? {
            match fetch_blob(&self.client, &self.store, &from, blob).await {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
