//! `shipsmith cache export-mounts` and `import-mounts`: caches of RUN taken from one machine to another.

use engine::CacheMounts;

use super::open_store;
use super::output::print_line;
use crate::args::{GlobalArgs, MountsArgs};
use crate::failure::Failure;

/// Writes them, and prints their ids.
pub(super) fn export(args: &MountsArgs, global: &GlobalArgs) -> Result<(), Failure> {
    tell(&CacheMounts::open(open_store(global)?)?.export(&args.directory)?)
}

/// Takes them, and prints their ids.
pub(super) fn import(args: &MountsArgs, global: &GlobalArgs) -> Result<(), Failure> {
    tell(&CacheMounts::open(open_store(global)?)?.import(&args.directory)?)
}

fn tell(ids: &[String]) -> Result<(), Failure> {
    ids.iter().try_for_each(|id| print_line(id))
}
