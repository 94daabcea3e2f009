//! What a user wants built, fully said: the clock, the environment and the platform are inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use dockerfile::Network;
use graph::Ulimit;
use layer::Compression;
use oci::{Platform, Reference};
use sandbox::{Level, Runtime};

use crate::{AgentKey, Builders};

/// One build: a Dockerfile, its contexts, and where the result goes.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Where the Dockerfile's text comes from.
    pub dockerfile: DockerfileSource,
    /// The main build context.
    pub context: ContextSource,
    /// `--build-context`: more contexts by name.
    pub named_contexts: BTreeMap<String, ContextSource>,
    /// `--target`: the stage to build; the last one without.
    pub target: Option<String>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--platform`; this machine's when empty.
    pub platforms: Vec<Platform>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`.
    pub annotations: Vec<Annotation>,
    /// `--tag`.
    pub tags: Vec<Reference>,
    /// `--output`; the local store when empty.
    pub outputs: Vec<Output>,
    /// `--pull` and `--offline`.
    pub pull: PullPolicy,
    /// `--no-cache` and `--no-cache-filter`: stages whose steps take nothing from the cache. `None` for no stage, an empty
    /// list for all.
    pub no_cache: Option<Vec<String>>,
    /// `--cache-from`.
    pub cache_from: Vec<CacheSource>,
    /// `--cache-to`.
    pub cache_to: Vec<CacheTarget>,
    /// `--run` (ours).
    pub run: RunPolicy,
    /// `--timestamp` (ours) and SOURCE_DATE_EPOCH.
    pub timestamp: TimestampPolicy,
    /// `--normalize-modes` (ours).
    pub normalize_modes: bool,
    /// What RUN is given.
    pub sandbox: SandboxOptions,
    /// `--builder` and `--builders`: who builds what is not built in this process.
    pub builders: Builders,
    /// `--attest`, `--sbom`, `--provenance`: by kind, with options as BuildKit writes them. Only builders make them.
    pub attestations: BTreeMap<String, String>,
}

/// Where the Dockerfile's text comes from.
#[derive(Debug, Clone)]
pub enum DockerfileSource {
    /// `Dockerfile` in the context.
    Default,
    /// `--file PATH`.
    Path(PathBuf),
    /// `--file -`, or `-` as context: text read from standard input.
    Text(String),
}

/// Where a context's files come from.
#[derive(Debug, Clone)]
pub enum ContextSource {
    /// A directory.
    Directory(PathBuf),
    /// A tar stream, compressed or not, on standard input.
    Stdin,
    /// No files (a Dockerfile on standard input).
    Empty,
    /// A remote tarball or Dockerfile.
    Http(String),
    /// A git repository, as BuildKit writes it: `URL#ref:subdirectory`.
    Git(String),
    /// `docker-image://REF`.
    Image(Reference),
    /// `oci-layout://DIR[:tag|@digest]`.
    Layout {
        /// The layout's directory.
        directory: PathBuf,
        /// A tag in it, or a digest; its only image without.
        object: Option<String>,
    },
    /// Given paths, each to a real file or directory (`""` is the root; directories join): nothing is staged.
    Mapped(BTreeMap<String, PathBuf>),
    /// As [`ContextSource::Mapped`], for each platform its own. The Dockerfile's path is one of this machine, not of the
    /// context. Only the main context is of this kind.
    Platforms(BTreeMap<Platform, BTreeMap<String, PathBuf>>),
    /// The image of another job of the same batch, by the job's name (`target:` in bake files).
    Job(String),
}

/// `--annotation [LEVEL[PLATFORM]:]KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// What it is put on.
    pub level: AnnotationLevel,
    /// Only for this platform's image.
    pub platform: Option<Platform>,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// What an annotation is put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationLevel {
    /// The image's manifest.
    Manifest,
    /// The manifest's descriptor in the index.
    ManifestDescriptor,
    /// The index.
    Index,
    /// The index's descriptor (in an OCI layout's index.json).
    IndexDescriptor,
}

/// `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// `type=image` and `type=registry`: an image in the store and, with `push`, in registries.
    Image(ImageOptions),
    /// `type=oci`: an OCI archive or, with `tar=false`, a layout directory.
    Oci(ArchiveOptions),
    /// `type=docker` with a destination: what `docker load` reads.
    Docker(ArchiveOptions),
    /// `--load`, or `type=docker` without a destination: into a running engine.
    Load(ImageOptions),
    /// `type=local`: the file system, as a directory.
    Local(PathBuf),
    /// `type=tar`: the file system, as one tar.
    Tar(Destination),
    /// `type=cacheonly`: nothing is kept but the cache.
    CacheOnly,
}

/// Where a stream goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// Options of image outputs, as BuildKit names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// `name`: overrides the tags.
    pub names: Vec<Reference>,
    /// `push`.
    pub push: bool,
    /// `push-by-digest`: no tag is written.
    pub push_by_digest: bool,
    /// `store`: whether the local store keeps it under its names.
    pub store: bool,
    /// What all image outputs share.
    pub form: ImageForm,
}

/// Options of archive outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// `dest`.
    pub destination: Destination,
    /// `tar`: whether it is one file; a directory otherwise.
    pub tar: bool,
    /// `name`: overrides the tags.
    pub names: Vec<Reference>,
    /// What all image outputs share.
    pub form: ImageForm,
}

/// How an image is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageForm {
    /// `oci-mediatypes`; what BuildKit would take when unset.
    pub oci_media_types: Option<bool>,
    /// `compression` and `compression-level`; the policy decides when unset.
    pub compression: Option<Compression>,
    /// `force-compression`: base layers too.
    pub force_compression: bool,
    /// `annotation.KEY` and `annotation-LEVEL.KEY`.
    pub annotations: Vec<Annotation>,
}

/// How bases are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PullPolicy {
    /// A tag is asked of its registry once per build; the store serves what has that digest.
    #[default]
    Resolve,
    /// `--pull=missing`: what the store has under that tag is good.
    Missing,
    /// An image that the store has under that name is good; other tags are asked of their registry. Packages name their
    /// images by content, so there is nothing newer to ask for.
    Named,
    /// `--pull`, `--pull=always`: manifests and configs are fetched anew.
    Always,
    /// `--offline`: nothing is asked of any registry.
    Offline,
}

/// `--cache-from`: what RUNs made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSource {
    /// Where it is.
    pub place: CachePlace,
}

/// `--cache-to`: where other builds find what RUNs made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTarget {
    /// Where it goes; with the image itself when `None` (`type=inline`).
    pub place: Option<CachePlace>,
    /// `mode=max`: the steps of every stage, not only those whose layers the image has.
    pub all: bool,
    /// `ignore-error`: a cache that cannot be written is a warning.
    pub ignore_error: bool,
}

/// Where a cache is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// `type=registry`.
    Registry(Reference),
    /// `type=local`: an OCI layout.
    Directory {
        /// `src`, `dest`.
        path: PathBuf,
        /// `tag`.
        tag: String,
    },
}

impl std::fmt::Display for CacheSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            CachePlace::Registry(reference) => reference.fmt(f),
            CachePlace::Directory { path, .. } => path.display().fmt(f),
        }
    }
}

/// What becomes of RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunPolicy {
    /// It is run.
    #[default]
    Execute,
    /// `--run=skip`: left out, and said so.
    Skip,
    /// `--run=refuse`: a RUN that would be executed is an error.
    Refuse,
}

/// Which times files and configs carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampPolicy {
    /// SOURCE_DATE_EPOCH, in seconds: context files and configs get it, nothing of this build is newer.
    Epoch(i64),
    /// Without it: [`TimestampPolicy::DEFAULT_SECONDS`].
    Default,
    /// `--timestamp=now`, with the clock's reading in seconds.
    Now(i64),
    /// `--timestamp=source`: the files' own times; everything else is as with [`TimestampPolicy::Default`].
    Source,
}

impl TimestampPolicy {
    /// 1980-01-02T00:00:00Z: in no time zone before 1980, where the times of zip files begin.
    pub const DEFAULT_SECONDS: i64 = 315_619_200;

    /// The time of what this build makes, in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Epoch(seconds) | Self::Now(seconds) => seconds,
            Self::Default | Self::Source => Self::DEFAULT_SECONDS,
        }
    }
}

/// What RUN is given.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// `--network`: where the instruction does not say.
    pub network: Network,
    /// `--add-host`: names and addresses.
    pub add_hosts: Vec<(String, String)>,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--cgroup-parent`.
    pub cgroup_parent: Option<String>,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, SecretSource>,
    /// `--ssh`, by id.
    pub agents: BTreeMap<String, Agent>,
    /// `--allow`.
    pub allowed: BTreeSet<Entitlement>,
    /// `--isolation` (ours): the level to use, the strongest there is when `None`.
    pub isolation: Option<Level>,
    /// `--runtime` (ours): a program of this machine that executes processes in our stead.
    pub runtime: Option<Runtime>,
}

/// Where a secret is read from, when a RUN asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `src`.
    File(PathBuf),
    /// `env`: the variable's name.
    Variable(String),
}

/// What answers a RUN that asks for an SSH agent.
#[derive(Debug, Clone)]
pub enum Agent {
    /// The user's agent, by its socket: its keys sign, nothing else is asked of it.
    Socket(PathBuf),
    /// An agent of ours, with these keys.
    Keys(Arc<[AgentKey]>),
}

/// What the Dockerfile may ask for beyond a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitlement {
    /// `network.host`.
    NetworkHost,
    /// `security.insecure`.
    SecurityInsecure,
}
