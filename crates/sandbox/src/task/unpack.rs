//! One layer, as the lower directory of an overlay.

use std::fs::File;
use std::path::Path;

use layer::overlay::{Marks, Owning, Scheme, unpack_lower};
use rootfs::Root;

use crate::Error;
use crate::task::Form;

/// Unpacks. Devices that this user cannot make are left out, as a process in the sandbox could not make or use them either.
pub(crate) fn unpack(tar: File, dir: &Path, form: Form) -> Result<(), Error> {
    unpack_lower(tar, &Root::open(dir)?, form.scheme(), None)?;
    Ok(())
}

impl Form {
    /// The same, in the words of the room that reads and writes trees.
    pub(crate) const fn scheme(self) -> Scheme {
        match self {
            Form::Root => Scheme { marks: Marks::Trusted, owning: Owning::Real },
            Form::User => Scheme { marks: Marks::User, owning: Owning::Real },
            Form::Single => Scheme { marks: Marks::User, owning: Owning::Aside },
        }
    }
}
