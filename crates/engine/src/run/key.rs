//! By what a RUN is known: all that can change what it does.

use graph::{Mount, MountKind, RunOp};
use oci::{DiffId, Digest};

use crate::TimestampPolicy;
use crate::framed::Framed;
use crate::layers::LayerRef;

/// Changes whenever the same step would be run in another way.
const FORMAT: &str = "shipsmith run 2";

/// A mount, and the layers its files come from.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) mount: Mount,
    pub(crate) layers: Vec<LayerRef>,
}

impl Prepared {
    /// The layers that are mounted as they are: a cache has its own copy.
    pub(crate) fn to_unpack(&self) -> &[LayerRef] {
        match self.mount.kind {
            MountKind::Bind { .. } => &self.layers,
            _ => &[],
        }
    }
}

/// The key of `op` over `parent`: contents by their digests; of secrets, agents, caches and memory the declaration only; no
/// proxies; no limits of resources, which decide whether a step succeeds but not what it makes.
pub(crate) fn key(op: &RunOp, parent: &[LayerRef], mounts: &[Prepared], times: TimestampPolicy) -> Digest {
    let mut key = Framed::new(FORMAT);
    key.put(times_key(times).as_bytes());
    layers(&mut key, parent);
    key.list(op.args.iter().map(String::as_bytes));
    key.list(op.env.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
    key.put(op.directory.as_bytes());
    key.put(op.user.as_bytes());
    key.put(op.platform.to_string().as_bytes());
    key.put(format!("{:?} {:?} {:?} {:?}", op.network, op.security, op.hostname, op.devices).as_bytes());
    key.list(op.extra_hosts.iter().flat_map(|(host, address)| [host.as_bytes(), address.as_bytes()]));
    for prepared in mounts {
        mount(&mut key, prepared);
    }
    key.finish()
}

/// What the policy does to a layer; the clock's own reading is no part of it.
fn times_key(times: TimestampPolicy) -> String {
    match times {
        TimestampPolicy::Epoch(seconds) => format!("latest {seconds}"),
        TimestampPolicy::Default => format!("made {}", times.seconds()),
        TimestampPolicy::Now(_) | TimestampPolicy::Source => "kept".into(),
    }
}

fn layers(key: &mut Framed, layers: &[LayerRef]) {
    key.list(layers.iter().map(|layer| name(&layer.diff_id)));
}

fn name(diff_id: &DiffId) -> &[u8] {
    diff_id.0.as_str().as_bytes()
}

fn mount(key: &mut Framed, prepared: &Prepared) {
    let Mount { target, read_only, kind } = &prepared.mount;
    key.put(format!("{target:?} {read_only}").as_bytes());
    let declared = match kind {
        MountKind::Bind { input: _, source } => format!("bind {source:?}"),
        MountKind::Cache { id, sharing, input: _, source, access } => {
            format!("cache {id:?} {sharing:?} {source:?} {access:?}")
        }
        MountKind::Tmpfs { size } => format!("tmpfs {size}"),
        MountKind::Secret { id, env, required, access } => format!("secret {id:?} {env:?} {required} {access:?}"),
        MountKind::Ssh { id, required, access } => format!("ssh {id:?} {required} {access:?}"),
    };
    key.put(declared.as_bytes());
    layers(key, &prepared.layers);
}

#[cfg(test)]
mod tests {
    use graph::{Access, Input};

    use super::*;
    use crate::layers::Origin;
    use crate::run::tests::op;

    fn layer(text: &str) -> LayerRef {
        LayerRef { diff_id: DiffId(Digest::of(text.as_bytes())), blob: None, origin: Origin::Store }
    }

    fn bind(content: &str) -> Prepared {
        let kind = MountKind::Bind { input: Input::Context(String::new()), source: "/".into() };
        Prepared { mount: Mount { target: Some("/src".into()), read_only: true, kind }, layers: vec![layer(content)] }
    }

    fn secret(id: &str) -> Prepared {
        let access = Access { uid: 0, gid: 0, mode: 0o400 };
        let kind = MountKind::Secret { id: id.into(), env: None, required: false, access };
        Prepared { mount: Mount { target: Some("/s".into()), read_only: true, kind }, layers: Vec::new() }
    }

    #[test]
    fn all_that_changes_a_result_changes_the_key() {
        let base = |op: &RunOp| key(op, &[layer("a")], &[], TimestampPolicy::Default);
        let plain = base(&op());
        assert_eq!(plain, base(&op()));
        let change = |change: fn(&mut RunOp)| {
            let mut op = op();
            change(&mut op);
            base(&op)
        };
        let changed = [
            change(|op| op.args.push("x".into())),
            change(|op| op.args = vec!["/bin/sh -c".into(), "true".into()]),
            change(|op| op.env.push(("A".into(), "1".into()))),
            change(|op| op.directory = "/srv".into()),
            change(|op| op.user = "app".into()),
            change(|op| op.network = dockerfile::Network::None),
            change(|op| op.security = dockerfile::Security::Insecure),
            change(|op| op.hostname = Some("h".into())),
            change(|op| op.extra_hosts.push(("h".into(), "1.2.3.4".into()))),
            key(&op(), &[layer("b")], &[], TimestampPolicy::Default),
            key(&op(), &[layer("a")], &[], TimestampPolicy::Epoch(1)),
            key(&op(), &[layer("a")], &[bind("x")], TimestampPolicy::Default),
            key(&op(), &[layer("a")], &[bind("y")], TimestampPolicy::Default),
            key(&op(), &[layer("a")], &[secret("x")], TimestampPolicy::Default),
            key(&op(), &[layer("a")], &[secret("y")], TimestampPolicy::Default),
        ];
        let distinct: std::collections::BTreeSet<&Digest> = changed.iter().chain([&plain]).collect();
        assert_eq!(distinct.len(), changed.len() + 1);
    }

    #[test]
    fn proxies_limits_and_the_clock_change_nothing() {
        let with = |op: &RunOp, times| key(op, &[], &[], times);
        let mut other = op();
        other.proxy.push(("http_proxy".into(), "x".into()));
        other.shm_size = Some(1);
        assert_eq!(with(&op(), TimestampPolicy::Now(1)), with(&other, TimestampPolicy::Now(2)));
    }
}
