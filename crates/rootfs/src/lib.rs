//! Root-confined file access: a [`TreePath`] is never resolved as a string by the kernel's ordinary rules.
//!
//! Everything goes through a held [`Root`], so that no link, no `..` and no file swapped meanwhile leads out of it.

mod dir;
mod error;
mod metadata;
mod node;
mod open;
mod path;
mod root;
mod sparse;

pub use dir::Dir;
pub use error::Error;
pub use metadata::{FileKind, Metadata, Special, Time};
pub use node::Node;
pub use path::{MAX_NAME, MAX_PATH, PathError, TreePath};
pub use root::Root;
pub use sparse::SparseFile;
