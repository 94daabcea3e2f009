//! `shipsmith bake`.

use std::path::PathBuf;

use clap::Args;

use super::values::{RunMode, parse_bool};
use super::{PlanArgs, ProgressArgs};

const BAKE: &str = "Bake and compose files";
const OURS: &str = "Ours (not in docker buildx)";

const EXAMPLES: &str = "Examples:\n  \
    shipsmith bake\n  \
    shipsmith bake --push --set '*.platform=linux/amd64,linux/arm64' app worker\n  \
    shipsmith bake --print -f docker-bake.hcl release\n  \
    shipsmith bake -f tools/docker.yaml --hub registry.example/team --tag 1.2 --variants default,distroless --push";

/// Build many images in one run.
///
/// Of bake files (HCL or JSON) and compose files, flags are named and meant as in `docker buildx bake`; docs/bake.md says
/// where this tool differs. A YAML file with a list `images:` is a plan; docs/plans.md explains those. What several images
/// have in common is done once, images that others are built upon come first.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BakeArgs {
    /// Targets, groups or images [default: the group or target `default`; of a plan all that are no bases]
    #[arg(value_name = "TARGET")]
    pub(crate) names: Vec<String>,

    /// File that says what to build (- for standard input); repeatable [default: compose and bake files here]
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) files: Vec<String>,

    /// Push the images to their registries
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL", value_parser = parse_bool)]
    pub(crate) push: bool,

    /// Take nothing from the cache
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", value_parser = parse_bool)]
    pub(crate) no_cache: Option<bool>,

    /// Print what would be built, as JSON, and build nothing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL", value_parser = parse_bool)]
    pub(crate) print: bool,

    /// BuildKit builder that builds in this process' place: unix://, tcp://, docker://, ssh://,
    /// docker-container:// or kube-pod://
    #[arg(long, value_name = "URL")]
    pub(crate) builder: Option<String>,

    /// Builders by platform, for what has RUN instructions; also SHIPSMITH_BUILDERS
    #[arg(long, value_name = "PLATFORM=URL,...", help_heading = OURS)]
    pub(crate) builders: Vec<String>,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,

    /// Go on with the other images when one fails
    #[arg(long, help_heading = OURS)]
    pub(crate) keep_going: bool,

    /// What becomes of RUN: execute, skip with a line in the log for each, or refuse
    /// [default: execute; of a plan what its profile says]
    #[arg(long, value_name = "MODE", help_heading = OURS)]
    pub(crate) run: Option<RunMode>,

    /// How RUN is kept apart, as in `shipsmith build`
    #[arg(long, value_name = "LEVEL", help_heading = OURS)]
    pub(crate) isolation: Option<String>,

    #[command(flatten)]
    pub(crate) file_args: BakeFileArgs,

    #[command(flatten)]
    pub(crate) plan: PlanArgs,
}

/// Flags of `shipsmith bake` that only bake and compose files have.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = BAKE)]
pub(crate) struct BakeFileArgs {
    /// Change an attribute of targets (TARGET.KEY=VALUE; TARGET may be a pattern, += adds)
    #[arg(long = "set", value_name = "TARGET.KEY=VALUE")]
    pub(crate) sets: Vec<String>,

    /// Give a variable its value
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) vars: Vec<String>,

    /// List targets or variables and build nothing
    #[arg(long, value_name = "WHAT")]
    pub(crate) list: Option<String>,

    /// Load the images into the Docker engine
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL", value_parser = parse_bool)]
    pub(crate) load: bool,

    /// Look up tags of base images again
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", value_parser = parse_bool)]
    pub(crate) pull: Option<bool>,

    /// Method: build, check, outline or targets; ,format=json as JSON
    #[arg(long, value_name = "METHOD")]
    pub(crate) call: Option<String>,

    /// Check the Dockerfiles instead of building: the same as --call=check
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL")]
    #[arg(value_parser = parse_bool, conflicts_with = "call")]
    pub(crate) check: bool,

    /// Write what was built to a file, as JSON under buildx's keys, target by target
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,

    /// Privilege granted to targets that ask for it: network.host or security.insecure
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    pub(crate) allow: Vec<String>,

    /// Provenance attestation; only false is understood so far
    #[arg(long, value_name = "BOOL|SPEC")]
    pub(crate) provenance: Option<String>,

    /// SBOM attestation; only false is understood so far
    #[arg(long, value_name = "BOOL|SPEC")]
    pub(crate) sbom: Option<String>,
}
