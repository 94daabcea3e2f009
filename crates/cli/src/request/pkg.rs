//! What a `shipsmith pkg` means: from flags, the environment and a package to what the engine is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use engine::{
    BuildRequest, ContextImages, ContextSource, DockerfileSource, Goal, Network, Policy, PullPolicy, RunPolicy,
    SandboxOptions, TimestampPolicy,
};
use oci::Platform;
use project::pkg::{Options, Package};
use registry::{Credential, Registries, Secret};

use super::builder::package_builders;
use super::{EPOCH, RequestError, Surroundings, agent, parse_epoch, platforms};
use crate::args::{PackageArgs, PkgBuildArgs};

/// Variables that tell a build which proxy to use; they are passed on as they are.
const PROXIES: [&str; 10] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "ftp_proxy",
    "FTP_PROXY",
    "no_proxy",
    "NO_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// A variable under our name or, failing that, linuxkit's; an empty one is as good as unset.
pub(crate) fn variable(around: &dyn Surroundings, name: &str) -> Option<String> {
    let set = |prefix: &str| around.variable(&format!("{prefix}_{name}")).filter(|value| !value.is_empty());
    set("SHIPSMITH").or_else(|| set("LINUXKIT"))
}

/// What is said of all packages.
pub(crate) fn package_options(args: &PackageArgs, around: &dyn Surroundings) -> Result<Options, RequestError> {
    let user = || {
        around.variable("USER").filter(|user| !user.is_empty()).ok_or_else(|| {
            RequestError::conflict("--dev takes the organisation from $USER, which is not set", "give --org and --hash")
        })
    };
    let either = |yes: bool, no: bool| (yes || no).then_some(yes);
    Ok(Options {
        build_yml: args.build_yml.clone(),
        org: args.org.clone().or_else(|| variable(around, "PKG_ORG")),
        hash: args.hash.clone().filter(|hash| !hash.is_empty()),
        hash_commit: args.hash_commit.clone(),
        hash_path: args.hash_path.clone(),
        force_dirty: args.force_dirty,
        dev: args.dev.then(user).transpose()?,
        tag: args.tag.clone().filter(|tag| !tag.is_empty()),
        disable_cache: either(args.disable_cache, args.enable_cache),
        network: either(args.network, args.nonetwork),
    })
}

/// Refuses flags that contradict each other, and what only a builder can do.
pub(crate) fn check_pkg(
    args: &PkgBuildArgs,
    package: &PackageArgs,
    around: &dyn Surroundings,
) -> Result<(), RequestError> {
    let conflict = |message: &str, hint: &str| Err(RequestError::conflict(message, hint));
    match () {
        () if sbom(args).is_some() && package_builders(&args.builders, around)?.is_empty() => {
            let reason = "SBOMs are made by BuildKit builders, and none is given";
            Err(RequestError::unsupported("--sbom-scanner", reason, "give --builder, or --sbom-scanner=false"))
        }
        () if args.force && args.nobuild => {
            conflict("--force builds, and --nobuild forbids it", "leave one of them out")
        }
        () if args.force && args.pull => {
            conflict("--force builds what is there, and --pull fetches it", "leave one of them out")
        }
        () if args.release.is_some() && !args.push => {
            conflict("--release pushes, which nothing asks for", "add --push")
        }
        () if args.platforms.is_some() && args.skip_platforms.is_some() => {
            conflict("--platforms names all, so --skip-platforms has nothing to skip", "leave one of them out")
        }
        () if package.hash_commit != "HEAD" => {
            let hint = "check the commit out, and leave --hash-commit out";
            conflict("only the commit that is checked out can be built, not that of --hash-commit", hint)
        }
        () => Ok(()),
    }
}

/// The SBOM that is asked for, as an attestation: its kind and the options of it.
fn sbom(args: &PkgBuildArgs) -> Option<(String, String)> {
    let options = match args.sbom_scanner.as_deref()? {
        "false" => return None,
        "" | "true" => String::new(),
        image => format!("generator={image}"),
    };
    Some(("sbom".to_owned(), options))
}

/// The platforms that a package is built for: those asked for, or its own without those skipped.
pub(crate) fn package_platforms(args: &PkgBuildArgs, own: Vec<Platform>) -> Result<Vec<Platform>, RequestError> {
    if let Some(asked) = &args.platforms {
        return platforms("--platforms", std::slice::from_ref(asked));
    }
    let skipped = platforms("--skip-platforms", args.skip_platforms.as_slice())?;
    Ok(own.into_iter().filter(|platform| !skipped.iter().any(|skipped| skipped.serves(platform))).collect())
}

/// `--registry-creds REGISTRY=USER:PASSWORD` and `REGISTRY=TOKEN`, by the registry's host.
pub(crate) fn credentials(texts: &[String]) -> Result<Vec<(String, Credential)>, RequestError> {
    texts.iter().map(|text| credential(text)).collect()
}

fn credential(text: &str) -> Result<(String, Credential), RequestError> {
    let (registry, proof) = text.split_once('=').unwrap_or((text, ""));
    // What was typed is secret, so only the registry is told again.
    let invalid = |reason: &str| {
        RequestError::invalid("--registry-creds", registry, reason).or_hint("REGISTRY=USER:PASSWORD or REGISTRY=TOKEN")
    };
    let host = registry.trim().trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or_default();
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    let credential = match proof.trim().split_once(':') {
        _ if host.is_empty() => return Err(invalid("it names no registry")),
        None if proof.trim().is_empty() => return Err(invalid("it has no credential")),
        None => Credential::RegistryToken(Secret::new(proof.trim())),
        Some((user, password)) if user.trim().is_empty() || password.trim().is_empty() => {
            return Err(invalid("the user or the password is empty"));
        }
        Some((user, password)) => {
            Credential::Basic { username: user.trim().to_owned(), password: Secret::new(password.trim()) }
        }
    };
    Ok((host.to_owned(), credential))
}

/// Where to pull from first: of one registry, or of all that no other mirror is of.
#[derive(Debug, PartialEq)]
pub(crate) struct Mirror {
    registry: Option<String>,
    /// `host[:port][/path]`.
    location: String,
    insecure: bool,
}

impl Mirror {
    /// Adds it to where registries are.
    pub(crate) fn add_to(&self, registries: Registries) -> Result<Registries, registry::Error> {
        let Some(registry) = &self.registry else {
            return Ok(registries.with_mirror_of_all(&self.location, self.insecure));
        };
        let text = format!(
            "[[registry]]\nprefix = \"{registry}\"\nlocation = \"{registry}\"\n[[registry.mirror]]\nlocation = \
             \"{}\"\ninsecure = {}\n",
            self.location, self.insecure
        );
        registries.and(&text, "--mirror".as_ref())
    }
}

/// The variable's mirrors, then those of `--mirror`, which win.
pub(crate) fn mirrors(flags: &[String], around: &dyn Surroundings) -> Result<Vec<Mirror>, RequestError> {
    let variable = variable(around, "MIRROR").unwrap_or_default();
    let specs = variable.split([',', ' ']).filter(|spec| !spec.is_empty());
    specs.chain(flags.iter().map(String::as_str)).map(mirror).collect()
}

fn mirror(spec: &str) -> Result<Mirror, RequestError> {
    let (registry, url) = match spec.split_once('=') {
        Some((registry, url)) => (Some(registry), url),
        None => (None, spec),
    };
    let location = url.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
    let odd = |text: &str| text.is_empty() || text.contains(['"', '\\', '\n']);
    if odd(location) || registry.is_some_and(odd) {
        return Err(RequestError::invalid("--mirror", spec, "it names no mirror").or_hint("[REGISTRY=]URL"));
    }
    let insecure = url.starts_with("http://");
    Ok(Mirror { registry: registry.map(str::to_owned), location: location.to_owned(), insecure })
}

/// What a build of a package is given besides its own build.yml.
pub(crate) struct Facts {
    /// Build arguments, later ones over earlier ones.
    pub(crate) args: Vec<(String, String)>,
    /// The commit, when nothing differs from it.
    pub(crate) revision: Option<String>,
    /// GOPKGVERSION.
    pub(crate) go_version: Option<String>,
    /// The Dockerfile, below the package's directory.
    pub(crate) dockerfile: String,
    /// The goals that come first.
    pub(crate) needs: BTreeSet<usize>,
}

/// A package as a goal of the engine.
pub(crate) fn goal(
    package: &Package,
    platforms: Vec<Platform>,
    facts: Facts,
    args: &PkgBuildArgs,
    around: &dyn Surroundings,
) -> Result<Goal, crate::failure::Failure> {
    let images = package.docker_images.clone().map(|images| ContextImages {
        images: images.images,
        target: images.target,
        directory: images.directory,
    });
    Ok(Goal {
        name: package.reference()?,
        platforms,
        policy: match () {
            () if args.force => Policy::Force,
            () if args.nobuild => Policy::Skip,
            () => Policy::Find { pull: args.pull || args.docker },
        },
        needs: facts.needs.clone(),
        request: request(package, facts, args, around)?,
        images,
    })
}

fn request(
    package: &Package,
    facts: Facts,
    args: &PkgBuildArgs,
    around: &dyn Surroundings,
) -> Result<BuildRequest, RequestError> {
    let (context, dockerfile) = context(package, &facts.dockerfile);
    Ok(BuildRequest {
        dockerfile,
        context,
        named_contexts: BTreeMap::new(),
        target: None,
        labels: labels(package, &facts),
        timestamp: match around.variable(EPOCH).filter(|epoch| !epoch.is_empty()) {
            Some(epoch) => parse_epoch(&epoch)?,
            None => TimestampPolicy::Default,
        },
        build_args: build_args(package, facts, around),
        platforms: Vec::new(),
        annotations: Vec::new(),
        tags: Vec::new(),
        outputs: Vec::new(),
        pull: if args.ignore_cached { PullPolicy::Resolve } else { PullPolicy::Named },
        no_cache: package.disable_cache.then(Vec::new),
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        run: RunPolicy::Execute,
        normalize_modes: false,
        sandbox: SandboxOptions {
            network: if package.network { Network::Default } else { Network::None },
            agents: agent::agents(&args.ssh, around)?,
            ..SandboxOptions::default()
        },
        builders: package_builders(&args.builders, around)?,
        attestations: sbom(args).into_iter().collect(),
    })
}

/// The directory itself where it is all of the context; otherwise each source in its place.
fn context(package: &Package, dockerfile: &str) -> (ContextSource, DockerfileSource) {
    if package.sources.len() == 1 {
        let file = package.directory.join(dockerfile);
        return (ContextSource::Directory(package.directory.clone()), DockerfileSource::Path(file));
    }
    let mut parts = BTreeMap::new();
    for source in &package.sources {
        // Several sources of one place join there; its further spellings keep them apart until then.
        let mut place = source.target.clone();
        while parts.contains_key(&place) {
            place.push('/');
        }
        parts.insert(place, source.host.clone());
    }
    (ContextSource::Mapped(parts), DockerfileSource::Path(PathBuf::from(dockerfile)))
}

/// LinuxKit's labels: they say where an image comes from, and to LinuxKit how to run it.
fn labels(package: &Package, facts: &Facts) -> BTreeMap<String, String> {
    let tool = [
        ("org.mobyproject.linuxkit.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("org.mobyproject.linuxkit.revision", Some(option_env!("SHIPSMITH_REVISION").unwrap_or("unknown").to_owned())),
        ("org.opencontainers.image.source", package.gitrepo.clone()),
        ("org.opencontainers.image.revision", facts.revision.clone()),
        ("org.mobyproject.config", package.config.clone()),
    ];
    tool.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Proxies, then presets, then what was said.
fn build_args(package: &Package, facts: Facts, around: &dyn Surroundings) -> BTreeMap<String, String> {
    let proxies = PROXIES.iter().filter_map(|name| Some(((*name).to_owned(), around.variable(name)?)));
    let presets = [
        ("SOURCE", package.gitrepo.clone()),
        ("REVISION", facts.revision),
        ("GOPKGVERSION", facts.go_version),
        ("PKG_HASH", Some(package.hash.clone())),
        ("PKG_IMAGE", Some(package.name())),
    ];
    let presets = presets.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    proxies.chain(presets).chain(facts.args).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Surroundings that have some variables, and nothing else.
    pub(crate) struct Around(pub(crate) &'static [(&'static str, &'static str)]);

    impl Surroundings for Around {
        fn variable(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        }
        fn now(&self) -> i64 {
            0
        }
        fn stdout_is_terminal(&self) -> bool {
            false
        }
        fn stderr_is_terminal(&self) -> bool {
            false
        }
        fn peek_stdin(&self) -> std::io::Result<Vec<u8>> {
            Ok(Vec::new())
        }
        fn read_stdin(&self) -> std::io::Result<String> {
            Ok(String::new())
        }
    }

    #[test]
    fn our_variables_come_before_linuxkits() {
        let around = Around(&[("LINUXKIT_PKG_ORG", "theirs"), ("SHIPSMITH_PKG_ORG", "ours")]);
        assert_eq!(variable(&around, "PKG_ORG").as_deref(), Some("ours"));
        assert_eq!(variable(&Around(&[("LINUXKIT_PKG_ORG", "theirs")]), "PKG_ORG").as_deref(), Some("theirs"));
        assert_eq!(variable(&Around(&[("LINUXKIT_PKG_ORG", "")]), "PKG_ORG"), None);
    }

    #[test]
    fn a_credential_is_never_told_again() {
        let (host, _) = credential("https://index.docker.io/=a:b").unwrap();
        assert_eq!(host, "docker.io");
        assert!(matches!(credential("example.org:5000=token").unwrap().1, Credential::RegistryToken(_)));
        let error = credential("example.org=:secret").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
        assert!(credential("=a:b").is_err() && credential("example.org").is_err());
    }

    #[test]
    fn mirrors_are_of_one_registry_or_of_all() {
        let around = Around(&[("LINUXKIT_MIRROR", "docker.io=http://localhost:5000/ https://all.example/x")]);
        let found = mirrors(&["own.example=m.example".to_owned()], &around).unwrap();
        let found: Vec<_> =
            found.iter().map(|one| (one.registry.as_deref(), one.location.as_str(), one.insecure)).collect();
        let hub = (Some("docker.io"), "localhost:5000", true);
        assert_eq!(found, [hub, (None, "all.example/x", false), (Some("own.example"), "m.example", false)]);
        for wrong in ["a=", "=http://x", "http://"] {
            assert!(mirrors(&[wrong.to_owned()], &Around(&[])).is_err(), "{wrong}");
        }
        assert_eq!(mirrors(&[], &Around(&[])), Ok(Vec::new()));
    }
}
