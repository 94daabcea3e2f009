//! Owners and identities where there is one id only: the calls that change or tell them are answered by init.
//!
//! A file's owner is kept beside it, in the extended attribute that [`layer::overlay::OWNER_XATTR`] names, or, where it cannot
//! have that, in a table (`owners`); from there it gets into the layer. On disk everything is the user's. A process' identity is
//! kept here, and inherited; what it makes belongs to it. Permissions are not checked against either: the command is the user,
//! whatever it believes. Programs of 32 bits are answered too, but for their `stat64`, which tells what the disk does.

mod caller;
mod calls;
mod create;
mod credentials;
mod execute;
mod owners;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit, umask};

use self::caller::Caller;
use self::calls::{Call, Create, Get, Named, Set, Whose};
use self::create::Wanted;
use self::credentials::Credentials;
use self::owners::Owners;
use super::seccomp;
use crate::sandbox::Job;
use crate::sys::{self, Notification, Reply};
use crate::task::Form;
use crate::wire::Channel;
use crate::{Cause, Error, Process};

/// From here on this process and its children ask init.
pub(super) fn give_up(to_init: &Channel) -> Result<(), Error> {
    let filter = seccomp::asking(calls::asked(&calls::table()));
    let listener = sys::install_filter(&filter, true).map_err(Cause::at("intercept calls that change owners"))?;
    let fds: Vec<BorrowedFd<'_>> = listener.iter().map(AsFd::as_fd).collect();
    to_init.send_descriptors(&fds)
}

/// Who is asked.
#[derive(Debug)]
pub(super) struct Identity {
    /// `None` when nobody is left who could ask.
    listener: Option<OwnedFd>,
    calls: BTreeMap<(u32, u32), Call>,
    /// Of processes that are not simply root.
    known: BTreeMap<Caller, Credentials>,
    owners: Owners,
}

impl Identity {
    /// Waits until the command asks, where it does.
    /// The command itself begins as the step's user.
    pub(super) fn listen(from_command: &Channel, job: &Job, command: Pid) -> Result<Option<Identity>, Error> {
        if job.form() != Form::Single {
            return Ok(None);
        }
        make_ready().map_err(Cause::at("be ready to answer calls"))?;
        let listener = from_command.receive_descriptors()?.into_iter().next();
        if let Some(listener) = &listener {
            sys::answer_in_turn(listener.as_fd());
        }
        let Process { uid, gid, groups, .. } = &job.spec.process;
        let mut known = BTreeMap::new();
        if (*uid, *gid, groups.is_empty()) != (0, 0, true) {
            let caller = Caller::of(command.as_raw_nonzero().get().unsigned_abs());
            known.insert(
                caller.map_err(Cause::at("look at the command"))?,
                Credentials::new(*uid, *gid, groups.clone()),
            );
        }
        let below = job.spec.owners.as_ref().map(|owners| owners.0.clone());
        let owners = Owners::new(below.unwrap_or_default());
        Ok(Some(Identity { listener, calls: calls::table(), known, owners }))
    }

    /// What becomes readable when somebody asks.
    pub(super) fn listener(&self) -> Option<&OwnedFd> {
        self.listener.as_ref()
    }

    /// The owners of what the command made or changed, of files that cannot have the attribute, by inode.
    pub(super) fn into_changed(self) -> BTreeMap<u64, (u32, u32)> {
        self.owners.into_changed()
    }

    /// Answers, if somebody asks.
    pub(super) fn serve(&mut self, events: PollFlags) {
        let Some(listener) = self.listener.take_if(|_| !events.is_empty()) else { return };
        if events.contains(PollFlags::IN) {
            if let Ok(Some(notification)) = sys::next_notification(listener.as_fd()) {
                let asked = Asked { notification, listener: listener.as_fd() };
                let reply = self.reply(&asked).unwrap_or_else(Reply::Refuse);
                sys::answer(listener.as_fd(), &notification, reply);
            }
            self.listener = Some(listener);
        }
    }

    fn reply(&mut self, asked: &Asked<'_>) -> Result<Reply, Errno> {
        let call = self.calls.get(&(asked.notification.architecture, asked.notification.call)).copied();
        match call.ok_or(Errno::NOSYS)? {
            Call::Chown(named) => self.chown(asked, named),
            // Of what we know nothing the kernel tells, also what is wrong.
            Call::Stat(named) => Ok(self.stat(asked, named).unwrap_or(Reply::Make)),
            Call::Statx => Ok(self.statx(asked).unwrap_or(Reply::Make)),
            Call::Create(create) => self.create(asked, create),
            Call::Execute(named) => {
                let _ = self.execute(asked, named);
                Ok(Reply::Make)
            }
            Call::Get(..) | Call::GetGroups if self.known.is_empty() => Ok(Reply::Make),
            Call::Get(whose, what) => self.get(asked, whose, what),
            Call::GetGroups => self.get_groups(asked),
            Call::Set(whose, what) => self.set(asked, whose, what),
            Call::SetGroups => self.set_groups(asked),
        }
    }

    fn chown(&mut self, asked: &Asked<'_>, named: Named) -> Result<Reply, Errno> {
        let [_, second, third, fourth, ..] = asked.notification.args;
        let (uid, gid) = if matches!(named, Named::At(_)) { (third, fourth) } else { (second, third) };
        let (file, owner) = (asked.file(named)?, (low(uid), low(gid)));
        asked.still_waits()?;
        if !self.known.is_empty() && !self.credentials(asked)?.1.may_give(self.owners.of(&file), owner) {
            return Err(Errno::PERM);
        }
        self.owners.change(file, owner).map(|()| Reply::Value(0))
    }

    fn stat(&self, asked: &Asked<'_>, named: Named) -> Result<Reply, Errno> {
        let file = asked.file(named)?;
        let [_, second, third, ..] = asked.notification.args;
        let address = if matches!(named, Named::At(_)) { third } else { second };
        match self.owners.of(&file) {
            (0, 0) => Ok(Reply::Make),
            owner => asked.tell(address, &sys::stat_as(file.as_fd(), owner)?),
        }
    }

    fn statx(&self, asked: &Asked<'_>) -> Result<Reply, Errno> {
        let [_, _, flags, mask, address, _] = asked.notification.args;
        let file = asked.file(Named::At(2))?;
        match self.owners.of(&file) {
            (0, 0) => Ok(Reply::Make),
            owner => asked.tell(address, &sys::statx_as(file.as_fd(), low(flags), low(mask), owner)?),
        }
    }

    fn create(&mut self, asked: &Asked<'_>, create: Create) -> Result<Reply, Errno> {
        let Ok(wanted) = Wanted::read(&asked.notification, create) else { return Ok(Reply::Make) };
        let caller = if self.known.is_empty() { (0, 0) } else { self.credentials(asked)?.1.of_files() };
        let owner = wanted.owner(&self.owners, caller)?;
        if owner == (0, 0) {
            return Ok(Reply::Make);
        }
        let umask = caller::umask(asked.notification.thread)?;
        asked.still_waits()?;
        wanted.make(umask, owner, &mut self.owners)
    }

    /// What counts is who the program believes it is: whether it may be executed is the kernel's to say, and if not, whoever tried
    /// is root of its own files for nothing.
    fn execute(&mut self, asked: &Asked<'_>, named: Named) -> Result<(), Errno> {
        let program = asked.file(named)?;
        let (sets_user, sets_group) = execute::set_ids(&program)?;
        if !sets_user && !sets_group {
            return Ok(());
        }
        let (caller, mut credentials) = self.credentials(asked)?;
        credentials.execute(self.owners.of(&program), sets_user, sets_group);
        self.known.insert(caller, credentials);
        Ok(())
    }

    fn get(&mut self, asked: &Asked<'_>, whose: Whose, what: Get) -> Result<Reply, Errno> {
        let ids = *self.credentials(asked)?.1.of(whose);
        match what {
            Get::Real => Ok(Reply::Value(ids.real)),
            Get::Effective => Ok(Reply::Value(ids.effective)),
            Get::All => {
                for (address, id) in asked.notification.args.iter().zip([ids.real, ids.effective, ids.saved]) {
                    asked.tell(*address, &id.to_ne_bytes())?;
                }
                Ok(Reply::Value(0))
            }
        }
    }

    fn get_groups(&mut self, asked: &Asked<'_>) -> Result<Reply, Errno> {
        let [size, address, ..] = asked.notification.args;
        let groups = self.credentials(asked)?.1.groups.clone();
        let count = u32::try_from(groups.len()).map_err(|_| Errno::INVAL)?;
        match low(size) {
            0 => {}
            size if size < count => return Err(Errno::INVAL),
            _ => drop(asked.tell(address, &groups.iter().flat_map(|g| g.to_ne_bytes()).collect::<Vec<_>>())?),
        }
        Ok(Reply::Value(count))
    }

    fn set(&mut self, asked: &Asked<'_>, whose: Whose, what: Set) -> Result<Reply, Errno> {
        let [first, second, third, ..] = asked.notification.args.map(low);
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

    fn set_groups(&mut self, asked: &Asked<'_>) -> Result<Reply, Errno> {
        let [count, address, ..] = asked.notification.args;
        let (caller, mut credentials) = self.credentials(asked)?;
        if !credentials.is_privileged() {
            return Err(Errno::PERM);
        }
        credentials.groups = caller::numbers(asked.notification.thread, address, low(count))?;
        self.known.insert(caller, credentials);
        Ok(Reply::Value(0))
    }

    /// Who asks, and who that is: as it was set, or as its nearest known ancestor is.
    fn credentials(&mut self, asked: &Asked<'_>) -> Result<(Caller, Credentials), Errno> {
        let caller = Caller::of(asked.notification.thread)?;
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

/// A call, and whom to ask whether it still waits.
struct Asked<'l> {
    notification: Notification,
    listener: BorrowedFd<'l>,
}

impl Asked<'_> {
    /// The file that it names.
    fn file(&self, named: Named) -> Result<OwnedFd, Errno> {
        let Notification { thread, args: [first, second, ..], .. } = self.notification;
        let not_followed = libc::AT_SYMLINK_NOFOLLOW.unsigned_abs().into();
        match named {
            Named::Path => caller::file(thread, caller::HERE, first, 0),
            Named::Link => caller::file(thread, caller::HERE, first, not_followed),
            Named::Descriptor => caller::descriptor(thread, first, true),
            Named::At(flags) => {
                let flags = self.notification.args.get(flags).copied().unwrap_or(0);
                caller::file(thread, first, second, flags)
            }
        }
    }

    /// Only then was what we read of it its own.
    fn still_waits(&self) -> Result<(), Errno> {
        if sys::is_waiting(self.listener, &self.notification) { Ok(()) } else { Err(Errno::SRCH) }
    }

    /// Writes where it wants its answer.
    fn tell(&self, address: u64, bytes: &[u8]) -> Result<Reply, Errno> {
        self.still_waits()?;
        caller::write(self.notification.thread, address, bytes).map(|()| Reply::Value(0))
    }
}

/// What is made in a caller's stead has the caller's mask, and there may be many files to hold.
fn make_ready() -> Result<(), Errno> {
    umask(Mode::empty());
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })
}

/// Numbers of users and groups are 32 bits, in registers of 64.
fn low(value: u64) -> u32 {
    (value & u64::from(u32::MAX)) as u32
}

/// To look at and pass through, not to read.
const HELD: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
