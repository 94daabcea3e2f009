//! Set-id programs: who they run as.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{FileType, Mode, StatVfsMountFlags, fstat, fstatvfs};
use rustix::io::Errno;

/// Whether executing a file changes the user and the group. The kernel passes over the bits of scripts, and of a file without
/// the group's permission the group's, which means something else.
pub(super) fn set_ids(program: &OwnedFd) -> Result<(bool, bool), Errno> {
    let stat = fstat(program)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let sets = (mode.contains(Mode::SUID), mode.contains(Mode::SGID | Mode::XGRP));
    let executable = mode.intersects(Mode::XUSR | Mode::XGRP | Mode::XOTH);
    if !regular || !executable || sets == (false, false) || is_switched_off(program)? || is_script(program) {
        return Ok((false, false));
    }
    Ok(sets)
}

fn is_switched_off(program: &OwnedFd) -> Result<bool, Errno> {
    Ok(fstatvfs(program)?.f_flag.contains(StatVfsMountFlags::NOSUID))
}

fn is_script(program: &OwnedFd) -> bool {
    let mut head = [0; 2];
    let file = File::open(format!("/proc/self/fd/{}", program.as_raw_fd()));
    file.and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"#!"
}
