//! What a build says while it works.

use std::time::{Duration, Instant};

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
    /// Something the user should know, though the build goes on.
    Warning {
        /// What, in one sentence.
        message: String,
        /// Where, as `Dockerfile:3`, if it has a place.
        location: Option<String>,
    },
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

/// Numbers vertices and stamps events.
pub(crate) struct Events<'a> {
    sink: &'a dyn EventSink,
    began: Instant,
    next: std::sync::atomic::AtomicU32,
}

impl<'a> Events<'a> {
    pub(crate) fn new(sink: &'a dyn EventSink) -> Self {
        Self { sink, began: Instant::now(), next: 1.into() }
    }

    pub(crate) fn emit(&self, event: Event) {
        self.sink.event(self.began.elapsed(), event);
    }

    /// Begins a vertex; dropping it unfinished says that it was cancelled.
    pub(crate) fn start(&self, name: impl Into<String>) -> Vertex<'_> {
        let id = VertexId(self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        self.emit(Event::Started { id, name: name.into() });
        Vertex { events: self, id, open: true }
    }

    pub(crate) fn warn(&self, message: impl Into<String>, location: Option<String>) {
        self.emit(Event::Warning { message: message.into(), location });
    }
}

/// A vertex that has begun.
pub(crate) struct Vertex<'a> {
    events: &'a Events<'a>,
    id: VertexId,
    open: bool,
}

impl Vertex<'_> {
    pub(crate) fn log(&self, line: impl Into<String>) {
        self.events.emit(Event::Log { id: self.id, line: line.into() });
    }

    pub(crate) fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.events.emit(Event::Progress { id: self.id, what: what.to_owned(), done, total });
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

impl Drop for Vertex<'_> {
    fn drop(&mut self) {
        if self.open {
            self.close(false, Some("cancelled".into()));
        }
    }
}
