//! What a step does to a file system.

use dockerfile::{Device, Network, Security, Sharing, Span};
use oci::{Digest, Platform};

use crate::{BaseNeed, GitSource, ModeSpec, OwnerSpec, StepId, Ulimit};

/// One change of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Nothing at all.
    Scratch,
    /// An image's file system.
    Base(Base),
    /// COPY and ADD.
    Copy(Copy),
    /// WORKDIR.
    MakeDir(MakeDir),
    /// RUN.
    Run(Box<RunOp>),
}

/// An image's file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// What was asked for.
    pub need: BaseNeed,
    /// Digest of the manifest it was resolved to.
    pub digest: Digest,
}

/// COPY and ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The file system copied into.
    pub parent: StepId,
    /// What is copied, in order; never empty.
    pub sources: Vec<CopySource>,
    /// Absolute and cleaned, but a trailing `/` or `/.` is kept: both mean a directory.
    pub destination: String,
    /// The word that names it.
    pub destination_span: Option<Span>,
    /// `--chown`; root when `None`.
    pub owner: Option<OwnerSpec>,
    /// `--chmod`; the source's mode when `None`.
    pub mode: Option<ModeSpec>,
    /// `--link`: the destination is made as if on an empty file system. Like BuildKit, unset where a mode is given.
    pub link: bool,
    /// `--exclude`: ignore patterns over the paths below each source.
    pub excludes: Vec<String>,
}

/// One source of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// Where from.
    pub input: Input,
    /// Absolute and cleaned path in the input. May hold wildcards where the input is a context or a step; for a
    /// downloaded file, an inline one and a git repository it is meant literally.
    pub path: String,
    /// `--parents`: what below `path` is copied, keeping its path from there.
    pub below: Option<Below>,
    /// Whether an archive is unpacked rather than copied.
    pub unpack: bool,
    /// The word that names it.
    pub span: Option<Span>,
}

impl CopySource {
    /// The path with what `--parents` takes from below it.
    fn whole_path(&self) -> String {
        match &self.below {
            Some(below) => format!("{}/{}", self.path.trim_end_matches('/'), below.pattern),
            None => self.path.clone(),
        }
    }

    /// Whether the path is a pattern of Go's `filepath.Match`.
    pub fn has_wildcards(&self) -> bool {
        matches!(self.input, Input::Context(_) | Input::Step(_)) && has_wildcards(&self.path)
    }
}

/// Whether a path holds an unescaped `*`, `?` or `[`.
pub(crate) fn has_wildcards(path: &str) -> bool {
    let mut chars = path.chars();
    while let Some(char) = chars.next() {
        match char {
            '*' | '?' | '[' => return true,
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    false
}

/// What `--parents` copies from below a pivot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// An include pattern (ignore-file syntax), relative to the pivot.
    pub pattern: String,
    /// The absolute path that must exist: set when no wildcards are used.
    pub required: Option<String>,
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A local build context; the empty name is the main one.
    Context(String),
    /// Another step's file system.
    Step(StepId),
    /// A file written in the Dockerfile.
    Inline(InlineFile),
    /// A downloaded file.
    Http(HttpSource),
    /// A git repository.
    Git(GitSource),
}

/// A file written in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name.
    pub name: String,
    /// Its content, expanded where that was asked.
    pub content: String,
    /// Its permissions.
    pub mode: u32,
}

/// A file behind a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSource {
    /// The URL as written.
    pub url: String,
    /// The name it is given.
    pub name: String,
    /// What its content must hash to.
    pub checksum: Option<Digest>,
}

/// WORKDIR: makes a directory and its missing parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeDir {
    /// The file system it is made in.
    pub parent: StepId,
    /// Absolute and cleaned.
    pub path: String,
    /// Permissions of what is made.
    pub mode: u32,
    /// Owner of what is made: the stage's user; root when `None`.
    pub owner: Option<OwnerSpec>,
}

/// RUN: one process over a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOp {
    /// The file system it runs over.
    pub parent: StepId,
    /// The program and its arguments, the shell included.
    pub args: Vec<String>,
    /// Environment: ENV and ARG in scope, in order.
    pub env: Vec<(String, String)>,
    /// Proxy variables, set for the process but no part of the step's key.
    pub proxy: Vec<(String, String)>,
    /// Working directory, absolute.
    pub directory: String,
    /// As USER gives it; empty is root.
    pub user: String,
    /// In the order written.
    pub mounts: Vec<Mount>,
    /// How it reaches the network.
    pub network: Network,
    /// How much it is trusted.
    pub security: Security,
    /// Host name it sees.
    pub hostname: Option<String>,
    /// Further lines of `/etc/hosts`: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,
    /// Parent control group.
    pub cgroup_parent: Option<String>,
    /// The platform of the stage.
    pub platform: Platform,
    /// CDI devices.
    pub devices: Vec<Device>,
}

/// A mount of one RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where, absolute; `None` for a secret that is only a variable and for an agent at its usual place.
    pub target: Option<String>,
    /// Whether the process may not write to it.
    pub read_only: bool,
    /// What is mounted.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// Files of a context or a step; writes are discarded.
    Bind {
        /// Where from.
        input: Input,
        /// Absolute path in it.
        source: String,
    },
    /// A directory that outlives the build.
    Cache {
        /// What it is shared by; may be any text: never a path of the host.
        id: String,
        /// How several processes share it.
        sharing: Sharing,
        /// What it holds at first; empty when `None`.
        input: Option<Input>,
        /// Absolute path in the input.
        source: String,
        /// Owner and mode at first; root and 0755 when not given.
        access: Option<Access>,
    },
    /// Memory.
    Tmpfs {
        /// Limit in bytes; zero is none.
        size: u64,
    },
    /// A secret of the build.
    Secret {
        /// Its name.
        id: String,
        /// The variable that holds it; a file at the target when `None` or when there is also a target.
        env: Option<String>,
        /// Whether the build fails without it.
        required: bool,
        /// Owner and mode of the file.
        access: Access,
    },
    /// A socket of an SSH agent.
    Ssh {
        /// Its name.
        id: String,
        /// Whether the build fails without it.
        required: bool,
        /// Owner and mode of the socket.
        access: Access,
    },
}

/// Owner and mode of what a mount brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions.
    pub mode: u32,
}

impl Op {
    /// The step whose file system is changed.
    pub fn parent(&self) -> Option<StepId> {
        match self {
            Self::Scratch | Self::Base(_) => None,
            Self::Copy(copy) => Some(copy.parent),
            Self::MakeDir(dir) => Some(dir.parent),
            Self::Run(run) => Some(run.parent),
        }
    }

    /// All steps that must be done before: the parent first, then sources and mounts in the order written.
    pub fn inputs(&self) -> Vec<StepId> {
        let mut inputs = Vec::new();
        self.clone().each_input(&mut |id| inputs.push(*id));
        inputs
    }

    /// The paths, wildcards and all, that this takes from the build context `name`.
    pub fn context_paths(&self, name: &str) -> Vec<String> {
        let is_context = |input: &Input| matches!(input, Input::Context(context) if context == name);
        match self {
            Self::Copy(copy) => {
                copy.sources.iter().filter(|source| is_context(&source.input)).map(CopySource::whole_path).collect()
            }
            Self::Run(run) => run.mounts.iter().filter_map(|mount| mount.kind.source_in(is_context)).collect(),
            Self::Scratch | Self::Base(_) | Self::MakeDir(_) => Vec::new(),
        }
    }

    /// The same with every step it depends on renamed.
    pub(crate) fn with_inputs(&self, rename: impl Fn(StepId) -> StepId) -> Self {
        let mut op = self.clone();
        op.each_input(&mut |id| *id = rename(*id));
        op
    }

    fn each_input(&mut self, visit: &mut dyn FnMut(&mut StepId)) {
        match self {
            Self::Scratch | Self::Base(_) => {}
            Self::MakeDir(dir) => visit(&mut dir.parent),
            Self::Copy(copy) => {
                visit(&mut copy.parent);
                copy.sources.iter_mut().for_each(|source| source.input.each_step(visit));
            }
            Self::Run(run) => {
                visit(&mut run.parent);
                run.mounts
                    .iter_mut()
                    .filter_map(|mount| mount.kind.input_mut())
                    .for_each(|input| input.each_step(visit));
            }
        }
    }
}

impl Input {
    /// What it is called.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Context(name) => name.clone(),
            Self::Step(id) => id.to_string(),
            Self::Inline(file) => file.name.clone(),
            Self::Http(file) => file.url.clone(),
            Self::Git(source) => source.remote.clone(),
        }
    }

    fn each_step(&mut self, visit: &mut dyn FnMut(&mut StepId)) {
        if let Self::Step(id) = self {
            visit(id);
        }
    }
}

impl MountKind {
    /// What is taken from an input that `wanted` names.
    fn source_in(&self, wanted: impl Fn(&Input) -> bool) -> Option<String> {
        match self {
            Self::Bind { input, source } | Self::Cache { input: Some(input), source, .. } if wanted(input) => {
                Some(source.clone())
            }
            _ => None,
        }
    }

    fn input_mut(&mut self) -> Option<&mut Input> {
        match self {
            Self::Bind { input, .. } => Some(input),
            Self::Cache { input, .. } => input.as_mut(),
            Self::Tmpfs { .. } | Self::Secret { .. } | Self::Ssh { .. } => None,
        }
    }
}
