//! Images in and out: OCI layouts as directories and tars, Docker's archives.

mod docker;
mod export;
mod import;
mod layout;
mod members;
mod staged;

pub use export::{ArchiveFormat, BlobSource, NamedImage, export, export_layout};
pub use import::Imported;
