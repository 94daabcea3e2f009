//! How many processes a command may have: enough for any build, and few enough to notice a fork bomb.

use crate::Ulimit;

/// Processes at a time: `make -j 512` has some five for each job. A fork bomb is there in seconds.
const PROCESSES: usize = 4096;
/// Where the kernel stops it, threads included, until it is noticed: by a control group, or the limit of an ordinary user. Half of
/// what a machine has when nobody set `kernel.pid_max`.
const TASKS: usize = 16384;

/// What a command may have at a time; no limit when `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// With more, the step is ended.
    pub processes: Option<usize>,
    /// More are not given to it.
    pub tasks: Option<usize>,
}

impl Bounds {
    /// Who asks for more by `nproc` gets more. Fewer are the kernel's business, which counts them by user.
    pub(super) fn of(ulimits: &[Ulimit]) -> Bounds {
        let asked = ulimits.iter().rev().find(|limit| limit.name == "nproc").map(|limit| usize::try_from(limit.soft));
        let at_least = |bound: usize| match asked {
            None => Some(bound),
            Some(number) => number.ok().map(|number| number.max(bound)),
        };
        Bounds { processes: at_least(PROCESSES), tasks: at_least(TASKS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_more_gets_more() {
        let of = |soft| Bounds::of(&[Ulimit { name: "nproc".into(), soft, hard: soft }]);
        assert_eq!(Bounds::of(&[]), Bounds { processes: Some(4096), tasks: Some(16384) });
        assert_eq!(of(10), Bounds::of(&[]));
        assert_eq!(of(5000), Bounds { processes: Some(5000), tasks: Some(16384) });
        assert_eq!(of(-1), Bounds { processes: None, tasks: None });
    }
}
