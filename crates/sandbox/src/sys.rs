//! System calls that no crate offers safely. All `unsafe` of this room is here, each function says why it is sound.

#![allow(unsafe_code, reason = "system calls that no crate offers safely")]

use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

use crate::{Cause, Error};

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The one that asked; the other's number.
    Parent(Pid),
    /// The new one.
    Child,
}

fn checked(result: libc::c_int) -> Result<libc::c_int, Errno> {
    match result {
        -1 => Err(last_errno()),
        value => Ok(value),
    }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// Forks. Only for workers, which have one thread until the command has ended: nothing can be locked, half-written or lost in the child.
pub(crate) fn fork() -> Result<Fork, Errno> {
    // SAFETY: with a single thread the child is a whole copy of this process (see above).
    let pid = checked(unsafe { libc::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// As [`fork`]; the child is the first process of a new PID namespace. Unlike after `unshare`, this process stays free to start
/// threads, and what it forks later is not in there.
pub(crate) fn fork_first() -> Result<Fork, Errno> {
    let flags = libc::c_long::from(libc::CLONE_NEWPID | libc::SIGCHLD);
    // The stack's address, which zero leaves as it is, comes first on one architecture.
    let (first, second) = if cfg!(target_arch = "s390x") { (0, flags) } else { (flags, 0) };
    // SAFETY: as for fork, which is this call with fewer flags. All else that the C library does in its own concerns other
    // threads, of which there are none, and the thread's number, which it keeps for locks that are shared between them.
    let pid = unsafe { libc::syscall(libc::SYS_clone, first, second, 0, 0, 0) };
    let pid = checked(libc::c_int::try_from(pid).unwrap_or(-1))?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// Moves this process into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: unsafe in rustix for CLONE_FILES alone, which would make descriptors differ between threads; workers have one.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Closes every descriptor but the standard ones and one to keep.
pub(crate) fn close_from(keep: BorrowedFd<'_>) -> Result<(), Error> {
    let keep = keep.as_raw_fd().unsigned_abs();
    let close = |first: u32, last: u32| match first > last {
        true => Ok(0),
        // SAFETY: called before anything else in this process owns a descriptor above the standard ones, `keep` aside.
        false => checked(unsafe { libc::close_range(first, last, 0) }),
    };
    close(3, keep.saturating_sub(1)).and_then(|_| close(keep + 1, u32::MAX)).map_err(Cause::at("close descriptors"))?;
    Ok(())
}

/// What a mount allows (`mount_setattr(2)`): bits of `MOUNT_ATTR_*` to set, on the mount and all below it.
pub(crate) fn restrict_mount(mount: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<(), Errno> {
    let attr = libc::mount_attr { attr_set: attributes.bits().into(), attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a NUL-terminated literal, and the structure is as long as the length given says.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of_val(&attr),
        )
    };
    match result {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}

/// Installs a filter of system calls without setting `no_new_privs`, which would switch set-user-id programs off; that takes
/// `CAP_SYS_ADMIN` in the user namespace. With `listen`, gives the descriptor on which its notifications arrive; who waits for an
/// answer is then disturbed by nothing but its end, where the kernel (5.19) can have that: a call made twice would find its own work.
pub(crate) fn install_filter(program: &[libc::sock_filter], listen: bool) -> Result<Option<OwnedFd>, Errno> {
    if !listen {
        return install(program, 0);
    }
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    match install(program, listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::INVAL) => install(program, listener),
        result => result,
    }
}

fn install(program: &[libc::sock_filter], flags: libc::c_ulong) -> Result<Option<OwnedFd>, Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the structure describes a slice that outlives the call, and the kernel only reads it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match i32::try_from(result) {
        Ok(-1) | Err(_) => Err(last_errno()),
        // SAFETY: with that flag the result is a new descriptor that nobody else owns.
        Ok(fd) if flags != 0 => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Ok(_) => Ok(None),
    }
}

/// Leaves the keys of the builder's session behind. A kernel without keys has none to leave.
pub(crate) fn leave_keyring() {
    // SAFETY: a null name asks for an anonymous keyring; nothing is read or written.
    let _ = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, 0) };
}

/// Switches the loopback of this network namespace on.
pub(crate) fn raise_loopback() -> Result<(), Errno> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: all zeroes is a valid request; both pointers are to it, and it outlives the calls.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = libc::c_char::from_ne_bytes(*b"l");
        request.ifr_name[1] = libc::c_char::from_ne_bytes(*b"o");
        checked(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
        checked(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request))?;
    }
    Ok(())
}

/// Has writing to a pipe that nobody reads fail instead of kill, as Rust programs expect; before `main` that is not so yet.
pub(crate) fn ignore_sigpipe() {
    // SAFETY: no handler of ours is replaced.
    let _ = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Gives the two signals that glibc keeps for itself their default back: its `posix_spawn`, by which workers are started, has them
/// ignored, and its `signal` refuses to speak of them.
pub(crate) fn default_reserved_signals() {
    const MASK_SIZE: usize = 8;
    let default = [0u64; 4];
    for signal in [32, 33] {
        // SAFETY: zeroes are the default action, no smaller than the kernel's structure; nobody asks for the old one.
        let _ = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), MASK_SIZE)
        };
    }
}

/// Marks every descriptor but the standard ones to be closed when a program is executed.
pub(crate) fn close_on_exec() {
    const CLOEXEC: libc::c_int = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: nothing is closed now.
    let _ = unsafe { libc::close_range(3, u32::MAX, CLOEXEC) };
}

/// A system call that waits for an answer (`seccomp_unotify(2)`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notification {
    id: u64,
    /// The thread that makes it.
    pub thread: u32,
    /// `AUDIT_ARCH_*` of the thread, which says what the number means.
    pub architecture: u32,
    /// Its number.
    pub call: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What the call is to return.
#[derive(Debug)]
pub(crate) enum Reply {
    /// This, without being made.
    Value(u32),
    /// The caller's own descriptor of the same, to be closed on execution or not.
    Descriptor(OwnedFd, bool),
    /// An error, without being made.
    Refuse(Errno),
    /// Whatever the kernel says.
    Make,
}

/// Has whoever asks and whoever answers take turns on one processor, where the kernel (6.6) can: they never have work at the same
/// time.
pub(crate) fn answer_in_turn(listener: BorrowedFd<'_>) {
    /// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
    const IN_TURN: u64 = 1;
    // SAFETY: the flags are the argument itself, not behind it; a kernel that does not know the request refuses it.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, IN_TURN) };
}

/// Waits for the next call. `None` when the caller is gone already.
pub(crate) fn next_notification(listener: BorrowedFd<'_>) -> Result<Option<Notification>, Errno> {
    // SAFETY: the kernel wants all zeroes and fills it in; it is as long as the request's number says.
    let (result, raw) = unsafe {
        let mut raw: libc::seccomp_notif = std::mem::zeroed();
        (checked(libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut raw)), raw)
    };
    match result {
        Err(Errno::NOENT | Errno::INTR) => Ok(None),
        Err(errno) => Err(errno),
        Ok(_) => Ok(Some(Notification {
            id: raw.id,
            thread: raw.pid,
            architecture: raw.data.arch,
            call: raw.data.nr.unsigned_abs(),
            args: raw.data.args,
        })),
    }
}

/// Whether the caller still waits: only then is what was read from `/proc` under its number its own.
pub(crate) fn is_waiting(listener: BorrowedFd<'_>, notification: &Notification) -> bool {
    let id = notification.id;
    // SAFETY: the kernel reads a number that outlives the call.
    checked(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) }).is_ok()
}

/// Lets the caller go on. It may be gone.
pub(crate) fn answer(listener: BorrowedFd<'_>, notification: &Notification, reply: Reply) {
    let (val, error, flags) = match reply {
        Reply::Descriptor(file, close_on_exec) => return give(listener, notification, file.as_fd(), close_on_exec),
        Reply::Value(value) => (i64::from(value), 0, 0),
        Reply::Refuse(errno) => (0, -errno.raw_os_error(), 0),
        Reply::Make => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE),
    };
    let flags = u32::try_from(flags).unwrap_or_default();
    let response = libc::seccomp_notif_resp { id: notification.id, val, error, flags };
    // SAFETY: the kernel reads a structure that outlives the call.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) };
}

/// Gives the caller a descriptor, which is what its call returns.
fn give(listener: BorrowedFd<'_>, notification: &Notification, file: BorrowedFd<'_>, close_on_exec: bool) {
    let cloexec = if close_on_exec { libc::O_CLOEXEC.unsigned_abs() } else { 0 };
    let gift = libc::seccomp_notif_addfd {
        id: notification.id,
        flags: u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).unwrap_or_default(),
        srcfd: file.as_raw_fd().unsigned_abs(),
        newfd: 0,
        newfd_flags: cloexec,
    };
    // SAFETY: the kernel reads a structure that outlives the call.
    let given = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const gift) };
    if let Err(errno) = checked(given) {
        answer(listener, notification, Reply::Refuse(errno));
    }
}

/// `struct stat` of a file, with another owner.
pub(crate) fn stat_as(file: BorrowedFd<'_>, owner: (u32, u32)) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; size_of::<libc::stat>()];
    // SAFETY: the path is a NUL-terminated literal, and the kernel writes one such structure.
    let result = unsafe {
        libc::syscall(libc::SYS_newfstatat, file.as_raw_fd(), c"".as_ptr(), bytes.as_mut_ptr(), libc::AT_EMPTY_PATH)
    };
    told(result, bytes, [offset_of!(libc::stat, st_uid), offset_of!(libc::stat, st_gid)], owner)
}

/// `struct statx` of a file, with another owner.
pub(crate) fn statx_as(file: BorrowedFd<'_>, flags: u32, mask: u32, owner: (u32, u32)) -> Result<Vec<u8>, Errno> {
    const SIZE: usize = 256;
    const SYNC: u32 = 0x6000;
    const OWNER: [usize; 2] = [20, 24];
    let mut bytes = vec![0; SIZE];
    let flags = libc::AT_EMPTY_PATH.unsigned_abs() | (flags & SYNC);
    // SAFETY: the path is a NUL-terminated literal, and the kernel writes one such structure.
    let result =
        unsafe { libc::syscall(libc::SYS_statx, file.as_raw_fd(), c"".as_ptr(), flags, mask, bytes.as_mut_ptr()) };
    told(result, bytes, OWNER, owner)
}

/// What the kernel has written, with user and group in these places.
fn told(result: libc::c_long, mut bytes: Vec<u8>, places: [usize; 2], owner: (u32, u32)) -> Result<Vec<u8>, Errno> {
    if result == -1 {
        return Err(last_errno());
    }
    for (place, id) in places.into_iter().zip([owner.0, owner.1]) {
        if let Some(field) = bytes.get_mut(place..place + size_of::<u32>()) {
            field.copy_from_slice(&id.to_ne_bytes());
        }
    }
    Ok(bytes)
}
