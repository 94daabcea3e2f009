//! What a layer says of when its files were changed.

use crate::Timestamp;

/// What becomes of modification times, in seconds since 1970. Whiteouts are of the epoch always, as containerd writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// `SOURCE_DATE_EPOCH`: what is newer gets this time.
    Latest {
        /// That time.
        seconds: i64,
    },
    /// What a step made or touched gets this time; what is older is content, such as an unpacked archive's.
    Made {
        /// That time.
        seconds: i64,
        /// When the step began, by the clock of its file system: the time of a file made just before.
        since: Timestamp,
    },
    /// As the files say.
    Kept,
}

impl Times {
    pub(super) fn of(self, found: rootfs::Time) -> Timestamp {
        let found = Timestamp::from(found);
        match self {
            Times::Latest { seconds } => found.min(Timestamp::from_seconds(seconds)),
            Times::Made { seconds, since } if found >= since => Timestamp::from_seconds(seconds),
            Times::Made { .. } | Times::Kept => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_changed() {
        let at = |seconds, nanos| rootfs::Time { seconds, nanos };
        let (since, second) = (Timestamp { seconds: 100, nanos: 5 }, Timestamp::from_seconds);
        let made = Times::Made { seconds: 7, since };
        assert_eq!(made.of(at(100, 5)), second(7));
        assert_eq!(made.of(at(100, 4)), Timestamp { seconds: 100, nanos: 4 });
        let latest = Times::Latest { seconds: 50 };
        assert_eq!(latest.of(at(50, 1)), second(50));
        assert_eq!(latest.of(at(49, 9)), Timestamp { seconds: 49, nanos: 9 });
        assert_eq!(Times::Kept.of(at(1 << 40, 1)), Timestamp { seconds: 1 << 40, nanos: 1 });
    }
}
