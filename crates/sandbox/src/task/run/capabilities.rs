//! What the process may do beyond what its user may.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities,
};

const DEFAULT: &str = include_str!("../../data/capabilities.txt");

/// Those of the data file.
pub(super) fn default() -> CapabilitySet {
    DEFAULT.lines().filter_map(named).collect()
}

/// Those of the data file, by their names.
pub(super) fn default_names() -> Vec<String> {
    DEFAULT.lines().filter(|line| named(line).is_some()).map(str::to_owned).collect()
}

/// All that we have ourselves, by their names.
pub(super) fn own_names() -> Result<Vec<String>, Errno> {
    Ok(capabilities(None)?.permitted.iter_names().map(|(name, _)| format!("CAP_{name}")).collect())
}

/// The capability with a name like `CAP_CHOWN`.
pub(super) fn named(name: &str) -> Option<CapabilitySet> {
    CapabilitySet::from_name(name.strip_prefix("CAP_")?)
}

/// What is left of the default where the root is but a directory: not what leads out of it, another root or a device.
pub(super) fn in_chroot() -> CapabilitySet {
    default().difference(CapabilitySet::SYS_CHROOT | CapabilitySet::MKNOD)
}

/// Nothing beyond these from now on, whatever program is executed.
pub(super) fn limit(kept: CapabilitySet) -> Result<(), Errno> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            // Beyond the last one that this kernel knows.
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    let kept = kept & capabilities(None)?.permitted;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })
}

/// All that we have ourselves, also for programs that an ordinary user executes, as BuildKit gives them to an insecure process.
pub(super) fn keep_all() -> Result<(), Errno> {
    let all = capabilities(None)?.permitted;
    set_capabilities(None, CapabilitySets { effective: all, permitted: all, inheritable: all })?;
    all.iter().try_for_each(|capability| configure_capability_in_ambient_set(capability, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_dockers() {
        assert_eq!(default().iter().count(), 14);
        assert!(!default().intersects(CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::NET_ADMIN));
    }
}
