//! Where a layer's bytes go.

use std::io::{self, Write};

use bytes::Bytes;

/// Takes a layer's bytes piece by piece, in order, and may keep the pieces: they are handed over, not copied.
pub trait Sink: Send + 'static {
    /// Takes the next piece.
    ///
    /// # Errors
    /// When it cannot be taken; the layer is lost then.
    fn take(&mut self, bytes: Bytes) -> io::Result<()>;

    /// Ends what is under way.
    ///
    /// # Errors
    /// As [`Sink::take`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer as a sink.
#[derive(Debug)]
pub struct Writing<W>(pub W);

impl<W: Write + Send + 'static> Sink for Writing<W> {
    fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        self.0.write_all(&bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
