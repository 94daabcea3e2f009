//! Image layers: entries, tar, compression, hashes, header indexes and merged trees.

mod chunk;
mod codec;
mod compression;
mod entry;
mod error;
mod index;
mod pipeline;
mod resolve;
mod source;
pub mod tar;
mod writer;

pub use compression::Compression;
pub use entry::{Entry, EntryKind, Timestamp};
pub use error::Error;
pub use index::{IndexEntry, LayerIndex};
pub use resolve::{MAX_LINKS, Resolved, resolve, resolve_existing};
pub use source::{Content, SourceTree, TreeError};
pub use writer::{Layer, LayerWriter};
