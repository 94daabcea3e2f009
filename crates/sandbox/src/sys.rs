//! System calls that no crate offers safely. All `unsafe` of this room is here, each function says why it is sound.

#![allow(unsafe_code, reason = "system calls that no crate offers safely")]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

use crate::{Cause, Error};

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The one that asked; the other's number.
    Parent(Pid),
    /// The new one.
    Child,
}

fn checked(result: libc::c_int) -> Result<libc::c_int, Errno> {
    match result {
        -1 => Err(last_errno()),
        value => Ok(value),
    }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// Forks. Only for workers, which have one thread: nothing can be locked, half-written or lost in the child.
pub(crate) fn fork() -> Result<Fork, Errno> {
    // SAFETY: with a single thread the child is a whole copy of this process (see above).
    let pid = checked(unsafe { libc::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// Moves this process into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: unsafe in rustix for CLONE_FILES alone, which would make descriptors differ between threads; workers have one.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Closes every descriptor but the standard ones and one to keep.
pub(crate) fn close_from(keep: BorrowedFd<'_>) -> Result<(), Error> {
    let keep = keep.as_raw_fd().unsigned_abs();
    let close = |first: u32, last: u32| match first > last {
        true => Ok(0),
        // SAFETY: called before anything else in this process owns a descriptor above the standard ones, `keep` aside.
        false => checked(unsafe { libc::close_range(first, last, 0) }),
    };
    close(3, keep.saturating_sub(1)).and_then(|_| close(keep + 1, u32::MAX)).map_err(Cause::at("close descriptors"))?;
    Ok(())
}
