//! Files in memory that are mounted one by one: secrets, hosts, resolv.conf, devices.

use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, openat};
use rustix::mount::{MountAttrFlags, MountFlags, mount};

use super::overlay::hold;
use super::relay::Relay;
use crate::{Cause, Error, mounts};

/// A file system of our own, which the process never sees but for the files that are mounted from it.
#[derive(Debug)]
pub(super) struct Files {
    directory: OwnedFd,
    count: usize,
    relays: Vec<Relay>,
}

impl Files {
    /// In this mount namespace, at `files` in the scratch directory.
    pub(super) fn mount(scratch: &Path) -> Result<Files, Error> {
        let path = scratch.join("files");
        DirBuilder::new().mode(0o700).create(&path).map_err(Cause::at("make a directory for mounted files"))?;
        mount("tmpfs", &path, "tmpfs", MountFlags::NOSUID, c"mode=0700")
            .map_err(Cause::at("mount a file system in memory"))?;
        Ok(Files { directory: hold(&path)?, count: 0, relays: Vec::new() })
    }

    /// A file with this content, as a mount of its own.
    pub(super) fn file(
        &mut self,
        content: &[u8],
        (uid, gid): (u32, u32),
        mode: u32,
        attributes: MountAttrFlags,
    ) -> Result<OwnedFd, Error> {
        let name = self.next_name();
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let fill = || -> std::io::Result<()> {
            let mut file = File::from(openat(&self.directory, &name, flags, Mode::from_raw_mode(0o600))?);
            file.write_all(content)?;
            fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            Ok(fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?)
        };
        fill().map_err(Cause::at("write a file in memory"))?;
        self.show(&name, attributes)
    }

    /// What has this name, as a mount of its own.
    pub(super) fn show(&self, name: &str, attributes: MountAttrFlags) -> Result<OwnedFd, Error> {
        openat(&self.directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| mounts::copy(file.as_fd(), attributes))
            .map_err(Cause::at("mount a file from memory"))
    }

    /// A socket that leads to one of the host, as a mount of its own.
    pub(super) fn relay(&mut self, to: &Path, owner: (u32, u32), mode: u32) -> Result<OwnedFd, Error> {
        let name = self.next_name();
        self.relays.push(Relay::start(&self.directory, &name, to, owner, mode)?);
        self.show(&name, mounts::INERT)
    }

    /// Where they lie.
    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// A name that no other file has.
    fn next_name(&mut self) -> String {
        self.count += 1;
        self.count.to_string()
    }
}
