//! Removing a directory, whoever owns what is in it.

use std::path::Path;

use rootfs::{Root, TreePath};

use crate::Error;

/// `rm -rf`, following nothing. What is not there is removed already.
pub(crate) fn remove(dir: &Path) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(Error::Worker("cannot remove the root of the host".into()));
    };
    Ok(Root::open(parent)?.remove_all(&TreePath::new(name.as_encoded_bytes())?)?)
}
