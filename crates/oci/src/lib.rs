//! The nouns of the OCI specifications, as values.
//!
//! Nothing here does I/O. Sources: the OCI image specification 1.1, the OCI distribution specification 1.1, Docker's
//! image manifest v2 schema 2 and image specification 1.2, and, for references and platforms, the normalisation that
//! Docker (`distribution/reference`) and containerd (`platforms`) apply.

pub mod calendar;
mod config;
mod digest;
pub mod layout;
mod manifest;
mod media_type;
mod platform;
mod reference;

pub use config::{Healthcheck, History, ImageConfig, RootFs, RunConfig};
pub use digest::{DiffId, Digest, DigestError, Hasher};
pub use manifest::{Descriptor, Index, Manifest};
pub use media_type::{LayerEncoding, MediaType};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError, Repository};
