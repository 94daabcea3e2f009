//! Trying a level by running a command in it. The command is missing, which is the last thing that can fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{getegid, geteuid};
use rustix::thread::CapabilitySet;

use super::{remedy, subordinate};
use crate::sandbox::Storage;
use crate::{Error, Exit, Level, Network, Process, Ran, Sandbox, Spec, Stack, Stop, Times};

/// A level to use, or why not.
pub(super) fn attempt(level: Level, dir: &Path) -> Result<Sandbox, Error> {
    if let Some(missing) = missing(level) {
        return Err(remedy::unavailable(level, missing));
    }
    let storages: &[Storage] = match level {
        Level::Chroot => &[Storage::Copies],
        _ => &[Storage::Overlay, Storage::Copies],
    };
    let mut first = None;
    for storage in storages {
        match Sandbox::open(level, *storage).and_then(|sandbox| trial(&sandbox, dir).map(|()| sandbox)) {
            Ok(sandbox) => return Ok(sandbox),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first
        .map_or_else(|| remedy::unavailable(level, "nothing was tried".into()), |error| remedy::explain(level, error)))
}

/// What is known to be missing without trying.
fn missing(level: Level) -> Option<String> {
    let has = |capability| rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(capability));
    match level {
        Level::Root if !geteuid().is_root() => Some("this is not root".into()),
        Level::Root if !has(CapabilitySet::SYS_ADMIN) => Some("root has no CAP_SYS_ADMIN here".into()),
        Level::Chroot if !geteuid().is_root() => Some("this is not root".into()),
        Level::Chroot if !has(CapabilitySet::SYS_CHROOT) => Some("root has no CAP_SYS_CHROOT here".into()),
        _ => None,
    }
}

impl Sandbox {
    /// The namespace of a level, with a name for the trees that are unpacked in it.
    fn open(level: Level, storage: Storage) -> Result<Sandbox, Error> {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        Ok(match level {
            Level::Root => Sandbox::new(level, "root".into(), storage, None),
            Level::Chroot => Sandbox::new(level, "chroot".into(), storage, None),
            Level::SingleId => {
                let namespace = subordinate::namespace(None)?;
                Sandbox::new(level, format!("single-{uid}-{gid}"), storage, Some(namespace))
            }
            Level::Subordinate => {
                let maps = subordinate::maps(uid, gid)?;
                let namespace = subordinate::namespace(Some(&maps))?;
                Sandbox::new(level, maps.scheme(), storage, Some(namespace))
            }
        })
    }
}

fn trial(sandbox: &Sandbox, dir: &Path) -> Result<(), Error> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let scratch = dir.join(format!("trial-{}-{count}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(crate::Cause::at(format!("make directory {}", scratch.display())))?;
    let ran = sandbox.run(&nothing(&scratch), &mut |_, _| {}, &Stop::new()?);
    let removed = sandbox.remove(&scratch);
    match ran? {
        Ran::Failed(Exit::NotStarted { code: 127, .. }) => removed,
        other => Err(Error::Worker(format!("ran a program that does not exist ({other:?})"))),
    }
}

fn nothing(scratch: &Path) -> Spec {
    Spec {
        stack: Stack { lower: Vec::<PathBuf>::new(), scratch: scratch.to_owned() },
        process: Process {
            args: vec!["/trial".into()],
            env: Vec::new(),
            directory: "/".into(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
        },
        mounts: Vec::new(),
        network: Network::Host,
        privileged: false,
        hostname: "trial".into(),
        hosts: Vec::new(),
        resolv_conf: Vec::new(),
        shm_size: 64 << 20,
        ulimits: Vec::new(),
        cgroup_parent: None,
        times: Times::Kept,
        runtime: None,
        owners: None,
    }
}
