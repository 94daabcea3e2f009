//! The local content store: an OCI image layout that skopeo and others can read, with what is ours beside it.
//!
//! ```text
//! oci-layout  index.json  blobs/sha256/..     the layout (image-spec, image-layout.md)
//! shipsmith/format                            our version number
//! shipsmith/cache.db                          origins, diffIDs, records, stat cache (SQLite, which keeps cache.db-wal and
//!                                             cache.db-shm beside it); cache.lock while it is made
//! shipsmith/indexes/sha256/..                 layers' header indexes, by diffID
//! shipsmith/tars/sha256/..                    layers' uncompressed tars, by diffID
//! shipsmith/trees/SCHEME/sha256/..             layers unpacked for RUN, by diffID
//! shipsmith/caches/SCHEME/..                   directories of cache mounts, by the hash of their id
//! shipsmith/scratch/..                         directories being filled, each locked by its owner
//! shipsmith/ingest/..  shipsmith/leases/..    files being written; one locked file per process using the store
//! ```
//!
//! Several processes may use one store; each may be killed at any moment. The modules say more: `blob` what survives, `gc` what is
//! removed, `tags` how images are named.

mod archive;
mod blob;
mod cache_mount;
mod database;
mod document;
mod error;
mod gc;
mod ingest;
mod inventory;
mod lock;
mod naming;
mod place;
mod records;
mod scratch;
mod stat;
mod store;
mod tags;
mod trees;
mod verify;

pub use archive::{ArchiveFormat, BlobSource, Imported, NamedImage, export, export_layout};
pub use blob::{BlobWriter, RawBlobWriter};
pub use cache_mount::{CacheMount, Sharing};
pub use error::Error;
pub use gc::{Prune, Report};
pub use inventory::{CacheDirectory, CacheKind};
pub use lock::Exclusive;
pub use place::default_dir;
pub use scratch::Scratch;
pub use stat::StatKey;
pub use store::{DOCUMENT_LIMIT, Store};
pub use verify::{Damage, Usage};
