//! Records and the stat cache: found when nothing changed, and only then.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::support::{Outcome, new_store};
use oci::{DiffId, Digest};
use shipsmith_store::StatKey;

fn key(ino: u64) -> StatKey {
    StatKey { ino, dev: 1, size: 10, mtime_ns: 1_000_000_001, ctime_ns: 2_000_000_001, mode: 0o100_644 }
}

#[test]
fn unchanged_files_are_known_in_the_order_asked() -> Outcome {
    let (_dir, store) = new_store()?;
    let entries: Vec<_> = (0..1000).map(|ino| (key(ino), Digest::of(&ino.to_le_bytes()))).collect();
    store.stat_record(&entries, SystemTime::now())?;
    let mut keys: Vec<_> = entries.iter().map(|(key, _)| *key).rev().collect();
    keys.insert(0, key(5000));
    let found = store.stat_lookup(&keys)?;
    assert_eq!(found[0], None);
    assert!(
        found.iter().skip(1).eq(entries
            .iter()
            .rev()
            .map(|(_, digest)| Some(digest.clone()))
            .collect::<Vec<_>>()
            .iter())
    );
    Ok(())
}

#[test]
fn any_difference_makes_a_file_unknown() -> Outcome {
    let (_dir, store) = new_store()?;
    let known = StatKey { ino: u64::MAX, ..key(1) };
    store.stat_record(&[(known, Digest::of(b"1"))], SystemTime::now())?;
    let changed = [
        StatKey { ino: 2, ..known },
        StatKey { dev: 2, ..known },
        StatKey { size: 11, ..known },
        StatKey { mtime_ns: known.mtime_ns + 1, ..known },
        StatKey { ctime_ns: known.ctime_ns + 1, ..known },
        StatKey { mode: 0o100_755, ..known },
    ];
    assert_eq!(store.stat_lookup(&changed)?, vec![None; 6]);
    assert_eq!(store.stat_lookup(&[known])?, [Some(Digest::of(b"1"))]);
    store.stat_record(&[(changed[4], Digest::of(b"2"))], SystemTime::now())?;
    assert_eq!(store.stat_lookup(&[known, changed[4]])?, [None, Some(Digest::of(b"2"))]);
    Ok(())
}

#[test]
fn a_file_that_just_changed_is_not_trusted() -> Outcome {
    let (dir, store) = new_store()?;
    let path = dir.path().join("file");
    fs::write(&path, "content")?;
    let fresh = StatKey::from(&fs::metadata(&path)?);
    store.stat_record(&[(fresh, Digest::of(b"content"))], SystemTime::now())?;
    assert_eq!(store.stat_lookup(&[fresh])?, [None], "it may change again within the same tick");
    store.stat_record(&[(fresh, Digest::of(b"content"))], SystemTime::now() + Duration::from_millis(1))?;
    assert_eq!(store.stat_lookup(&[fresh])?, [None]);
    File::open(&path)?.set_modified(SystemTime::now() + Duration::from_secs(3600))?;
    let future = StatKey::from(&fs::metadata(&path)?);
    store.stat_record(&[(future, Digest::of(b"content"))], SystemTime::now())?;
    assert_eq!(store.stat_lookup(&[future])?, [None], "nor one from the future");
    Ok(())
}

#[test]
fn what_was_recorded_before_the_clock_was_set_back_is_not_trusted() -> Outcome {
    let (_dir, store) = new_store()?;
    store.stat_record(&[(key(1), Digest::of(b"1"))], SystemTime::now() + Duration::from_secs(3600))?;
    assert_eq!(store.stat_lookup(&[key(1)])?, [None]);
    Ok(())
}

#[test]
fn whole_seconds_need_more_time_to_settle() -> Outcome {
    let (_dir, store) = new_store()?;
    let now = SystemTime::now();
    let second = i64::try_from(now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs())? - 1;
    let coarse = StatKey { mtime_ns: 0, ctime_ns: second * 1_000_000_000, ..key(1) };
    let fine = StatKey { mtime_ns: 0, ctime_ns: coarse.ctime_ns + 1, ..key(2) };
    let taken = SystemTime::UNIX_EPOCH + Duration::from_secs(second.unsigned_abs()) + Duration::from_millis(500);
    store.stat_record(&[(coarse, Digest::of(b"1")), (fine, Digest::of(b"2"))], taken)?;
    assert_eq!(store.stat_lookup(&[coarse, fine])?, [None, Some(Digest::of(b"2"))]);
    Ok(())
}

#[test]
fn records_and_diff_ids_are_found_again() -> Outcome {
    let (_dir, store) = new_store()?;
    let (key, digest) = (Digest::of(b"key"), Digest::of(b"compressed"));
    assert_eq!((store.cache_get("layer", &key)?, store.diff_id_of(&digest)?), (None, None));
    store.cache_put("layer", &key, b"old", &[digest.clone(), digest.clone()])?;
    store.cache_put("layer", &key, b"new", &[])?;
    store.put_diff_id(&digest, &DiffId(key.clone()))?;
    let store = shipsmith_store::Store::open(store.dir())?;
    assert_eq!(store.cache_get("layer", &key)?, Some(b"new".to_vec()));
    assert_eq!(store.cache_get("other", &key)?, None);
    assert_eq!(store.diff_id_of(&digest)?, Some(DiffId(key.clone())));
    store.cache_remove("layer", &key)?;
    assert_eq!(store.cache_get("layer", &key)?, None);
    Ok(())
}
