//! `shipsmith bake`.

use std::path::PathBuf;

use clap::Args;

use super::{PlanArgs, ProgressArgs};

/// `shipsmith bake`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BakeArgs {
    /// The file that lists the images
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Images to build
    #[arg(value_name = "TARGET")]
    pub(crate) names: Vec<String>,

    /// Push the images to their registries
    #[arg(long)]
    pub(crate) push: bool,

    /// Take nothing from the cache
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Print what would be built, as JSON, and build nothing
    #[arg(long)]
    pub(crate) print: bool,

    /// Go on with the other images when one fails
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// The builder, as others have it
    #[arg(long, value_name = "NAME")]
    pub(crate) builder: Option<String>,

    #[command(flatten)]
    pub(crate) plan: PlanArgs,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}
