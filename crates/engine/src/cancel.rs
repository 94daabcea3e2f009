//! Stopping blocking work: a build that failed or was interrupted writes no further.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, when a build ends for whatever reason; shared by all its work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A sink that refuses to write once this is set.
    pub(crate) fn guard<W>(&self, sink: W) -> Guarded<W> {
        Guarded { cancel: self.clone(), sink }
    }

    /// Whether the build has ended.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it when dropped, as happens to a future that nobody polls any more.
    pub(crate) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

pub(crate) struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// A sink under a [`Cancel`].
pub(crate) struct Guarded<W> {
    cancel: Cancel,
    sink: W,
}

impl<W> Guarded<W> {
    pub(crate) fn into_inner(self) -> W {
        self.sink
    }
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_set() {
            return Err(io::Error::other("the build was cancelled"));
        }
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
