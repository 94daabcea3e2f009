//! Layers put together by the kernel.

use std::fs::DirBuilder;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use layer::overlay::describe_root;
use rootfs::Root;
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, mount};

use crate::task::Form;
use crate::{Cause, Error, Stack};

/// Mounts a stack at `merged` in its scratch directory, and holds that. What is written goes to `upper` beside it.
///
/// The kernel wants all directories in one page of text. Their names are numbers there, seen from `/proc/self/fd`: that is
/// short, and cannot be led elsewhere.
pub(crate) fn assemble(stack: &Stack, form: Form, flags: MountFlags) -> Result<OwnedFd, Error> {
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
    overlay(&merged, flags, &options).map_err(Cause::at("mount the layers as an overlay"))?;
    drop(merged);
    hold(&scratch.join("merged"))
}

fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o755).create(path).map_err(Cause::at(format!("make directory {}", path.display())))
}

/// The root of an overlay is the upper directory in owner, mode and time, not the lower one.
fn describe(stack: &Stack, form: Form) -> Result<(), Error> {
    let lowers = stack.lower.iter().map(Root::open).collect::<Result<Vec<_>, _>>()?;
    Ok(describe_root(&Root::open(stack.scratch.join("upper"))?, &lowers, form.scheme())?)
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
        "lowerdir={},upperdir={},workdir={},index=off,redirect_dir=off,metacopy=off,volatile{marks}",
        numbers.join(":"),
        upper.as_raw_fd(),
        work.as_raw_fd(),
    )
}

fn overlay(merged: &OwnedFd, flags: MountFlags, options: &str) -> Result<(), rustix::io::Errno> {
    rustix::process::chdir("/proc/self/fd")?;
    let options = std::ffi::CString::new(options).map_err(|_| rustix::io::Errno::INVAL)?;
    let result = mount("overlay", merged.as_raw_fd().to_string(), "overlay", flags, options.as_c_str());
    rustix::process::chdir("/")?;
    result
}
