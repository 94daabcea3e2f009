//! Running one process, and making a layer of what it changed.

use std::path::PathBuf;

use graph::{MountKind, RunOp};
use layer::{Compression, SourceTree, Tree, adopt};
use sandbox::{
    Changes, Level, MountSource, Network, Owners, Process, Ran, RuntimeProgram, Sandbox, Spec, Stack, Stop, Stream,
    Times, Ulimit,
};

use super::agent::Served;
use super::caches::Cache;
use super::lines::Lines;
use super::mounts::Given;
use super::{Prepared, RunError, Scratch, mounts, surroundings, user};
use crate::cancel::Cancel;
use crate::event::Log;
use crate::layers::{LayerRef, Layers};
use crate::stored::{blob_of, keep_index};
use crate::{Error, SandboxOptions, TimestampPolicy};

/// As in BuildKit.
const SHM_SIZE: u64 = 64 << 20;

/// One process to be run, and all that it needs.
pub(crate) struct Run {
    pub(crate) layers: Layers,
    pub(crate) sandbox: Sandbox,
    pub(crate) runtime: Option<RuntimeProgram>,
    pub(crate) cancel: Cancel,
    pub(crate) options: SandboxOptions,
    pub(crate) times: TimestampPolicy,
    pub(crate) op: RunOp,
    /// Each with the layers its files come from, and their trees, base first.
    pub(crate) mounts: Vec<(Prepared, Vec<PathBuf>)>,
    pub(crate) compression: Option<Compression>,
    pub(crate) log: Log,
}

/// What a run leaves besides its layer.
pub(crate) struct Kept {
    /// The directory that is the layer's tree.
    pub(crate) upper: PathBuf,
    /// Goes when this is dropped, and with it `upper` unless it was moved.
    _scratch: Scratch,
}

/// What a run uses that goes on existing outside of it.
struct Lent {
    _caches: Vec<Cache>,
    _agents: Vec<Served>,
}

impl Run {
    /// Runs the process over the trees in `lower`, which `tree` describes. Blocks.
    pub(crate) fn execute(
        self,
        lower: Vec<PathBuf>,
        tree: Option<Tree>,
        stop: &Stop,
    ) -> Result<(LayerRef, Option<Kept>), Error> {
        let scratch = Scratch::new(&self.layers, &self.sandbox)?;
        let (spec, _lent) = self.spec(&scratch, lower, tree.as_ref(), stop)?;
        let changes = self.wait(&spec, stop)?;
        let (layer, upper) = self.layer(changes)?;
        Ok((layer, upper.map(|upper| Kept { upper, _scratch: scratch })))
    }

    /// Runs it, telling of its lines as they come.
    fn wait(&self, spec: &Spec, stop: &Stop) -> Result<Changes, Error> {
        let mut lines = [Lines::default(), Lines::default()];
        let mut output = |stream: Stream, bytes: &[u8]| {
            let [output, error] = &mut lines;
            let lines = if stream == Stream::Output { output } else { error };
            lines.feed(bytes, |line| self.log.line(line));
        };
        let ran = self.sandbox.run(spec, &mut output, stop);
        lines.iter_mut().for_each(|lines| lines.finish(|line| self.log.line(line)));
        match ran.map_err(RunError::from)? {
            Ran::Done(changes) => Ok(changes),
            Ran::Failed(exit) => Err(RunError::Failed { command: self.op.args.join(" "), exit }.into()),
        }
    }

    fn layer(&self, mut changes: Changes) -> Result<(LayerRef, Option<PathBuf>), Error> {
        let store = self.layers.store();
        let (layer, blob, kept) = match self.compression {
            Some(compression) => {
                let sink = self.cancel.guard(store.raw_writer(None)?);
                let (layer, sink) = adopt(&mut changes, sink, compression)?;
                let kept = changes.finish().map_err(RunError::from)?;
                sink.into_inner().finish_hashed(&layer.digest, layer.size)?;
                let blob = blob_of(&layer);
                (layer, Some(blob), kept)
            }
            None => {
                let sink = self.cancel.guard(store.tar_writer(None)?);
                let (layer, sink) = adopt(&mut changes, sink, Compression::None)?;
                let kept = changes.finish().map_err(RunError::from)?;
                sink.into_inner().finish()?;
                (layer, None, kept)
            }
        };
        Ok((keep_index(&self.layers, layer, blob)?.0, kept.upper))
    }

    /// What the sandbox is asked, and what it may use meanwhile.
    fn spec(
        &self,
        scratch: &Scratch,
        lower: Vec<PathBuf>,
        tree: Option<&Tree>,
        stop: &Stop,
    ) -> Result<(Spec, Lent), Error> {
        let op = &self.op;
        let user = user::resolve(tree.map(|tree| tree as &dyn SourceTree), &op.user)?;
        let mut env = surroundings::environment(op, &user);
        let mut caches = Vec::new();
        let given = self.all_mounts(scratch, &mut caches, stop)?;
        env.extend(given.env);
        let spec = Spec {
            stack: Stack { lower, scratch: scratch.directory("root")? },
            process: Process {
                args: op.args.clone(),
                env,
                directory: op.directory.clone(),
                uid: user.uid,
                gid: user.gid,
                groups: user.groups,
            },
            mounts: given.mounts,
            network: if op.network == dockerfile::Network::None { Network::None } else { Network::Host },
            privileged: op.security == dockerfile::Security::Insecure,
            hostname: surroundings::hostname(op).to_owned(),
            hosts: surroundings::hosts(op),
            resolv_conf: surroundings::resolv_conf(),
            shm_size: op.shm_size.filter(|size| *size > 0).unwrap_or(SHM_SIZE),
            ulimits: op.ulimits.iter().map(ulimit).collect(),
            cgroup_parent: op.cgroup_parent.clone(),
            times: times(self.times),
            runtime: self.runtime.clone(),
            owners: owners(&self.sandbox, tree)?,
        };
        Ok((spec, Lent { _caches: caches, _agents: given.agents }))
    }

    fn all_mounts(&self, scratch: &Scratch, caches: &mut Vec<Cache>, stop: &Stop) -> Result<Given, Error> {
        let mut all = mounts::agents(&self.op, &self.options)?;
        for (position, (Prepared { mount, layers }, lower)) in self.mounts.iter().enumerate() {
            let source = match &mount.kind {
                MountKind::Secret { .. } => {
                    let secret = mounts::secret(mount, &self.options)?;
                    all.mounts.extend(secret.mounts);
                    all.env.extend(secret.env);
                    continue;
                }
                MountKind::Ssh { .. } => continue,
                MountKind::Tmpfs { size } => MountSource::Tmpfs { size: *size },
                MountKind::Bind { source, .. } => {
                    let scratch = scratch.directory(&format!("mount{position}"))?;
                    let stack = Stack { lower: lower.clone(), scratch };
                    MountSource::Stack { stack, path: source.clone() }
                }
                MountKind::Cache { .. } => {
                    let [content] = &layers[..] else { return Err(Error::Internal("a cache has one layer".into())) };
                    let cache = Cache::open(&self.layers, &self.sandbox, mount, content, stop)?;
                    let source = cache.source();
                    caches.push(cache);
                    source
                }
            };
            let target = mount.target.clone().unwrap_or_default();
            all.mounts.push(sandbox::Mount { target, read_only: mount.read_only, source });
        }
        Ok(all)
    }
}

fn ulimit(limit: &graph::Ulimit) -> Ulimit {
    Ulimit { name: limit.name.clone(), soft: limit.soft, hard: limit.hard }
}

fn times(policy: TimestampPolicy) -> Times {
    match policy {
        TimestampPolicy::Epoch(seconds) => Times::Latest { seconds },
        TimestampPolicy::Default => Times::Made { seconds: policy.seconds() },
        TimestampPolicy::Now(_) | TimestampPolicy::Source => Times::Kept,
    }
}

/// Who owns what, for the one level that cannot see it on disk.
fn owners(sandbox: &Sandbox, tree: Option<&Tree>) -> Result<Option<Owners>, Error> {
    if sandbox.level() != Level::SingleId {
        return Ok(None);
    }
    let mut owners = Owners::default();
    let mut pending = vec![rootfs::TreePath::root()];
    while let (Some(dir), Some(tree)) = (pending.pop(), tree) {
        for entry in tree.children(&dir)? {
            if (entry.uid, entry.gid) != (0, 0) {
                let path = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
                owners.0.insert(path, (entry.uid, entry.gid));
            }
            if entry.is_dir() {
                pending.push(entry.path);
            }
        }
    }
    Ok(Some(owners))
}
