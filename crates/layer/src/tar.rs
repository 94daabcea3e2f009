//! Tar as images use it: POSIX ustar with PAX records written, every common dialect read.

mod framer;
mod header;
mod pax;
mod reader;
mod writer;

pub(crate) use framer::Framer;
pub use reader::{Dialect, Reader};
pub use writer::Writer;

/// The unit of a tar.
pub(crate) const BLOCK: usize = 512;

/// The zero bytes that fill up the last block of `size` content bytes.
pub(crate) fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}
