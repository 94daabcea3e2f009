//! Bytes on their way into a request: counted, compared with what was promised, and their own trouble kept apart from
//! the network's.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use oci::{Descriptor, Digest, Repository};
use reqwest::Body;

use crate::answer::timeout;
use crate::error::Cause;
use crate::source::{BlobSource, ByteStream, Observer};

/// Holds what went wrong with the bytes while the http client only knows that its request failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<io::Error>>>);

impl Trouble {
    /// Keeps the error and returns a stand-in for the http client.
    fn keep(&self, error: io::Error) -> io::Error {
        let stand_in = io::Error::from(error.kind());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        stand_in
    }

    /// The request's outcome, unless its bytes were at fault.
    pub(crate) fn verdict<T>(&self, outcome: Result<T, Cause>) -> Result<T, Cause> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(Cause::Source(error)),
            None => outcome,
        }
    }
}

/// A request's body whose read errors are kept.
pub(crate) fn guarded(bytes: ByteStream) -> (Body, Trouble) {
    let trouble = Trouble::default();
    let keeper = trouble.clone();
    let body = Body::wrap_stream(bytes.map(move |item| item.map_err(|error| keeper.keep(error))));
    (body, trouble)
}

/// The rest of a blob from some offset, as a body that can be made again.
pub(crate) struct Outflow<'a> {
    source: &'a Arc<dyn BlobSource>,
    blob: &'a Descriptor,
    offset: u64,
    repository: &'a Repository,
    observer: &'a Arc<dyn Observer>,
    trouble: Trouble,
    /// How many pieces have gone out.
    pieces: Arc<AtomicU64>,
}

impl<'a> Outflow<'a> {
    pub(crate) fn new(
        source: &'a Arc<dyn BlobSource>,
        blob: &'a Descriptor,
        offset: u64,
        repository: &'a Repository,
        observer: &'a Arc<dyn Observer>,
    ) -> Self {
        Self { source, blob, offset, repository, observer, trouble: Trouble::default(), pieces: Arc::default() }
    }

    pub(crate) fn body(&self) -> Result<Body, Cause> {
        let bytes = self.source.open(self.offset).map_err(Cause::Source)?;
        let meter = Meter {
            position: self.offset,
            size: self.blob.size,
            repository: self.repository.clone(),
            digest: self.blob.digest.clone(),
            observer: Arc::clone(self.observer),
            pieces: Arc::clone(&self.pieces),
        };
        let trouble = self.trouble.clone();
        let metered = stream::try_unfold((bytes, meter), |(mut bytes, mut meter)| async move {
            let next = meter.pass(bytes.next().await.transpose()?)?;
            Ok(next.map(|chunk| (chunk, (bytes, meter))))
        });
        Ok(Body::wrap_stream(metered.map(move |item| item.map_err(|error| trouble.keep(error)))))
    }

    /// Waits for the request that carries the body, as long as bytes go out now and then.
    pub(crate) async fn watched<T>(
        &self,
        host: &str,
        patience: Duration,
        request: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, Cause> {
        let mut request = pin!(request);
        loop {
            let before = self.pieces.load(Ordering::Relaxed);
            match tokio::time::timeout(patience, request.as_mut()).await {
                Ok(outcome) => return outcome,
                Err(_) if self.pieces.load(Ordering::Relaxed) == before => return Err(timeout(host)),
                Err(_) => {}
            }
        }
    }

    pub(crate) fn verdict<T>(&self, outcome: Result<T, Cause>) -> Result<T, Cause> {
        self.trouble.verdict(outcome)
    }
}

/// Compares what flows with the size that was promised.
struct Meter {
    position: u64,
    size: u64,
    repository: Repository,
    digest: Digest,
    observer: Arc<dyn Observer>,
    pieces: Arc<AtomicU64>,
}

impl Meter {
    fn pass(&mut self, chunk: Option<Bytes>) -> io::Result<Option<Bytes>> {
        let Some(chunk) = chunk else {
            return if self.position == self.size { Ok(None) } else { Err(self.wrong_length("ended after")) };
        };
        self.position += chunk.len() as u64;
        if self.position > self.size {
            return Err(self.wrong_length("has at least"));
        }
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.observer.sent(&self.repository, &self.digest, self.position);
        Ok(Some(chunk))
    }

    fn wrong_length(&self, verb: &str) -> io::Error {
        let problem = format!("it {verb} {} bytes, but was said to have {}", self.position, self.size);
        io::Error::new(io::ErrorKind::InvalidData, problem)
    }
}
