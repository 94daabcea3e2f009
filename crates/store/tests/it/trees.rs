//! Unpacked layers, scratch directories and cache mounts.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::{Outcome, count, new_store};
use oci::{DiffId, Digest};
use shipsmith_store::{CacheKind, Damage, Prune, Sharing, Store};

const SCHEME: &str = "root";

fn layer(name: &str) -> DiffId {
    DiffId(Digest::of(name.as_bytes()))
}

/// A tree in a scratch directory, with one file.
fn make(scratch: &shipsmith_store::Scratch, content: &str) -> io::Result<std::path::PathBuf> {
    let dir = scratch.path().join("fs");
    fs::create_dir(&dir)?;
    fs::write(dir.join("file"), content)?;
    Ok(dir)
}

fn cache() -> Prune {
    Prune { cache: true, ..Prune::default() }
}

fn age(path: &Path) -> io::Result<()> {
    File::open(path)?.set_modified(SystemTime::now() - Duration::from_secs(3600))
}

#[test]
fn a_tree_is_found_when_it_is_whole_and_by_its_scheme_only() -> Outcome {
    let (_dir, store) = new_store()?;
    let scratch = store.scratch()?;
    let dir = make(&scratch, "one")?;
    assert_eq!(store.tree(SCHEME, &layer("a"))?, None);
    let kept = store.keep_tree(SCHEME, &layer("a"), &dir)?;
    assert!(!dir.exists() && kept.join("file").exists());
    assert_eq!(store.tree(SCHEME, &layer("a"))?, Some(kept));
    assert_eq!(store.tree("other", &layer("a"))?, None);
    for scheme in ["", "..", "a/b", "."] {
        assert!(store.tree(scheme, &layer("a")).is_err(), "{scheme:?}");
        assert!(store.cache_mount(scheme, "id", Sharing::Shared).is_err(), "{scheme:?}");
    }
    Ok(())
}

#[test]
fn of_two_that_make_a_tree_the_first_one_wins() -> Outcome {
    let (_dir, store) = new_store()?;
    let (first, second) = (store.scratch()?, store.scratch()?);
    let (one, two) = (make(&first, "one")?, make(&second, "two")?);
    let kept = store.keep_tree(SCHEME, &layer("a"), &one)?;
    assert_eq!(store.keep_tree(SCHEME, &layer("a"), &two)?, kept);
    assert_eq!(fs::read_to_string(kept.join("file"))?, "one");
    assert!(two.exists(), "the second one's is still where its maker can remove it");
    Ok(())
}

#[test]
fn many_threads_make_the_same_trees() -> Outcome {
    let (_dir, store) = new_store()?;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = Store::open(store.dir()).expect("it opens");
            scope.spawn(move || {
                for round in 0..20 {
                    let scratch = store.scratch().expect("a directory");
                    let dir = make(&scratch, &format!("{thread}")).expect("made");
                    let kept = store.keep_tree(SCHEME, &layer(&round.to_string()), &dir).expect("kept");
                    assert!(kept.join("file").exists());
                    fs::remove_dir_all(scratch.path()).expect("removed");
                }
            });
        }
    });
    assert_eq!(store.cache_directories()?.len(), 20);
    assert_eq!(count(&store, "shipsmith/scratch"), 0);
    Ok(())
}

#[test]
fn a_tree_of_an_earlier_boot_is_made_again() -> Outcome {
    let (_dir, store) = new_store()?;
    let scratch = store.scratch()?;
    let kept = store.keep_tree(SCHEME, &layer("a"), &make(&scratch, "lost")?)?;
    let boot = kept.with_file_name("boot");
    fs::write(&boot, "another boot")?;
    assert_eq!(store.tree(SCHEME, &layer("a"))?, None);
    assert_eq!(store.keep_tree(SCHEME, &layer("a"), &make(&scratch, "new")?)?, kept);
    assert_eq!(fs::read_to_string(kept.join("file"))?, "new");
    assert_eq!(store.tree(SCHEME, &layer("a"))?, Some(kept));
    Ok(())
}

#[test]
fn what_a_killed_process_left_is_found_and_what_is_in_use_is_not() -> Outcome {
    let (_dir, store) = new_store()?;
    let (used, left) = (store.scratch()?, store.scratch()?);
    fs::write(used.path().join("file"), "x")?;
    fs::write(left.path().join("file"), "x")?;
    let path = left.path().to_owned();
    drop(left);
    assert!(path.exists(), "a directory with something in it stays");
    let stale = Store::open(store.dir())?.stale_scratches()?;
    assert_eq!(stale.iter().map(|one| one.path()).collect::<Vec<_>>(), [path.as_path()]);
    assert!(store.stale_scratches()?.is_empty(), "somebody is at it");
    Ok(())
}

#[test]
fn pruning_takes_what_nobody_uses() -> Outcome {
    let (_dir, store) = new_store()?;
    let scratch = store.scratch()?;
    let old = store.keep_tree(SCHEME, &layer("old"), &make(&scratch, "old")?)?;
    let used = store.keep_tree(SCHEME, &layer("used"), &make(&scratch, "used")?)?;
    let mount = store.cache_mount(SCHEME, "../../id", Sharing::Shared)?.ok_or("a directory")?;
    fs::write(mount.path().join("file"), "cached")?;
    let cached = mount.path();
    drop(mount);
    let directories = store.cache_directories()?;
    let mounts: Vec<_> = directories.iter().filter(|one| one.kind == CacheKind::Mount).collect();
    assert!(
        matches!(mounts[..], [one] if (&*one.name, &*one.scheme, one.bytes) == ("../../id", SCHEME, 6)),
        "{mounts:?}"
    );
    assert_eq!(directories.len(), 3);
    let root = store.dir().to_owned();
    drop((scratch, store));
    for path in [&old, &used, &cached] {
        age(path.parent().ok_or("a parent")?)?;
    }
    let store = Store::open(&root)?;
    assert!(store.tree(SCHEME, &layer("used"))?.is_some(), "finding it is using it");
    let report = Store::open(&root)?.prune(&Prune { kinds: vec!["tree".into()], ..cache() })?;
    assert_eq!((report.cached, report.bytes), (1, 3));
    assert!(!old.exists() && used.exists() && cached.exists());
    let refused = Store::open(&root)?.prune_with(&cache(), &|_| Err(io::ErrorKind::PermissionDenied.into()));
    assert!(refused.is_err() && !cached.exists());
    assert_eq!(store.stale_scratches()?.len(), 1, "what could not be removed is found again");
    Ok(())
}

#[test]
fn verifying_finds_a_tree_without_files() -> Outcome {
    let (_dir, store) = new_store()?;
    let scratch = store.scratch()?;
    let kept = store.keep_tree(SCHEME, &layer("a"), &make(&scratch, "x")?)?;
    assert!(store.verify()?.is_empty());
    fs::remove_dir_all(&kept)?;
    let holder = kept.parent().ok_or("a parent")?.to_owned();
    assert_eq!(store.verify()?, [Damage::Tree { path: holder }]);
    Ok(())
}

#[test]
fn those_who_share_a_cache_see_the_same_and_others_get_their_own() -> Outcome {
    let (_dir, store) = new_store()?;
    let get = |sharing| store.cache_mount(SCHEME, "id", sharing);
    let private = get(Sharing::Private)?.ok_or("a directory")?;
    let shared = get(Sharing::Shared)?.ok_or("a directory")?;
    assert_ne!(private.path(), shared.path());
    drop(private);
    let also = get(Sharing::Shared)?.ok_or("a directory")?;
    assert_eq!(also.path(), shared.path(), "though the other is free now");
    let again = get(Sharing::Private)?.ok_or("a directory")?;
    assert_ne!(again.path(), shared.path());
    assert_eq!(store.cache_directories()?.len(), 2, "what nobody uses is used again");
    let other = store.cache_mount(SCHEME, "another", Sharing::Private)?.ok_or("a directory")?;
    assert!(other.path() != again.path() && other.path() != shared.path());
    Ok(())
}

#[test]
fn a_locked_cache_is_for_one_at_a_time() -> Outcome {
    let (_dir, store) = new_store()?;
    let get = || store.cache_mount(SCHEME, "id", Sharing::Locked);
    let first = get()?.ok_or("a directory")?;
    fs::write(first.path().join("file"), "kept")?;
    assert!(get()?.is_none() && Store::open(store.dir())?.cache_mount(SCHEME, "id", Sharing::Locked)?.is_none());
    drop(first);
    let second = get()?.ok_or("a directory")?;
    assert_eq!(fs::read_to_string(second.path().join("file"))?, "kept");
    Ok(())
}

#[test]
fn a_cache_is_new_until_it_was_made_ready() -> Outcome {
    let (_dir, store) = new_store()?;
    let get = || store.cache_mount(SCHEME, "id", Sharing::Shared);
    assert!(get()?.is_some_and(|mount| mount.is_new()));
    let mount = get()?.ok_or("a directory")?;
    assert!(mount.is_new(), "whoever was first may have been killed");
    mount.set_ready()?;
    drop(mount);
    assert!(get()?.is_some_and(|mount| !mount.is_new()));
    Ok(())
}
