//! The command run by an OCI runtime of the machine: what was made ready becomes a bundle, and the runtime does the rest.

mod config;

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags, open, statfs, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

use super::prepare::Prepared;
use super::{Output, command};
use crate::sandbox::Job;
use crate::{Cause, Error, Runtime, RuntimeProgram, mounts, sys};

/// `CGROUP2_SUPER_MAGIC`.
const CGROUP2: i64 = 0x6367_7270;
/// Where the runtime finds its programs: `runc` looks for nothing, `crun` for `criu` at most.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a runtime expects of the machine around it, in a mount namespace of its own.
///
/// It looks for its children in `/proc`, by the numbers that they have here. `crun` refuses to start where it sees both versions of
/// control groups.
pub(super) fn surround(runtime: Runtime) -> Result<(), Error> {
    sys::unshare(UnshareFlags::NEWNS).map_err(Cause::at("make namespaces"))?;
    let inert = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", inert, None).map_err(Cause::at("mount /proc"))?;
    let groups = Path::new("/sys/fs/cgroup");
    let is_mixed = statfs(groups).is_ok_and(|stat| stat.f_type != CGROUP2);
    match runtime == Runtime::Crun && is_mixed {
        true => mount("cgroup2", groups, "cgroup2", inert, None).map_err(Cause::at("mount control groups")),
        false => Ok(()),
    }
}

/// A bundle, and what runs it.
pub(super) struct Bundle<'a> {
    program: &'a RuntimeProgram,
    directory: PathBuf,
    /// The container's name; unique on this machine, as control groups are named by it.
    name: String,
}

impl Bundle<'_> {
    /// Writes the bundle into the scratch directory, where the layers are mounted at `merged`.
    pub(super) fn write<'a>(
        job: &Job,
        program: &'a RuntimeProgram,
        prepared: &[Prepared],
    ) -> Result<Bundle<'a>, Error> {
        let scratch = &job.spec.stack.scratch;
        let directory = scratch.join("bundle");
        make_directory(&directory)?;
        let places = prepared.iter().enumerate();
        let places = places.map(|(number, mount)| place(mount, directory.join(number.to_string())));
        let config = config::config(job, program.runtime, &places.collect::<Result<Vec<_>, _>>()?)?;
        std::fs::write(directory.join("config.json"), config.to_string())
            .map_err(Cause::at("write the runtime's configuration"))?;
        Ok(Bundle { program, name: name(scratch), directory })
    }

    /// Starts the runtime, which ends as the command does.
    pub(super) fn start(&self, output: Output, owner: (u32, u32)) -> Result<Pid, Error> {
        command::own(&output, owner).map_err(Cause::at("connect the command's output"))?;
        let child = self
            .command("run")
            .arg("--bundle")
            .arg(&self.directory)
            .arg(&self.name)
            .stdout(output.output)
            .stderr(output.error)
            .spawn();
        let child = child.map_err(Cause::at(format!("start {}", self.program.path.display())))?;
        // Its end is noticed as that of any other child.
        Ok(Pid::from_child(&child))
    }

    /// Removes what the runtime made outside of the bundle, when it was ended before it could.
    pub(super) fn clean_up(&self) {
        let _ =
            self.command("delete").arg("--force").arg(&self.name).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program.path);
        command.env_clear().env("PATH", PATH).stdin(Stdio::null()).arg("--root").arg(self.directory.join("state"));
        if self.program.runtime == Runtime::Crun {
            // The limit of processes is on the group that we are in.
            command.arg("--cgroup-manager=disabled");
        }
        command.arg(verb);
        command
    }
}

/// The scratch directory's, which is random, and that of the one above it.
fn name(scratch: &Path) -> String {
    let parts = scratch.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = parts.collect();
    format!("shipsmith-{}", parts.join("-"))
}

fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(path).map_err(Cause::at("make a directory for the runtime"))
}

/// A mount at a path where the runtime can take it from.
struct Placed {
    target: String,
    source: PathBuf,
    /// As `mount` takes them: `crun` gives a mount that it binds no attribute but those that it is told.
    options: Vec<&'static str>,
}

fn place(prepared: &Prepared, source: PathBuf) -> Result<Placed, Error> {
    if prepared.is_directory {
        make_directory(&source)?;
    } else {
        File::create(&source).map(drop).map_err(Cause::at("make a file for the runtime"))?;
    }
    let options = open(&source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .and_then(|target| mounts::attach(&prepared.mount, &target))
        .and_then(|()| options(&source))
        .map_err(Cause::at(format!("mount {}", prepared.target)))?;
    Ok(Placed { target: prepared.target.clone(), source, options })
}

fn options(mount: &Path) -> Result<Vec<&'static str>, Errno> {
    let flags = statvfs(mount)?.f_flag;
    let names = [
        (StatVfsMountFlags::RDONLY, "ro"),
        (StatVfsMountFlags::NOSUID, "nosuid"),
        (StatVfsMountFlags::NODEV, "nodev"),
        (StatVfsMountFlags::NOEXEC, "noexec"),
    ];
    let set = names.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name);
    Ok(["rbind", "rprivate"].into_iter().chain(set).collect())
}
