//! Control groups of the command's own: below those that `--cgroup-parent` names, or one that limits tasks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rootfs::TreePath;
use rustix::fs::statfs;

use crate::{Cause, Error};

const ROOT: &str = "/sys/fs/cgroup";
/// `CGROUP2_SUPER_MAGIC`.
const UNIFIED: rustix::fs::FsWord = 0x6367_7270;

/// One in each hierarchy. Dropping it removes them, when they are empty.
#[derive(Debug)]
pub(super) struct Cgroup {
    groups: Vec<(PathBuf, File)>,
}

impl Cgroup {
    pub(super) fn make(parent: &str) -> Result<Cgroup, Error> {
        let failed = |error: io::Error| Error::Cgroup { parent: parent.to_owned(), cause: error.into() };
        let inside = TreePath::clean(parent)?;
        let own = format!("{}/shipsmith-{}", String::from_utf8_lossy(inside.as_bytes()), std::process::id());
        let mut cgroup = Cgroup { groups: Vec::new() };
        for hierarchy in hierarchies().map_err(failed)? {
            cgroup.add(hierarchy.join(&own)).map_err(failed)?;
        }
        Ok(cgroup)
    }

    /// One that holds no more tasks than this, where the machine lets us make it; elsewhere init's counting has to do.
    pub(super) fn limited(tasks: usize) -> Option<Cgroup> {
        let unified = statfs(ROOT).is_ok_and(|found| found.f_type == UNIFIED);
        let hierarchy = if unified { PathBuf::from(ROOT) } else { Path::new(ROOT).join("pids") };
        let path = hierarchy.join(format!("shipsmith-{}", std::process::id()));
        let mut cgroup = Cgroup { groups: Vec::new() };
        cgroup.add(path.clone()).ok()?;
        fs::write(path.join("pids.max"), tasks.to_string()).ok()?;
        Some(cgroup)
    }

    fn add(&mut self, path: PathBuf) -> io::Result<()> {
        fs::create_dir_all(&path)?;
        let file = OpenOptions::new().write(true).open(path.join("cgroup.procs"))?;
        self.groups.push((path, file));
        Ok(())
    }

    /// Moves this process there, and with it those that it starts from now on.
    pub(super) fn join(&self) -> Result<(), Error> {
        let join = |(_, procs): &(PathBuf, File)| (&*procs).write_all(b"0");
        self.groups.iter().try_for_each(join).map_err(Cause::at("join the control groups"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for (path, _) in &self.groups {
            drop(fs::remove_dir(path));
        }
    }
}

/// The one hierarchy of version 2; or those of version 1, but for `cpuset`, which takes nobody before it is set up.
fn hierarchies() -> io::Result<Vec<PathBuf>> {
    if statfs(ROOT)?.f_type == UNIFIED {
        return Ok(vec![ROOT.into()]);
    }
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let names = own.lines().filter_map(|line| line.split(':').nth(1)).filter(|name| !name.is_empty());
    let paths = names.map(|name| Path::new(ROOT).join(name.trim_start_matches("name=")));
    Ok(paths.filter(|path| path.is_dir() && !path.ends_with("cpuset")).collect())
}
