//! The flags of `shipsmith pkg` and of `shipsmith cache`, named as LinuxKit names them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::values::parse_bool;
use super::{ImagesArgs, MountsArgs, ProgressArgs, PruneArgs};

const PACKAGE: &str = "Package options";
const BUILDERS: &str = "Builders";
const OURS: &str = "Ours (not in linuxkit)";

/// `shipsmith pkg`: packages, as `linuxkit pkg` has them.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct PkgArgs {
    #[command(flatten)]
    pub(crate) package: PackageArgs,
    #[command(subcommand)]
    pub(crate) command: PkgCommand,
}

/// Flags that every command on packages takes.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PackageArgs {
    /// Do not use the build cache
    #[arg(long, global = true, conflicts_with = "enable_cache", help_heading = PACKAGE)]
    pub(crate) disable_cache: bool,

    /// Use the build cache, whatever build.yml says
    #[arg(long, global = true, help_heading = PACKAGE)]
    pub(crate) enable_cache: bool,

    /// Forbid RUN the network, whatever build.yml says
    #[arg(long, global = true, conflicts_with = "network", help_heading = PACKAGE)]
    pub(crate) nonetwork: bool,

    /// Allow RUN the network
    #[arg(long, global = true, help_heading = PACKAGE)]
    pub(crate) network: bool,

    /// Organisation, with a registry or without [default: build.yml's, or $SHIPSMITH_PKG_ORG, $LINUXKIT_PKG_ORG]
    #[arg(long, value_name = "ORG", global = true, help_heading = PACKAGE)]
    pub(crate) org: Option<String>,

    /// Name of the file that describes a package
    #[arg(long, value_name = "FILE", default_value = "build.yml", global = true, help_heading = PACKAGE)]
    pub(crate) build_yml: String,

    /// Hash to use, instead of git's
    #[arg(long, value_name = "HASH", global = true, help_heading = PACKAGE)]
    pub(crate) hash: Option<String>,

    /// Template of the tag [default: build.yml's, or {{.Hash}}]
    #[arg(long, value_name = "TEMPLATE", global = true, help_heading = PACKAGE)]
    pub(crate) tag: Option<String>,

    /// Commit that the hash is taken from; only HEAD can be built
    #[arg(long, value_name = "COMMIT", default_value = "HEAD", global = true, help_heading = PACKAGE)]
    pub(crate) hash_commit: String,

    /// Directory that is hashed, above the package's [default: the package's]
    #[arg(long, value_name = "DIR", global = true, help_heading = PACKAGE)]
    pub(crate) hash_path: Option<PathBuf>,

    /// Treat packages as changed
    #[arg(long, global = true, help_heading = PACKAGE)]
    pub(crate) force_dirty: bool,

    /// Take $USER as organisation and dev as hash
    #[arg(long, global = true, help_heading = PACKAGE)]
    pub(crate) dev: bool,

    /// Credential for a registry: REGISTRY=USER:PASSWORD or REGISTRY=TOKEN
    #[arg(long, value_name = "CREDENTIAL", global = true, value_delimiter = ',', help_heading = PACKAGE)]
    pub(crate) registry_creds: Vec<String>,

    /// Mirror to pull from: [REGISTRY=]URL, of all registries without one; repeatable [default: $SHIPSMITH_MIRROR,
    /// $LINUXKIT_MIRROR]
    #[arg(long, value_name = "MIRROR", global = true, help_heading = PACKAGE)]
    pub(crate) mirror: Vec<String>,

    /// What the hash covers: linuxkit, or full, which adds the Dockerfile, build arguments, bases and packages needed
    #[arg(long, value_name = "SCHEME", default_value = "linuxkit", global = true, help_heading = OURS)]
    pub(crate) hash_scheme: HashScheme,
}

/// `--hash-scheme`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum HashScheme {
    /// Git's tree, as LinuxKit has it
    #[default]
    Linuxkit,
    /// All that can change the result
    Full,
}

/// The commands on packages.
#[derive(Debug, Subcommand)]
pub(crate) enum PkgCommand {
    /// Build packages, unless the local store or the registry has them
    Build(Box<PkgBuildArgs>),
    /// The same as build --push
    Push(Box<PkgBuildArgs>),
    /// Print the tags that packages have by their content
    ShowTag(ShowTagArgs),
    /// Write a package's index in its registry, of the images with an architecture in their tag
    #[command(alias = "index")]
    Manifest(ManifestArgs),
    /// Give a package in a registry another tag, without fetching it
    RemoteTag(RemoteTagArgs),
    /// Look after BuildKit builders
    #[command(subcommand)]
    Builder(BuilderCommand),
}

/// `shipsmith pkg build` and `push`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PkgBuildArgs {
    /// Directories of packages
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Build, even what is there already
    #[arg(long)]
    pub(crate) force: bool,

    /// Fetch what only the registry has; without it, that it is there is enough
    #[arg(long)]
    pub(crate) pull: bool,

    /// Push what was built or found
    #[arg(long)]
    pub(crate) push: bool,

    /// Look up bases in their registries, even when the local store has images of their names
    #[arg(long)]
    pub(crate) ignore_cached: bool,

    /// Load each platform's image into the Docker engine, with the architecture behind the tag; implies --pull
    #[arg(long)]
    pub(crate) docker: bool,

    /// Platforms to build for, comma-separated [default: the package's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platforms: Option<String>,

    /// Platforms of the package that are left out, comma-separated
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) skip_platforms: Option<String>,

    /// Push under this tag too [default: the git tag of the commit, if there is one]
    #[arg(long, value_name = "TAG")]
    pub(crate) release: Option<String>,

    /// Build nothing; with --push, push what there is
    #[arg(long)]
    pub(crate) nobuild: bool,

    /// Push an index; without one, each image is pushed under a tag with its architecture, for `pkg manifest` to gather
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    #[arg(value_name = "BOOL", value_parser = parse_bool, action = clap::ArgAction::Set)]
    pub(crate) manifest: bool,

    /// Image of an SBOM scanner, or false for none [default: false (ours)]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) sbom_scanner: Option<String>,

    /// Dockerfile to use, below the package's directory [default: build.yml's, or Dockerfile]
    #[arg(long, value_name = "FILE")]
    pub(crate) dockerfile: Option<String>,

    /// File with a build argument NAME=VALUE in each line; repeatable
    #[arg(long = "build-arg-file", value_name = "FILE")]
    pub(crate) build_arg_files: Vec<PathBuf>,

    /// SSH agent for RUN --mount=type=ssh (default, or ID=SOCKET|KEY,..)
    #[arg(long, value_name = "SPEC")]
    pub(crate) ssh: Vec<String>,

    /// Fetch the images that the Dockerfile names into the local store first
    #[arg(long)]
    pub(crate) precache_images: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,

    /// Push the images under tags with their architecture as well
    #[arg(long, help_heading = OURS)]
    pub(crate) with_arch_tags: bool,

    /// Replace images that the registry has for the same platform
    #[arg(long, help_heading = OURS)]
    pub(crate) r#override: bool,

    #[command(flatten)]
    pub(crate) builders: BuilderArgs,
}

/// Which BuildKit builders are used.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct BuilderArgs {
    /// BuildKit builder of all platforms that have none of their own: an address, see docs/builders.md
    #[arg(long, value_name = "URL", help_heading = BUILDERS)]
    pub(crate) builder: Option<String>,
    /// Builders of platforms (linux/arm64=URL,...; a name is a context of Docker's client) [default:
    /// $SHIPSMITH_BUILDERS, or $LINUXKIT_BUILDERS]
    #[arg(long, value_name = "PLATFORM=BUILDER", help_heading = BUILDERS)]
    pub(crate) builders: Option<String>,
    /// Name of the container of builders that are contexts of Docker's client [default: linuxkit-builder]
    #[arg(long, value_name = "NAME", help_heading = BUILDERS)]
    pub(crate) builder_name: Option<String>,
    /// Image that a builder's container is started from
    #[arg(long, value_name = "IMAGE", help_heading = BUILDERS)]
    pub(crate) builder_image: Option<String>,
    /// buildkitd.toml that a builder's container is started with
    #[arg(long, value_name = "FILE", help_heading = BUILDERS)]
    pub(crate) builder_config: Option<PathBuf>,
    /// Start a builder's container anew
    #[arg(long, help_heading = BUILDERS)]
    pub(crate) builder_restart: bool,
}

/// `shipsmith pkg show-tag`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowTagArgs {
    /// Directories of packages
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Print names with their registry
    #[arg(long)]
    pub(crate) canonical: bool,

    /// Print what went into the hash; of two packages, what differs
    #[arg(long, help_heading = OURS)]
    pub(crate) explain: bool,

    /// Dockerfile that the full hash covers [default: build.yml's, or Dockerfile]
    #[arg(long, value_name = "FILE", help_heading = OURS)]
    pub(crate) dockerfile: Option<String>,

    /// File with build arguments that the full hash covers; repeatable
    #[arg(long = "build-arg-file", value_name = "FILE", help_heading = OURS)]
    pub(crate) build_arg_files: Vec<PathBuf>,
}

/// `shipsmith pkg manifest`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ManifestArgs {
    /// Directory of a package
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,

    /// Write the index under this tag too
    #[arg(long, value_name = "TAG")]
    pub(crate) release: Option<String>,
}

/// `shipsmith pkg remote-tag`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RemoteTagArgs {
    /// Image in a registry
    #[arg(value_name = "FROM")]
    pub(crate) from: String,

    /// Its other name
    #[arg(value_name = "TO")]
    pub(crate) to: String,

    /// Taken for linuxkit's sake; changes nothing, there as here
    #[arg(long, hide = true)]
    pub(crate) release: Option<String>,
}

/// `shipsmith pkg builder`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BuilderCommand {
    /// Say what builders keep
    Du(Box<BuilderArgs>),
    /// Remove what builders keep
    Prune(Box<BuilderArgs>),
}

/// `shipsmith cache`: the local store, as `linuxkit cache` has it.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List the images of the local store
    Ls(ImagesArgs),
    /// Remove images from the local store
    Rm(CacheRmArgs),
    /// Remove all images from the local store
    Clean(CacheCleanArgs),
    /// Fetch images from registries into the local store
    Pull(CachePullArgs),
    /// Send images of the local store to registries
    Push(CachePushArgs),
    /// Take an archive into the local store
    Import(CacheImportArgs),
    /// Write an image of the local store as an archive
    Export(CacheExportArgs),
    /// Remove what no tag of the local store needs
    #[command(hide = true)]
    Prune(PruneArgs),
    /// Write what RUN --mount=type=cache keeps to a directory (ours)
    ExportMounts(MountsArgs),
    /// Take over what export-mounts wrote, in place of the caches of the same ids (ours)
    ImportMounts(MountsArgs),
}

/// `shipsmith cache rm`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CacheRmArgs {
    /// Images of the local store
    #[arg(value_name = "REF", required = true)]
    pub(crate) references: Vec<String>,
    /// Only those that their registry has, just as they are here
    #[arg(long)]
    pub(crate) published_only: bool,
}

/// `shipsmith cache clean`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CacheCleanArgs {
    /// Only images that their registry has, just as they are here
    #[arg(long)]
    pub(crate) published_only: bool,
}

/// `shipsmith cache pull`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CachePullArgs {
    /// Images to fetch
    #[arg(value_name = "REF", required = true)]
    pub(crate) references: Vec<String>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

/// `shipsmith cache push`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CachePushArgs {
    /// Images of the local store
    #[arg(value_name = "REF", required = true)]
    pub(crate) references: Vec<String>,
    /// Name in the registry [default: the same]
    #[arg(long, value_name = "REF")]
    pub(crate) remote_name: Option<String>,
    /// Push each image of an index under a tag with its architecture as well
    #[arg(long)]
    pub(crate) with_arch_tags: bool,
    /// Replace images that the registry has for the same platform
    #[arg(long)]
    pub(crate) r#override: bool,
}

/// `shipsmith cache import`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CacheImportArgs {
    /// Archive, layout directory, or - for standard input
    #[arg(value_name = "ARCHIVE", required = true)]
    pub(crate) archive: PathBuf,
}

/// `shipsmith cache export`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CacheExportArgs {
    /// Image of the local store
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Platform of the image, where there are several [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// File to write, - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) outfile: PathBuf,
    /// What is written
    #[arg(long, value_name = "FORMAT", default_value = "oci")]
    pub(crate) format: ExportFormat,
    /// Name of the image in the archive [default: its own]
    #[arg(long, value_name = "REF")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

/// `--format` of `shipsmith cache export`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// An OCI archive
    Oci,
    /// What `docker load` reads
    Docker,
    /// The files, as a tar
    Filesystem,
}
