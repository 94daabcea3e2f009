//! Packages to registries: blobs, manifests, and an index that holds what others put there too.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use oci::{Descriptor, Digest, Index, Reference, Repository};
use registry::{BlobSource, FileSource};

use crate::bases::pinned;
use crate::layers::blocking;
use crate::merge::{image_platform, merge};
use crate::package::{index_bytes, with_arch};
use crate::{Engine, Error};

/// How often an index is merged again because somebody else wrote it meanwhile.
const ATTEMPTS: usize = 10;

/// What is sent where.
#[derive(Debug, Clone)]
pub struct PackagePush {
    /// The image in the store.
    pub local: Reference,
    /// Its name in the registry.
    pub remote: Reference,
    /// Whether images of the same platform give way.
    pub replace: bool,
    /// Whether the index is written.
    pub index: bool,
    /// Whether each image gets a tag with its architecture behind it.
    pub arch_tags: bool,
}

/// Where the images of an index are that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Images {
    /// In the store, to be sent first.
    Here,
    /// In the registry.
    There,
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedPackage {
    /// What the name stands for now; `None` when no index was asked for.
    pub digest: Option<Digest>,
    /// Whether anything was written.
    pub changed: bool,
}

impl Engine {
    /// Sends a package. A name gets an index only when all it lists is there; of other platforms in the registry nothing is
    /// lost, whoever writes at the same time.
    ///
    /// # Errors
    /// When the store has no such image, a platform's image would be replaced, or the registry fails.
    pub async fn push_package(&self, push: &PackagePush) -> Result<PushedPackage, Error> {
        let entries = self.package_entries(&push.local)?;
        // What others made is in the index by name; it is in the registry, as it came from there.
        let entries: Vec<Descriptor> = entries.into_iter().filter(|entry| self.store.contains(&entry.digest)).collect();
        if entries.is_empty() {
            return Err(Error::NoImage(push.local.familiar()));
        }
        let mut pushed = PushedPackage { digest: None, changed: false };
        if push.arch_tags {
            for entry in entries.iter().filter(|entry| image_platform(entry).is_some()) {
                pushed.changed |= self.push_arch_tag(push, entry).await?;
            }
        }
        if push.index {
            let (digest, changed) = self.write_index(&push.remote, &entries, push.replace, Images::Here).await?;
            pushed = PushedPackage { digest: Some(digest), changed: pushed.changed || changed };
        }
        Ok(pushed)
    }

    /// Sends any image: an index as a package's, a single image as it is.
    ///
    /// # Errors
    /// As [`Engine::push_package`].
    pub async fn push_image(&self, push: &PackagePush) -> Result<Digest, Error> {
        let image = self.store.resolve(&push.local)?.ok_or_else(|| Error::NoImage(push.local.familiar()))?;
        if image.media_type.is_index() {
            let pushed = self.push_package(push).await?;
            return Ok(pushed.digest.unwrap_or(image.digest));
        }
        match self.client.head_manifest(&push.remote).await? {
            Some(there) if there.digest == image.digest => {}
            Some(_) if !push.replace => {
                let platform = self.entry_of(image)?.platform.unwrap_or_else(oci::Platform::host);
                return Err(Error::Replaces { name: push.remote.clone(), platform: Box::new(platform) });
            }
            _ => self.send_manifest(push.remote.repository(), &image, Some(&push.remote)).await?,
        }
        Ok(image.digest)
    }

    /// Gives `name` an index of what the registry has under the name's tags with architectures, and of what was there before.
    ///
    /// # Errors
    /// When the registry fails, or what it has contradicts itself.
    pub async fn index_of_arch_tags(
        &self,
        name: &Reference,
        platforms: &[oci::Platform],
    ) -> Result<Option<Digest>, Error> {
        let mut entries = Vec::new();
        for platform in platforms {
            if let Some((_, index)) = self.remote_index(&with_arch(name, platform)?).await? {
                entries.extend(index.manifests);
            }
        }
        match entries.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.write_index(name, &entries, true, Images::There).await?.0)),
        }
    }

    async fn push_arch_tag(&self, push: &PackagePush, entry: &Descriptor) -> Result<bool, Error> {
        let platform = image_platform(entry).ok_or_else(|| Error::Internal("an image without a platform".into()))?;
        let name = with_arch(&push.remote, platform)?;
        match self.client.head_manifest(&name).await? {
            Some(there) if there.digest == entry.digest => return Ok(false),
            Some(_) if !push.replace => {
                return Err(Error::Replaces { name, platform: Box::new(platform.clone()) });
            }
            _ => {}
        }
        self.send_manifest(push.remote.repository(), entry, Some(&name)).await?;
        Ok(true)
    }

    /// Merges `entries` into the index under `name` until it stays so. Processes of one store take turns.
    async fn write_index(
        &self,
        name: &Reference,
        entries: &[Descriptor],
        replace: bool,
        images: Images,
    ) -> Result<(Digest, bool), Error> {
        let (mut held, mut wrote) = (None, false);
        for _ in 0..ATTEMPTS {
            let there = self.remote_index(name).await?;
            let index = there.as_ref().map(|(_, index)| index);
            let conflict = |platform| Error::Replaces { name: name.clone(), platform: Box::new(platform) };
            let merged = merge(index, entries, replace).map_err(conflict)?;
            if let Some((root, index)) = &there
                && root.media_type.is_index()
                && *index == merged
            {
                return Ok((root.digest.clone(), wrote));
            }
            if images == Images::Here {
                self.send_new(name.repository(), entries, index).await?;
            }
            if held.is_none() {
                let (store, turn) = (self.store.clone(), format!("push {name}"));
                held = Some(blocking(move || Ok(store.exclusive(&turn)?)).await?);
                // Blobs were sent before it was our turn; what is there may have changed meanwhile.
                if self.client.head_manifest(name).await?.map(|now| now.digest) != there.map(|(root, _)| root.digest) {
                    continue;
                }
            }
            let bytes = index_bytes(&merged)?;
            let media_type = merged.media_type.clone().unwrap_or(oci::MediaType::OCI_INDEX);
            let written = self.client.put_manifest(name, &media_type, bytes.clone().into()).await?;
            self.store.put(&bytes, media_type)?;
            wrote = true;
            if self.client.is_manifest_at(name, &written).await? {
                return Ok((written, true));
            }
        }
        Err(Error::Contended { name: name.clone(), times: ATTEMPTS })
    }

    /// Sends the images that the index in the registry does not list.
    async fn send_new(
        &self,
        repository: &Repository,
        entries: &[Descriptor],
        index: Option<&Index>,
    ) -> Result<(), Error> {
        let listed = |entry: &Descriptor| {
            index.is_some_and(|index| index.manifests.iter().any(|there| there.digest == entry.digest))
        };
        let new = entries.iter().filter(|entry| !listed(entry));
        try_join_all(new.map(|entry| self.send_manifest(repository, entry, None))).await.map(drop)
    }

    /// Sends a manifest after all it names.
    async fn send_manifest(
        &self,
        repository: &Repository,
        entry: &Descriptor,
        name: Option<&Reference>,
    ) -> Result<(), Error> {
        let manifest = self.store.manifest(&entry.digest)?;
        let blobs = manifest.layers.iter().chain([&manifest.config]);
        try_join_all(blobs.map(|blob| self.send_blob(repository, blob))).await?;
        let bytes = Bytes::from(self.store.read(&entry.digest)?);
        let reference = match name {
            Some(name) => name.clone(),
            None => pinned(repository, &entry.digest)?,
        };
        self.client.put_manifest(&reference, &entry.media_type, bytes).await?;
        Ok(self.store.add_origin(&entry.digest, repository)?)
    }

    /// A blob that is not here goes from the registry it is in to the other one.
    async fn send_blob(&self, to: &Repository, blob: &Descriptor) -> Result<(), Error> {
        let origins = self.store.origin(&blob.digest)?;
        if self.store.contains(&blob.digest) {
            let source: Arc<dyn BlobSource> = Arc::new(FileSource::from(self.store.open_sized(blob)?));
            self.client.push_blob(to, blob, source, &origins).await?;
        } else {
            let mut last = Some(Error::LayerLost(blob.digest.clone()));
            for from in &origins {
                last = self.client.copy_blob(from, to, blob).await.err().map(Error::from);
                if last.is_none() {
                    break;
                }
            }
            last.map_or(Ok(()), Err)?;
        }
        Ok(self.store.add_origin(&blob.digest, to)?)
    }
}
