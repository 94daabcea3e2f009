//! A client of BuildKit builders: solves, the services of a session, progress.
//!
//! An [`Address`] names a builder, [`Builder::connect`] opens it, [`Builder::solve`] runs one build there. While it runs, the
//! builder calls back over the session: for files ([`Files`]), secrets, agents, credentials, and to hand over its result.

mod address;
mod error;
mod progress;
mod session;
mod solve;
mod tls;
mod transport;

pub use address::{Address, TlsFiles};
pub use error::Error;
pub use progress::Progress;
pub use session::{Credential, FileEntry, FileKind, Files, FindCredential, ReadSecret, Services};
pub use solve::{Builder, Exporter, Solve, Solved};
