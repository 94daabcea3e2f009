//! Starting a worker, and ending it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::wire::{Answer, Channel, Order};
use crate::{Cause, Error, sys};

/// The name by which this program knows that it is a worker.
pub(crate) const NAME: &str = "shipsmith-worker";

/// How long a worker that was told to end may take to clean up before it is killed.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A running worker. Dropping it ends it and everything in it.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    pub channel: Channel,
}

impl Worker {
    /// Starts this program again and gives it an order. Of our descriptors it gets only those given here; of our environment
    /// nothing.
    pub(crate) fn start(order: &Order, fds: &[BorrowedFd<'_>]) -> Result<Worker, Error> {
        let (channel, theirs) = Channel::pair()?;
        let child = Command::new(format!("/proc/self/fd/{}", program(order.namespace)?.as_raw_fd()))
            .arg0(NAME)
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .map_err(Cause::at("start a worker process"))?;
        let worker = Worker { child, channel };
        worker.channel.send_descriptors(fds)?;
        worker.channel.send(order)?;
        Ok(worker)
    }

    /// Waits for its next word.
    pub(crate) fn answer(&mut self) -> Result<Answer, Error> {
        match self.channel.receive()? {
            Some(Answer::Failed(error)) => Err(error),
            Some(answer) => Ok(answer),
            None => Err(self.lost()),
        }
    }

    /// Waits until its task is done and it is gone.
    pub(crate) fn done(mut self) -> Result<(), Error> {
        let answer = self.answer()?;
        drop(self.child.wait());
        match answer {
            Answer::Done => Ok(()),
            other => Err(Error::Worker(format!("said {other:?} when it was to be done"))),
        }
    }

    /// Its number, for `/proc`.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn lost(&mut self) -> Error {
        match self.child.wait() {
            Ok(status) => Error::Worker(format!("ended without an answer ({status})")),
            Err(error) => Error::Worker(format!("was lost ({error})")),
        }
    }
}

impl Drop for Worker {
    /// A worker that is asked ends what it started and waits for it, so that nothing writes any more when this returns.
    fn drop(&mut self) {
        self.channel.hang_up();
        let mut fds = [PollFd::from_borrowed_fd(self.channel.as_fd(), PollFlags::IN)];
        while poll(&mut fds, Some(&PATIENCE)).is_ok_and(|ready| ready > 0) {
            if !matches!(self.channel.receive::<Answer>(), Ok(Some(_))) {
                break;
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// This program, so that nobody can write to it. A worker shows its program to the sandbox for a moment, as `/proc/self/exe`, and
/// what is shown there must not be open to whoever finds it (runc, CVE-2019-5736). In a user namespace a mount would not do:
/// whoever may do everything in it may also make its mounts writable again.
fn program(in_namespace: bool) -> Result<&'static OwnedFd, Error> {
    static MOUNTED: OnceLock<Option<OwnedFd>> = OnceLock::new();
    static COPIED: OnceLock<OwnedFd> = OnceLock::new();
    let own = Path::new("/proc/self/exe");
    if !in_namespace && let Some(mounted) = MOUNTED.get_or_init(|| mounted(own).ok()) {
        return Ok(mounted);
    }
    if let Some(copied) = COPIED.get() {
        return Ok(copied);
    }
    let copied = copied(own).map_err(Cause::at("copy this program into memory"))?;
    Ok(COPIED.get_or_init(|| copied))
}

/// The file by a mount of its own, which is read-only and has no place in the file system; whoever may not mount has none.
fn mounted(program: &Path) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, program, flags)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
    sys::restrict_mount(mount.as_fd(), attributes)?;
    Ok(mount)
}

/// A copy in memory, sealed: 20 ms.
fn copied(program: &Path) -> io::Result<OwnedFd> {
    let mut copy = File::from(memory()?);
    io::copy(&mut File::open(program)?, &mut copy)?;
    fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(copy.into())
}

/// Kernels before 6.3 know no flag for what can be executed; later ones may ask for it.
fn memory() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(NAME, flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(NAME, flags),
        result => result,
    }
}

/// A pipe: the end to read from, the end to write to.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(Cause::at("make a pipe"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// As a step would that has found it.
    #[test]
    fn nobody_can_write_to_what_a_worker_shows() {
        let dir = tempfile::tempdir().expect("a directory");
        // Not this program itself: nobody can write to what runs, however it is found.
        let program = dir.path().join("program");
        std::fs::copy(std::env::current_exe().expect("a path"), &program).expect("copied");
        let copy = copied(&program).expect("anybody may copy");
        for program in mounted(&program).ok().into_iter().chain([copy]) {
            let path = format!("/proc/self/fd/{}", program.as_raw_fd());
            File::open(&path).expect("it can be read");
            for (truncated, appended) in [(false, false), (true, false), (false, true)] {
                let opened = File::options().write(true).truncate(truncated).append(appended).open(&path);
                let error = opened.and_then(|mut file| file.write_all(b"x")).expect_err("it can be written to");
                let known = [Errno::ROFS, Errno::PERM].map(|errno| Some(errno.raw_os_error()));
                assert!(known.contains(&error.raw_os_error()), "{error}");
            }
            let ran = Command::new(&path).arg("--list").output().expect("it can be executed");
            assert!(ran.status.success(), "{ran:?}");
        }
    }

    /// There, somebody may make mounts writable again.
    #[test]
    fn in_a_user_namespace_it_is_the_copy() {
        let shown = format!("/proc/self/fd/{}", program(true).expect("anybody may copy").as_raw_fd());
        let shown = std::fs::read_link(shown).expect("a descriptor");
        assert!(shown.display().to_string().starts_with("/memfd:"), "{shown:?}");
    }
}
