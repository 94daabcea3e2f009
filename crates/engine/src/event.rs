//! What a build says while it works.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oci::{Descriptor, Digest, Repository};
use registry::Observer;

/// One line of work that a reader can follow, numbered from 1 in the order of first mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(pub u32);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A piece of work began.
    Started {
        /// Its number.
        id: VertexId,
        /// What it is, such as `[stage-1 2/5] COPY a b`.
        name: String,
        /// Whose it is, where several images are built.
        job: Option<Arc<str>>,
    },
    /// A part of it went on; `done` and `total` are bytes.
    Progress {
        /// Its number.
        id: VertexId,
        /// Which part, such as a layer's short digest.
        what: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// A stage of it that has ended took so long. Stages run side by side.
    Stage {
        /// Its number.
        id: VertexId,
        /// Which, such as `compress`.
        stage: &'static str,
        /// When it was first done, since the build began.
        began: Duration,
        /// When it was last done.
        ended: Duration,
        /// How long it was done in all, summed over threads.
        busy: Duration,
    },
    /// It printed a line.
    Log {
        /// Its number.
        id: VertexId,
        /// The line, without its end.
        line: String,
    },
    /// It ended.
    Finished {
        /// Its number.
        id: VertexId,
        /// Whether nothing had to be done.
        cached: bool,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// One of several images went on.
    Job {
        /// Its name.
        name: Arc<str>,
        /// How far it is.
        state: JobState,
    },
    /// Something the user should know, though the build goes on.
    Warning {
        /// What, in one sentence.
        message: String,
        /// Where, as `Dockerfile:3`, if it has a place.
        location: Option<String>,
    },
}

/// How far one of several images is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its turn.
    Waiting,
    /// Its execution began.
    Began,
    /// It is where it was wanted.
    Done,
    /// It failed, and why.
    Failed(String),
    /// It was not begun or given up, and why.
    Skipped(String),
}

/// Where events go; called from any thread.
pub trait EventSink: Send + Sync {
    /// Takes an event that happened `at` this long after the build began.
    fn event(&self, at: Duration, event: Event);
}

/// A sink that forgets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn event(&self, _at: Duration, _event: Event) {}
}

/// Numbers vertices and stamps events; cheap to clone.
#[derive(Clone)]
pub(crate) struct Events {
    stamper: Arc<Stamper>,
    job: Option<Arc<str>>,
}

struct Stamper {
    sink: Arc<dyn EventSink>,
    began: Instant,
    next: AtomicU32,
}

impl Events {
    pub(crate) fn new(sink: Arc<dyn EventSink>) -> Self {
        Self { stamper: Arc::new(Stamper { sink, began: Instant::now(), next: 1.into() }), job: None }
    }

    /// The events of one of several images.
    pub(crate) fn of_job(&self, name: &str) -> Self {
        Self { stamper: Arc::clone(&self.stamper), job: Some(name.into()) }
    }

    /// Says how far the image is whose events these are.
    pub(crate) fn job(&self, state: JobState) {
        if let Some(name) = self.job.clone() {
            self.emit(Event::Job { name, state });
        }
    }

    fn emit(&self, event: Event) {
        self.stamper.sink.event(self.stamper.began.elapsed(), event);
    }

    /// Begins a vertex; dropping it unfinished says that it was cancelled.
    pub(crate) fn start(&self, name: impl Into<String>) -> Vertex {
        let id = VertexId(self.stamper.next.fetch_add(1, Ordering::Relaxed));
        self.emit(Event::Started { id, name: name.into(), job: self.job.clone() });
        Vertex { events: self.clone(), id, open: true }
    }

    pub(crate) fn warn(&self, message: impl Into<String>, location: Option<String>) {
        self.emit(Event::Warning { message: message.into(), location });
    }
}

/// A vertex that has begun.
pub(crate) struct Vertex {
    events: Events,
    id: VertexId,
    open: bool,
}

impl Vertex {
    /// Tells where the time of a layer went.
    pub(crate) fn spent(&self, spent: &layer::Spent) {
        let since = |at: Instant| at.saturating_duration_since(self.events.stamper.began);
        for span in &spent.0 {
            let (began, ended) = (since(span.began), since(span.ended));
            self.events.emit(Event::Stage { id: self.id, stage: span.stage, began, ended, busy: span.busy });
        }
    }

    /// Tells how far a part of it has got, in bytes.
    pub(crate) fn moved(&self, what: String, done: u64, total: Option<u64>) {
        self.events.emit(Event::Progress { id: self.id, what, done, total });
    }

    pub(crate) fn log(&self, line: impl Into<String>) {
        self.logger().line(line);
    }

    /// Where lines go that other threads print.
    pub(crate) fn logger(&self) -> Log {
        Log { events: self.events.clone(), id: self.id }
    }

    /// Ends it as `result` says, and hands the result on.
    pub(crate) fn finish<T, E: std::fmt::Display>(mut self, cached: bool, result: Result<T, E>) -> Result<T, E> {
        self.close(cached, result.as_ref().err().map(ToString::to_string));
        result
    }

    fn close(&mut self, cached: bool, error: Option<String>) {
        self.open = false;
        self.events.emit(Event::Finished { id: self.id, cached, error });
    }
}

impl Drop for Vertex {
    fn drop(&mut self) {
        if self.open {
            self.close(false, Some("cancelled".into()));
        }
    }
}

/// Takes the lines of one vertex.
#[derive(Clone)]
pub(crate) struct Log {
    events: Events,
    id: VertexId,
}

impl Log {
    pub(crate) fn line(&self, line: impl Into<String>) {
        self.events.emit(Event::Log { id: self.id, line: line.into() });
    }
}

/// Shows how far blobs have got, on the vertices that wait for them.
pub(crate) struct Transfers {
    events: Events,
    blobs: Mutex<BTreeMap<Digest, (VertexId, u64)>>,
}

impl Transfers {
    pub(crate) fn new(events: &Events) -> Self {
        Self { events: events.clone(), blobs: Mutex::default() }
    }

    /// From now on, `vertex` shows the transfer of `blob`.
    pub(crate) fn expect(&self, vertex: &Vertex, blob: &Descriptor) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(blob.digest.clone(), (vertex.id, blob.size));
    }

    fn position(&self, digest: &Digest, done: u64) {
        let known = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied();
        if let Some((id, total)) = known {
            self.events.emit(Event::Progress { id, what: digest.short().to_owned(), done, total: Some(total) });
        }
    }
}

impl Observer for Transfers {
    fn sent(&self, _: &Repository, digest: &Digest, position: u64) {
        self.position(digest, position);
    }

    fn received(&self, _: &Repository, digest: &Digest, position: u64) {
        self.position(digest, position);
    }
}
