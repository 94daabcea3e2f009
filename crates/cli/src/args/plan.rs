//! Flags of `shipsmith bake` that plan files alone have.

use clap::Args;

/// What a plan's images are built for, and what they are called.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Plan files (ours)")]
pub(crate) struct PlanArgs {
    /// Registry and path that images are named below; repeatable, or a comma-separated list
    #[arg(long = "hub", value_name = "HUB", value_delimiter = ',')]
    pub(crate) hubs: Vec<String>,

    /// Tag of the images, for every hub and variant; repeatable, or a comma-separated list
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,

    /// Images to build [default: all that are no bases]
    #[arg(long = "targets", value_name = "NAMES", value_delimiter = ',')]
    pub(crate) targets: Vec<String>,

    /// Variants to build
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) variants: Vec<String>,

    /// Architectures to build for, such as linux/amd64,linux/arm64
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) architectures: Vec<String>,

    /// Write gzipped archives that `docker load` reads, where the profile says
    #[arg(long)]
    pub(crate) save: bool,

    /// Build nothing when any name but one with the tag latest is there already
    #[arg(long)]
    pub(crate) no_clobber: bool,

    /// Build images that need emulation for other architectures too
    #[arg(long)]
    pub(crate) qemu: bool,

    /// Say what would be built, why, from which bases and to which tags, and build nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// The project's habits, instead of the plan's own `profile` or Istio's
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<std::path::PathBuf>,

    /// Give a variable of the profile its value
    #[arg(long = "value", value_name = "NAME=VALUE")]
    pub(crate) values: Vec<String>,

    /// Version of the base images (Istio's profile)
    #[arg(long, value_name = "VERSION")]
    pub(crate) base_version: Option<String>,

    /// Registry of the base images (Istio's profile)
    #[arg(long, value_name = "REGISTRY")]
    pub(crate) image_base_registry: Option<String>,

    /// Version of the proxy (Istio's profile)
    #[arg(long, value_name = "VERSION")]
    pub(crate) proxy_version: Option<String>,

    /// Version of ztunnel (Istio's profile)
    #[arg(long, value_name = "VERSION")]
    pub(crate) ztunnel_version: Option<String>,

    /// Version of Istio (Istio's profile)
    #[arg(long, value_name = "VERSION")]
    pub(crate) istio_version: Option<String>,
}
