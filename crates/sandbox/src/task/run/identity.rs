//! Owners and identities where there is one id only: the calls that change or tell them are answered by init.
//!
//! A file's owner is kept beside it, in the extended attribute that [`layer::overlay::OWNER_XATTR`] names, from where it gets
//! into the layer; on disk everything is the user's. A process' identity is kept here, and inherited. Permissions are not checked
//! against either: the command is the user, whatever it believes. Links, devices and pipes stay root's.

mod caller;
mod credentials;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use layer::overlay::{OWNER_XATTR, owner_text, parse_owner};
use rustix::event::PollFlags;
use rustix::fs::{AtFlags, FileType, Gid, OFlags, Uid, XattrFlags, chownat, fstat, getxattr, setxattr};
use rustix::io::Errno;
use rustix::process::Pid;

use self::caller::Caller;
use self::credentials::Credentials;
use super::seccomp;
use crate::sandbox::Job;
use crate::sys::{self, Notification, Reply};
use crate::task::Form;
use crate::wire::Channel;
use crate::{Cause, Error, Process};

/// The calls that are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Chown,
    Lchown,
    Fchown,
    Fchownat,
    Set(Whose, Set),
    SetGroups,
    Get(Whose, Get),
    GetGroups,
}

/// Users' numbers or groups'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    User,
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    One,
    RealEffective,
    All,
    FileSystem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Get {
    Real,
    Effective,
    All,
}

const CALLS: [(&str, Call); 20] = [
    ("chown", Call::Chown),
    ("lchown", Call::Lchown),
    ("fchown", Call::Fchown),
    ("fchownat", Call::Fchownat),
    ("setuid", Call::Set(Whose::User, Set::One)),
    ("setgid", Call::Set(Whose::Group, Set::One)),
    ("setreuid", Call::Set(Whose::User, Set::RealEffective)),
    ("setregid", Call::Set(Whose::Group, Set::RealEffective)),
    ("setresuid", Call::Set(Whose::User, Set::All)),
    ("setresgid", Call::Set(Whose::Group, Set::All)),
    ("setfsuid", Call::Set(Whose::User, Set::FileSystem)),
    ("setfsgid", Call::Set(Whose::Group, Set::FileSystem)),
    ("setgroups", Call::SetGroups),
    ("getuid", Call::Get(Whose::User, Get::Real)),
    ("getgid", Call::Get(Whose::Group, Get::Real)),
    ("geteuid", Call::Get(Whose::User, Get::Effective)),
    ("getegid", Call::Get(Whose::Group, Get::Effective)),
    ("getresuid", Call::Get(Whose::User, Get::All)),
    ("getresgid", Call::Get(Whose::Group, Get::All)),
    ("getgroups", Call::GetGroups),
];

/// From here on this process and its children ask init.
pub(super) fn give_up(to_init: &Channel) -> Result<(), Error> {
    let filter = seccomp::asking(CALLS.iter().filter_map(|(name, _)| seccomp::number(name)));
    let listener = sys::install_filter(&filter, true).map_err(Cause::at("intercept calls that change owners"))?;
    let fds: Vec<BorrowedFd<'_>> = listener.iter().map(AsFd::as_fd).collect();
    to_init.send_descriptors(&fds)
}

/// Who is asked.
#[derive(Debug)]
pub(super) struct Identity {
    listener: OwnedFd,
    calls: BTreeMap<u32, Call>,
    /// Of processes that are not simply root.
    known: BTreeMap<Caller, Credentials>,
}

impl AsFd for Identity {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Identity {
    /// Waits until the command asks, where it does.
    /// The command itself begins as the step's user.
    pub(super) fn listen(from_command: &Channel, job: &Job, command: Pid) -> Result<Option<Identity>, Error> {
        if job.form() != Form::Single {
            return Ok(None);
        }
        let calls = CALLS.iter().filter_map(|(name, call)| Some((seccomp::number(name)?, *call))).collect();
        let listener = from_command.receive_descriptors()?.into_iter().next();
        let Process { uid, gid, groups, .. } = &job.spec.process;
        let mut known = BTreeMap::new();
        if (*uid, *gid, groups.is_empty()) != (0, 0, true) {
            let caller = Caller::of(command.as_raw_nonzero().get().unsigned_abs());
            known.insert(
                caller.map_err(Cause::at("look at the command"))?,
                Credentials::new(*uid, *gid, groups.clone()),
            );
        }
        Ok(listener.map(|listener| Identity { listener, calls, known }))
    }

    /// Answers, if somebody asks; gives itself up when nobody is left who could.
    pub(super) fn serve(mut self, events: PollFlags) -> Option<Identity> {
        if events.contains(PollFlags::IN) {
            if let Ok(Some(notification)) = sys::next_notification(self.listener.as_fd()) {
                let reply = self.reply(&notification).unwrap_or_else(Reply::Refuse);
                sys::answer(self.listener.as_fd(), &notification, reply);
            }
        } else if !events.is_empty() {
            return None;
        }
        Some(self)
    }

    fn reply(&mut self, asked: &Notification) -> Result<Reply, Errno> {
        let Some(call) = self.calls.get(&asked.call).copied() else { return Ok(Reply::Make) };
        match call {
            Call::Chown | Call::Lchown | Call::Fchown | Call::Fchownat => {
                self.chown(asked, call).map(|()| Reply::Value(0))
            }
            Call::Get(..) | Call::GetGroups if self.known.is_empty() => Ok(Reply::Make),
            Call::Get(whose, what) => self.get(asked, whose, what),
            Call::GetGroups => self.get_groups(asked),
            Call::Set(whose, what) => self.set(asked, whose, what),
            Call::SetGroups => self.set_groups(asked),
        }
    }

    fn chown(&self, asked: &Notification, call: Call) -> Result<(), Errno> {
        let [first, second, third, fourth, fifth, _] = asked.args;
        let here = i64::from(libc::AT_FDCWD).cast_unsigned();
        let (file, uid, gid) = match call {
            Call::Fchown => (caller::descriptor(asked.thread, first, true)?, second, third),
            Call::Fchownat => (caller::file(asked.thread, first, second, fifth)?, third, fourth),
            Call::Lchown => (
                caller::file(asked.thread, here, first, libc::AT_SYMLINK_NOFOLLOW.unsigned_abs().into())?,
                second,
                third,
            ),
            _ => (caller::file(asked.thread, here, first, 0)?, second, third),
        };
        match sys::is_waiting(self.listener.as_fd(), asked) {
            true => set_owner(&file, low(uid), low(gid)),
            false => Err(Errno::SRCH),
        }
    }

    fn get(&mut self, asked: &Notification, whose: Whose, what: Get) -> Result<Reply, Errno> {
        let ids = *self.credentials(asked)?.1.of(whose);
        Ok(Reply::Value(match what {
            Get::Real => ids.real,
            Get::Effective => ids.effective,
            Get::All => {
                for (address, id) in asked.args.iter().zip([ids.real, ids.effective, ids.saved]) {
                    caller::write(asked.thread, *address, &id.to_ne_bytes())?;
                }
                0
            }
        }))
    }

    fn get_groups(&mut self, asked: &Notification) -> Result<Reply, Errno> {
        let [size, address, ..] = asked.args;
        let groups = self.credentials(asked)?.1.groups.clone();
        let count = u32::try_from(groups.len()).map_err(|_| Errno::INVAL)?;
        match low(size) {
            0 => {}
            size if size < count => return Err(Errno::INVAL),
            _ => {
                caller::write(asked.thread, address, &groups.iter().flat_map(|g| g.to_ne_bytes()).collect::<Vec<_>>())?
            }
        }
        Ok(Reply::Value(count))
    }

    fn set(&mut self, asked: &Notification, whose: Whose, what: Set) -> Result<Reply, Errno> {
        let [first, second, third, ..] = asked.args.map(low);
        let (caller, mut credentials) = self.credentials(asked)?;
        let privileged = credentials.is_privileged();
        let ids = credentials.of_mut(whose);
        let before = ids.file_system;
        let done = match what {
            Set::One => ids.set(first, privileged),
            Set::RealEffective => ids.set_two(first, second, privileged),
            Set::All => ids.set_all([first, second, third], privileged),
            Set::FileSystem => ids.set_file_system(first, privileged),
        };
        self.known.insert(caller, credentials);
        match (what, done) {
            (Set::FileSystem, _) => Ok(Reply::Value(before)),
            (_, true) => Ok(Reply::Value(0)),
            (_, false) => Err(Errno::PERM),
        }
    }

    fn set_groups(&mut self, asked: &Notification) -> Result<Reply, Errno> {
        let [count, address, ..] = asked.args;
        let (caller, mut credentials) = self.credentials(asked)?;
        if !credentials.is_privileged() {
            return Err(Errno::PERM);
        }
        credentials.groups = caller::numbers(asked.thread, address, low(count))?;
        self.known.insert(caller, credentials);
        Ok(Reply::Value(0))
    }

    /// Who asks, and who that is: as it was set, or as its nearest known ancestor is.
    fn credentials(&mut self, asked: &Notification) -> Result<(Caller, Credentials), Errno> {
        let caller = Caller::of(asked.thread)?;
        let mut ancestor = Some(caller);
        while let Some(process) = ancestor {
            if let Some(known) = self.known.get(&process) {
                let known = known.clone();
                self.known.insert(caller, known.clone());
                return Ok((caller, known));
            }
            ancestor = process.parent();
        }
        Ok((caller, Credentials::root()))
    }
}

/// Numbers of users and groups are 32 bits, in registers of 64.
fn low(value: u64) -> u32 {
    (value & u64::from(u32::MAX)) as u32
}

/// First the kernel's part, on behalf of the only user there is: it copies the file up, and takes set-user-id away. Where files
/// cannot have the attribute, such as in memory, nothing of them gets into a layer.
fn set_owner(file: &OwnedFd, uid: u32, gid: u32) -> Result<(), Errno> {
    chownat(file, "", Some(Uid::ROOT), Some(Gid::ROOT), AtFlags::EMPTY_PATH)?;
    let kind = FileType::from_raw_mode(fstat(file)?.st_mode);
    if (uid, gid) == (u32::MAX, u32::MAX) || !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Ok(());
    }
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let (old_uid, old_gid) = owner(&path);
    let new = |id, old| if id == u32::MAX { old } else { id };
    let text = owner_text((new(uid, old_uid), new(gid, old_gid)));
    match setxattr(&path, OWNER_XATTR, &text, XattrFlags::empty()) {
        Err(Errno::NOTSUP | Errno::PERM) => Ok(()),
        result => result,
    }
}

fn owner(path: &str) -> (u32, u32) {
    let mut buffer = [0; 32];
    let length = getxattr(path, OWNER_XATTR, &mut buffer).unwrap_or(0);
    buffer.get(..length).and_then(parse_owner).unwrap_or((0, 0))
}

/// To look at and pass through, not to read.
const HELD: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
