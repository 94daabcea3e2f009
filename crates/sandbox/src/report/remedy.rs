//! From a failure to the setting that would help.

use std::fs;
use std::path::Path;

use rustix::io::Errno;

use crate::{Error, Level};

/// Settings that keep ordinary users from namespaces: the file, the value that does, the remedy.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,` for this program",
    ),
];

/// Whether this is a container, as far as its creator lets us know.
pub(super) fn is_container() -> bool {
    let marks = ["/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"];
    marks.iter().any(|mark| Path::new(mark).exists())
        || ["container", "KUBERNETES_SERVICE_HOST"].iter().any(|name| std::env::var_os(name).is_some())
}

/// A level that needs not be tried.
pub(super) fn unavailable(level: Level, missing: String) -> Error {
    let remedies = match level {
        Level::Root => vec!["run as root, or in a pod with securityContext.privileged: true".into()],
        Level::Chroot => vec!["run as root, in a pod with securityContext.capabilities.add: [SYS_CHROOT]".into()],
        Level::Subordinate | Level::SingleId => Vec::new(),
    };
    Error::Unavailable { level, missing, remedies }
}

/// A level that was tried and failed.
pub(super) fn explain(level: Level, error: Error) -> Error {
    let remedies = match &error {
        Error::Unavailable { .. } => return error,
        Error::System { operation, cause } => remedies(operation, cause.is(Errno::PERM) || cause.is(Errno::ACCESS)),
        _ => error.hint().into_iter().collect(),
    };
    Error::Unavailable { level, missing: error.to_string(), remedies }
}

fn remedies(operation: &str, refused: bool) -> Vec<String> {
    match operation {
        "make a user namespace" => user_namespaces(),
        "mount /proc" if refused => vec![
            "in a pod, securityContext.procMount: Unmasked (with hostUsers: false); in Docker, --security-opt systempaths=unconfined"
                .into(),
        ],
        "make namespaces" | "make mounts private" | "make the layers the root" if refused => vec![
            "in a pod, securityContext.seccompProfile.type: Unconfined and appArmorProfile.type: Unconfined; in Docker, \
             --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
                .into(),
        ],
        "mount the layers as an overlay" => {
            vec!["keep the store on ext4, xfs or btrfs (--store), with Linux 5.11 or newer for ordinary users".into()]
        }
        _ => Vec::new(),
    }
}

fn user_namespaces() -> Vec<String> {
    let is_set = |file: &str, value: &str| fs::read_to_string(file).is_ok_and(|text| text.trim() == value);
    let set: Vec<String> = SETTINGS
        .iter()
        .filter(|(file, value, _)| is_set(file, value))
        .map(|(.., remedy)| (*remedy).to_owned())
        .collect();
    match set.is_empty() {
        false => set,
        true => vec![
            "in a pod, securityContext.seccompProfile.type: Unconfined (the container's filter refuses unshare); in Docker, \
             --security-opt seccomp=unconfined"
                .into(),
        ],
    }
}
