//! `pkg builder`: what BuildKit builders keep.

use engine::{Builder, BuilderAddress};

use super::super::output::print_line;
use super::super::runtime::block_on;
use crate::args::{BuilderArgs, BuilderCommand};
use crate::failure::{Exit, Failure};
use crate::render::size;
use crate::request::Process;
use crate::request::builder::package_builders;

/// Says what builders keep, or removes it.
pub(super) fn run(command: &BuilderCommand) -> Result<(), Failure> {
    match command {
        BuilderCommand::Du(args) => {
            addresses(args)?.iter().try_for_each(|address| block_on(async { usage(address).await }))
        }
        BuilderCommand::Prune(args) => {
            addresses(args)?.iter().try_for_each(|address| block_on(async { prune(address).await }))
        }
    }
}

/// The builders that are named, each once.
fn addresses(args: &BuilderArgs) -> Result<Vec<BuilderAddress>, Failure> {
    let builders = package_builders(args, &Process)?;
    let mut all: Vec<BuilderAddress> = builders.default.into_iter().chain(builders.by_platform.into_values()).collect();
    all.sort();
    all.dedup();
    if all.is_empty() {
        let hint = "give --builder or --builders; `shipsmith cache prune` looks after the local store";
        return Err(Failure::new(Exit::Usage, "no builder is given").with_hint(Some(hint.into())));
    }
    Ok(all)
}

async fn usage(address: &BuilderAddress) -> Result<(), Failure> {
    let records = Builder::connect(address).await.map_err(engine::Error::from)?.usage().await;
    let records = records.map_err(engine::Error::from)?;
    print_line(&format!("{address}"))?;
    for record in &records {
        let held = if record.in_use { " (in use)" } else { "" };
        let bytes = size(record.size);
        print_line(&format!("  {bytes:>10}  {}{held}", record.description))?;
    }
    let total = records.iter().filter(|record| !record.shared).map(|record| record.size).sum();
    print_line(&format!("  {:>10}  in all, without what is shared", size(total)))
}

async fn prune(address: &BuilderAddress) -> Result<(), Failure> {
    let pruned = Builder::connect(address).await.map_err(engine::Error::from)?.prune(true).await;
    let pruned = pruned.map_err(engine::Error::from)?;
    print_line(&format!("{address}: removed {} records, {}", pruned.records, size(pruned.bytes)))
}
