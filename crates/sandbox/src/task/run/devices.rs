//! `/dev`: nodes that the process may open, on a file system where no other can be opened.
//!
//! runc lets a device cgroup decide what may be opened. That needs a cgroup that we may write to; a mount without devices
//! (`nodev`) needs nothing and holds at every level. Nodes can still be made by `mknod`, and get into the layer.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, makedev, mknodat, open, symlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::files::Files;
use crate::task::Form;
use crate::{Cause, Error, mounts};

/// A character device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Device {
    pub name: &'static str,
    major: u32,
    minor: u32,
}

const fn device(name: &'static str, major: u32, minor: u32) -> Device {
    Device { name, major, minor }
}

/// Those that every container has (OCI runtime specification, "Default Devices").
const STANDARD: [Device; 6] = [
    device("null", 1, 3),
    device("zero", 1, 5),
    device("full", 1, 7),
    device("random", 1, 8),
    device("urandom", 1, 9),
    device("tty", 5, 0),
];

/// Those that BuildKit adds with `--security=insecure` (util/entitlements/security, v0.30), but for loop devices.
const PRIVILEGED: [Device; 5] = [
    device("kmsg", 1, 11),
    device("cuse", 10, 203),
    device("fuse", 10, 229),
    device("kvm", 10, 232),
    device("loop-control", 10, 237),
];

/// Links that are always there (OCI runtime specification, "Dev symbolic links"; `core` and `ptmx` as in runc).
pub(super) const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// A node, ready to be mounted at its name in `/dev`.
#[derive(Debug)]
pub(super) struct Node {
    pub name: &'static str,
    pub mount: OwnedFd,
}

/// As root, nodes of our own, whose owner and mode the process may change as it likes; else the host's, which it cannot.
pub(super) fn nodes(files: &Files, form: Form, privileged: bool) -> Result<Vec<Node>, Error> {
    let extra = match form {
        Form::Root if privileged => &PRIVILEGED[..],
        _ => &[],
    };
    STANDARD.iter().chain(extra).map(|device| node(*device, files, form)).collect()
}

fn node(device: Device, files: &Files, form: Form) -> Result<Node, Error> {
    let Device { name, major, minor } = device;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mount = match form {
        Form::Root => {
            mknodat(
                files.directory(),
                name,
                FileType::CharacterDevice,
                Mode::from_raw_mode(0o666),
                makedev(major, minor),
            )
            .map_err(Cause::at(format!("make device /dev/{name}")))?;
            files.show(name, attributes)?
        }
        Form::User | Form::Single => hosts_own(device, attributes)?,
    };
    Ok(Node { name, mount })
}

/// Nodes right in a directory, where nothing can be mounted. What is there stays.
pub(super) fn make_in(dev: &OwnedFd) -> Result<(), Errno> {
    let unless_there = |result| if result == Err(Errno::EXIST) { Ok(()) } else { result };
    for Device { name, major, minor } in STANDARD {
        let mode = Mode::from_raw_mode(0o666);
        unless_there(mknodat(dev, name, FileType::CharacterDevice, mode, makedev(major, minor)))?;
    }
    LINKS.iter().try_for_each(|(name, target)| unless_there(symlinkat(*target, dev, *name)))
}

fn hosts_own(device: Device, attributes: MountAttrFlags) -> Result<OwnedFd, Error> {
    let path = Path::new("/dev").join(device.name);
    let failed = || format!("mount the host's {}", path.display());
    let fd =
        open(&path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(Cause::at(failed()))?;
    let stat = fstat(&fd).map_err(Cause::at(failed()))?;
    let is_it = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == makedev(device.major, device.minor);
    match is_it {
        true => mounts::copy(std::os::fd::AsFd::as_fd(&fd), attributes).map_err(Cause::at(failed())),
        false => Err(Cause::at(failed())(Errno::NODEV)),
    }
}
