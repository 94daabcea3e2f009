//! One layer, as the lower directory of an overlay.

use std::fs::File;
use std::path::{Path, PathBuf};

use layer::overlay::{Marks, Owning, Scheme, unpack_lower};
use rootfs::Root;

use crate::Error;
use crate::task::Form;

/// Unpacks. Devices that this user cannot make are left out, as a process in the sandbox could not make or use them either.
pub(crate) fn unpack(tar: File, dir: &Path, form: Form, below: Option<&[PathBuf]>) -> Result<(), Error> {
    let below = below.map(|trees| trees.iter().map(Root::open).collect::<Result<Vec<_>, _>>()).transpose()?;
    unpack_lower(tar, &Root::open(dir)?, form.scheme(), below.as_deref())?;
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
