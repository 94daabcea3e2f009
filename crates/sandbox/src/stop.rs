//! Ending a run from outside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::{Cause, Error};

/// Ends a [`crate::Sandbox::run`] from another thread. Clones are the same switch, which stays set.
#[derive(Debug, Clone)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// A switch that nobody has set.
    ///
    /// # Errors
    /// When no more descriptors are to be had.
    pub fn new() -> Result<Stop, Error> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(Cause::at("make an event"))?;
        Ok(Stop(Arc::new(fd)))
    }

    /// Ends the run, with everything the process started.
    pub fn set(&self) {
        // It can only fail when it is set as often as a 64-bit number counts.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Whether somebody set it.
    pub fn is_set(&self) -> bool {
        let mut fds = [PollFd::new(&*self.0, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
