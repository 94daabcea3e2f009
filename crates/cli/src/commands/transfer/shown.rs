//! What a transfer shows of itself.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use engine::{Event, EventSink, VertexId};
use oci::{Descriptor, Digest, Repository};
use registry::Observer;

use crate::failure::Failure;

/// Numbers pieces of work, stamps events, and turns what the client reports of blobs into them.
pub(super) struct Shown {
    sink: Box<dyn EventSink>,
    began: Instant,
    last: AtomicU32,
    blobs: Mutex<BTreeMap<Digest, (VertexId, u64)>>,
}

impl Shown {
    pub(super) fn new(sink: Box<dyn EventSink>) -> Self {
        Self { sink, began: Instant::now(), last: AtomicU32::new(0), blobs: Mutex::default() }
    }

    fn emit(&self, event: Event) {
        self.sink.event(self.began.elapsed(), event);
    }

    /// Shows work on a blob from beginning to end; it says whether nothing had to be done.
    pub(super) async fn blob(
        &self,
        verb: &str,
        blob: &Descriptor,
        work: impl Future<Output = Result<bool, Failure>>,
    ) -> Result<(), Failure> {
        let id = VertexId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        self.emit(Event::Started { id, name: format!("{verb} {}", blob.digest), job: None });
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.digest.clone(), (id, blob.size));
        let result = work.await;
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&blob.digest);
        let error = result.as_ref().err().map(|failure| failure.message().to_owned());
        self.emit(Event::Finished { id, cached: *result.as_ref().unwrap_or(&false), error });
        result.map(drop)
    }

    fn position(&self, digest: &Digest, done: u64) {
        let known = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied();
        if let Some((id, total)) = known {
            self.emit(Event::Progress { id, what: digest.short().to_owned(), done, total: Some(total) });
        }
    }
}

impl Observer for Shown {
    fn sent(&self, _: &Repository, digest: &Digest, position: u64) {
        self.position(digest, position);
    }

    fn received(&self, _: &Repository, digest: &Digest, position: u64) {
        self.position(digest, position);
    }
}
