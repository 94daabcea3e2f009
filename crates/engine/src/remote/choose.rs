//! Who builds which platform.

use std::collections::BTreeMap;

use buildkit::Address;
use graph::{Graph, Op};
use oci::Platform;

use crate::event::Events;
use crate::{BuildRequest, Error, RunPolicy, TimestampPolicy};

/// Which builders build what; nothing is built on any by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Builders {
    /// `--builder`: builds every platform that has none of its own.
    pub default: Option<Address>,
    /// `--builders`: build one platform each, where there is something that only they do.
    pub by_platform: BTreeMap<Platform, Address>,
}

impl Builders {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.default.is_none() && self.by_platform.is_empty()
    }

    /// The builder for a platform; `None` when it is built in this process. What has nothing to run is always built here,
    /// unless `--builder` says otherwise.
    fn of(&self, platform: &Platform, runs: bool) -> Option<&Address> {
        let own = self.by_platform.iter().find(|(theirs, _)| theirs.serves(platform)).map(|(_, address)| address);
        if own.is_some() && !runs { None } else { own.or(self.default.as_ref()) }
    }
}

/// Who builds each graph: `None` is this process. Says so where anything else than this process was asked for.
pub(crate) fn choose(request: &BuildRequest, graphs: &[Graph], events: &Events) -> Result<Vec<Option<Address>>, Error> {
    let of = |graph: &Graph| {
        let runs = graph.steps.iter().any(|step| matches!(step.op, Op::Run(_)));
        request.builders.of(&graph.platform, runs || !request.attestations.is_empty()).cloned()
    };
    let chosen: Vec<_> = graphs.iter().map(of).collect();
    if request.builders.is_empty() && request.attestations.is_empty() {
        return Ok(chosen);
    }
    let vertex = events.start("[internal] choose builders");
    for (graph, builder) in graphs.iter().zip(&chosen) {
        let place = builder.as_ref().map_or("in this process".to_owned(), |builder| format!("on {builder}"));
        vertex.log(format!("{} is built {place}", graph.platform));
    }
    let checked = check(request, &chosen);
    vertex.finish(false, checked).map(|()| chosen)
}

/// Refuses what means nothing to those who build.
fn check(request: &BuildRequest, chosen: &[Option<Address>]) -> Result<(), Error> {
    let (here, there) = (chosen.iter().any(Option::is_none), chosen.iter().any(Option::is_some));
    let unsupported = |what: &str, hint: &str| Err(Error::Unsupported { what: what.into(), hint: hint.into() });
    if here && !request.attestations.is_empty() {
        return unsupported("an attestation of what is built in this process", "give every platform a builder");
    }
    if !there {
        return Ok(());
    }
    let refused = [
        (request.run != RunPolicy::Execute, "--run=skip or --run=refuse on a builder"),
        (request.normalize_modes, "--normalize-modes on a builder"),
        (request.timestamp == TimestampPolicy::Source, "--timestamp=source on a builder"),
        (request.sandbox.isolation.is_some(), "--isolation on a builder"),
        (request.sandbox.runtime.is_some(), "--runtime on a builder"),
    ];
    if let Some((_, what)) = refused.into_iter().find(|(given, _)| *given) {
        return unsupported(what, "leave it out, or build in this process (without --builder)");
    }
    if here && !request.cache_to.is_empty() {
        let hint = "builders and this process write caches of their own kinds: build everything in one place";
        return unsupported("--cache-to of a build that is partly on builders", hint);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platforms_own_builder_comes_first_and_runs_what_has_something_to_run() {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let platform = |text: &str| text.parse::<Platform>().expect("a platform");
        let mut builders = Builders { default: None, by_platform: BTreeMap::new() };
        builders.by_platform.insert(platform("linux/arm64"), address("ssh://arm"));
        assert_eq!(builders.of(&platform("linux/arm64"), true), Some(&address("ssh://arm")));
        assert_eq!(builders.of(&platform("linux/arm64/v8"), true), Some(&address("ssh://arm")));
        assert_eq!(builders.of(&platform("linux/arm64"), false), None);
        assert_eq!(builders.of(&platform("linux/amd64"), true), None);
        builders.default = Some(address("ssh://all"));
        assert_eq!(builders.of(&platform("linux/amd64"), false), Some(&address("ssh://all")));
        assert_eq!(builders.of(&platform("linux/arm64"), false), None);
    }
}
