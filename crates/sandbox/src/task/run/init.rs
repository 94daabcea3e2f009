//! Process 1 of the sandbox: builds the root, starts the command, reaps what is orphaned, and ends when the command ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Dir, MemfdFlags, Mode, OFlags, memfd_create, open};
use rustix::io::{Errno, write};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal,
    set_dumpable_behavior, set_parent_process_death_signal, wait, waitpid,
};
use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::cgroup::Cgroup;
use super::files::Files;
use super::identity::Identity;
use super::prepare::World;
use super::runtime::{self, Bundle};
use super::{Output, chroot, command, root};
use crate::sandbox::Job;
use crate::spawn::pipe;
use crate::sys::{self, Fork};
use crate::task::Form;
use crate::wire::Channel;
use crate::{Cause, Error, Exit, Level, RuntimeProgram};

/// How often processes are counted.
const INTERVAL: Duration = Duration::from_millis(100);
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How long it may take to end everybody before it is killed, which ends everybody too where there is a namespace.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// What is said about the command, by itself, by init, by the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// It was executed and ended.
    Exit(Exit),
    /// It could not be, or was ended.
    Failed(Error),
}

impl From<Result<Exit, Error>> for Told {
    fn from(result: Result<Exit, Error>) -> Told {
        result.map_or_else(Told::Failed, Told::Exit)
    }
}

/// The worker's hold on it. Dropping it ends it, with every process in the sandbox.
#[derive(Debug)]
pub(super) struct Init {
    pid: Pid,
    pidfd: OwnedFd,
    /// Closed, it tells init to end.
    report: Option<OwnedFd>,
    /// Where it writes the owners that only it knows.
    owners: Option<File>,
    reaped: bool,
}

/// Owners by inode.
pub(super) type Changed = BTreeMap<u64, (u32, u32)>;

impl Init {
    /// Starts it. What was made ready is its alone from here on, but for what serves sockets.
    pub(super) fn start(
        job: &Job,
        world: World,
        output: Output,
        cgroup: Option<&Cgroup>,
    ) -> Result<(Init, Option<Files>), Error> {
        let (report, to_worker) = pipe()?;
        let owners = (job.form() == Form::Single).then(notebook).transpose()?;
        let forked = match job.level {
            Level::Chroot => sys::fork(),
            _ => sys::fork_first(),
        };
        match forked.map_err(Cause::at("start the first process"))? {
            Fork::Child => {
                drop(report);
                let joined = cgroup.map_or(Ok(()), Cgroup::join);
                let told = Told::from(joined.and_then(|()| be_first(job, world, output, &to_worker, owners)));
                tell(&to_worker, &told);
                std::process::exit(0)
            }
            Fork::Parent(pid) => {
                let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(Cause::at("hold the first process"))?;
                Ok((Init { pid, pidfd, report: Some(report), owners, reaped: false }, world.files))
            }
        }
    }

    /// Becomes readable when it ends.
    pub(super) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// What it said before it ended. When this returns, nothing of the sandbox runs any more.
    pub(super) fn told(mut self) -> Result<(Exit, Changed), Error> {
        let status = self.reap();
        match self.report.as_ref().and_then(told) {
            Some(Told::Exit(exit)) => Ok((exit, self.owners.take().map(noted).transpose()?.unwrap_or_default())),
            Some(Told::Failed(error)) => Err(error),
            None => Err(Error::Worker(format!("lost the first process of the sandbox ({status:?})"))),
        }
    }

    /// Its namespace is empty before it can be waited for.
    fn reap(&mut self) -> Option<WaitStatus> {
        self.reaped = true;
        loop {
            match waitpid(Some(self.pid), WaitOptions::empty()) {
                Err(Errno::INTR) => {}
                result => return result.ok().flatten().map(|(_, status)| status),
            }
        }
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        if !self.reaped {
            self.report = None;
            let _ = poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&PATIENCE));
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            self.reap();
        }
    }
}

/// Writes a report; whoever should read it may be gone.
fn tell(to: &OwnedFd, told: &Told) {
    if let Ok(text) = serde_json::to_vec(told) {
        let _ = write(to, &text);
    }
}

/// Reads a report, when there is one.
fn told(from: &OwnedFd) -> Option<Told> {
    let mut text = Vec::new();
    File::from(from.try_clone().ok()?).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// A file in memory, which both sides of a fork have.
fn notebook() -> Result<File, Error> {
    memfd_create("owners", MemfdFlags::CLOEXEC).map(File::from).map_err(Cause::at("make a file in memory"))
}

fn note(mut owners: &File, changed: &Changed) -> Result<(), Error> {
    serde_json::to_vec(changed)
        .map_err(io::Error::from)
        .and_then(|text| owners.write_all(&text))
        .map_err(Cause::at("note the owners of files"))
}

fn noted(mut owners: File) -> Result<Changed, Error> {
    owners
        .rewind()
        .and_then(|()| Ok(serde_json::from_reader(BufReader::new(owners))?))
        .map_err(Cause::at("read the owners of files"))
}

fn be_first(job: &Job, world: World, output: Output, to_worker: &OwnedFd, owners: Option<File>) -> Result<Exit, Error> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(Cause::at("hide the first process"))?;
    sys::leave_keyring();
    if job.level == Level::Chroot {
        chroot::adopt_orphans()?;
    } else {
        end_with_the_worker(to_worker)?;
        if let Some(program) = &job.spec.runtime {
            return through_a_runtime(job, program, &world, output, to_worker);
        }
        root::build(job, world)?;
    }
    let (report, to_init) = pipe()?;
    let (channel, commands_end) = Channel::pair()?;
    match sys::fork().map_err(Cause::at("start the command's process"))? {
        Fork::Child => {
            drop(report);
            let told = command::become_command(job, output, &Channel::new(commands_end)).into();
            tell(&to_init, &told);
            std::process::exit(127)
        }
        Fork::Parent(command) => {
            drop((to_init, output, commands_end));
            let most = Bounds::of(&job.spec.ulimits).processes.filter(|_| job.level != Level::Chroot);
            let mut identity = Identity::listen(&channel, job, command)?;
            let exit = attend(command, identity.as_mut(), most, to_worker);
            if let (Some(identity), Some(owners)) = (identity, &owners) {
                note(owners, &identity.into_changed())?;
            }
            if job.level == Level::Chroot {
                chroot::end_all();
            }
            told(&report).map_or(exit, |told| match told {
                Told::Exit(exit) => Ok(exit),
                Told::Failed(error) => Err(error),
            })
        }
    }
}

/// As the parent of an OCI runtime, which builds the root and becomes the command's parent.
fn through_a_runtime(
    job: &Job,
    program: &RuntimeProgram,
    world: &World,
    output: Output,
    to_worker: &OwnedFd,
) -> Result<Exit, Error> {
    runtime::surround(program.runtime)?;
    let bundle = Bundle::write(job, program, &world.mounts)?;
    let runtime = bundle.start(output, (job.spec.process.uid, job.spec.process.gid))?;
    let exit = attend(runtime, None, Bounds::of(&job.spec.ulimits).processes, to_worker);
    if exit.is_err() {
        bundle.clean_up();
    }
    exit
}

/// A worker that is killed takes us along; one that was killed before we could say so has left a pipe without a reader.
fn end_with_the_worker(to_worker: &OwnedFd) -> Result<(), Error> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Cause::at("follow the worker"))?;
    let mut fds = [PollFd::new(to_worker, PollFlags::empty())];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(0) => Ok(()),
        _ => Err(Error::Stopped),
    }
}

/// Waits for the command, reaping whoever else ends, and counts, where only its processes are to be seen.
fn attend(
    command: Pid,
    mut identity: Option<&mut Identity>,
    most: Option<usize>,
    to_worker: &OwnedFd,
) -> Result<Exit, Error> {
    let pidfd = pidfd_open(command, PidfdFlags::empty()).map_err(Cause::at("hold the command"))?;
    let mut looked = Instant::now();
    let processes = most.map(|most| Ok::<_, Error>((all_processes()?, most))).transpose()?;
    loop {
        let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN), PollFd::new(to_worker, PollFlags::empty())];
        let listener = identity.as_ref().and_then(|identity| identity.listener());
        fds.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
        match poll(&mut fds, Some(&TICK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Cause::at("wait for the command")(errno)),
        }
        if fds.get(1).is_some_and(|worker| !worker.revents().is_empty()) {
            return Err(Error::Stopped);
        }
        let asked = fds.get(2).map_or(PollFlags::empty(), PollFd::revents);
        if let Some(identity) = &mut identity {
            identity.serve(asked);
        }
        if let Some(status) = reap(command) {
            return Ok(exit(status));
        }
        // Not each time somebody asks, and not only when nobody does: a bomb asks all the time.
        if looked.elapsed() < INTERVAL {
            continue;
        }
        looked = Instant::now();
        if let Some((processes, most)) = &processes
            && count(processes) > *most
        {
            return Err(Error::TooManyProcesses { limit: *most as u64 });
        }
    }
}

fn all_processes() -> Result<OwnedFd, Error> {
    open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(Cause::at("open /proc"))
}

/// Who has ended; how, for the command. Not for longer than until the next count: a bomb's processes end as fast as this goes.
fn reap(command: Pid) -> Option<WaitStatus> {
    let (began, mut found) = (Instant::now(), None);
    while began.elapsed() < INTERVAL
        && let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG)
    {
        if pid == command {
            found = Some(status);
        }
    }
    found
}

/// The processes of the sandbox.
fn count(processes: &OwnedFd) -> usize {
    let is_process = |name: &[u8]| name.first().is_some_and(u8::is_ascii_digit);
    Dir::read_from(processes.as_fd())
        .map_or(0, |dir| dir.flatten().filter(|entry| is_process(entry.file_name().to_bytes())).count())
}

fn exit(status: WaitStatus) -> Exit {
    match status.terminating_signal() {
        Some(signal) => Exit::Signal(signal, signal_name(signal)),
        None => Exit::Code(status.exit_status().unwrap_or(255)),
    }
}

fn signal_name(number: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let known = usize::try_from(number - 1).ok().and_then(|index| NAMES.get(index));
    known.map_or_else(|| format!("SIG{number}"), |name| format!("SIG{name}"))
}
