//! Root-confined file access: a [`TreePath`] is never resolved as a string by the kernel's ordinary rules.

mod error;
mod path;

pub use error::Error;
pub use path::{MAX_NAME, MAX_PATH, PathError, TreePath};
