//! A client of BuildKit builders: solves, the services of a session, progress.
//!
//! An [`Address`] names a builder, [`Builder::connect`] opens it, [`Builder::solve`] runs one build there. While it runs, the
//! builder calls back over the session: for files ([`Files`]), secrets, agents, credentials, and to hand over its result.

mod address;
mod cache_directory;
mod container;
mod engine;
mod engine_api;
mod error;
mod failure;
mod keep;
mod program;
mod progress;
mod session;
mod solve;
mod tls;
mod transport;
mod watched;

pub use address::{Address, Container, Engine, TlsFiles};
pub use cache_directory::CacheDirectory;
pub use error::{Error, is_foreign};
pub use keep::{Pruned, Usage};
pub use progress::Progress;
pub use session::{Blobs, Credential, FileEntry, FileKind, Files, FindCredential, ReadSecret, Services};
pub use solve::{Builder, Cache, Exporter, Solve, Solved};
