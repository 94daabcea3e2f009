//! Making one file of a layer on the disk.

use std::io::{self, Read};

use rootfs::{Dir, Special};

use super::Scheme;
use super::describe::describe;
use crate::unpack::pour;
use crate::{Entry, EntryKind, Error};

const BUFFER: usize = 256 << 10;
/// What a file has until it is described.
const FILLING: u32 = 0o600;

/// Makes files of a scheme.
pub(super) struct Maker {
    pub(super) scheme: Scheme,
    buffer: Vec<u8>,
    /// How many devices could not be made.
    pub(super) left_out: u64,
}

impl Maker {
    pub(super) fn new(scheme: Scheme) -> Maker {
        Maker { scheme, buffer: vec![0; BUFFER], left_out: 0 }
    }

    /// Makes anything but a directory or a hard link, where nothing is. A device that the kernel refuses to make is left out, as in
    /// containerd in a user namespace; what it was to hide stays hidden.
    pub(super) fn make(&mut self, dir: &Dir, name: &[u8], entry: &Entry, from: &mut dyn Read) -> Result<(), Error> {
        match &entry.kind {
            EntryKind::File { size } => return self.file(dir, name, entry, &mut from.take(*size)),
            EntryKind::Symlink { target } => dir.symlink(name, target)?,
            EntryKind::Fifo => dir.mknod(name, Special::Fifo, FILLING)?,
            EntryKind::CharDevice { major: 0, minor: 0 } => return Err(refuse_whiteout_device(entry)),
            EntryKind::CharDevice { major, minor } => {
                let special = Special::CharDevice { major: *major, minor: *minor };
                return self.device(dir, name, entry, special);
            }
            EntryKind::BlockDevice { major, minor } => {
                let special = Special::BlockDevice { major: *major, minor: *minor };
                return self.device(dir, name, entry, special);
            }
            EntryKind::Whiteout => return whiteout(dir, name),
            // The caller's.
            EntryKind::Directory | EntryKind::Hardlink { .. } | EntryKind::OpaqueWhiteout => return Ok(()),
        }
        describe(&dir.hold(name)?, entry, self.scheme)
    }

    fn file(&mut self, dir: &Dir, name: &[u8], entry: &Entry, from: &mut dyn Read) -> Result<(), Error> {
        let node = dir.create_file(name, FILLING)?;
        pour(&entry.path, from, &mut node.file(), &mut self.buffer)?;
        describe(&node, entry, self.scheme)
    }

    fn device(&mut self, dir: &Dir, name: &[u8], entry: &Entry, special: Special) -> Result<(), Error> {
        match dir.mknod(name, special, FILLING) {
            Err(rootfs::Error::At { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                self.left_out += 1;
                whiteout(dir, name)
            }
            result => {
                result?;
                describe(&dir.hold(name)?, entry, self.scheme)
            }
        }
    }
}

/// The mark that hides a name of the layers below. Any user may make one.
pub(super) fn whiteout(dir: &Dir, name: &[u8]) -> Result<(), Error> {
    dir.mknod(name, Special::CharDevice { major: 0, minor: 0 }, 0)?;
    Ok(dir.set_mtime(name, crate::Timestamp::EPOCH.into())?)
}

fn refuse_whiteout_device(entry: &Entry) -> Error {
    let problem = "it is the character device 0/0, which an overlay file system takes for a removed file".into();
    Error::Refused { member: entry.path.to_string(), problem }
}
