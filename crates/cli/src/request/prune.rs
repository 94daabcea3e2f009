//! `shipsmith prune`.

use std::time::Duration;

use store::Prune;

use super::{RequestError, sandbox};
use crate::args::PruneArgs;

/// What is to be removed.
pub(crate) fn prune(args: &PruneArgs) -> Result<Prune, RequestError> {
    let keep = args.keep_storage.as_deref().map(|text| sandbox::bytes("--keep-storage", text));
    Ok(Prune {
        dangling: args.all,
        cache: args.all,
        kinds: Vec::new(),
        older_than: args.older_than.as_deref().map(duration).transpose()?,
        keep_storage: keep.transpose()?,
    })
}

/// A whole number of seconds, minutes, hours or days: `90m`.
fn duration(text: &str) -> Result<Duration, RequestError> {
    let bad = || RequestError::invalid("--older-than", text, "it is no time").or_hint("such as 90m, 24h or 7d");
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| bad())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "7", "d", "1.5h", "-1h", "7ü", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
