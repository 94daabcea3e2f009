//! Building the root that the command sees, from inside, out of what was made ready.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, UnmountFlags, unmount};
use rustix::process::{chdir, fchdir, pivot_root};
use rustix::system::sethostname;
use rustix::thread::UnshareFlags;

use super::devices::{LINKS, Node};
use super::prepare::{Prepared, World};
use crate::inside::{Inside, Make};
use crate::sandbox::Job;
use crate::task::Form;
use crate::{Cause, Error, Spec, mounts, sys};

/// What programs could learn of or do to the machine through `/proc` and `/sys` (containerd v2.3.3, pkg/oci/spec.go, as BuildKit
/// applies it): hidden.
pub(super) const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// From the same place: not to be written to.
pub(super) const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// `PROC_SUPER_MAGIC`, `SYSFS_MAGIC`: file systems that nothing of the user's is mounted in.
const KERNELS_OWN: [i64; 2] = [0x9fa0, 0x6265_6572];
/// As BuildKit mounts `/dev`.
pub(super) const DEV_SIZE: &str = "65536k";

/// From the worker's mount namespace to one in which nothing is left but the sandbox.
pub(super) fn build(job: &Job, world: World) -> Result<(), Error> {
    let spec = &job.spec;
    sys::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWCGROUP).map_err(Cause::at("make namespaces"))?;
    // While the old one is in sight: in a user namespace the kernel gives no new `/proc` to who could not see all of it before.
    let proc = mounts::create("proc", &[], mounts::INERT).map_err(Cause::at("mount /proc"))?;
    enter(&spec.stack.scratch.join("merged")).map_err(Cause::at("make the layers the root"))?;
    let root = Inside::open_root("/").map_err(Cause::at("open the root"))?;
    sethostname(spec.hostname.as_bytes()).map_err(Cause::at("set the host's name"))?;
    plain_directory(&root, "proc")
        .and_then(|target| mounts::attach(&proc, &target))
        .map_err(Cause::at("mount /proc"))?;
    dev(&root, spec, job.form(), &world.nodes)?;
    sys_fs(&root, spec.privileged, world.sys)?;
    for mount in &world.mounts {
        attach(&root, mount).map_err(|problem| Error::Mount { target: mount.target.clone(), problem })?;
    }
    if !spec.privileged {
        protect(&root).map_err(Cause::at("hide what belongs to the machine"))?;
    }
    Ok(())
}

fn enter(merged: &std::path::Path) -> Result<(), Errno> {
    let merged = rustix::fs::open(merged, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    fchdir(&merged)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")
}

/// A directory right below the root, made if it is missing. Not a link: whoever planted it would have us mount elsewhere.
fn plain_directory(root: &Inside, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(root, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            mkdirat(root, name, Mode::from_raw_mode(0o755))?;
            openat(root, name, flags, Mode::empty())
        }
        result => result,
    }
}

fn dev(root: &Inside, spec: &Spec, form: Form, nodes: &[Node]) -> Result<(), Error> {
    let nodev = if spec.privileged { MountAttrFlags::empty() } else { MountAttrFlags::MOUNT_ATTR_NODEV };
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_STRICTATIME | nodev;
    let fill = || {
        let dev = mounts::create("tmpfs", &[("mode", "0755"), ("size", DEV_SIZE)], attributes)?;
        mounts::attach(&dev, &plain_directory(root, "dev")?)?;
        for node in nodes {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            drop(openat(&dev, node.name, flags, Mode::from_raw_mode(0o666))?);
            mounts::attach(&node.mount, &openat(&dev, node.name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)?;
        }
        LINKS.iter().try_for_each(|(name, target)| symlinkat(*target, &dev, *name))?;
        below(&dev, "pts", &pts(form)?)?;
        let size = spec.shm_size.to_string();
        below(&dev, "shm", &mounts::create("tmpfs", &[("mode", "1777"), ("size", &size)], mounts::INERT)?)?;
        below(&dev, "mqueue", &mounts::create("mqueue", &[], mounts::INERT)?)
    };
    fill().map_err(Cause::at("fill /dev"))
}

fn below(parent: &OwnedFd, name: &str, mount: &OwnedFd) -> Result<(), Errno> {
    mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    let target = openat(parent, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    mounts::attach(mount, &target)
}

/// Terminals belong to the group `tty`, where there is more than one group.
fn pts(form: Form) -> Result<OwnedFd, Errno> {
    let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
    let options = if form == Form::Single { &options[..3] } else { &options[..] };
    mounts::create("devpts", options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC)
}

fn sys_fs(root: &Inside, privileged: bool, hosts: Option<OwnedFd>) -> Result<(), Error> {
    let attributes = if privileged { mounts::INERT } else { mounts::INERT_READ_ONLY };
    let mount = || {
        let is_hosts = hosts.is_some();
        let sys = hosts.map_or_else(|| mounts::create("sysfs", &[], attributes), Ok)?;
        mounts::attach(&sys, &plain_directory(root, "sys")?)?;
        cgroups(root, attributes, is_hosts)
    };
    mount().map_err(Cause::at("mount /sys"))
}

/// The command's own control groups where there is one hierarchy; else nothing, rather than the host's.
fn cgroups(root: &Inside, attributes: MountAttrFlags, hide: bool) -> Result<(), Errno> {
    let Ok(target) = root.open("/sys/fs/cgroup") else { return Ok(()) };
    match mounts::create("cgroup2", &[], attributes) {
        Ok(own) => mounts::attach(&own, &target),
        Err(_) if hide => mounts::attach(&mounts::create("tmpfs", &[("mode", "0755")], attributes)?, &target),
        Err(_) => Ok(()),
    }
}

fn attach(root: &Inside, prepared: &Prepared) -> Result<(), String> {
    let make = if prepared.is_directory { Make::ROOTS_DIRECTORY } else { Make::File };
    let target = root.open_or_make(&prepared.target, make).map_err(|errno| errno.to_string())?;
    let kind = fstatfs(&target).map_err(|errno| errno.to_string())?.f_type;
    if KERNELS_OWN.contains(&kind) {
        return Err("it lies in /proc or /sys".into());
    }
    let is_directory = fstat(&target).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    match (prepared.is_directory, is_directory) {
        (true, false) => Err("a directory cannot be mounted over a file".into()),
        (false, true) => Err("a file cannot be mounted over a directory".into()),
        _ => mounts::attach(&prepared.mount, &target).map_err(|errno| errno.to_string()),
    }
}

fn protect(root: &Inside) -> Result<(), Errno> {
    let null = root.open("/dev/null")?;
    for path in MASKED {
        let Some(target) = present(root, path)? else { continue };
        let cover = match FileType::from_raw_mode(fstat(&target)?.st_mode) {
            FileType::Directory => mounts::create("tmpfs", &[("mode", "0755")], mounts::INERT_READ_ONLY)?,
            _ => mounts::copy(std::os::fd::AsFd::as_fd(&null), MountAttrFlags::empty())?,
        };
        mounts::attach(&cover, &target)?;
    }
    for path in READ_ONLY {
        let Some(target) = present(root, path)? else { continue };
        let same = mounts::copy(std::os::fd::AsFd::as_fd(&target), mounts::INERT_READ_ONLY)?;
        mounts::attach(&same, &target)?;
    }
    Ok(())
}

fn present(root: &Inside, path: &str) -> Result<Option<OwnedFd>, Errno> {
    match root.open(path) {
        Err(Errno::NOENT) => Ok(None),
        result => result.map(Some),
    }
}
