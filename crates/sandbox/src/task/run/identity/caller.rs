//! Looking at the process that asks, as `/proc` of the sandbox shows it: its memory, descriptors, parents.

use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2, readlinkat};
use rustix::io::Errno;

use super::{HELD, low};

/// The working directory, where a call takes a directory.
pub(super) const HERE: u64 = (libc::AT_FDCWD as i64).cast_unsigned();
/// `PATH_MAX`, and `NGROUPS_MAX`.
const MAX_PATH: usize = 4096;
const MAX_GROUPS: u32 = 65_536;

/// A process: its number, and when it was started, by which it differs from a later one of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller {
    process: u32,
    started: u64,
    parent: u32,
}

impl Caller {
    /// The process that a thread belongs to.
    pub(super) fn of(thread: u32) -> Result<Caller, Errno> {
        let status = fs::read_to_string(format!("/proc/{thread}/status")).map_err(|_| Errno::SRCH)?;
        let process = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
        Caller::numbered(process.ok_or(Errno::SRCH)?).ok_or(Errno::SRCH)
    }

    /// Who started it, unless that is init.
    pub(super) fn parent(&self) -> Option<Caller> {
        if self.parent > 1 { Caller::numbered(self.parent) } else { None }
    }

    /// From `/proc/PID/stat`, behind the name, which may hold anything.
    fn numbered(process: u32) -> Option<Caller> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let started = fields.nth(17)?.parse().ok()?;
        Some(Caller { process, started, parent })
    }
}

/// The file that a call names by directory, path and flags. No path at all is an empty one.
pub(super) fn file(thread: u32, directory: u64, path: u64, flags: u64) -> Result<OwnedFd, Errno> {
    let path = if path == 0 { Vec::new() } else { text(thread, path)? };
    let is_set = |flag: i32| flags & u64::from(flag.unsigned_abs()) != 0;
    if path.is_empty() {
        return if is_set(libc::AT_EMPTY_PATH) { descriptor(thread, directory, true) } else { Err(Errno::NOENT) };
    }
    let held = if is_set(libc::AT_SYMLINK_NOFOLLOW) { HELD | OFlags::NOFOLLOW } else { HELD };
    match reach(thread, directory, &path, held) {
        Err(Errno::LOOP) => through_proc(thread, path, held),
        result => result,
    }
}

/// What one of its own links in `/proc` shows, such as `/dev/stdout`: resolved for us, it would be ours.
fn through_proc(thread: u32, mut path: Vec<u8>, held: OFlags) -> Result<OwnedFd, Errno> {
    for _ in 0..8 {
        if let Some(rest) = path.strip_prefix(b"/proc/self/") {
            return open([format!("/proc/{thread}/").as_bytes(), rest].concat(), held, Mode::empty());
        }
        if !path.starts_with(b"/") {
            break;
        }
        let link = reach(thread, HERE, &path, HELD | OFlags::NOFOLLOW)?;
        path = readlinkat(link, "", Vec::new()).map_err(|_| Errno::LOOP)?.into_bytes();
    }
    Err(Errno::LOOP)
}

/// The directory that a path leads into, and the name in it.
pub(super) fn parent(thread: u32, directory: u64, path: u64) -> Result<(OwnedFd, Vec<u8>), Errno> {
    let path = text(thread, path)?;
    let path = path.strip_suffix(b"/").unwrap_or(&path);
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.split_at(slash + 1),
        None => (&b"."[..], path),
    };
    if matches!(name, b"" | b"." | b"..") {
        return Err(Errno::INVAL);
    }
    Ok((reach(thread, directory, parent, HELD | OFlags::DIRECTORY)?, name.to_vec()))
}

/// What a path shows to the caller.
fn reach(thread: u32, directory: u64, path: &[u8], held: OFlags) -> Result<OwnedFd, Errno> {
    if path.starts_with(b"/") {
        let root = open(format!("/proc/{thread}/root"), HELD | OFlags::DIRECTORY, Mode::empty())?;
        return openat2(root, path, held, Mode::empty(), ResolveFlags::IN_ROOT);
    }
    let from = descriptor(thread, directory, false)?;
    openat2(from, path, held, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
}

/// The bits that it takes from the modes of what it makes.
pub(super) fn umask(thread: u32) -> Result<u32, Errno> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).map_err(|_| Errno::SRCH)?;
    let umask = status.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok());
    umask.ok_or(Errno::SRCH)
}

/// What an open descriptor shows, or the working directory.
pub(super) fn descriptor(thread: u32, number: u64, is_file: bool) -> Result<OwnedFd, Errno> {
    let path = match low(number).cast_signed() {
        libc::AT_FDCWD => format!("/proc/{thread}/cwd"),
        number if number < 0 => return Err(Errno::BADF),
        number => format!("/proc/{thread}/fd/{number}"),
    };
    let flags = if is_file { HELD } else { HELD | OFlags::DIRECTORY };
    open(path, flags, Mode::empty()).map_err(|errno| if errno == Errno::NOENT { Errno::BADF } else { errno })
}

fn memory(thread: u32) -> Result<File, Errno> {
    OpenOptions::new().read(true).write(true).open(format!("/proc/{thread}/mem")).map_err(|_| Errno::FAULT)
}

/// `struct open_how`: flags, mode, and what is not to be followed.
pub(super) fn open_how(thread: u32, address: u64) -> Result<[u64; 3], Errno> {
    let mut bytes = [0; 24];
    memory(thread)?.read_exact_at(&mut bytes, address).map_err(|_| Errno::FAULT)?;
    let (numbers, _) = bytes.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|bytes| u64::from_ne_bytes(*bytes));
    Ok([(); 3].map(|()| numbers.next().unwrap_or(0)))
}

/// A path, up to its NUL. It may end at the end of what can be read.
pub(super) fn text(thread: u32, address: u64) -> Result<Vec<u8>, Errno> {
    let memory = memory(thread)?;
    let mut text = Vec::new();
    while text.len() < MAX_PATH {
        let at = address.wrapping_add(text.len() as u64);
        let mut piece = [0; 256];
        // Not beyond a page, the next of which may not be there.
        let room = (4096 - at % 4096).min(256) as usize;
        let got = memory.read_at(piece.get_mut(..room).unwrap_or_default(), at).map_err(|_| Errno::FAULT)?;
        let piece = piece.get(..got).unwrap_or_default();
        match piece.iter().position(|byte| *byte == 0) {
            Some(end) => {
                text.extend_from_slice(piece.get(..end).unwrap_or_default());
                return Ok(text);
            }
            None if got == 0 => return Err(Errno::FAULT),
            None => text.extend_from_slice(piece),
        }
    }
    Err(Errno::NAMETOOLONG)
}

/// A list of groups.
pub(super) fn numbers(thread: u32, address: u64, count: u32) -> Result<Vec<u32>, Errno> {
    if count > MAX_GROUPS {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0; count as usize * 4];
    memory(thread)?.read_exact_at(&mut bytes, address).map_err(|_| Errno::FAULT)?;
    let (numbers, _) = bytes.as_chunks::<4>();
    Ok(numbers.iter().map(|bytes| u32::from_ne_bytes(*bytes)).collect())
}

/// Where the caller wants an answer.
pub(super) fn write(thread: u32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    memory(thread)?.write_all_at(bytes, address).map_err(|_| Errno::FAULT)
}
