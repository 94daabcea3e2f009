//! A request in the words of BuildKit's Dockerfile frontend.

use std::collections::BTreeMap;

use buildkit::{Builder, Cache};
use graph::Ulimit;
use oci::Platform;

use super::caches;
use crate::{
    BuildRequest, CachePlace, CacheTarget, ContextSource, Entitlement, Error, Network, PullPolicy, TimestampPolicy,
};

/// What the Dockerfile is called for the builder.
pub(crate) const DOCKERFILE: &str = "Dockerfile";
const EPOCH: &str = "build-arg:SOURCE_DATE_EPOCH";

/// What the directory of a named context is called for the builder.
pub(crate) fn directory(name: &str) -> String {
    format!("context:{name}")
}

/// The frontend's attributes.
pub(crate) fn of(request: &BuildRequest, platform: &Platform, times: TimestampPolicy) -> BTreeMap<String, String> {
    let sandbox = &request.sandbox;
    let joined = |items: Vec<String>| Some(items.join(",")).filter(|text| !text.is_empty());
    let hosts = sandbox.add_hosts.iter().map(|(name, address)| format!("{name}={address}")).collect();
    let epoch = match times {
        TimestampPolicy::Epoch(seconds) => Some(seconds.to_string()),
        _ => None,
    };
    let single = [
        ("filename", Some(DOCKERFILE.to_owned())),
        ("platform", Some(platform.to_string())),
        ("target", request.target.clone()),
        ("no-cache", request.no_cache.as_ref().map(|stages| stages.join(","))),
        ("image-resolve-mode", (request.pull == PullPolicy::Always).then(|| "pull".to_owned())),
        ("force-network-mode", network(sandbox.network).map(str::to_owned)),
        ("add-hosts", joined(hosts)),
        ("shm-size", sandbox.shm_size.map(|bytes| bytes.to_string())),
        ("ulimit", joined(sandbox.ulimits.iter().map(ulimit).collect())),
        ("cgroup-parent", sandbox.cgroup_parent.clone()),
        (EPOCH, epoch),
    ];
    let single = single.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let arguments = request.build_args.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone()));
    let labels = request.labels.iter().map(|(name, value)| (format!("label:{name}"), value.clone()));
    let attests = request.attestations.iter().map(|(kind, options)| (format!("attest:{kind}"), options.clone()));
    let contexts = request.named_contexts.iter();
    let contexts = contexts.filter_map(|(name, source)| Some((format!("context:{name}"), context(name, source)?)));
    single.chain(arguments).chain(labels).chain(attests).chain(contexts).collect()
}

/// Refuses what a builder does not understand: old ones pass over attributes that they do not know.
pub(crate) fn check_version(builder: &Builder, request: &BuildRequest) -> Result<(), Error> {
    if builder.version().is_some() {
        return Ok(());
    }
    let sandbox = &request.sandbox;
    let newer = [
        (!request.named_contexts.is_empty(), "--build-context"),
        (!request.attestations.is_empty(), "an attestation"),
        (!sandbox.ulimits.is_empty(), "--ulimit"),
        (sandbox.shm_size.is_some(), "--shm-size"),
        (sandbox.cgroup_parent.is_some(), "--cgroup-parent"),
    ];
    let reason = |what| format!("it is older than BuildKit 0.11, which {what} needs");
    match newer.into_iter().find(|(given, _)| *given) {
        Some((_, what)) => {
            Err(buildkit::Error::Refused { builder: builder.address().to_string(), reason: reason(what) }.into())
        }
        None => Ok(()),
    }
}

/// What the Dockerfile may ask for, by BuildKit's names.
pub(crate) fn entitlements(request: &BuildRequest) -> Vec<String> {
    let name = |allowed: &Entitlement| match allowed {
        Entitlement::NetworkHost => "network.host".to_owned(),
        Entitlement::SecurityInsecure => "security.insecure".to_owned(),
    };
    request.sandbox.allowed.iter().map(name).collect()
}

/// `--cache-to`.
pub(crate) fn cache_to(request: &BuildRequest) -> Vec<Cache> {
    request.cache_to.iter().map(exported).collect()
}

fn exported(target: &CacheTarget) -> Cache {
    let mode = ("mode", if target.all { "max" } else { "min" }.to_owned());
    let ignore = ("ignore-error", target.ignore_error.to_string());
    match &target.place {
        None => cache("inline", [mode, ignore]),
        Some(CachePlace::Registry(reference)) => cache("registry", [("ref", reference.to_string()), mode, ignore]),
        Some(CachePlace::Directory { path, .. }) => cache("local", [("dest", caches::name(path)), mode, ignore]),
    }
}

fn cache<const N: usize>(kind: &'static str, attributes: [(&str, String); N]) -> Cache {
    Cache { kind, attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into() }
}

fn network(network: Network) -> Option<&'static str> {
    match network {
        Network::Default => None,
        Network::None => Some("none"),
        Network::Host => Some("host"),
    }
}

fn ulimit(limit: &Ulimit) -> String {
    format!("{}={}:{}", limit.name, limit.soft, limit.hard)
}

/// A named context that is no image of this machine: those are offered by digest.
fn context(name: &str, source: &ContextSource) -> Option<String> {
    match source {
        ContextSource::Directory(_) | ContextSource::Mapped(_) | ContextSource::Empty => {
            Some(format!("local:{}", directory(name)))
        }
        ContextSource::Image(reference) => Some(format!("docker-image://{reference}")),
        ContextSource::Http(url) | ContextSource::Git(url) => Some(url.clone()),
        ContextSource::Layout { .. } | ContextSource::Job(_) | ContextSource::Stdin | ContextSource::Platforms(_) => {
            None
        }
    }
}
