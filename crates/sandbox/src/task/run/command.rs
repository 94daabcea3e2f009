//! The command's process, from its start to the program's: the last steps are those that cannot be taken back.

use std::fs::File;
use std::io::{BufRead, BufReader};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, open};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, fchdir, getrlimit, setrlimit, setsid, umask};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::bounds::Bounds;
use super::{Output, capabilities, chroot, identity, program, seccomp};
use crate::inside::{Inside, Make};
use crate::sandbox::Job;
use crate::task::Form;
use crate::wire::Channel;
use crate::{Cause, Error, Exit, Level, Process, Ulimit, sys};

/// Executes the program. Returns only when that fails.
pub(super) fn become_command(job: &Job, output: Output, to_init: &Channel) -> Result<Exit, Error> {
    let spec = &job.spec;
    setsid().map_err(Cause::at("begin a session"))?;
    if matches!(job.level, Level::Subordinate | Level::SingleId) {
        limit_tasks(Bounds::of(&spec.ulimits)).map_err(Cause::at("limit processes"))?;
    }
    spec.ulimits.iter().try_for_each(set_limit)?;
    connect(output, job.form().owner(spec.process.uid, spec.process.gid))
        .map_err(Cause::at("connect the command's output"))?;
    if job.level == Level::Chroot {
        chroot::enter(&spec.stack.scratch).map_err(Cause::at("make the copied layers the root"))?;
    }
    enter_directory(&spec.process.directory)?;
    let environment = environment(&spec.process);
    umask(Mode::from_raw_mode(0o022));
    sys::close_on_exec();
    sys::default_reserved_signals();
    if !spec.privileged && job.level != Level::Chroot {
        let filter = seccomp::program()?;
        sys::install_filter(&filter, false).map_err(Cause::at("filter system calls"))?;
    }
    if job.form() == Form::Single {
        identity::give_up(to_init)?;
    }
    become_user(job).map_err(Cause::at("become the command's user"))?;
    Ok(program::execute(&spec.process.args, &environment))
}

/// In place of a control group: what an ordinary user's processes are together.
fn limit_tasks(bounds: Bounds) -> Result<(), Errno> {
    let most = bounds.tasks.map(|tasks| tasks as u64);
    let hard = getrlimit(Resource::Nproc).maximum;
    let hard = hard.min(most).or(most).or(hard);
    setrlimit(Resource::Nproc, Rlimit { current: hard, maximum: hard })
}

/// Makes the pipes the user's.
pub(super) fn own(output: &Output, (uid, gid): (u32, u32)) -> Result<(), Errno> {
    let pipes = [&output.output, &output.error];
    pipes.into_iter().try_for_each(|pipe| fchown(pipe, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))))
}

/// Nothing to read, and the pipes to write to, which are the user's: programs open `/dev/stdout` by name.
fn connect(output: Output, owner: (u32, u32)) -> Result<(), Errno> {
    own(&output, owner)?;
    let nothing = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&output.output)?;
    dup2_stderr(&output.error)
}

/// It may lie in something that was mounted after it was made, and be missing there.
fn enter_directory(directory: &str) -> Result<(), Error> {
    let enter = || {
        let root = Inside::open_root("/")?;
        fchdir(root.open_or_make(directory, Make::ROOTS_DIRECTORY)?)
    };
    enter().map_err(|errno: Errno| Error::Directory { directory: directory.to_owned(), cause: errno.into() })
}

/// As the step has it, with a `HOME`.
fn environment(process: &Process) -> Vec<(String, String)> {
    let mut environment = process.env.clone();
    if !environment.iter().any(|(name, _)| name == "HOME") {
        environment.push(("HOME".into(), home(process.uid).unwrap_or_else(|| "/".into())));
    }
    environment
}

/// From the first line of the user in `/etc/passwd`: everything is in the sandbox now.
fn home(uid: u32) -> Option<String> {
    let lines = BufReader::new(File::open("/etc/passwd").ok()?).lines().map_while(Result::ok);
    lines
        .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
        .find(|fields| fields.get(2).and_then(|field| field.parse().ok()) == Some(uid))
        .and_then(|fields| fields.into_iter().nth(5))
        .filter(|home| !home.is_empty())
}

fn set_limit(limit: &Ulimit) -> Result<(), Error> {
    let failed = |problem: String| Error::Ulimit { name: limit.name.clone(), problem };
    let resource = resource(&limit.name).ok_or_else(|| failed("there is no such limit".into()))?;
    let value = |value: i64| u64::try_from(value).ok();
    let new = Rlimit { current: value(limit.soft), maximum: value(limit.hard) };
    setrlimit(resource, new).map_err(|errno| failed(errno.to_string()))
}

/// By the names that Docker has (github.com/docker/go-units, ulimit.go).
pub(super) fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}

/// The user with what he may do, and nothing more.
fn become_user(job: &Job) -> Result<(), Errno> {
    let spec = &job.spec;
    let Process { uid, gid, groups, .. } = &spec.process;
    if spec.privileged {
        set_keep_capabilities(true)?;
    } else {
        let in_chroot = job.level == Level::Chroot;
        capabilities::limit(if in_chroot { capabilities::in_chroot() } else { capabilities::default() })?;
    }
    if job.form() == Form::Single {
        // There is nobody else to become; init says that we are.
        return Ok(());
    }
    let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    set_thread_groups(&groups)?;
    let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    if spec.privileged {
        capabilities::keep_all()?;
    }
    Ok(())
}
