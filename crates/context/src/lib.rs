//! Build contexts as trees: directories, archives, single files, and what comes over http and git.
//!
//! Every context is a [`layer::SourceTree`]; where it came from makes no difference to what copies from it. Ignore files
//! apply to [`Directory`] alone, as in BuildKit.

mod archive;
mod detect;
mod directory;
mod dockerfile_text;
mod error;
mod file;
mod filter;
pub mod git;
pub mod http;
mod listing;
mod mapped;
mod spool;
mod stamp;
mod union;

pub use archive::{MAX_TREE, TarContext};
pub use detect::{Held, detect};
pub use directory::{Directory, StatKey};
pub use dockerfile_text::{IgnoreFile, ignore_file, read_dockerfile, read_dockerfile_in};
pub use error::Error;
pub use mapped::Mapped;
pub use spool::{MAX_CONTENT, Spool};
pub use union::Union;
