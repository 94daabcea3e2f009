//! Packages to registries: blobs, manifests, and an index that holds what others put there too.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use oci::{Descriptor, Digest, Index, Reference, Repository};
use registry::{BlobSource, FileSource};
use store::Exclusive;

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

/// What a name in a registry stands for.
struct There {
    root: Descriptor,
    index: Index,
}

impl There {
    /// Whether it is this index already, and not a single image that would have to become one.
    fn is(&self, merged: &Index) -> bool {
        self.root.media_type.is_index() && self.index == *merged
    }
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
            _ => {
                self.send_blobs(push.remote.repository(), std::slice::from_ref(&image)).await?;
                let _turn = self.turn(push.remote.repository()).await?;
                self.put_manifest(&push.remote, &image).await?;
            }
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
        self.send_blobs(name.repository(), std::slice::from_ref(entry)).await?;
        let _turn = self.turn(name.repository()).await?;
        self.put_manifest(&name, entry).await?;
        Ok(true)
    }

    /// Merges `entries` into the index under `name` until it stays so.
    async fn write_index(
        &self,
        name: &Reference,
        entries: &[Descriptor],
        replace: bool,
        images: Images,
    ) -> Result<(Digest, bool), Error> {
        let (merged, there) = self.merged(name, entries, replace).await?;
        if let Some(there) = there.filter(|there| there.is(&merged)) {
            return Ok((there.root.digest, false));
        }
        if images == Images::Here {
            self.send_blobs(name.repository(), entries).await?;
        }
        let _turn = self.turn(name.repository()).await?;
        let mut wrote = false;
        for _ in 0..ATTEMPTS {
            let (merged, there) = self.merged(name, entries, replace).await?;
            if let Some(there) = there.filter(|there| there.is(&merged)) {
                return Ok((there.root.digest, wrote));
            }
            if images == Images::Here {
                for entry in entries {
                    self.put_manifest(&pinned(name.repository(), &entry.digest)?, entry).await?;
                }
            }
            let bytes = index_bytes(&merged)?;
            let media_type = merged.media_type.clone().unwrap_or(oci::MediaType::OCI_INDEX);
            let written = self.client.put_manifest(name, &media_type, bytes.clone().into()).await?;
            self.store.put(&bytes, media_type)?;
            wrote = true;
            if self.client.manifest_at(name).await?.as_ref() == Some(&written) {
                return Ok((written, true));
            }
        }
        Err(Error::Contended { name: name.clone(), times: ATTEMPTS })
    }

    /// What the index would be, and what it is.
    async fn merged(
        &self,
        name: &Reference,
        entries: &[Descriptor],
        replace: bool,
    ) -> Result<(Index, Option<There>), Error> {
        let there = self.remote_index(name).await?.map(|(root, index)| There { root, index });
        let conflict = |platform| Error::Replaces { name: name.clone(), platform: Box::new(platform) };
        let merged = merge(there.as_ref().map(|there| &there.index), entries, replace).map_err(conflict)?;
        Ok((merged, there))
    }

    /// Until it is dropped, no other process of this store writes manifests of the repository: registries that keep files
    /// stumble over one manifest that two write at once.
    async fn turn(&self, repository: &Repository) -> Result<Exclusive, Error> {
        let (store, name) = (self.store.clone(), format!("push {repository}"));
        blocking(move || Ok(store.exclusive(&name)?)).await
    }

    /// Sends what manifests name, each blob once: registries that keep files stumble over one that comes twice at a time.
    async fn send_blobs(&self, repository: &Repository, entries: &[Descriptor]) -> Result<(), Error> {
        let mut blobs = BTreeMap::new();
        for entry in entries {
            let manifest = self.store.manifest(&entry.digest)?;
            blobs.extend(manifest.layers.into_iter().chain([manifest.config]).map(|blob| (blob.digest.clone(), blob)));
        }
        try_join_all(blobs.values().map(|blob| self.send_blob(repository, blob))).await.map(drop)
    }

    /// Writes a manifest, unless it is there.
    async fn put_manifest(&self, name: &Reference, entry: &Descriptor) -> Result<(), Error> {
        if self.client.manifest_at(name).await?.as_ref() != Some(&entry.digest) {
            let bytes = Bytes::from(self.store.read(&entry.digest)?);
            self.client.put_manifest(name, &entry.media_type, bytes).await?;
        }
        Ok(self.store.add_origin(&entry.digest, name.repository())?)
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
