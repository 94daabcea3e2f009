//! The changes in an upper directory, as a layer.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use layer::Timestamp;
use layer::overlay::{self, Diff, Listing, write_changes, write_differences};
use rootfs::{Root, TreePath};

use crate::task::Form;
use crate::{Error, Owners, Times};

/// What is to be compared.
#[derive(Debug)]
pub(crate) struct Difference<'a> {
    /// The upper directory of the overlay, unmounted; or the copy.
    pub upper: PathBuf,
    /// The trees below it, base first.
    pub lower: &'a [PathBuf],
    /// When the process was started, by the clock of the file system: the time of a file made just before.
    pub started: rootfs::Time,
    /// What becomes of times.
    pub times: Times,
    /// How the trees look on disk.
    pub form: Form,
    /// Owners by path, where the disk does not know them.
    pub owners: Option<&'a Owners>,
    /// Owners by inode in `upper`, given there since the start.
    pub changed: BTreeMap<u64, (u32, u32)>,
    /// For a copy, what it held before the start.
    pub before: Option<Listing>,
}

/// Writes the layer.
pub(crate) fn write(difference: &Difference<'_>, archive: File) -> Result<(), Error> {
    let lowers = difference.lower.iter().map(Root::open).collect::<Result<Vec<_>, _>>()?;
    let root = Root::open(&difference.upper)?;
    let owners = overlay::Owners { below: owners(difference.owners)?, changed: difference.changed.clone() };
    let diff = Diff {
        root: &root,
        lowers: &lowers,
        scheme: difference.form.scheme(),
        times: times(difference.times, difference.started),
        owners: &owners,
    };
    match &difference.before {
        None => write_changes(&diff, archive)?,
        Some(before) => write_differences(&diff, before, archive)?,
    };
    Ok(())
}

pub(crate) fn owners(owners: Option<&Owners>) -> Result<BTreeMap<TreePath, (u32, u32)>, Error> {
    let known = owners.into_iter().flat_map(|owners| &owners.0);
    known.map(|(path, owner)| Ok((TreePath::new(path)?, *owner))).collect()
}

fn times(times: Times, started: rootfs::Time) -> overlay::Times {
    match times {
        Times::Latest { seconds } => overlay::Times::Latest { seconds },
        Times::Made { seconds } => overlay::Times::Made { seconds, since: Timestamp::from(started) },
        Times::Kept => overlay::Times::Kept,
    }
}
