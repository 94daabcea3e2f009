//! Whose files they are.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use layer::overlay::{OWNER_XATTR, owner_text, parse_owner};
use rustix::fs::{AtFlags, FileType, Gid, Stat, Uid, XattrFlags, chownat, fstat, getxattr, readlink, setxattr, stat};
use rustix::io::Errno;

/// User and group.
pub(super) type Owner = (u32, u32);

/// The owners of the sandbox's files, of those that are not simply root's.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// In the step's parent, by path from the root.
    below: BTreeMap<String, Owner>,
    /// Of files that cannot have [`OWNER_XATTR`], by device and inode, which are theirs as long as we hold them.
    held: BTreeMap<(u64, u64), (OwnedFd, Owner)>,
}

impl Owners {
    pub(super) fn new(below: BTreeMap<String, Owner>) -> Owners {
        Owners { below, held: BTreeMap::new() }
    }

    /// Whose a file is.
    pub(super) fn of(&self, file: &OwnedFd) -> Owner {
        let path = link_to(file);
        let mut buffer = [0; 32];
        if let Ok(length) = getxattr(&path, OWNER_XATTR, &mut buffer) {
            return buffer.get(..length).and_then(parse_owner).unwrap_or((0, 0));
        }
        if self.held.is_empty() && self.below.is_empty() {
            return (0, 0);
        }
        self.without_attribute(file, &path).unwrap_or((0, 0))
    }

    /// As it was made so in this step, or as the layers below say.
    fn without_attribute(&self, file: &OwnedFd, path: &str) -> Option<Owner> {
        let stat = fstat(file).ok()?;
        if let Some((_, owner)) = self.held.get(&(stat.st_dev, stat.st_ino)) {
            return Some(*owner);
        }
        if takes_attribute(&stat) {
            return None;
        }
        let path = readlink(path, Vec::new()).ok()?;
        self.below.get(path.to_str().ok()?.strip_prefix('/')?).copied()
    }

    /// Changes it: first the kernel's part, on behalf of the only user there is, which copies the file up and takes set-user-id
    /// away.
    pub(super) fn change(&mut self, file: OwnedFd, (uid, gid): Owner) -> Result<(), Errno> {
        let old = self.of(&file);
        chownat(&file, "", Some(Uid::ROOT), Some(Gid::ROOT), AtFlags::EMPTY_PATH)?;
        let new = |id, old| if id == SAME { old } else { id };
        let owner = (new(uid, old.0), new(gid, old.1));
        if owner == old { Ok(()) } else { self.give(file, owner) }
    }

    /// Remembers it: with the file where that can have the attribute, else here.
    pub(super) fn give(&mut self, file: OwnedFd, owner: Owner) -> Result<(), Errno> {
        let stat = fstat(&file)?;
        if takes_attribute(&stat) {
            match setxattr(link_to(&file), OWNER_XATTR, &owner_text(owner), XattrFlags::empty()) {
                Err(Errno::NOTSUP | Errno::PERM) => {}
                result => return result,
            }
        }
        self.held.insert((stat.st_dev, stat.st_ino), (file, owner));
        Ok(())
    }

    /// Those of the root file system that only we know, by inode.
    pub(super) fn into_changed(self) -> BTreeMap<u64, Owner> {
        let root = stat("/").map(|stat| stat.st_dev);
        let in_root = |device: u64| root == Ok(device);
        let held = self.held.into_iter().filter(|((device, _), _)| in_root(*device));
        held.map(|((_, inode), (_, owner))| (inode, owner)).collect()
    }
}

/// "Leave it as it is".
pub(super) const SAME: u32 = u32::MAX;

fn takes_attribute(stat: &Stat) -> bool {
    matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory)
}

fn link_to(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
