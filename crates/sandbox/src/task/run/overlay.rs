//! Layers put together: by the kernel, or as a copy.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use layer::overlay::{describe_root, flatten};
use rootfs::Root;
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountAttrFlags, MountFlags, mount, mount_bind};

use crate::sandbox::{Job, Storage};
use crate::task::Form;
use crate::task::diff::owners;
use crate::{Cause, Error, Stack, sys};

/// Puts a stack together at `merged` in its scratch directory, on a mount of its own, and holds that.
pub(crate) fn assemble(stack: &Stack, job: &Job, flags: MountFlags) -> Result<OwnedFd, Error> {
    match job.storage {
        Storage::Overlay => overlay(stack, job.form(), flags),
        Storage::Copies => {
            let merged = copy(stack, job)?;
            mount_bind(&merged, &merged)
                .and_then(|()| open(&merged, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()))
                .and_then(|mount| match flags.contains(MountFlags::NODEV) {
                    true => sys::restrict_mount(mount.as_fd(), MountAttrFlags::MOUNT_ATTR_NODEV).map(|()| mount),
                    false => Ok(mount),
                })
                .map_err(Cause::at("mount the copied layers"))
        }
    }
}

/// Copies a stack to `merged` in its scratch directory.
pub(crate) fn copy(stack: &Stack, job: &Job) -> Result<PathBuf, Error> {
    let merged = stack.scratch.join("merged");
    make_directory(&merged)?;
    let owners = layer::overlay::Owners { below: owners(job.spec.owners.as_ref())?, changed: BTreeMap::new() };
    flatten(&roots(stack)?, &Root::open(&merged)?, job.form().scheme(), &owners)?;
    Ok(merged)
}

/// What is written goes to `upper` beside it.
///
/// The kernel wants all directories in one page of text. Their names are numbers there, seen from `/proc/self/fd`: that is
/// short, and cannot be led elsewhere.
fn overlay(stack: &Stack, form: Form, flags: MountFlags) -> Result<OwnedFd, Error> {
    let scratch = &stack.scratch;
    for name in ["upper", "work", "merged"] {
        make_directory(&scratch.join(name))?;
    }
    let mut lower = stack.lower.iter().map(|path| hold(path)).collect::<Result<Vec<_>, _>>()?;
    if lower.is_empty() {
        make_directory(&scratch.join("empty"))?;
        lower.push(hold(&scratch.join("empty"))?);
    }
    let (upper, work, merged) =
        (hold(&scratch.join("upper"))?, hold(&scratch.join("work"))?, hold(&scratch.join("merged"))?);
    describe(stack, form)?;
    let options = options(&lower, &upper, &work, form);
    mount_numbered(&merged, flags, &options).map_err(Cause::at("mount the layers as an overlay"))?;
    drop(merged);
    hold(&scratch.join("merged"))
}

pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o755).create(path).map_err(Cause::at(format!("make directory {}", path.display())))
}

/// The root of an overlay is the upper directory in owner, mode and time, not the lower one.
fn describe(stack: &Stack, form: Form) -> Result<(), Error> {
    Ok(describe_root(&Root::open(stack.scratch.join("upper"))?, &roots(stack)?, form.scheme())?)
}

fn roots(stack: &Stack) -> Result<Vec<Root>, Error> {
    Ok(stack.lower.iter().map(Root::open).collect::<Result<_, _>>()?)
}

/// Holds a directory of the host.
pub(crate) fn hold(path: &Path) -> Result<OwnedFd, Error> {
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Cause::at(format!("open directory {}", path.display())))
}

fn options(lower: &[OwnedFd], upper: &OwnedFd, work: &OwnedFd, form: Form) -> String {
    let numbers: Vec<String> = lower.iter().rev().map(|fd| fd.as_raw_fd().to_string()).collect();
    let marks = if form == Form::Root { "" } else { ",userxattr" };
    format!(
        "lowerdir={},upperdir={},workdir={},index=off,redirect_dir=nofollow,metacopy=off,volatile{marks}",
        numbers.join(":"),
        upper.as_raw_fd(),
        work.as_raw_fd(),
    )
}

fn mount_numbered(merged: &OwnedFd, flags: MountFlags, options: &str) -> Result<(), rustix::io::Errno> {
    rustix::process::chdir("/proc/self/fd")?;
    let options = std::ffi::CString::new(options).map_err(|_| rustix::io::Errno::INVAL)?;
    let result = mount("overlay", merged.as_raw_fd().to_string(), "overlay", flags, options.as_c_str());
    rustix::process::chdir("/")?;
    result
}
