//! Running the process of a step.
//!
//! Three processes share the work. The worker sees the host: it mounts the layers, gets everything else ready, watches, and
//! reads what changed. It starts an *init* in new namespaces, which sees nothing but what was made ready: it builds the root
//! and is process 1 there. That starts the *command*, which gives up what it may not do and executes the program. When the
//! command ends, init ends, and with it, by the kernel's rule, every process that is left.

mod bounds;
mod capabilities;
mod cgroup;
mod chroot;
mod command;
mod devices;
mod files;
mod identity;
mod init;
mod overlay;
mod prepare;
mod program;
mod relay;
mod root;
mod runtime;
mod seccomp;
mod stubs;
mod watch;

use std::os::fd::{AsFd, OwnedFd};

use layer::overlay::Listing;
use rootfs::{Root, Time, TreePath};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::thread::UnshareFlags;

use self::bounds::Bounds;
use self::init::Changed;
use crate::inside::{Inside, Make};
use crate::sandbox::{Job, Storage};
use crate::task::{Difference, diff};
use crate::wire::{Answer, Channel};
use crate::worker::Descriptors;
use crate::{Cause, Error, Exit, Level, Network, Process, Spec, sys};

/// What the command writes to.
#[derive(Debug)]
struct Output {
    output: OwnedFd,
    error: OwnedFd,
}

/// Runs it, tells how it ended, and writes what it changed.
pub(super) fn run(job: &Job, mut fds: Descriptors, channel: &Channel) -> Result<(), Error> {
    let output = Output { output: fds.next()?, error: fds.next()? };
    let archive = fds.next()?;
    if job.level != Level::Chroot {
        leave(&job.spec)?;
    }
    let (exit, changed, before) = over_layers(job, output, channel)?;
    channel.send(&Answer::Ended(exit.clone()))?;
    match exit {
        Exit::Code(0) => write_changes(job, before, changed, archive),
        _ => Ok(()),
    }
}

/// What is known of the root before the command starts.
struct Before {
    /// When that is, by the clock of the file system, which is behind ours.
    started: Time,
    /// Of a copy, what is in it.
    listing: Option<Listing>,
}

impl Before {
    fn note(job: &Job) -> Result<Before, Error> {
        let scratch = &job.spec.stack.scratch;
        overlay::make_directory(&scratch.join("started"))?;
        let started = Root::open(scratch)?.node(&TreePath::new("started")?)?.metadata()?.ctime;
        let listing = match job.storage {
            Storage::Overlay => None,
            Storage::Copies => Some(Listing::take(&Root::open(scratch.join("merged"))?)?),
        };
        Ok(Before { started, listing })
    }
}

/// Into namespaces of our own: from here on nothing that is mounted is seen outside. The one of processes begins with init.
fn leave(spec: &Spec) -> Result<(), Error> {
    let mut namespaces = UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    if spec.network == Network::None {
        namespaces |= UnshareFlags::NEWNET;
    }
    sys::unshare(namespaces).map_err(Cause::at("make namespaces"))?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Cause::at("make mounts private"))?;
    match spec.network {
        Network::None => sys::raise_loopback().map_err(Cause::at("switch the loopback on")),
        Network::Host => Ok(()),
    }
}

fn over_layers(job: &Job, output: Output, channel: &Channel) -> Result<(Exit, Changed, Before), Error> {
    let world = prepare::prepare(job)?;
    let before = Before::note(job)?;
    let root = world.root.as_fd().try_clone_to_owned().map(Inside::new).map_err(Cause::at("hold the root"))?;
    let stubs = stubs::Stubs::missing(&root, world.mounts.iter().map(|mount| &*mount.target));
    make_directory(&root, job)?;
    let cgroup = match &job.spec.cgroup_parent {
        Some(parent) => Some(cgroup::Cgroup::make(parent)?),
        None if job.level == Level::Root => Bounds::of(&job.spec.ulimits).tasks.and_then(cgroup::Cgroup::limited),
        None => None,
    };
    let (init, files) = init::Init::start(job, world, output, cgroup.as_ref())?;
    let exit = watch::watch(init, channel, &job.spec.stack.scratch);
    drop((files, cgroup));
    let (exit, changed) = exit?;
    stubs.remove(&root);
    if job.level == Level::Chroot {
        chroot::uncover(job, &root)?;
    } else {
        drop(root);
        unmount(job.spec.stack.scratch.join("merged"), UnmountFlags::DETACH)
            .map_err(Cause::at("unmount the layers"))?;
    }
    Ok((exit, changed, before))
}

/// A working directory that is missing is made, and the user's, before anything is mounted over it, as BuildKit does.
fn make_directory(root: &Inside, job: &Job) -> Result<(), Error> {
    let Process { directory, uid, gid, .. } = &job.spec.process;
    let (uid, gid) = job.form().owner(*uid, *gid);
    root.open_or_make(directory, Make::Directory { uid, gid })
        .map(drop)
        .map_err(|errno: Errno| Error::Directory { directory: directory.clone(), cause: errno.into() })
}

fn write_changes(job: &Job, before: Before, changed: Changed, archive: OwnedFd) -> Result<(), Error> {
    let directory = match job.storage {
        Storage::Overlay => "upper",
        Storage::Copies => "merged",
    };
    let difference = Difference {
        upper: job.spec.stack.scratch.join(directory),
        lower: &job.spec.stack.lower,
        started: before.started,
        times: job.spec.times,
        form: job.form(),
        owners: job.spec.owners.as_ref(),
        changed,
        before: before.listing,
    };
    diff::write(&difference, archive.into())
}
