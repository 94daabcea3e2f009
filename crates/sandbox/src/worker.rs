//! What a worker does first, and last.

use std::os::fd::{AsFd, OwnedFd};
use std::vec;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::wire::{Answer, Channel, Order};
use crate::{Cause, Error, spawn, sys, task};

/// Does a worker's task and exits, if this process was started as one; returns at once otherwise.
///
/// To be called first thing in `main`, before any thread is started: a worker forks and changes namespaces.
pub fn become_worker() {
    if std::env::args_os().next().is_some_and(|name| name == spawn::NAME) {
        let code = i32::from(work().is_err());
        std::process::exit(code);
    }
}

fn work() -> Result<(), Error> {
    sys::ignore_sigpipe();
    rustix::process::umask(rustix::fs::Mode::empty());
    // What is typed at the builder's terminal is for the builder.
    rustix::process::setsid().map_err(Cause::at("begin a session"))?;
    let channel = Channel::new(std::io::stdin().as_fd().try_clone_to_owned().map_err(Cause::at("hold the channel"))?);
    sys::close_from(channel.as_fd())?;
    let answer = match obey(&channel) {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Failed(error),
    };
    channel.send(&answer)
}

fn obey(channel: &Channel) -> Result<(), Error> {
    let mut fds = Descriptors(channel.receive_descriptors()?.into_iter());
    let Some(order) = channel.receive::<Order>()? else {
        return Err(Error::Stopped);
    };
    if order.namespace {
        enter(&fds.next()?)?;
    }
    task::perform(order.task, fds, channel)
}

/// Becomes root in a user namespace that the builder holds.
fn enter(namespace: &OwnedFd) -> Result<(), Error> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))
        .map_err(Cause::at("enter the user namespace"))
}

/// The descriptors that came with an order, in the order in which they were sent.
pub(crate) struct Descriptors(vec::IntoIter<OwnedFd>);

impl Descriptors {
    /// The next one.
    pub(crate) fn next(&mut self) -> Result<OwnedFd, Error> {
        self.0.next().ok_or_else(|| Error::Worker("was given too few descriptors".into()))
    }
}
