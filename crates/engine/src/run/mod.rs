//! RUN: one process over a step's file system.
//!
//! The walk: `key` says by what the step is known, `record` whether its layer is there already. Otherwise `trees` unpacks the
//! layers below, `mounts`, `surroundings` and `user` say what the process sees, `sandbox` runs it and gives what it changed
//! as a tar, which becomes the step's layer.

mod agent;
mod caches;
mod carry;
mod error;
mod foreign;
mod key;
mod lines;
mod mounts;
mod process;
pub(crate) mod record;
mod scratch;
mod surroundings;
mod trees;
mod user;

use std::sync::Arc;

use dockerfile::{Network, Security};
use futures_util::future::try_join_all;
use graph::{Op, RunOp, Step};
use layer::{Compression, Tree};
use sandbox::{Level, RuntimeProgram, Sandbox, Stop};
use tokio::sync::OnceCell;

use crate::cancel::Cancel;
use crate::event::{Events, Log};
use crate::layers::{LayerRef, Layers, blocking};
use crate::{Entitlement, Error, SandboxOptions, TimestampPolicy};

pub(crate) use agent::Served as ServedAgent;
pub use agent::{AgentKey, AgentKeyError};
pub use carry::CacheMounts;
pub use error::RunError;
pub(crate) use key::{Prepared, key};
pub(crate) use mounts::read_secret;
use process::{Kept, Run};
use scratch::Scratch;
use trees::Trees;

/// Said once, whoever chose the level.
const CHROOT: &str = "isolation level chroot: RUN shares processes, devices and network with the container around it \
                      (docs/isolation.md says what that means)";

/// Runs processes; finds out how only when the first one has to be run.
pub(crate) struct Runner {
    layers: Layers,
    options: SandboxOptions,
    times: TimestampPolicy,
    cancel: Cancel,
    ready: OnceCell<Ready>,
}

/// How processes are run on this machine.
struct Ready {
    sandbox: Sandbox,
    runtime: Option<RuntimeProgram>,
    trees: Trees,
}

/// One RUN to be run.
pub(crate) struct Job<'a> {
    pub(crate) op: &'a RunOp,
    /// The layers it runs over, base first.
    pub(crate) parent: &'a [LayerRef],
    pub(crate) mounts: &'a [Prepared],
    /// How its layer becomes a blob; a plain tar for later steps when `None`.
    pub(crate) compression: Option<Compression>,
    /// Where its output goes.
    pub(crate) log: Log,
}

impl Runner {
    pub(crate) fn new(layers: Layers, options: SandboxOptions, times: TimestampPolicy, cancel: Cancel) -> Self {
        Self { layers, options, times, cancel, ready: OnceCell::new() }
    }

    /// Runs the process. `tree` brings the merged tree below it, once the layers are unpacked.
    pub(crate) async fn run(
        &self,
        job: Job<'_>,
        tree: impl Future<Output = Result<Option<Tree>, Error>>,
        events: &Events,
    ) -> Result<LayerRef, Error> {
        foreign::check(&job.op.platform)?;
        let ready = self.ready.get_or_try_init(|| self.prepare(events)).await?;
        let lower = ready.trees.of(job.parent).await?;
        let mounted = try_join_all(job.mounts.iter().map(|prepared| ready.trees.of(prepared.to_unpack()))).await?;
        let tree = tree.await?;
        let stop = Stop::new().map_err(RunError::from)?;
        let _stopped_when_dropped = StopOnDrop(stop.clone());
        let run = Run {
            layers: self.layers.clone(),
            sandbox: ready.sandbox.clone(),
            runtime: ready.runtime.clone(),
            cancel: self.cancel.clone(),
            options: self.options.clone(),
            times: self.times,
            op: job.op.clone(),
            mounts: job.mounts.iter().cloned().zip(mounted).collect(),
            compression: job.compression,
            log: job.log,
        };
        let (layer, kept) = blocking(move || run.execute(lower, tree, &stop)).await?;
        if let Some(Kept { upper, .. }) = &kept {
            ready.trees.keep(&layer.diff_id, upper)?;
        }
        Ok(layer)
    }

    /// Finds an isolation level, and says which.
    async fn prepare(&self, events: &Events) -> Result<Ready, Error> {
        let vertex = events.start("[internal] prepare a sandbox for RUN");
        let (store, pinned) = (Arc::clone(self.layers.store()), self.options.isolation);
        let runtime = self.options.runtime;
        let found = blocking(move || {
            let sandbox = sandbox::probe(&store.trees_dir()?).choose(pinned).map_err(RunError::from)?;
            let path = std::env::var("PATH").unwrap_or_default();
            let runtime = runtime.map(|runtime| runtime.find(&path, sandbox.level()));
            let runtime = runtime.transpose().map_err(RunError::from)?;
            scratch::remove_stale(&store, &sandbox)?;
            Ok((sandbox, runtime))
        });
        let found = found.await;
        if let Ok((sandbox, runtime)) = &found {
            vertex.log(format!("isolation level {}", sandbox.level()));
            if let Some(program) = runtime {
                vertex.log(format!("commands are executed by {}", program.path.display()));
            }
            if sandbox.level() == Level::Chroot {
                events.warn(CHROOT, None);
            }
        }
        let (sandbox, runtime) = vertex.finish(false, found)?;
        let trees = Trees::new(self.layers.clone(), sandbox.clone());
        Ok(Ready { sandbox, runtime, trees })
    }
}

/// Refuses what a step may only do when it was allowed on the command line, and what cannot be had here.
pub(crate) fn allowed(step: &Step, options: &SandboxOptions) -> Result<(), Error> {
    let Op::Run(op) = &step.op else { return Ok(()) };
    let needs = [
        (op.network == Network::Host, Entitlement::NetworkHost, "network.host"),
        (op.security == Security::Insecure, Entitlement::SecurityInsecure, "security.insecure"),
    ];
    let refused = |&&(asked, what, _): &&(bool, Entitlement, _)| asked && !options.allowed.contains(&what);
    match needs.iter().find(refused) {
        Some((_, _, name)) => Err(RunError::NotAllowed(name).into()),
        None if op.devices.is_empty() => Ok(()),
        None => Err(RunError::Devices.into()),
    }
}

/// Ends the process when nobody waits for it any more.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[cfg(test)]
mod tests {
    use graph::StepId;
    use oci::Platform;

    use super::*;

    /// A RUN that asks for nothing.
    pub(super) fn op() -> RunOp {
        RunOp {
            parent: StepId(0),
            args: vec!["/bin/sh".into(), "-c".into(), "true".into()],
            env: Vec::new(),
            proxy: Vec::new(),
            directory: "/".into(),
            user: String::new(),
            mounts: Vec::new(),
            network: Network::Default,
            security: Security::Sandbox,
            hostname: None,
            extra_hosts: Vec::new(),
            shm_size: None,
            ulimits: Vec::new(),
            cgroup_parent: None,
            platform: Platform::host(),
            devices: Vec::new(),
        }
    }
}
