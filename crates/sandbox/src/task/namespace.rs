//! A user namespace for other workers to enter.

use rustix::thread::UnshareFlags;

use crate::wire::{Answer, Channel};
use crate::{Cause, Error, sys};

/// Makes one and stays until the builder has mapped its ids and holds it.
pub(crate) fn make(single: bool, channel: &Channel) -> Result<(), Error> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    sys::unshare(UnshareFlags::NEWUSER).map_err(Cause::at("make a user namespace"))?;
    if single {
        write("setgroups", "deny")?;
        write("uid_map", &format!("0 {} 1", uid.as_raw()))?;
        write("gid_map", &format!("0 {} 1", gid.as_raw()))?;
    }
    channel.send(&Answer::Waiting)?;
    channel.receive::<()>().map(drop)
}

fn write(name: &str, text: &str) -> Result<(), Error> {
    std::fs::write(format!("/proc/self/{name}"), text).map_err(Cause::at(format!("write {name} of a user namespace")))
}
