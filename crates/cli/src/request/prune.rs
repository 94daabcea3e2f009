//! `shipsmith prune`.

use std::time::Duration;

use store::Prune;

use super::{RequestError, sandbox, suggest};
use crate::args::PruneArgs;

/// What the store and the engine call the parts of the cache: resolved bases, RUNs, layers of files, members and other compressions of
/// layers, unpacked layers, cache mounts.
const KINDS: &[&str] = &["base", "run", "layer", "member", "recompressed", "tree", "exec.cachemount"];

/// What is to be removed.
pub(crate) fn prune(args: &PruneArgs) -> Result<Prune, RequestError> {
    let filters = args.filters.iter().map(|text| filter(text)).collect::<Result<Vec<_>, _>>()?;
    let kinds: Vec<String> = filters.iter().filter(|(key, _)| *key == "type").map(|(_, value)| value.clone()).collect();
    let until = filters.iter().find(|(key, _)| *key == "until").map(|(_, value)| value.as_str());
    let keep = args.keep_storage.as_deref().map(|text| sandbox::bytes("--keep-storage", text));
    Ok(Prune {
        dangling: args.all,
        cache: args.all || !kinds.is_empty(),
        kinds,
        older_than: args.older_than.as_deref().or(until).map(duration).transpose()?,
        keep_storage: keep.transpose()?,
    })
}

/// `--filter type=KIND` or `--filter until=TIME`, as `docker builder prune` has them.
fn filter(text: &str) -> Result<(&'static str, String), RequestError> {
    match text.split_once('=') {
        Some(("type", kind)) if KINDS.contains(&kind) => Ok(("type", kind.to_owned())),
        Some(("type", kind)) => Err(RequestError::invalid("--filter", text, format!("unknown type {kind:?}"))
            .or_hint(suggest::hint(kind, KINDS))),
        Some(("until", time)) => Ok(("until", time.to_owned())),
        _ => Err(RequestError::invalid("--filter", text, "no such filter").or_hint("type=KIND or until=TIME")),
    }
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
    fn filters_are_dockers() {
        assert_eq!(filter("type=exec.cachemount").unwrap(), ("type", "exec.cachemount".to_owned()));
        assert_eq!(filter("until=24h").unwrap(), ("until", "24h".to_owned()));
        assert!(filter("type=tre").unwrap_err().hint().unwrap().contains("tree"));
        assert!(filter("id=x").is_err());
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "7", "d", "1.5h", "-1h", "7ü", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
