//! Image layers: entries, tar, compression, hashes, header indexes and merged trees.

mod compression;
mod entry;
mod resolve;
mod source;

pub use compression::Compression;
pub use entry::{Entry, EntryKind, Timestamp};
pub use resolve::{MAX_LINKS, Resolved, resolve, resolve_existing};
pub use source::{Content, SourceTree, TreeError};
