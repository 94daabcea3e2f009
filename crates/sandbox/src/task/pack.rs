//! A tree, as one layer.

use std::fs::File;
use std::path::Path;

use layer::overlay::{Diff, Owners, Times, write_changes};
use rootfs::Root;

use crate::Error;
use crate::task::Form;

/// Writes all that is in `dir`, as what it would change over nothing.
pub(crate) fn pack(dir: &Path, form: Form, archive: File) -> Result<(), Error> {
    let (root, owners) = (Root::open(dir)?, Owners::default());
    let diff = Diff { root: &root, lowers: &[], scheme: form.scheme(), times: Times::Kept, owners: &owners };
    write_changes(&diff, archive)?;
    Ok(())
}
