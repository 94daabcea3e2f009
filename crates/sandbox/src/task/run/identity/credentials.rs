//! Who a process believes it is, and may become (credentials(7)).

use super::calls::Whose;
use super::owners::{Owner, SAME};

/// Three numbers, and the one that counts for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) real: u32,
    pub(super) effective: u32,
    pub(super) saved: u32,
    pub(super) file_system: u32,
}

/// A process'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    user: Ids,
    group: Ids,
    pub(super) groups: Vec<u32>,
}

impl Credentials {
    pub(super) fn new(uid: u32, gid: u32, groups: Vec<u32>) -> Credentials {
        let all = |id| Ids { real: id, effective: id, saved: id, file_system: id };
        Credentials { user: all(uid), group: all(gid), groups }
    }

    pub(super) fn root() -> Credentials {
        Credentials::new(0, 0, Vec::new())
    }

    pub(super) fn of(&self, whose: Whose) -> &Ids {
        match whose {
            Whose::User => &self.user,
            Whose::Group => &self.group,
        }
    }

    pub(super) fn of_mut(&mut self, whose: Whose) -> &mut Ids {
        match whose {
            Whose::User => &mut self.user,
            Whose::Group => &mut self.group,
        }
    }

    /// As whom files are made.
    pub(super) fn of_files(&self) -> Owner {
        (self.user.file_system, self.group.file_system)
    }

    /// Whether it may give a file of `old` to `new`: root may give anything to anybody, others their own to a group of theirs.
    pub(super) fn may_give(&self, old: Owner, new: Owner) -> bool {
        let groups = || self.groups.iter().copied().chain([self.group.effective, old.1, SAME]);
        let own = old.0 == self.user.file_system && [old.0, SAME].contains(&new.0);
        self.is_privileged() || (own && groups().any(|group| group == new.1))
    }

    /// Executes a program whose set-id bits count.
    pub(super) fn execute(&mut self, (uid, gid): Owner, sets_user: bool, sets_group: bool) {
        for (ids, id, sets) in [(&mut self.user, uid, sets_user), (&mut self.group, gid, sets_group)] {
            if sets {
                (ids.effective, ids.file_system) = (id, id);
            }
            ids.saved = ids.effective;
        }
    }

    /// Root may become anybody.
    pub(super) fn is_privileged(&self) -> bool {
        self.user.effective == 0
    }
}

impl Ids {
    fn has(self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// `setuid`.
    pub(super) fn set(&mut self, id: u32, privileged: bool) -> bool {
        if privileged {
            *self = Ids { real: id, effective: id, saved: id, file_system: id };
        } else if id == self.real || id == self.saved {
            (self.effective, self.file_system) = (id, id);
        } else {
            return false;
        }
        true
    }

    /// `setreuid`: the saved one follows the effective one when the real one is set, or the effective one to another than it.
    pub(super) fn set_two(&mut self, real: u32, effective: u32, privileged: bool) -> bool {
        let may = |id| id == SAME || privileged || self.has(id);
        if !may(real) || !may(effective) {
            return false;
        }
        let before = self.real;
        if real != SAME {
            self.real = real;
        }
        if effective != SAME {
            self.effective = effective;
        }
        if real != SAME || (effective != SAME && effective != before) {
            self.saved = self.effective;
        }
        self.file_system = self.effective;
        true
    }

    /// `setresuid`.
    pub(super) fn set_all(&mut self, [real, effective, saved]: [u32; 3], privileged: bool) -> bool {
        let may = |id| id == SAME || privileged || self.has(id);
        if ![real, effective, saved].into_iter().all(may) {
            return false;
        }
        for (slot, id) in [(&mut self.real, real), (&mut self.effective, effective), (&mut self.saved, saved)] {
            if id != SAME {
                *slot = id;
            }
        }
        self.file_system = self.effective;
        true
    }

    /// `setfsuid`, which never says whether it worked.
    pub(super) fn set_file_system(&mut self, id: u32, privileged: bool) -> bool {
        if privileged || self.has(id) || id == self.file_system {
            self.file_system = id;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_becomes_another_for_good_or_for_a_while() {
        let mut for_good = Credentials::root().user;
        assert!(for_good.set(42, true));
        assert!(!for_good.set(0, false) && !for_good.set_all([SAME, 0, SAME], false));
        let mut for_a_while = Credentials::root().user;
        assert!(for_a_while.set_all([SAME, 42, SAME], true));
        assert!(for_a_while.set(0, false));
        assert_eq!(for_a_while, Credentials::root().user);
    }

    #[test]
    fn files_are_given_by_root_and_to_ones_own_groups() {
        let user = Credentials::new(7, 8, vec![9]);
        assert!(Credentials::root().may_give((1, 2), (3, 4)));
        assert!(
            user.may_give((7, 8), (7, 9)) && user.may_give((7, 2), (SAME, 8)) && user.may_give((7, 8), (SAME, SAME))
        );
        assert!(!user.may_give((7, 8), (0, 8)) && !user.may_give((7, 8), (7, 0)) && !user.may_give((0, 0), (7, SAME)));
    }

    #[test]
    fn set_id_programs_run_as_their_owners() {
        let mut user = Credentials::new(7, 8, Vec::new());
        user.execute((0, 5), true, false);
        assert_eq!((user.user.real, user.user.effective, user.user.saved), (7, 0, 0));
        assert_eq!((user.group.effective, user.of_files()), (8, (0, 8)));
    }

    #[test]
    fn setreuid_takes_the_saved_one_along() {
        let mut ids = Credentials::root().user;
        assert!(ids.set_two(42, 42, true));
        assert_eq!(ids, Ids { real: 42, effective: 42, saved: 42, file_system: 42 });
        assert!(!ids.set_two(SAME, 0, false));
    }
}
