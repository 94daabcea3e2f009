//! One layer, as the lower directory of an overlay.

use std::fs::File;
use std::path::Path;

use crate::Error;
use crate::task::Form;

/// Unpacks.
pub(crate) fn unpack(_tar: File, dir: &Path, form: Form) -> Result<(), Error> {
    Err(Error::Worker(format!("cannot unpack into {} as {form:?}", dir.display())))
}
