//! Layers as an overlay file system has them: unpacked one by one as its lower directories, read back from its upper one.
//!
//! Whiteouts are character devices 0/0, opaque directories carry an extended attribute
//! (kernel, Documentation/filesystems/overlayfs.rst). Nothing here mounts anything: where the layers below matter, they are looked
//! through as the kernel would (`below`).

mod below;
mod changes;
mod compare;
mod describe;
mod flatten;
mod handover;
mod lower;
mod place;
mod root;
mod times;
mod usage;

pub use changes::{Diff, write_changes};
pub use compare::{Listing, write_differences};
pub use describe::{OWNER_XATTR, Owners, owner_text, parse_owner};
pub use flatten::flatten;
pub use lower::{Unpacked, unpack_lower};
pub use root::describe_root;
pub use times::Times;
pub use usage::disk_usage;

use rootfs::{FileKind, Metadata};

/// How files and marks lie on the disk. Trees of different schemes cannot be mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// The kind of marks.
    pub marks: Marks,
    /// What a file's owner is on the disk.
    pub owning: Owning,
}

/// Which extended attributes an overlay mount reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.*`, which only root of the machine can set.
    Trusted,
    /// `user.overlay.*`, for mounts with `userxattr`.
    User,
}

/// What a file's owner is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owning {
    /// Its owner, as far as the user namespace shows it.
    Real,
    /// The current user whoever owns it; who does is in [`OWNER_XATTR`], and for what cannot have that, in [`Owners`].
    Aside,
}

impl Marks {
    /// The attribute that makes a directory opaque; its value is `y`.
    pub fn opaque(self) -> &'static [u8] {
        match self {
            Marks::Trusted => b"trusted.overlay.opaque",
            Marks::User => b"user.overlay.opaque",
        }
    }
}

/// Whether an overlay file system takes this for the mark of a removed file.
fn is_whiteout(found: &Metadata) -> bool {
    found.kind == FileKind::CharDevice { major: 0, minor: 0 }
}
