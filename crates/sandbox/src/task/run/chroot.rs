//! The weakest level: a copy of the layers as the root of a process that shares everything else with the container around it.
//!
//! Root in an ordinary pod may not mount, so there is no `/proc`, and `RUN --mount` is refused. It may not filter system calls without switching set-user-id programs off either; the container's filter
//! holds. What keeps the command in its root is that it lacks the capabilities to leave it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::{Errno, write};
use rustix::process::{Pid, Signal, WaitOptions, chdir, getpid, kill_process, set_child_subreaper, wait};

use super::devices;
use super::overlay::{self, hold};
use super::prepare::World;
use super::stubs::keeping_times;
use crate::inside::{Inside, Make};
use crate::sandbox::Job;
use crate::{Cause, Error, Level, Network, Spec};

/// What is covered by ours while the command runs: directory and name.
const COVERED: [(&str, &str); 3] = [("", "dev"), ("etc", "hosts"), ("etc", "resolv.conf")];

/// Copies the layers, and puts into the copy what would be mounted elsewhere.
pub(super) fn prepare(job: &Job) -> Result<World, Error> {
    refuse_what_is_missing(&job.spec)?;
    let root = Inside::new(hold(&overlay::copy(&job.spec.stack, job)?)?);
    let scratch = hold(&job.spec.stack.scratch)?;
    let fill = || {
        COVERED.iter().try_for_each(|(dir, name)| cover(&root, &scratch, dir, name))?;
        devices::make_in(&root.open_or_make("/dev", Make::ROOTS_DIRECTORY)?)?;
        put(&root, "resolv.conf", &job.spec.resolv_conf)?;
        put(&root, "hosts", &job.spec.hosts)
    };
    fill().map_err(Cause::at("fill the copied root"))?;
    let root = root.as_fd().try_clone_to_owned().map_err(Cause::at("hold the root"))?;
    Ok(World { root, nodes: Vec::new(), sys: None, mounts: Vec::new(), files: None })
}

/// Brings back what was covered, so that it does not count as changed.
pub(super) fn uncover(job: &Job, root: &Inside) -> Result<(), Error> {
    let scratch = hold(&job.spec.stack.scratch)?;
    rootfs::Root::open(job.spec.stack.scratch.join("merged"))?.remove_all(&rootfs::TreePath::new("dev")?)?;
    let bring_back = |(dir, name): &(&str, &str)| {
        let parent = root.open(dir)?;
        keeping_times(&parent, || {
            unless_missing(unlinkat(&parent, *name, AtFlags::empty()).or(Ok(())))?;
            unless_missing(renameat(&scratch, covered(name), &parent, *name))
        })
    };
    COVERED.iter().try_for_each(bring_back).map_err(Cause::at("restore the copied root"))
}

fn cover(root: &Inside, scratch: &OwnedFd, dir: &str, name: &str) -> Result<(), Errno> {
    let parent = root.open_or_make(dir, Make::ROOTS_DIRECTORY)?;
    keeping_times(&parent, || unless_missing(renameat(&parent, name, scratch, covered(name))))
}

fn covered(name: &str) -> String {
    format!("covered-{name}")
}

fn unless_missing(result: Result<(), Errno>) -> Result<(), Errno> {
    if result == Err(Errno::NOENT) { Ok(()) } else { result }
}

fn refuse_what_is_missing(spec: &Spec) -> Result<(), Error> {
    let missing = |missing: &str| Error::Unavailable {
        level: Level::Chroot,
        missing: missing.to_owned(),
        remedies: vec!["run where another level is available: see `shipsmith doctor`".into()],
    };
    if spec.network == Network::None {
        return Err(missing("it shares its network with the container around it"));
    }
    if spec.privileged {
        return Err(missing("it has no privilege to give"));
    }
    match spec.mounts.first() {
        Some(mount) => Err(Error::Mount {
            target: mount.target.clone(),
            problem: "isolation level chroot cannot mount anything".into(),
        }),
        None => Ok(()),
    }
}

fn put(root: &Inside, name: &str, content: &[u8]) -> Result<(), Errno> {
    let etc = root.open("/etc")?;
    keeping_times(&etc, || {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&etc, name, flags, Mode::from_raw_mode(0o644))?;
        write(&file, content).map(drop)
    })
}

/// The command's process moves into the copy.
pub(super) fn enter(scratch: &Path) -> Result<(), Errno> {
    chdir(scratch.join("merged"))?;
    rustix::process::chroot(".")?;
    chdir("/")
}

/// Whoever loses its parent becomes a child of this process, and can be found by it.
pub(super) fn adopt_orphans() -> Result<(), Error> {
    set_child_subreaper(Some(getpid())).map_err(Cause::at("adopt orphans"))
}

/// Ends every descendant: children, then whoever becomes one by that.
pub(super) fn end_all() {
    loop {
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

fn children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero();
    let listed = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
