//! What was typed: the command line as clap sees it, checked for shape and nothing else.
//!
//! What it means is the business of [`crate::request`]: these types hold text where the text
//! still has to be understood, so that a test can state a command line and look at either side.

mod bake;
mod build;
#[cfg(test)]
mod help;
mod images;
mod pkg;
mod plan;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use bake::{BakeArgs, BakeFileArgs};
pub(crate) use build::{BuildArgs, BuildWords, RefusedArgs};
pub(crate) use images::{
    CopyArgs, ExportArgs, ImagesArgs, ImportArgs, IndexCommand, IndexCreateArgs, InspectArgs, LoginArgs, LogoutArgs,
    PruneArgs, PullArgs, PushArgs, RmArgs,
};
pub(crate) use pkg::{
    BuilderArgs, BuilderCommand, CacheCommand, CacheExportArgs, CachePushArgs, ExportFormat, HashScheme, ManifestArgs,
    PackageArgs, PkgArgs, PkgBuildArgs, PkgCommand, RemoteTagArgs, ShowTagArgs,
};
pub(crate) use plan::PlanArgs;
pub(crate) use values::parse_bool;
pub(crate) use values::{ProgressMode, PullWhen, RunMode, TimestampMode};

/// Printed below every command's help: what a script can rely on.
const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  the build failed (Dockerfile, context, a step), or --check found something\n  \
    2  usage: a flag, its value, or flags that contradict each other\n  \
    3  a registry refused, could not be reached, or answered nonsense\n  \
    4  the local store, a file of an output, or shipsmith itself failed\n  \
    130  interrupted";

/// Turns Dockerfiles into OCI images in one process: no daemon, no root, no surprises.
///
/// `shipsmith build` takes the flags of `docker buildx build` with their meanings. With no output
/// asked for, the image lands in the local store under its tags; nothing else has to run on the
/// machine. Results go to standard output, progress and errors to standard error.
#[derive(Debug, Parser)]
#[command(name = "shipsmith", version, after_help = EXIT_CODES, propagate_version = false)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags every command takes.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GlobalArgs {
    /// Local store: an OCI image layout [default: shipsmith/store in the user's data directory]
    #[arg(long, alias = "cache", value_name = "DIR", env = "SHIPSMITH_STORE", hide_env_values = true)]
    #[arg(global = true, help_heading = "Global options")]
    pub(crate) store: Option<PathBuf>,

    /// Show the causes behind an error, one a line
    #[arg(short = 'D', long, global = true, help_heading = "Global options")]
    pub(crate) debug: bool,
}

/// How progress is shown; it always goes to standard error.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ProgressArgs {
    /// How to show progress on standard error [default: auto, or $BUILDKIT_PROGRESS]
    #[arg(long, value_name = "MODE", help_heading = "Output")]
    pub(crate) progress: Option<ProgressMode>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build images from a Dockerfile
    #[command(visible_alias = "b")]
    Build(Box<BuildArgs>),
    /// Build many images: those of bake and compose files, or a plan's in every variant, hub and tag
    #[command(visible_alias = "f")]
    Bake(Box<BakeArgs>),
    /// Send images of the local store to their registries, bytes unchanged
    Push(PushArgs),
    /// Fetch images from registries into the local store
    Pull(PullArgs),
    /// Copy an image from one registry to another without touching the disk
    #[command(visible_alias = "cp")]
    Copy(CopyArgs),
    /// List the images of the local store
    #[command(visible_alias = "ls")]
    Images(ImagesArgs),
    /// Build and push packages, named by their content, as linuxkit does
    Pkg(Box<PkgArgs>),
    /// The local store, under the names that linuxkit's users know; cache mounts to other machines
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Show an image's platforms, configuration and layers, and which of them are absent here
    Inspect(InspectArgs),
    /// Remove tags from the local store
    Rm(RmArgs),
    /// Remove what no tag of the local store needs
    Prune(PruneArgs),
    /// Take an archive or an OCI layout into the local store
    Import(ImportArgs),
    /// Write an image of the local store as an archive or a layout
    Export(ExportArgs),
    /// Work with multi-platform indexes
    #[command(subcommand)]
    Index(IndexCommand),
    /// Remember a credential for a registry, where docker would
    Login(LoginArgs),
    /// Forget a registry's credential
    Logout(LogoutArgs),
    /// Say how RUN is kept apart on this machine, and what is missing for more
    Doctor,
    /// Look into Dockerfiles
    #[command(subcommand)]
    Dockerfile(DockerfileCommand),
    /// Print a shell's completion script
    Completions {
        /// The shell that will read it
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// Where to put them; made when it is not there
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// `shipsmith cache export-mounts` and `import-mounts`.
#[derive(Args, Debug)]
pub(crate) struct MountsArgs {
    /// Directory with two files a cache: its id and a tar
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

/// `shipsmith dockerfile`.
#[derive(Debug, Subcommand)]
pub(crate) enum DockerfileCommand {
    /// Print the syntax tree with byte spans (ours)
    Parse(ParseArgs),
}

/// `shipsmith dockerfile parse`.
#[derive(Args, Debug)]
pub(crate) struct ParseArgs {
    /// Dockerfile to read (- for standard input)
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    pub(crate) file: PathBuf,

    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = ["json"])]
    pub(crate) format: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_are_taken_after_the_command_too() {
        let cli = Cli::try_parse_from(["shipsmith", "images", "--store", "/s", "-D"]).unwrap();
        assert_eq!(cli.global.store, Some(PathBuf::from("/s")));
        assert!(cli.global.debug);
    }

    #[test]
    fn images_is_also_cache_ls() {
        let cli = Cli::try_parse_from(["shipsmith", "cache", "ls"]).unwrap();
        assert!(matches!(cli.command, Command::Cache(CacheCommand::Ls(_))));
    }

    #[test]
    fn an_unknown_flag_names_the_one_that_was_meant() {
        let error = Cli::try_parse_from(["shipsmith", "build", "--platfrom=linux/arm64", "."]);
        let text = error.unwrap_err().to_string();
        assert!(text.contains("--platform"), "{text}");
    }

    /// Every argument of every command says what it is for: help and man pages are made of it.
    #[test]
    fn every_flag_and_command_is_described() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let name = format!("{} {}", command.get_name(), arg.get_id());
                assert!(arg.get_help().is_some(), "{name} has no help");
            }
            for sub in command.get_subcommands() {
                assert!(sub.get_about().is_some(), "{} has no about", sub.get_name());
                check(sub);
            }
        }
        let mut cli = Cli::command();
        cli.build();
        check(&cli);
    }
}
