//! A request in the words of BuildKit's Dockerfile frontend.

use std::collections::BTreeMap;

use graph::Ulimit;
use oci::Platform;

use crate::{BuildRequest, ContextSource, Entitlement, Error, Network, PullPolicy};

/// What the Dockerfile is called for the builder.
pub(crate) const DOCKERFILE: &str = "Dockerfile";

/// The frontend's attributes.
pub(crate) fn of(request: &BuildRequest, platform: &Platform) -> Result<BTreeMap<String, String>, Error> {
    let sandbox = &request.sandbox;
    let joined = |items: Vec<String>| Some(items.join(",")).filter(|text| !text.is_empty());
    let hosts = sandbox.add_hosts.iter().map(|(name, address)| format!("{name}={address}")).collect();
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
    ];
    let single = single.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let arguments = request.build_args.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone()));
    let labels = request.labels.iter().map(|(name, value)| (format!("label:{name}"), value.clone()));
    let contexts = request.named_contexts.iter();
    let contexts = contexts.map(|(name, source)| Ok((format!("context:{name}"), context(name, source)?)));
    let contexts = contexts.collect::<Result<Vec<_>, Error>>()?;
    Ok(single.chain(arguments).chain(labels).chain(contexts).collect())
}

/// What the Dockerfile may ask for, by BuildKit's names.
pub(crate) fn entitlements(request: &BuildRequest) -> Vec<String> {
    let name = |allowed: &Entitlement| match allowed {
        Entitlement::NetworkHost => "network.host".to_owned(),
        Entitlement::SecurityInsecure => "security.insecure".to_owned(),
    };
    request.sandbox.allowed.iter().map(name).collect()
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

fn context(name: &str, source: &ContextSource) -> Result<String, Error> {
    match source {
        ContextSource::Directory(_) | ContextSource::Mapped(_) | ContextSource::Empty => Ok(format!("local:{name}")),
        ContextSource::Image(reference) => Ok(format!("docker-image://{reference}")),
        ContextSource::Http(url) | ContextSource::Git(url) => Ok(url.clone()),
        ContextSource::Layout { .. } | ContextSource::Job(_) | ContextSource::Stdin => Err(Error::Unsupported {
            what: format!("the build context {name} on a builder"),
            hint: "push the image and name it with docker-image://".into(),
        }),
    }
}
