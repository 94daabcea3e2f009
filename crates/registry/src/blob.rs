//! Reading blobs.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use futures_util::{Stream, TryStreamExt};
use oci::{Descriptor, Repository};
use reqwest::header::{HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{header, in_time, is_html};
use crate::auth::Access;
use crate::client::{Client, place};
use crate::error::{Cause, Error, Operation};
use crate::hashing::Hashing;
use crate::host::Host;
use crate::registries::Route;
use crate::source::{BlobSource, ByteStream};
use crate::transport::Call;

/// A blob's bytes, verified.
///
/// The last bytes are handed out only after digest and size were found right, so who has received `blob.size` bytes has
/// the blob. An `Err` is the last item.
pub struct BlobStream(BoxStream<'static, Result<Bytes, Error>>);

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl BlobStream {
    /// Starts reading at `offset`; only a blob that is read from its beginning can be verified.
    pub(crate) async fn open(
        client: Client,
        host: Arc<Host>,
        route: Route,
        repository: Repository,
        blob: Descriptor,
        offset: u64,
    ) -> Result<Self, Cause> {
        if blob.digest.algorithm() != "sha256" {
            return Err(Cause::protocol(&host.name, "only sha256 digests of blobs can be verified"));
        }
        let permit = Arc::clone(&host.downloads).acquire_owned().await.ok();
        let hashing = (offset == 0).then(Hashing::new);
        let transfer = Transfer { client, host, path: route.path, repository, blob, _permit: permit };
        let response = transfer.request(offset).await?;
        let state = Download { transfer, position: offset, hashing, body: Some(response), failures: 0 };
        Ok(Self(stream::try_unfold(state, Download::next).boxed()))
    }
}

/// What is being read, and from where.
struct Transfer {
    client: Client,
    host: Arc<Host>,
    path: String,
    repository: Repository,
    blob: Descriptor,
    _permit: Option<OwnedSemaphorePermit>,
}

/// An answer's body, and how many of its bytes are known already.
struct Body {
    response: Response,
    skip: u64,
}

/// How far the reading has got.
struct Download {
    transfer: Transfer,
    position: u64,
    hashing: Option<Hashing>,
    body: Option<Body>,
    /// How often in a row no byte came.
    failures: u32,
}

impl Transfer {
    /// Asks for the bytes from `offset` on. A registry that ignores ranges sends all of them.
    async fn request(&self, offset: u64) -> Result<Body, Cause> {
        let url = self.host.url(&format!("{}/blobs/{}", self.path, self.blob.digest))?;
        let mut call = Call::new(Method::GET, url, Access::pull(&self.path));
        if offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={offset}-"));
            call = call.header(RANGE, range.map_err(|_| Cause::protocol(&self.host.name, "no such range"))?);
        }
        let response = self.client.transport.send(&self.host, &call).await?;
        self.accept(response, offset)
    }

    fn accept(&self, response: Response, offset: u64) -> Result<Body, Cause> {
        if is_html(&response) {
            return Err(Cause::WebPage { host: self.host.name.clone() });
        }
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let start = format!("bytes {offset}-");
        if partial && !header(&response, "content-range").is_some_and(|range| range.starts_with(&start)) {
            return Err(Cause::protocol(&self.host.name, "it sent another part of the blob than was asked for"));
        }
        let (begin, skip) = if partial { (offset, 0) } else { (0, offset) };
        match response.content_length() {
            Some(length) if begin + length != self.blob.size => {
                Err(Cause::WrongSize { expected: self.blob.size, actual: begin + length })
            }
            _ => Ok(Body { response, skip }),
        }
    }

    fn fail(&self, cause: Cause) -> Error {
        cause.about(Operation::PullBlob, place(&self.repository, &self.blob.digest))
    }
}

impl Download {
    /// The next piece, and what remains. Reconnects as often as the retry policy allows.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        loop {
            match self.read().await {
                Ok(None) => return Ok(None),
                Ok(Some(chunk)) => {
                    self.failures = 0;
                    self.client_observes();
                    return Ok(Some((chunk, self)));
                }
                Err(cause) if cause.is_transient() => {
                    self.body = None;
                    self.failures += 1;
                    let paused = self.transfer.client.transport.pause(self.failures, cause).await;
                    paused.map_err(|cause| self.transfer.fail(cause))?;
                }
                Err(cause) => return Err(self.transfer.fail(cause)),
            }
        }
    }

    fn client_observes(&self) {
        let transfer = &self.transfer;
        transfer.client.observer.received(&transfer.repository, &transfer.blob.digest, self.position);
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Cause> {
        if self.position == self.transfer.blob.size {
            return self.finish().await.map(|()| None);
        }
        let patience = self.transfer.client.transport.config.timeouts.read;
        let body = match &mut self.body {
            Some(body) => body,
            missing => missing.insert(self.transfer.request(self.position).await?),
        };
        let chunk = match body.next(&self.transfer.host.name, patience).await? {
            Some(chunk) => chunk,
            None => return Err(Cause::WrongSize { expected: self.transfer.blob.size, actual: self.position }),
        };
        self.take(&chunk).await?;
        Ok(Some(chunk))
    }

    async fn take(&mut self, chunk: &Bytes) -> Result<(), Cause> {
        self.position += chunk.len() as u64;
        if self.position > self.transfer.blob.size {
            return Err(Cause::WrongSize { expected: self.transfer.blob.size, actual: self.position });
        }
        if let Some(hashing) = self.hashing.take() {
            self.hashing = Some(hashing.update(chunk.clone()).await.map_err(Cause::Source)?);
        }
        if self.position == self.transfer.blob.size { self.finish().await } else { Ok(()) }
    }

    /// Compares the digest, once.
    async fn finish(&mut self) -> Result<(), Cause> {
        let Some(hashing) = self.hashing.take() else { return Ok(()) };
        let (expected, actual) = (&self.transfer.blob.digest, hashing.finish().await.map_err(Cause::Source)?);
        if actual == *expected {
            return Ok(());
        }
        Err(Cause::WrongDigest { expected: expected.clone(), actual: actual.to_string() })
    }
}

impl Body {
    /// The next bytes that are not known yet.
    async fn next(&mut self, host: &str, patience: Duration) -> Result<Option<Bytes>, Cause> {
        loop {
            let Some(mut chunk) = in_time(host, patience, self.response.chunk()).await? else {
                return Ok(None);
            };
            let known = self.skip.min(chunk.len() as u64);
            self.skip -= known;
            // `known` is at most the chunk's length, which is a usize.
            let chunk = chunk.split_off(known as usize);
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }
}

/// A blob in another registry, as something to upload.
pub(crate) struct RemoteSource {
    pub(crate) client: Client,
    pub(crate) repository: Repository,
    pub(crate) blob: Descriptor,
}

impl BlobSource for RemoteSource {
    /// What is resumed in its middle is not verified here; the registry that receives it verifies the whole.
    fn open(&self, offset: u64) -> io::Result<ByteStream> {
        let (client, repository, blob) = (self.client.clone(), self.repository.clone(), self.blob.clone());
        let open = async move { client.blob_from(&repository, &blob, offset).await };
        Ok(stream::once(open).try_flatten().map_err(io::Error::other).boxed())
    }
}
