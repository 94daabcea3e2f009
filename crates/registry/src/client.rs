//! The client.
use crate::{ByteStream, BlobSource, Config, Error, Observer, Secret, Stored};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use oci::{Descriptor, Digest, MediaType, Reference, Repository};
use std::future::Future;
use std::io;
use std::sync::Arc;

/// A client of any number of registries. Cheap to clone; make one per process: connections, tokens and limits are shared.
#[derive(Clone)]
pub struct Client {}

/// A blob's verified bytes. The last item is handed out only after digest and size were found right; an `Err` ends it.
pub struct BlobStream(BoxStream<'static, Result<Bytes, Error>>);

/// How a blob came to be in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Existed,
    /// The registry linked it from another of its repositories.
    Mounted(Repository),
    /// It was sent.
    Uploaded,
}

impl Client {
    /// A client that has not spoken to anybody yet.
    #[must_use]
    pub fn new(config: Config) -> Self { unimplemented!() }

    /// The same client, whose transfers `observer` hears of.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn Observer>) -> Self { unimplemented!() }

    /// Asks what `reference` points to: media type, digest and size; `None` when there is no such manifest.
    pub async fn head_manifest(&self, reference: &Reference) -> Result<Option<Descriptor>, Error> { unimplemented!() }

    /// Reads the manifest or index that `reference` points to, its digest verified.
    pub async fn get_manifest(&self, reference: &Reference) -> Result<(Descriptor, Bytes), Error> { unimplemented!() }

    /// Opens a blob for reading.
    pub async fn get_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<BlobStream, Error> { unimplemented!() }

    /// Reads a small blob (a config), verified, of at most `limit` bytes.
    pub async fn get_blob_bytes(&self, repository: &Repository, blob: &Descriptor, limit: u64) -> Result<Bytes, Error> { unimplemented!() }

    /// Whether the repository has the blob.
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> { unimplemented!() }

    /// Makes sure that the repository has the blob: looks, mounts from one of `from` (of the same registry; others are passed over), or sends.
    pub async fn push_blob(&self, repository: &Repository, blob: &Descriptor, source: Arc<dyn BlobSource>, from: &[Repository]) -> Result<Pushed, Error> { unimplemented!() }

    /// Sends a blob whose digest is known only when all of it has been made: `digest` is awaited after `body` has ended.
    /// Returns when the registry has committed it; cannot be repeated by us.
    pub async fn push_blob_streaming(&self, repository: &Repository, body: ByteStream, digest: impl Future<Output = io::Result<Digest>> + Send) -> Result<Digest, Error> { unimplemented!() }

    /// Makes sure that `to` has a blob of `from`: mounts it within a registry, otherwise pipes it from registry to registry.
    pub async fn copy_blob(&self, from: &Repository, to: &Repository, blob: &Descriptor) -> Result<Pushed, Error> { unimplemented!() }

    /// Writes a manifest or index under `reference`'s tag, or under its digest when it has no tag.
    pub async fn put_manifest(&self, reference: &Reference, media_type: &MediaType, content: Bytes) -> Result<Digest, Error> { unimplemented!() }

    /// The repository's tags, sorted.
    pub async fn list_tags(&self, repository: &Repository) -> Result<Vec<String>, Error> { unimplemented!() }

    /// Checks the credentials with the registry and stores them where docker would.
    pub async fn login(&self, host: &str, username: &str, password: Secret) -> Result<Stored, Error> { unimplemented!() }

    /// Forgets the credentials for `host` wherever `login` stored them; whether there were any.
    pub async fn logout(&self, host: &str) -> Result<bool, Error> { unimplemented!() }
}
impl futures_util::Stream for BlobStream {
    type Item = Result<Bytes, Error>;
    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
