//! What the person asked for, as values: nothing here is read from the environment.

use std::collections::BTreeMap;

use dockerfile::Network;
use dockerfile::ignore::Patterns;
use oci::{Platform, Reference};

use crate::{GitSource, Input};

/// Everything besides the Dockerfile and its bases that decides what a build is.
#[derive(Debug, Clone)]
pub struct Request {
    /// Name or number of the stage to build; the last one when `None`.
    pub target: Option<String>,
    /// Build arguments. `None` is an argument named without a value and unset in the caller's environment.
    pub build_args: BTreeMap<String, Option<String>>,
    /// The platform to build for.
    pub platform: Platform,
    /// Whether `platform` was asked for. When it was not, a base of another platform makes an image of that platform.
    pub platform_is_explicit: bool,
    /// The platform that builds: `BUILDPLATFORM`.
    pub build_platform: Platform,
    /// Whether the build is for more than one platform, so that labels name theirs.
    pub multi_platform: bool,
    /// Labels that override the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// What the engine knows the main context by: nothing, or a name of its own where platforms have different ones.
    pub context: String,
    /// Contexts by name, as `--build-context` names them: `name` or `name::os/architecture`.
    pub named_contexts: BTreeMap<String, NamedContext>,
    /// What the main context's ignore file leaves out, for the rule that warns of copying it.
    pub ignored: Option<Patterns>,
    /// What to do about RUN.
    pub run: RunPolicy,
    /// How RUN reaches the network where the instruction does not say.
    pub network: Network,
    /// The host name RUN sees.
    pub hostname: Option<String>,
    /// Further lines of `/etc/hosts` for RUN: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// Size of `/dev/shm` for RUN, in bytes.
    pub shm_size: Option<u64>,
    /// Resource limits for RUN.
    pub ulimits: Vec<Ulimit>,
    /// Parent control group for RUN.
    pub cgroup_parent: Option<String>,
    /// Stages whose steps take nothing from the cache: `None` for no stage, an empty list for all.
    pub no_cache: Option<Vec<String>>,
    /// Plan every stage instead of the target's only (`--check`).
    pub all_stages: bool,
}

impl Request {
    /// A build for `platform` on `platform`, and nothing else asked.
    pub fn new(platform: Platform) -> Self {
        Self {
            target: None,
            build_args: BTreeMap::new(),
            build_platform: platform.clone(),
            platform,
            platform_is_explicit: false,
            multi_platform: false,
            labels: BTreeMap::new(),
            context: String::new(),
            named_contexts: BTreeMap::new(),
            ignored: None,
            run: RunPolicy::default(),
            network: Network::default(),
            hostname: None,
            extra_hosts: Vec::new(),
            shm_size: None,
            ulimits: Vec::new(),
            cgroup_parent: None,
            no_cache: None,
            all_stages: false,
        }
    }

    /// The main context, as something to copy from.
    pub(crate) fn main_context(&self) -> Input {
        Input::Context(self.context.clone())
    }

    /// The value given for a build argument.
    pub(crate) fn build_arg(&self, name: &str) -> Option<&str> {
        let value = self.build_args.get(name)?.as_deref()?;
        // As BuildKit: without a time it is as if not given.
        (name != "SOURCE_DATE_EPOCH" || !value.is_empty()).then_some(value)
    }

    /// The context called `name` (as Docker shortens image names), for `platform` first.
    pub(crate) fn named_context(&self, name: &str, platform: &Platform) -> Option<(&str, &NamedContext)> {
        if name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case("context") {
            return None;
        }
        let reference: Reference = name.parse().ok()?;
        let familiar = reference.familiar();
        let short = familiar.strip_suffix(":latest").unwrap_or(&familiar);
        let for_platform = format!("{short}::{platform}");
        let found =
            self.named_contexts.get_key_value(&for_platform).or_else(|| self.named_contexts.get_key_value(short));
        found.map(|(name, context)| (name.as_str(), context))
    }
}

/// A limit of `setrlimit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// As `ulimit` options are named: `nofile`, `nproc`, ..
    pub name: String,
    /// The limit in force; -1 is unlimited.
    pub soft: i64,
    /// How far it may be raised; -1 is unlimited.
    pub hard: i64,
}

/// What a named context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// `docker-image://reference`.
    Image(Reference),
    /// `docker-image://scratch`.
    Scratch,
    /// `oci-layout://directory[:tag|@digest]`.
    OciLayout {
        /// The layout's directory.
        directory: String,
        /// The tag or digest in it; the only image when `None`.
        object: Option<String>,
    },
    /// A directory, which the engine knows by the context's name.
    Local,
    /// A git repository.
    Git(GitSource),
    /// A file or an archive behind a URL.
    Http(String),
    /// The result of another target of the same project.
    Target(String),
}

/// What to do about RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunPolicy {
    /// Run it.
    #[default]
    Execute,
    /// Leave it out: no layer, listed in [`Graph::skipped`](crate::Graph::skipped).
    Skip,
    /// Refuse the Dockerfile when the target needs one.
    Refuse,
}
