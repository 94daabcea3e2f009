//! Making files that belong to whom the caller is believed to be.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, fstat, mkdirat, mknodat, openat, symlinkat};
use rustix::io::Errno;

use super::calls::{Create, Made};
use super::owners::{Owner, Owners};
use super::{HELD, caller, low};
use crate::sys::{Notification, Reply};

/// A file that is to be made, and where.
#[derive(Debug)]
pub(super) struct Wanted {
    parent: OwnedFd,
    name: Vec<u8>,
    what: New,
}

#[derive(Debug)]
enum New {
    File { flags: OFlags, mode: u32 },
    Directory { mode: u32 },
    Node { mode: u32, device: u64 },
    Link { target: Vec<u8> },
}

impl Wanted {
    /// What a call asks for. Fails where it makes no file of that name, or fails anyway: the kernel knows better then.
    pub(super) fn read(asked: &Notification, create: Create) -> Result<Wanted, Errno> {
        let thread = asked.thread;
        let at = usize::from(create.at);
        let argument = |number: usize| asked.args.get(number + at).copied().unwrap_or(0);
        let (directory, path, what) = match create.what {
            // The target comes before the directory.
            Made::Link => {
                let [target, first, second, ..] = asked.args;
                let (directory, path) = if create.at { (first, second) } else { (caller::HERE, first) };
                (directory, path, New::Link { target: caller::text(thread, target)? })
            }
            what => {
                let directory = if create.at { asked.args[0] } else { caller::HERE };
                (directory, argument(0), new(what, thread, [argument(1), argument(2)])?)
            }
        };
        let (parent, name) = caller::parent(thread, directory, path)?;
        Ok(Wanted { parent, name, what })
    }

    /// Whose it will be: the caller's; the group is the directory's where that hands it on.
    pub(super) fn owner(&self, owners: &Owners, (uid, gid): Owner) -> Result<Owner, Errno> {
        let hands_on = Mode::from_raw_mode(fstat(&self.parent)?.st_mode).contains(Mode::SGID);
        Ok((uid, if hands_on { owners.of(&self.parent).1 } else { gid }))
    }

    /// Makes it in the caller's stead. What cannot be made, such as what is there already, is the kernel's to answer.
    pub(super) fn make(&self, umask: u32, owner: Owner, owners: &mut Owners) -> Result<Reply, Errno> {
        let masked = |mode: u32| Mode::from_raw_mode(mode & !umask & 0o7777);
        let (parent, name) = (&self.parent, &self.name);
        let made = match &self.what {
            New::File { flags, mode } => return self.make_file(*flags, masked(*mode), owner, owners),
            New::Directory { mode } => mkdirat(parent, name, masked(*mode)),
            New::Node { mode, device } => mknodat(parent, name, FileType::from_raw_mode(*mode), masked(*mode), *device),
            New::Link { target } => symlinkat(target, parent, name),
        };
        if made.is_err() {
            return Ok(Reply::Make);
        }
        owners.give(openat(parent, name, HELD | OFlags::NOFOLLOW, Mode::empty())?, owner)?;
        Ok(Reply::Value(0))
    }

    fn make_file(&self, flags: OFlags, mode: Mode, owner: Owner, owners: &mut Owners) -> Result<Reply, Errno> {
        let exclusive = flags | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let Ok(file) = openat(&self.parent, &self.name, exclusive, mode) else { return Ok(Reply::Make) };
        owners.give(rustix::io::fcntl_dupfd_cloexec(&file, 0)?, owner)?;
        Ok(Reply::Descriptor(file, flags.contains(OFlags::CLOEXEC)))
    }
}

fn new(what: Made, thread: u32, [first, second]: [u64; 2]) -> Result<New, Errno> {
    let file = |flags: u64, mode: u64| match OFlags::from_bits_retain(low(flags)) {
        // It makes nothing.
        flags if flags.contains(OFlags::PATH) => Err(Errno::INVAL),
        flags => Ok(New::File { flags, mode: low(mode) }),
    };
    Ok(match what {
        Made::Open => file(first, second)?,
        Made::Creat => file(u64::from((OFlags::WRONLY | OFlags::TRUNC).bits()), first)?,
        Made::OpenHow => match caller::open_how(thread, first)? {
            [flags, mode, 0] if flags & u64::from(OFlags::CREATE.bits()) != 0 => file(flags, mode)?,
            _ => return Err(Errno::INVAL),
        },
        Made::Directory => New::Directory { mode: low(first) },
        Made::Node => New::Node { mode: node_mode(low(first)), device: second },
        Made::Link => return Err(Errno::INVAL),
    })
}

/// No kind means a regular file.
fn node_mode(mode: u32) -> u32 {
    if mode & libc::S_IFMT == 0 { mode | libc::S_IFREG } else { mode }
}
