//! The calls that are answered, by name.

use std::collections::BTreeMap;

use crate::task::run::seccomp::{Asked, Only, number};

/// A call that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Chown(Named),
    Stat(Named),
    Statx,
    Create(Create),
    Execute(Named),
    Set(Whose, Set),
    SetGroups,
    Get(Whose, Get),
    GetGroups,
}

/// How a call names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// By a path from the working directory.
    Path,
    /// The same; a link is meant itself.
    Link,
    /// By a descriptor.
    Descriptor,
    /// By a directory and a path, with flags as the argument of this number.
    At(usize),
}

/// What a call makes, and whether a directory is its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Create {
    pub(super) what: Made,
    pub(super) at: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// With flags and mode as arguments.
    Open,
    /// With flags and mode in memory.
    OpenHow,
    Creat,
    Directory,
    Node,
    Link,
}

/// Users' numbers or groups'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    User,
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    One,
    RealEffective,
    All,
    FileSystem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Get {
    Real,
    Effective,
    All,
}

/// Those that have one name for programs of either size.
const COMMON: [(&str, Call); 17] = [
    ("fchownat", Call::Chown(Named::At(4))),
    ("statx", Call::Statx),
    ("open", create(Made::Open, false)),
    ("openat", create(Made::Open, true)),
    ("openat2", create(Made::OpenHow, true)),
    ("creat", create(Made::Creat, false)),
    ("mkdir", create(Made::Directory, false)),
    ("mkdirat", create(Made::Directory, true)),
    ("mknod", create(Made::Node, false)),
    ("mknodat", create(Made::Node, true)),
    ("symlink", create(Made::Link, false)),
    ("symlinkat", create(Made::Link, true)),
    ("execve", Call::Execute(Named::Path)),
    ("execveat", Call::Execute(Named::At(4))),
    // Its structure is the same for 64 bits only, but only those have it.
    ("newfstatat", Call::Stat(Named::At(3))),
    ("getgroups32", Call::GetGroups),
    ("setgroups32", Call::SetGroups),
];

/// Those whose numbers of users have 32 bits, which for programs of 32 bits the name says.
const WIDE: [(&str, Call); 17] = [
    ("chown", Call::Chown(Named::Path)),
    ("lchown", Call::Chown(Named::Link)),
    ("fchown", Call::Chown(Named::Descriptor)),
    ("setuid", Call::Set(Whose::User, Set::One)),
    ("setgid", Call::Set(Whose::Group, Set::One)),
    ("setreuid", Call::Set(Whose::User, Set::RealEffective)),
    ("setregid", Call::Set(Whose::Group, Set::RealEffective)),
    ("setresuid", Call::Set(Whose::User, Set::All)),
    ("setresgid", Call::Set(Whose::Group, Set::All)),
    ("setfsuid", Call::Set(Whose::User, Set::FileSystem)),
    ("setfsgid", Call::Set(Whose::Group, Set::FileSystem)),
    ("getuid", Call::Get(Whose::User, Get::Real)),
    ("getgid", Call::Get(Whose::Group, Get::Real)),
    ("geteuid", Call::Get(Whose::User, Get::Effective)),
    ("getegid", Call::Get(Whose::Group, Get::Effective)),
    ("getresuid", Call::Get(Whose::User, Get::All)),
    ("getresgid", Call::Get(Whose::Group, Get::All)),
];

/// Those that only programs of 64 bits make as we answer them.
const NATIVE: [(&str, Call); 5] = [
    ("stat", Call::Stat(Named::Path)),
    ("lstat", Call::Stat(Named::Link)),
    ("fstat", Call::Stat(Named::Descriptor)),
    ("getgroups", Call::GetGroups),
    ("setgroups", Call::SetGroups),
];

const fn create(what: Made, at: bool) -> Call {
    Call::Create(Create { what, at })
}

/// All of them, by the architecture of the caller and their number there.
pub(super) fn table() -> BTreeMap<(u32, u32), Call> {
    let known = |native: bool, name: &str, call: Call| Some((number(native, name)?, call));
    let of = |native: bool| {
        let wide = move |name: &str| if native { name.to_owned() } else { format!("{name}32") };
        let common = COMMON.into_iter().filter_map(move |(name, call)| known(native, name, call));
        common.chain(WIDE.into_iter().filter_map(move |(name, call)| known(native, &wide(name), call)))
    };
    let own = NATIVE.into_iter().filter_map(|(name, call)| known(true, name, call));
    of(true).chain(of(false)).chain(own).collect()
}

/// What has to be asked of which calls: opening a file is, only where it may make one.
pub(super) fn asked(table: &BTreeMap<(u32, u32), Call>) -> impl Iterator<Item = Asked> {
    let creating = |argument| Only { argument, any_of: libc::O_CREAT.unsigned_abs() };
    table.iter().map(move |((architecture, number), call)| Asked {
        architecture: *architecture,
        number: *number,
        only: match call {
            Call::Create(Create { what: Made::Open, at }) => Some(creating(if *at { 2 } else { 1 })),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_both_sizes_are_answered() {
        let table = table();
        for (native, name, call) in [
            (true, "fchownat", Call::Chown(Named::At(4))),
            (true, "setresuid", Call::Set(Whose::User, Set::All)),
            (false, "setresuid32", Call::Set(Whose::User, Set::All)),
            (false, "chown32", Call::Chown(Named::Path)),
            (false, "getgroups32", Call::GetGroups),
        ] {
            assert_eq!(table.get(&number(native, name).expect("a number")), Some(&call), "{name}");
        }
        assert_eq!(table.get(&number(false, "chown").expect("a number")), None, "16 bits");
    }
}
