//! What is got ready outside, where the host can still be seen: every mount, held by a descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags};

use super::devices::{self, Node};
use super::files::Files;
use super::{chroot, overlay};
use crate::inside::Inside;
use crate::sandbox::Job;
use crate::task::Form;
use crate::{Cause, Error, Level, Mount, MountSource, mounts};

/// Something to be mounted.
#[derive(Debug)]
pub(super) struct Prepared {
    pub target: String,
    pub mount: OwnedFd,
    pub is_directory: bool,
}

/// All of it.
#[derive(Debug)]
pub(super) struct World {
    /// The root file system.
    pub root: OwnedFd,
    pub nodes: Vec<Node>,
    /// The host's `/sys`, where we are not allowed one of our own.
    pub sys: Option<OwnedFd>,
    /// In the order in which they are mounted.
    pub mounts: Vec<Prepared>,
    /// What lies in memory, and serves the sockets among it.
    pub files: Option<Files>,
}

/// Mounts the root file system, and gets ready what goes on top of it.
pub(super) fn prepare(job: &Job) -> Result<World, Error> {
    let (spec, form) = (&job.spec, job.form());
    if job.level == Level::Chroot {
        return chroot::prepare(job);
    }
    let flags = if spec.privileged { MountFlags::empty() } else { MountFlags::NODEV };
    let root = overlay::assemble(&spec.stack, job, flags)?;
    let mut files = Files::mount(&spec.stack.scratch)?;
    let mut prepared = vec![
        read_only_file(&mut files, "/etc/resolv.conf", &spec.resolv_conf)?,
        read_only_file(&mut files, "/etc/hosts", &spec.hosts)?,
    ];
    for mount in &spec.mounts {
        prepared.push(one(mount, &mut files, job)?);
    }
    Ok(World {
        root,
        nodes: devices::nodes(&files, form, spec.privileged)?,
        sys: (form != Form::Root).then(hosts_sys).transpose()?,
        mounts: prepared,
        files: Some(files),
    })
}

fn read_only_file(files: &mut Files, target: &str, content: &[u8]) -> Result<Prepared, Error> {
    let mount = files.file(content, (0, 0), 0o644, mounts::INERT_READ_ONLY)?;
    Ok(Prepared { target: target.to_owned(), mount, is_directory: false })
}

fn hosts_sys() -> Result<OwnedFd, Error> {
    mounts::copy_path(Path::new("/sys"), mounts::INERT_READ_ONLY).map_err(Cause::at("mount the host's /sys"))
}

fn one(mount: &Mount, files: &mut Files, job: &Job) -> Result<Prepared, Error> {
    let failed = |errno: Errno| failed(mount, errno);
    let (attributes, form) = (attributes(mount.read_only, job.spec.privileged), job.form());
    let shown = match &mount.source {
        MountSource::Stack { stack, path } => {
            let root = Inside::new(overlay::assemble(stack, job, MountFlags::NODEV)?);
            below_of(&root, path, attributes).map_err(failed)?
        }
        MountSource::Directory { path, below } => {
            Inside::open_root(path).and_then(|root| below_of(&root, below, attributes)).map_err(failed)?
        }
        MountSource::Tmpfs { size } => tmpfs(*size, attributes | MountAttrFlags::MOUNT_ATTR_NOSUID).map_err(failed)?,
        MountSource::File { content, uid, gid, mode } => {
            files.file(&content.0, form.owner(*uid, *gid), *mode, of_secret(*mode))?
        }
        MountSource::Socket { path, uid, gid, mode } => files.relay(path, form.owner(*uid, *gid), *mode)?,
    };
    let is_directory = is_directory(&shown).map_err(failed)?;
    Ok(Prepared { target: mount.target.clone(), mount: shown, is_directory })
}

fn attributes(read_only: bool, privileged: bool) -> MountAttrFlags {
    let when = |condition, flag| if condition { flag } else { MountAttrFlags::empty() };
    when(read_only, MountAttrFlags::MOUNT_ATTR_RDONLY) | when(!privileged, MountAttrFlags::MOUNT_ATTR_NODEV)
}

/// As BuildKit: executable when its mode says so.
fn of_secret(mode: u32) -> MountAttrFlags {
    match mode & 0o111 {
        0 => mounts::INERT_READ_ONLY,
        _ => mounts::INERT_READ_ONLY.difference(MountAttrFlags::MOUNT_ATTR_NOEXEC),
    }
}

fn failed(mount: &Mount, errno: Errno) -> Error {
    let problem = match (&mount.source, errno) {
        (MountSource::Stack { path, .. } | MountSource::Directory { below: path, .. }, Errno::NOENT) => {
            format!("{path:?} does not exist where it is to come from")
        }
        _ => errno.to_string(),
    };
    Error::Mount { target: mount.target.clone(), problem }
}

fn below_of(root: &Inside, path: &str, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    mounts::copy(root.open(path)?.as_fd(), attributes)
}

fn tmpfs(size: u64, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let size = size.to_string();
    let options: &[(&str, &str)] = if size == "0" { &[] } else { &[("size", &size)] };
    mounts::create("tmpfs", options, attributes)
}

fn is_directory(mount: &OwnedFd) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(fstat(mount)?.st_mode) == FileType::Directory)
}
