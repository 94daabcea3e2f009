//! The client: one method per thing that can be asked of a registry.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use oci::{Descriptor, Digest, MediaType, Reference, Repository};

use crate::blob::{BlobStream, RemoteSource};
use crate::config::Config;
use crate::error::{Cause, Error, Kind, Operation};
use crate::host::Host;
use crate::registries::Route;
use crate::secret::Secret;
use crate::source::{BlobSource, ByteStream, Observer, Silent};
use crate::transport::Transport;
use crate::upload::Target;
use crate::{
    auth::{Credential, Stored},
    login, manifest, tags,
};

/// A client of any number of registries.
///
/// Cheap to clone. Make one per process: connections, tokens, limits and what was learned about each registry are shared
/// by all clones. Every method may be called from many tasks at once.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
    pub(crate) observer: Arc<dyn Observer>,
}

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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has not spoken to anybody yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { transport: Arc::new(Transport::new(config)), observer: Arc::new(Silent) }
    }

    /// The same client, sharing everything, whose transfers `observer` hears of.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn Observer>) -> Self {
        Self { transport: Arc::clone(&self.transport), observer }
    }

    /// What is configured for `host`, for somebody who talks to it in our place.
    ///
    /// # Errors
    /// When a file or a helper of credentials fails.
    pub async fn credential(&self, host: &str) -> Result<Option<Credential>, Cause> {
        self.transport.config.credentials.lookup(host, "").await
    }

    /// Asks what `reference` points to: media type, digest and size; `None` when the registry knows no such manifest.
    ///
    /// One HEAD request; a GET where the registry does not answer HEAD with a digest.
    ///
    /// # Errors
    /// When the registry cannot be reached, refuses, or answers nonsense.
    pub async fn head_manifest(&self, reference: &Reference) -> Result<Option<Descriptor>, Error> {
        let found = self
            .pull(reference.repository(), reference.digest().is_some(), |host, route| async move {
                manifest::head(&self.transport, &host, &route, reference).await
            })
            .await;
        match found {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(Cause::Answer(answer)) if answer.status == 404 => Ok(None),
            Err(cause) => Err(cause.about(Operation::CheckManifest, reference)),
        }
    }

    /// Reads the manifest or index that `reference` points to. Its digest is verified against the reference's, else
    /// against the registry's own word; it is one of the four known types and not two of them at once.
    ///
    /// # Errors
    /// As [`Client::head_manifest`], when there is none, and when it is not what its digest or type says.
    pub async fn get_manifest(&self, reference: &Reference) -> Result<(Descriptor, Bytes), Error> {
        self.pull(reference.repository(), reference.digest().is_some(), |host, route| async move {
            manifest::get(&self.transport, &host, &route, reference).await
        })
        .await
        .map_err(|cause| cause.about(Operation::PullManifest, reference))
    }

    /// Opens a blob for reading; its bytes are verified as they come, and the connection is resumed when it breaks.
    ///
    /// The stream counts against [`Limits::downloads`](crate::Limits) until it is dropped or read to its end, so do not hold many unread.
    ///
    /// # Errors
    /// When it is not there, its announced size differs from `blob.size`, or the registry fails. Later trouble is the
    /// stream's last item.
    pub async fn get_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<BlobStream, Error> {
        self.blob_from(repository, blob, 0).await
    }

    /// Reads a small blob, such as an image's config, of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Client::get_blob`], and when it is larger.
    pub async fn get_blob_bytes(&self, repository: &Repository, blob: &Descriptor, limit: u64) -> Result<Bytes, Error> {
        if blob.size > limit {
            let problem = format!("it has {} bytes, and at most {limit} are accepted here", blob.size);
            let cause = Cause::protocol(repository.registry(), problem);
            return Err(cause.about(Operation::PullBlob, place(repository, &blob.digest)));
        }
        let chunks: Vec<Bytes> = self.get_blob(repository, blob).await?.try_collect().await?;
        Ok(chunks.concat().into())
    }

    /// Whether the repository has the blob.
    ///
    /// # Errors
    /// When the registry cannot be reached or refuses.
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        let found = async { self.target(repository).await?.has(digest).await }.await;
        found.map_err(|cause| cause.about(Operation::CheckBlob, place(repository, digest)))
    }

    /// Makes sure that the repository has the blob: looks for it, mounts it from one of `from`, or sends it.
    ///
    /// Of `from`, only repositories of the same registry count. A broken upload is resumed where the registry still has
    /// the session, and started again otherwise.
    ///
    /// # Errors
    /// When the registry refuses or keeps failing, or `source` cannot be read or has another length.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        source: Arc<dyn BlobSource>,
        from: &[Repository],
    ) -> Result<Pushed, Error> {
        let pushed = async { self.target(repository).await?.push(blob, &source, from).await }.await;
        pushed.map_err(|cause| cause.about(Operation::PushBlob, place(repository, &blob.digest)))
    }

    /// Sends a blob that the repository can hardly have, so that asking would be in vain. It does no harm if it has it.
    ///
    /// # Errors
    /// As [`Client::push_blob`].
    pub async fn push_new_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        source: Arc<dyn BlobSource>,
    ) -> Result<(), Error> {
        let pushed = async { self.target(repository).await?.push_unasked(blob, &source).await }.await;
        pushed.map_err(|cause| cause.about(Operation::PushBlob, place(repository, &blob.digest)))
    }

    /// Sends a blob while it is being made: `digest` is awaited after `body` has ended, and must be that of the bytes.
    ///
    /// Returns when the registry has committed the blob. The bytes cannot be had again, so a connection that breaks in
    /// their midst is an error of kind [`Kind::Network`]; the caller starts over with a new stream.
    ///
    /// # Errors
    /// When `body` or `digest` fails, or the registry does.
    pub async fn push_blob_streaming(
        &self,
        repository: &Repository,
        body: ByteStream,
        digest: impl Future<Output = io::Result<Digest>> + Send,
    ) -> Result<Digest, Error> {
        let pushed = async { self.target(repository).await?.push_streaming(body, digest).await }.await;
        pushed.map_err(|cause| cause.about(Operation::PushBlob, format_args!("(being made) of {repository}")))
    }

    /// Makes sure that `to` has a blob of `from`: mounts it within one registry, otherwise pipes it from registry to
    /// registry, without touching the disk.
    ///
    /// # Errors
    /// As [`Client::get_blob`] and [`Client::push_blob`].
    pub async fn copy_blob(&self, from: &Repository, to: &Repository, blob: &Descriptor) -> Result<Pushed, Error> {
        let source = RemoteSource { client: self.clone(), repository: from.clone(), blob: blob.clone() };
        self.push_blob(to, blob, Arc::new(source), std::slice::from_ref(from)).await
    }

    /// The digest of the manifest or index that is where `reference` would be written: one HEAD, mirrors not asked. `None` when
    /// there is none, and when the registry does not tell digests.
    ///
    /// # Errors
    /// When the registry cannot be reached or refuses.
    pub async fn manifest_at(&self, reference: &Reference) -> Result<Option<Digest>, Error> {
        let found = async {
            let target = self.target(reference.repository()).await?;
            manifest::at(&target, reference).await
        };
        found.await.map_err(|cause| cause.about(Operation::CheckManifest, reference))
    }

    /// Writes a manifest or index under `reference`'s tag, or under its digest when it has no tag.
    ///
    /// # Errors
    /// When the registry refuses it, stores something else, or `content` does not have the reference's digest.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &MediaType,
        content: Bytes,
    ) -> Result<Digest, Error> {
        let written = async {
            let target = self.target(reference.repository()).await?;
            manifest::put(&target, reference, media_type, content).await
        };
        written.await.map_err(|cause| cause.about(Operation::PushManifest, reference))
    }

    /// The repository's tags, sorted; empty when the registry knows no such repository.
    ///
    /// # Errors
    /// When the registry cannot be reached, refuses, or answers nonsense.
    pub async fn list_tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let listed =
            self.pull(
                repository,
                false,
                |host, route| async move { tags::list(&self.transport, &host, &route.path).await },
            );
        match listed.await {
            Err(cause) if cause.kind() == Kind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(|cause| cause.about(Operation::ListTags, repository)),
        }
    }

    /// Checks a name and password with the registry `host` and, when it accepts them, stores them where docker would:
    /// with the configured credential helper, else in `config.json`.
    ///
    /// # Errors
    /// When the registry refuses them or cannot be reached, or they cannot be stored.
    pub async fn login(&self, host: &str, username: &str, password: Secret) -> Result<Stored, Error> {
        let stored = login::login(&self.transport, host, username, password).await;
        stored.map_err(|cause| cause.about(Operation::LogIn, host))
    }

    /// Forgets the credentials for `host` that [`Client::login`] (or docker) stored; whether there were any.
    ///
    /// # Errors
    /// When the files or the credential helper cannot be used.
    pub async fn logout(&self, host: &str) -> Result<bool, Error> {
        let forgotten = self.transport.config.credentials.forget(host).await;
        forgotten.map_err(|cause| cause.about(Operation::LogOut, host))
    }

    /// The blob's bytes from `offset` on; only from 0 on can they be verified.
    pub(crate) async fn blob_from(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, Error> {
        let opened = self.pull(repository, true, |host, route| {
            BlobStream::open(self.clone(), host, route, repository.clone(), blob.clone(), offset)
        });
        opened.await.map_err(|cause| cause.about(Operation::PullBlob, place(repository, &blob.digest)))
    }

    /// Reads from the first place that has it: mirrors in their order, then the registry itself, whose failure counts.
    async fn pull<T, F>(
        &self,
        repository: &Repository,
        by_digest: bool,
        read: impl Fn(Arc<Host>, Route) -> F + Send + Sync,
    ) -> Result<T, Cause>
    where
        F: Future<Output = Result<T, Cause>> + Send,
    {
        let routes = self.transport.config.registries.pull_routes(repository, by_digest)?;
        let mut failure = None;
        for route in routes {
            let attempt = || async {
                let host = self.transport.host(&route.host, route.insecure).await?;
                read(host, route.clone()).await
            };
            // There is no waiting for a mirror: somebody else has the same.
            let result = if route.mirror { attempt().await } else { self.transport.patiently(attempt).await };
            match result {
                Ok(found) => return Ok(found),
                Err(cause) => {
                    tracing::debug!(host = route.host, %cause, "not found here");
                    failure = Some(cause);
                }
            }
        }
        Err(failure.unwrap_or_else(|| Cause::protocol(repository.registry(), "there is no place to read from")))
    }

    async fn target(&self, repository: &Repository) -> Result<Target, Cause> {
        let route = self.transport.config.registries.push_route(repository)?;
        let transport = Arc::clone(&self.transport);
        let host = transport.patiently(|| self.transport.host(&route.host, route.insecure)).await?;
        Ok(Target { transport, host, repository: repository.clone(), observer: Arc::clone(&self.observer) })
    }
}

/// A blob in a repository, for errors.
pub(crate) fn place(repository: &Repository, digest: &Digest) -> String {
    format!("{digest} of {repository}")
}
