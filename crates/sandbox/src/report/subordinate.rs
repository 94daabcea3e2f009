//! User namespaces: the ids that an ordinary user may use, and mapping them.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::process::Command;

use crate::spawn::Worker;
use crate::task::Task;
use crate::wire::{Answer, Order};
use crate::{Cause, Error, Level};

/// Fewer do not hold `nobody` (65534), to whom files of ordinary images belong.
const ENOUGH: u32 = 65_535;

/// The maps of a namespace: its root is the user, the others are subordinate ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Maps {
    uid: u32,
    gid: u32,
    uids: Vec<Range>,
    gids: Vec<Range>,
}

/// Ids on the host: the first, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

impl Maps {
    /// Names them, for trees whose files belong to these ids.
    pub(super) fn scheme(&self) -> String {
        let ranges =
            |ranges: &[Range]| ranges.iter().map(|r| format!("{}x{}", r.first, r.count)).collect::<Vec<_>>().join("_");
        format!("subuid-{}-{}-{}-{}", self.uid, self.gid, ranges(&self.uids), ranges(&self.gids))
    }
}

/// What `/etc/subuid` and `/etc/subgid` give to a user (subuid(5)).
pub(super) fn maps(uid: u32, gid: u32) -> Result<Maps, Error> {
    let name = name_of(uid);
    let ranges = |file: &'static str, own: u32| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let ranges = ranges(&text, name.as_deref(), own);
        let count: u64 = ranges.iter().map(|range| u64::from(range.count)).sum();
        match count < u64::from(ENOUGH) {
            true => Err(no_ids(file, count, name.as_deref(), uid)),
            false => Ok(ranges),
        }
    };
    Ok(Maps { uid, gid, uids: ranges("/etc/subuid", uid)?, gids: ranges("/etc/subgid", uid)? })
}

fn no_ids(file: &str, count: u64, name: Option<&str>, uid: u32) -> Error {
    let user = name.map_or_else(|| uid.to_string(), str::to_owned);
    Error::Unavailable {
        level: Level::Subordinate,
        missing: format!("{file} gives user {user} {count} ids, and {ENOUGH} are needed"),
        remedies: vec![format!(
            "add the line `{user}:100000:65536` to {file} (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user})"
        )],
    }
}

fn name_of(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.get(2).and_then(|field| field.parse().ok()) == Some(uid))?;
    fields.first().map(|name| (*name).to_owned())
}

fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let uid = uid.to_string();
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let user = fields.next()?;
        let (first, count) = (fields.next()?.trim().parse().ok()?, fields.next()?.trim().parse().ok()?);
        (Some(user) == name || user == uid).then_some(Range { first, count })
    };
    text.lines().filter_map(parse).filter(|range| range.count > 0).collect()
}

/// Makes a user namespace and holds it: mapped by `newuidmap`, or without maps to the one user alone. It costs two programs, so
/// it is made once; workers enter it.
pub(super) fn namespace(maps: Option<&Maps>) -> Result<OwnedFd, Error> {
    let order = Order { namespace: false, task: Task::Namespace { single: maps.is_none() } };
    let mut worker = Worker::start(&order, &[])?;
    match worker.answer()? {
        Answer::Waiting => {}
        other => return Err(Error::Worker(format!("said {other:?} when it was to wait"))),
    }
    if let Some(maps) = maps {
        map("newuidmap", worker.pid(), maps.uid, &maps.uids)?;
        map("newgidmap", worker.pid(), maps.gid, &maps.gids)?;
    }
    File::open(format!("/proc/{}/ns/user", worker.pid())).map(Into::into).map_err(Cause::at("hold the user namespace"))
}

fn map(program: &str, pid: u32, own: u32, ranges: &[Range]) -> Result<(), Error> {
    let mut args = vec![pid, 0, own, 1];
    let mut inside: u32 = 1;
    for range in ranges {
        args.extend([inside, range.first, range.count]);
        inside = inside.saturating_add(range.count);
    }
    let failed = |missing: String, remedy: String| Error::Unavailable {
        level: Level::Subordinate,
        missing,
        remedies: vec![remedy],
    };
    let output = Command::new(program).args(args.iter().map(u32::to_string)).output().map_err(|error| {
        failed(
            format!("cannot run {program}: {error}"),
            "install the package uidmap (shadow-utils, shadow-uidmap)".into(),
        )
    })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(
            format!("{program} refused: {}", String::from_utf8_lossy(&output.stderr).trim()),
            format!("let {program} be set-user-id root or have its capability, and pods allowPrivilegeEscalation"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_user_count() {
        let text = "a:1:2\nuser:100000:65536\n1000:300000:5\n# user:1:1\nuser:x:1\nuser:7:0\n";
        let expected = [Range { first: 100_000, count: 65_536 }, Range { first: 300_000, count: 5 }];
        assert_eq!(ranges(text, Some("user"), 1000), expected);
        assert_eq!(ranges(text, None, 1), []);
    }

    #[test]
    fn schemes_tell_maps_apart() {
        let maps = |first| Maps { uid: 1, gid: 2, uids: vec![Range { first, count: 9 }], gids: Vec::new() };
        assert_eq!(maps(5).scheme(), "subuid-1-2-5x9-");
        assert_ne!(maps(5).scheme(), maps(6).scheme());
    }
}
