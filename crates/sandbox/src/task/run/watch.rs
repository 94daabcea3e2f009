//! Watching over the sandbox from outside until the command has ended.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{StatVfs, statvfs};
use rustix::io::Errno;

use super::init::{Changed, Init};
use crate::wire::Channel;
use crate::{Cause, Error, Exit};

/// How often the disk is looked at: a fast one takes some hundred megabytes in this time.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// What stays free for everybody else: this much, or a hundredth of a small file system.
const RESERVE: u64 = 256 << 20;

/// Until the command has ended and nothing of it is left; and the owners of its files that init alone knows. The builder stops it by going away or saying anything at all.
pub(super) fn watch(init: Init, channel: &Channel, scratch: &Path) -> Result<(Exit, Changed), Error> {
    loop {
        let mut fds =
            [PollFd::new(init.pidfd(), PollFlags::IN), PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&TICK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Cause::at("wait for the sandbox")(errno)),
        }
        let [ended, stopped] = fds.map(|fd| !fd.revents().is_empty());
        if stopped {
            return Err(Error::Stopped);
        }
        if ended {
            return init.told();
        }
        check_space(scratch)?;
    }
}

fn check_space(scratch: &Path) -> Result<(), Error> {
    let Ok(StatVfs { f_bavail, f_blocks, f_frsize, .. }) = statvfs(scratch) else { return Ok(()) };
    let (available, total) = (f_bavail.saturating_mul(f_frsize), f_blocks.saturating_mul(f_frsize));
    match available < RESERVE.min(total / 100) {
        true => Err(Error::DiskFull { path: scratch.to_owned(), available }),
        false => Ok(()),
    }
}
