//! `shipsmith pkg` and `shipsmith cache`: packages, as linuxkit's users know them.

mod build;
mod builder;
mod cache;
mod load;
mod tags;

use registry::{Client, Config};

use super::open_store;
use crate::args::{GlobalArgs, PackageArgs, PkgArgs, PkgCommand};
use crate::failure::Failure;
use crate::request::{self, Process};

pub(super) use cache::run as cache;

/// Runs a command on packages.
pub(super) fn run(args: PkgArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let PkgArgs { package, command } = args;
    match command {
        PkgCommand::Build(args) => build::run(&args, &package, global),
        PkgCommand::Push(args) => {
            let args = crate::args::PkgBuildArgs { push: true, ..*args };
            build::run(&args, &package, global)
        }
        PkgCommand::ShowTag(args) => tags::show(&args, &package, global),
        PkgCommand::Manifest(args) => tags::manifest(&args, &package, global),
        PkgCommand::RemoteTag(args) => tags::remote(&args, &package),
        PkgCommand::Builder(command) => builder::run(&command),
    }
}

/// The store: where flags and our own variables say, else where linuxkit's says.
fn store(global: &GlobalArgs) -> Result<::store::Store, Failure> {
    open_store(&here(global))
}

/// The same flags with the store that linuxkit's variable names, where nothing else names one.
fn here(global: &GlobalArgs) -> GlobalArgs {
    let from_variable = || request::pkg::variable(&Process, "CACHE").map(Into::into);
    GlobalArgs { store: global.store.clone().or_else(from_variable), ..global.clone() }
}

/// A client with the credentials and mirrors that are meant for packages.
fn client(args: &PackageArgs) -> Result<Client, Failure> {
    let mut config = Config::from_environment()?;
    for (host, credential) in request::pkg::credentials(&args.registry_creds)? {
        config.credentials = config.credentials.with(&host, credential);
    }
    for mirror in request::pkg::mirrors(&args.mirror, &Process)? {
        config.registries = mirror.add_to(config.registries)?;
    }
    Ok(Client::new(config))
}
