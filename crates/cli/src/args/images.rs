//! The flags of the commands around images, registries and the local store.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ProgressArgs;

/// `shipsmith push`.
#[derive(Args, Debug)]
pub(crate) struct PushArgs {
    /// Images of the local store
    #[arg(value_name = "REF", required = true)]
    pub(crate) references: Vec<String>,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

/// `shipsmith pull`.
#[derive(Args, Debug)]
pub(crate) struct PullArgs {
    /// Images to fetch
    #[arg(value_name = "REF", required = true)]
    pub(crate) references: Vec<String>,

    /// Only the image for this platform [default: all that there are]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

/// `shipsmith copy`.
#[derive(Args, Debug)]
pub(crate) struct CopyArgs {
    /// Image to copy
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,

    /// Where to put it, under which names
    #[arg(value_name = "DESTINATION", required = true)]
    pub(crate) destinations: Vec<String>,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

/// `shipsmith images`, also `shipsmith cache ls`.
#[derive(Args, Debug)]
pub(crate) struct ImagesArgs {
    /// Print JSON, one object per image
    #[arg(long)]
    pub(crate) json: bool,

    /// Print digests only
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

/// `shipsmith inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// Image of the local store, or else of its registry
    #[arg(value_name = "REF")]
    pub(crate) reference: String,

    /// Print the manifest or index as it is, byte for byte
    #[arg(long)]
    pub(crate) raw: bool,
}

/// `shipsmith rm`.
#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// Tags to remove
    #[arg(value_name = "REF", required = true)]
    pub(crate) references: Vec<String>,
}

/// `shipsmith prune`.
#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    /// Images without a name and the cache as well, not only what nothing needs
    #[arg(short, long)]
    pub(crate) all: bool,

    /// Only the cache of this type (type=run, layer, tree, exec.cachemount ...), or what was not used
    /// for so long (until=24h)
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<String>,

    /// Only what was not used for so long (90m, 24h, 7d)
    #[arg(long, value_name = "TIME", visible_alias = "until")]
    pub(crate) older_than: Option<String>,

    /// Stop as soon as the store holds no more than this (10g)
    #[arg(long, value_name = "BYTES", visible_alias = "max-used-space")]
    pub(crate) keep_storage: Option<String>,
}

/// `shipsmith import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// OCI or Docker archive, OCI layout directory, or - for standard input
    #[arg(value_name = "ARCHIVE")]
    pub(crate) archive: PathBuf,

    /// Name it so, beside the names in the archive
    #[arg(short, long = "tag", value_name = "REF")]
    pub(crate) tags: Vec<String>,
}

/// `shipsmith export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Image of the local store
    #[arg(value_name = "REF")]
    pub(crate) reference: String,

    /// Where it goes, as build's --output (type=oci|docker, dest=FILE)
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) output: String,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

/// `shipsmith index`.
#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Make an index of images that are in a registry, and name it there
    Create(IndexCreateArgs),
}

/// `shipsmith index create`: what `docker buildx imagetools create` does.
#[derive(Args, Debug)]
pub(crate) struct IndexCreateArgs {
    /// Images by reference, or by digest in the repository of the first tag
    #[arg(value_name = "REF|DIGEST", required = true)]
    pub(crate) sources: Vec<String>,

    /// Name of the index; repeatable
    #[arg(short, long = "tag", value_name = "REF", required = true)]
    pub(crate) tags: Vec<String>,

    /// Annotation of the index
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,

    /// Print the index and push nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `shipsmith login`.
#[derive(Args, Debug)]
pub(crate) struct LoginArgs {
    /// Registry [default: Docker Hub]
    #[arg(value_name = "REGISTRY")]
    pub(crate) registry: Option<String>,

    /// User name
    #[arg(short, long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    /// Password; a terminal asks for it, and --password-stdin is safer in scripts
    #[arg(short, long, value_name = "TEXT", conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,

    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// `shipsmith logout`.
#[derive(Args, Debug)]
pub(crate) struct LogoutArgs {
    /// Registry [default: Docker Hub]
    #[arg(value_name = "REGISTRY")]
    pub(crate) registry: Option<String>,
}
