//! The flags of `shipsmith build`.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _};

use super::ProgressArgs;
use super::values::{PullWhen, RunMode, TimestampMode, parse_bool};

const BUILD: &str = "Build options";
const OUTPUT: &str = "Output";
const OURS: &str = "Ours (not in docker buildx)";
const NOT_YET: &str = "Known, but refused with a reason";

const EXAMPLES: &str = "Examples:\n  \
    shipsmith build -t example/app .\n  \
    shipsmith build -t registry.example/app:1 --push --platform linux/amd64,linux/arm64 .\n  \
    shipsmith build -o type=oci,dest=app.tar -f deploy/Dockerfile --target release .\n  \
    shipsmith build --check .";

/// Build images from a Dockerfile.
///
/// Flags are named and meant as in `docker buildx build`; docs/buildx.md lists each, and where
/// this tool differs. With no output asked for, the image lands in the local store.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BuildArgs {
    /// Build context: a directory, an http(s) or git URL, or - for a tar stream on standard input
    #[arg(value_name = "CONTEXT")]
    pub(crate) context: String,

    /// Dockerfile (- for standard input) [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE", help_heading = BUILD)]
    pub(crate) file: Option<String>,

    /// Stage to build, by name or number [default: the last]
    #[arg(long, value_name = "STAGE", help_heading = BUILD)]
    pub(crate) target: Option<String>,

    /// Platforms to build for, comma-separated (linux/amd64,linux/arm64) [default: this machine's]
    #[arg(long, value_name = "PLATFORM", env = "DOCKER_DEFAULT_PLATFORM", hide_env_values = true)]
    #[arg(help_heading = BUILD)]
    pub(crate) platform: Vec<String>,

    /// Value of a build argument; without =VALUE it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", help_heading = BUILD)]
    pub(crate) build_args: Vec<String>,

    /// Another context, for COPY --from and FROM (NAME=DIR, NAME=docker-image://REF, ...)
    #[arg(long = "build-context", value_name = "NAME=CONTEXT", help_heading = BUILD)]
    pub(crate) build_contexts: Vec<String>,

    /// Label of the image
    #[arg(long = "label", value_name = "KEY[=VALUE]", help_heading = BUILD)]
    pub(crate) labels: Vec<String>,

    /// When to look up tags of base images again
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "always", help_heading = BUILD)]
    pub(crate) pull: Option<PullWhen>,

    /// Do not use the build cache
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL")]
    #[arg(value_parser = parse_bool, help_heading = BUILD)]
    pub(crate) no_cache: bool,

    /// Do not use the build cache for these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',', help_heading = BUILD)]
    pub(crate) no_cache_filter: Vec<String>,

    /// Cache of RUN to look things up in (REF, type=registry,ref=REF, type=local,src=DIR)
    #[arg(long, value_name = "SPEC", help_heading = BUILD)]
    pub(crate) cache_from: Vec<String>,

    /// Where to write the cache of RUN (type=registry,ref=REF, type=local,dest=DIR, type=inline; mode=min|max)
    #[arg(long, value_name = "SPEC", help_heading = BUILD)]
    pub(crate) cache_to: Vec<String>,

    /// Network of RUN instructions: default, none or host
    #[arg(long, value_name = "MODE", help_heading = BUILD)]
    pub(crate) network: Option<String>,

    /// Line of /etc/hosts for RUN instructions (HOST=ADDRESS or HOST:ADDRESS)
    #[arg(long = "add-host", value_name = "HOST=ADDRESS", help_heading = BUILD)]
    pub(crate) add_hosts: Vec<String>,

    /// Size of /dev/shm for RUN instructions (64m, 1g)
    #[arg(long, value_name = "BYTES", help_heading = BUILD)]
    pub(crate) shm_size: Option<String>,

    /// Resource limit of RUN instructions (nofile=1024:2048)
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", help_heading = BUILD)]
    pub(crate) ulimits: Vec<String>,

    /// Secret for RUN --mount=type=secret (id=ID,src=FILE or id=ID,env=VARIABLE)
    #[arg(long = "secret", value_name = "SPEC", help_heading = BUILD)]
    pub(crate) secrets: Vec<String>,

    /// SSH agent for RUN --mount=type=ssh (default, or ID=SOCKET|KEY,..)
    #[arg(long = "ssh", value_name = "SPEC", help_heading = BUILD)]
    pub(crate) ssh: Vec<String>,

    /// Parent control group of RUN instructions
    #[arg(long, value_name = "PATH", help_heading = BUILD)]
    pub(crate) cgroup_parent: Option<String>,

    /// Privilege granted to the build: network.host or security.insecure
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',', help_heading = BUILD)]
    pub(crate) allow: Vec<String>,

    /// Method: build, check, outline or targets; ,format=json as JSON
    #[arg(long, value_name = "METHOD", help_heading = BUILD)]
    pub(crate) call: Option<String>,

    /// Check the Dockerfile instead of building: the same as --call=check
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL")]
    #[arg(value_parser = parse_bool, conflicts_with = "call", help_heading = BUILD)]
    pub(crate) check: bool,

    /// Name of the image: REPOSITORY, REGISTRY/REPOSITORY:TAG ...; repeatable, several repositories too
    #[arg(short, long = "tag", value_name = "REF", help_heading = OUTPUT)]
    pub(crate) tags: Vec<String>,

    /// Where the result goes (type=registry|image|oci|docker|local|tar, or a directory, or -)
    #[arg(short, long = "output", value_name = "SPEC", help_heading = OUTPUT)]
    pub(crate) outputs: Vec<String>,

    /// Push the image to the registries of its tags: the same as -o type=registry
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL")]
    #[arg(value_parser = parse_bool, help_heading = OUTPUT)]
    pub(crate) push: bool,

    /// Load the image into the Docker engine: the same as -o type=docker
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL")]
    #[arg(value_parser = parse_bool, help_heading = OUTPUT)]
    pub(crate) load: bool,

    /// Annotation; TYPE is manifest (the default), index, index-descriptor or
    /// manifest-descriptor, and may be for one platform: `manifest[linux/arm64]`
    #[arg(long = "annotation", value_name = "[TYPE:]KEY=VALUE", help_heading = OUTPUT)]
    pub(crate) annotations: Vec<String>,

    /// Write the image's id to a file
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(crate) iidfile: Option<PathBuf>,

    /// Write what was built to a file, as JSON under buildx's keys
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(crate) metadata_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) progress: ProgressArgs,

    /// Show no progress, print the image's id
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_name = "BOOL")]
    #[arg(value_parser = parse_bool, help_heading = OUTPUT)]
    pub(crate) quiet: bool,

    /// Provenance attestation, made by builders (true, mode=max) [default: false (ours)]
    #[arg(long, value_name = "BOOL|SPEC", help_heading = OUTPUT)]
    pub(crate) provenance: Option<String>,

    /// SBOM attestation, made by builders (true, generator=IMAGE) [default: false]
    #[arg(long, value_name = "BOOL|SPEC", help_heading = OUTPUT)]
    pub(crate) sbom: Option<String>,

    /// Attestation, made by builders (type=sbom,generator=IMAGE, type=provenance,mode=max)
    #[arg(long = "attest", value_name = "SPEC", help_heading = OUTPUT)]
    pub(crate) attests: Vec<String>,

    /// BuildKit builder that builds in this process' place: unix://, tcp://, docker://, ssh://,
    /// docker-container:// or kube-pod://
    #[arg(long, value_name = "URL", help_heading = BUILD)]
    pub(crate) builder: Option<String>,

    /// Builders by platform, for what has RUN instructions; also SHIPSMITH_BUILDERS
    #[arg(long, value_name = "PLATFORM=URL,...", help_heading = OURS)]
    pub(crate) builders: Vec<String>,

    /// What becomes of RUN: execute, skip with a line in the log for each, or refuse
    #[arg(long, value_name = "MODE", default_value = "execute", help_heading = OURS)]
    pub(crate) run: RunMode,

    /// How RUN is kept apart: root, subuid, single-id or chroot, as `shipsmith doctor` explains
    /// them [default: the strongest that this machine offers]
    #[arg(long, value_name = "LEVEL", help_heading = OURS)]
    pub(crate) isolation: Option<String>,

    /// OCI runtime of this machine that executes RUN in place of shipsmith itself: crun or runc, as
    /// root
    #[arg(long, value_name = "NAME", help_heading = OURS)]
    pub(crate) runtime: Option<String>,

    /// Times in the image: fixed (the default), now, or the files' own (source); comes before
    /// the environment's SOURCE_DATE_EPOCH
    #[arg(long, value_name = "TIMES", help_heading = OURS)]
    pub(crate) timestamp: Option<TimestampMode>,

    /// Files from contexts get mode 0755 if their owner may execute them, else 0644, and owner 0:0
    #[arg(long, help_heading = OURS)]
    pub(crate) normalize_modes: bool,

    /// Trust the local store, talk to no registry for bases
    #[arg(long, conflicts_with_all = ["pull", "push"], help_heading = OURS)]
    pub(crate) offline: bool,

    /// Say where the time went; with =FILE also write a trace that Perfetto opens
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", help_heading = OURS)]
    pub(crate) timings: Option<String>,

    #[command(flatten)]
    pub(crate) refused: RefusedArgs,

    #[command(flatten)]
    pub(crate) ignored: IgnoredArgs,
}

/// Flags without a program's name before them.
#[derive(clap::Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(flatten)]
    build: BuildArgs,
}

/// Reads many builds' flags; what there is to know of flags is put together once.
pub(crate) struct BuildWords(clap::Command);

impl BuildWords {
    pub(crate) fn new() -> Self {
        Self(Words::command())
    }

    /// What these words would mean behind `shipsmith build`.
    pub(crate) fn read(&mut self, words: Vec<String>) -> Result<BuildArgs, clap::Error> {
        let mut matches = self.0.try_get_matches_from_mut(words)?;
        Words::from_arg_matches_mut(&mut matches).map(|words| words.build)
    }
}

/// Flags of `docker buildx build` that are understood well enough to say why not.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RefusedArgs {
    /// Resource limit of RUN instructions: not there yet
    #[arg(long = "resource", value_name = "KEY=VALUE", hide_short_help = true)]
    #[arg(help_heading = NOT_YET)]
    pub(crate) resources: Vec<String>,

    /// Source policy: not there yet
    #[arg(long, value_name = "SPEC", hide_short_help = true, help_heading = NOT_YET)]
    pub(crate) policy: Vec<String>,

    /// Put all that the target stage adds to its base into one layer (ours): not there yet
    #[arg(long, hide_short_help = true, help_heading = NOT_YET)]
    pub(crate) merge_layers: bool,

    #[arg(short = 'm', long, hide = true)]
    pub(crate) memory: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    #[arg(short = 'c', long, hide = true)]
    pub(crate) cpu_shares: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpu_period: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpu_quota: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpuset_cpus: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpuset_mems: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) security_opt: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", default_value = "false", value_parser = parse_bool)]
    pub(crate) squash: bool,
    #[arg(long, hide = true)]
    pub(crate) print: Option<String>,
}

/// Flags of the builder before BuildKit that neither buildx nor we have a use for: they change
/// nothing, so old scripts keep working.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct IgnoredArgs {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", default_value = "false", value_parser = parse_bool)]
    compress: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", default_value = "true", value_parser = parse_bool)]
    rm: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", default_value = "false", value_parser = parse_bool)]
    force_rm: bool,
}
