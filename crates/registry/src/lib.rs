//! A client of the OCI distribution protocol: authentication, pull, push, mounts, mirrors and retries.
//!
//! [`Client`] is the whole of it; [`Config`] is what it knows of the machine. The rules it keeps:
//!
//! - **Bytes are what their digest says.** Manifests and blobs are verified while they are read; the last bytes of a
//!   [`BlobStream`] are handed out only after its digest was found right.
//! - **A credential goes to the host it belongs to.** Redirects and upload locations of another origin are followed
//!   without it; nothing encrypted leads to something that is not; a token server is asked only when the registry of
//!   that credential named it itself, over https (see `auth::realm`).
//! - **Plain http** is spoken with loopback hosts (first http, then https, unless certs.d has a directory for the host)
//!   and with hosts that registries.conf calls insecure (first https without verification, then http).
//! - **Short names** mean Docker Hub, always: `unqualified-search-registries` is not consulted, as a Dockerfile must
//!   mean the same image on every machine.
//! - **Trouble passes.** 429 (with `Retry-After`), 5xx and broken connections are tried again, deterministically and a
//!   bounded number of times; downloads resume where they broke, uploads too where the registry still has the session.
//!
//! Source: OCI distribution specification 1.1; Docker's registry token specification; containers-registries.conf(5),
//! containers-auth.json(5), containers-certs.d(5).

mod answer;
mod auth;
mod blob;
mod client;
mod config;
mod environment;
mod error;
mod hashing;
mod host;
mod login;
mod manifest;
mod outflow;
mod registries;
mod retry;
mod secret;
mod source;
mod tags;
mod tls;
mod transport;
mod upload;

pub use auth::{Credential, Credentials, Stored};
pub use blob::BlobStream;
pub use client::{Client, Pushed};
pub use config::{Config, Limits, Timeouts};
pub use environment::Environment;
pub use error::{Answer, Cause, ConnectProblem, Error, Kind, Operation};
pub use registries::Registries;
pub use retry::{Clock, RetryPolicy, SystemClock};
pub use secret::Secret;
pub use source::{BlobSource, ByteStream, FileSource, Observer, Silent};
