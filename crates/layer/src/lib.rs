//! Image layers: entries, tar, compression, hashes, header indexes and merged trees.

mod adopt;
mod chunk;
mod codec;
mod compression;
mod decompress;
mod deflate;
mod entry;
mod error;
mod index;
mod member;
pub mod overlay;
mod pipeline;
mod recompress;
mod resolve;
mod sink;
mod source;
mod spent;
pub mod tar;
mod tree;
mod unpack;
mod writer;

pub use adopt::adopt;
pub use compression::Compression;
pub use decompress::{Format, decompress};
pub use entry::{Entry, EntryKind, Timestamp};
pub use error::Error;
pub use index::{IndexEntry, IndexedLayer, LayerIndex, index_layer};
pub use member::{Member, Members, crc32};
pub use recompress::{Recompressed, recompress};
pub use resolve::{MAX_LINKS, Resolved, Trail, resolve, resolve_existing};
pub use sink::{Sink, Writing};
pub use source::{Content, FileIdentity, Fingerprint, SourceTree, TreeError};
pub use spent::{Span, Spent};
pub use tree::{TarSource, Tree};
pub use unpack::{Ownership, unpack};
pub use writer::{Layer, LayerWriter};
