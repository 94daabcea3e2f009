//! A socket of the sandbox that leads to one of the host: an ssh agent's.
//!
//! The host's own cannot be mounted: its owner and mode are not what the step asks for.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid};

use crate::sys::{self, Fork};
use crate::{Cause, Error};

/// A process that passes bytes on. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Relay(Pid);

impl Relay {
    pub(super) fn start(
        directory: &OwnedFd,
        name: &str,
        to: &Path,
        (uid, gid): (u32, u32),
        mode: u32,
    ) -> Result<Relay, Error> {
        let failed = || format!("make a socket for {}", to.display());
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
            .map_err(Cause::at(failed()))?;
        chownat(directory, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
            .and_then(|()| chmodat(directory, name, Mode::from_raw_mode(mode & 0o777), AtFlags::empty()))
            .map_err(Cause::at(failed()))?;
        match sys::fork().map_err(Cause::at("start a process for a socket"))? {
            Fork::Parent(pid) => Ok(Relay(pid)),
            Fork::Child => {
                let _ = set_parent_process_death_signal(Some(Signal::KILL));
                drop(sys::close_from(listener.as_fd()));
                serve(&listener, to);
                std::process::exit(0)
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
        let _ = waitpid(Some(self.0), WaitOptions::empty());
    }
}

fn serve(listener: &UnixListener, to: &Path) {
    for connection in listener.incoming().flatten() {
        if let Ok(host) = UnixStream::connect(to) {
            drop(pass(connection, host));
        }
    }
}

/// Each way in a thread of its own, until its side has nothing more to say.
fn pass(one: UnixStream, other: UnixStream) -> io::Result<()> {
    for (mut from, mut to) in [(one.try_clone()?, other.try_clone()?), (other, one)] {
        thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(std::net::Shutdown::Write));
        });
    }
    Ok(())
}
