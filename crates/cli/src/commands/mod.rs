//! What each command does: what was typed is understood, a library is called, the result printed.

mod bake;
mod build;
mod call;
mod dockerfile;
mod doctor;
mod generate;
mod inspect;
mod login;
mod metadata;
mod mounts;
mod output;
mod pkg;
mod prompt;
mod runtime;
mod store;
mod transfer;

use crate::args::{Cli, Command, DockerfileCommand, GlobalArgs, IndexCommand};
use crate::failure::{Exit, Failure};

/// Runs a command line.
pub(crate) fn run(cli: Cli) -> Result<Exit, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Build(args) => return build::run(&args, &global),
        Command::Bake(args) => return bake::run(&args, &global),
        Command::Doctor => return doctor::run(&global),
        Command::Push(args) => transfer::push(&args, &global)?,
        Command::Pull(args) => transfer::pull(&args, &global)?,
        Command::Copy(args) => transfer::copy(&args, &global)?,
        Command::Images(args) => store::images(&args, &global)?,
        Command::Pkg(args) => pkg::run(*args, &global)?,
        Command::Cache(command) => pkg::cache(command, &global)?,
        Command::Inspect(args) => inspect::run(&args, &global)?,
        Command::Rm(args) => store::rm(&args, &global)?,
        Command::Prune(args) => store::prune(&args, &global)?,
        Command::Import(args) => store::import(&args, &global)?,
        Command::Export(args) => store::export(&args, &global)?,
        Command::Index(IndexCommand::Create(args)) => transfer::create_index(&args, &global)?,
        Command::Login(args) => login::login(&args)?,
        Command::Logout(args) => login::logout(&args)?,
        Command::Dockerfile(DockerfileCommand::Parse(args)) => dockerfile::parse(&args)?,
        Command::Completions { shell } => generate::completions(shell)?,
        Command::Man { directory } => generate::man(&directory)?,
    }
    Ok(Exit::Done)
}

/// The local store: where `--store` says, else where it is by default.
fn open_store(global: &GlobalArgs) -> Result<::store::Store, Failure> {
    let directory = global.store.clone().or_else(|| ::store::default_dir(|name| std::env::var(name).ok()));
    let directory = directory.ok_or_else(|| {
        let hint = "name one with --store DIR or SHIPSMITH_STORE";
        Failure::new(Exit::Usage, "there is no home directory for the local store").with_hint(Some(hint.into()))
    })?;
    Ok(::store::Store::open(directory)?)
}

/// A client that knows what this machine knows of registries.
fn client() -> Result<registry::Client, Failure> {
    Ok(registry::Client::new(registry::Config::from_environment()?))
}
