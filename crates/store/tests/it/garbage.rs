//! Garbage collection takes what nobody holds, and nothing else.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, SystemTime};

use crate::support::{Outcome, count, new_store, parts, put_blob, put_image, reference};
use oci::{DiffId, Digest, MediaType};
use shipsmith_store::{Prune, Store};

const EVERYTHING: Prune =
    Prune { dangling: true, cache: true, kinds: Vec::new(), older_than: None, keep_storage: None };

/// The store as the next process finds it: no lease of this one.
fn reopened(store: Store) -> Result<Store, shipsmith_store::Error> {
    let dir = store.dir().to_owned();
    drop(store);
    Store::open(dir)
}

fn age(store: &Store, digest: &Digest, age: Duration) -> Outcome {
    let old = SystemTime::now() - age;
    File::open(store.blob_path(digest))?.set_modified(old)?;
    Ok(())
}

#[test]
fn only_what_nobody_holds_goes() -> Outcome {
    let (_dir, store) = new_store()?;
    let (named, kept) = (put_image(&store, "named")?, put_image(&store, "kept")?);
    let (dropped, cached) = (put_image(&store, "dropped")?, put_image(&store, "cached")?);
    store.tag(&reference("app"), &named)?;
    store.keep(&kept)?;
    store.cache_put("base", &Digest::of(b"key"), b"value", std::slice::from_ref(&cached.digest))?;
    let mut garbage = parts(&store, &dropped)?;
    garbage.retain(|digest| !parts(&store, &named).unwrap_or_default().contains(digest));
    garbage.sort();
    let store = reopened(store)?;
    let report = store.prune(&Prune::default())?;
    assert_eq!((report.blobs, report.cached, report.images.len()), (garbage, 0, 0));
    for image in [&named, &kept, &cached] {
        assert!(parts(&store, image)?.iter().all(|digest| store.contains(digest)));
    }
    assert!(store.verify()?.is_empty());
    Ok(())
}

#[test]
fn asked_to_it_takes_unnamed_images_and_the_cache_but_never_named_images() -> Outcome {
    let (_dir, store) = new_store()?;
    let (named, kept) = (put_image(&store, "named")?, put_image(&store, "kept")?);
    store.tag(&reference("app"), &named)?;
    store.keep(&kept)?;
    let blob = put_blob(&store, b"a cached layer")?;
    store.cache_put("layer", &Digest::of(b"key"), b"value", &[blob])?;
    store.put_index(&DiffId(Digest::of(b"x")), &layer::LayerIndex::default())?;
    let store = reopened(store)?;
    let report = store.prune(&EVERYTHING)?;
    assert_eq!((report.images, report.cached), (vec![kept.digest], 2));
    assert_eq!(count(&store, "blobs/sha256"), parts(&store, &named)?.len());
    assert_eq!(store.cache_get("layer", &Digest::of(b"key"))?, None);
    assert_eq!((store.tags()?.len(), store.dangling()?.len()), (1, 0));
    Ok(())
}

#[test]
fn what_a_living_process_uses_is_spared() -> Outcome {
    let (_dir, builder) = new_store()?;
    let written = put_blob(&builder, b"written by a running build")?;
    let other = Store::open(builder.dir())?;
    assert_eq!(other.prune(&EVERYTHING)?.blobs, []);
    assert!(other.contains(&written));
    drop((builder, other.clone()));
    let store = reopened(other)?;
    assert_eq!(store.prune(&EVERYTHING)?.blobs, [written]);
    Ok(())
}

#[test]
fn finding_an_old_blob_is_using_it() -> Outcome {
    let (_dir, store) = new_store()?;
    let (found, ignored) = (put_blob(&store, b"found")?, put_blob(&store, b"ignored")?);
    let store = reopened(store)?;
    age(&store, &found, Duration::from_secs(3600))?;
    age(&store, &ignored, Duration::from_secs(3600))?;
    assert!(store.contains(&found));
    assert_eq!(store.prune(&EVERYTHING)?.blobs, [ignored]);
    Ok(())
}

#[test]
fn age_and_size_limit_what_goes() -> Outcome {
    let (_dir, store) = new_store()?;
    let day = Duration::from_secs(24 * 3600);
    let images = ["1", "2", "3"].map(|content| put_image(&store, content));
    let [first, second, third] = images;
    let (first, second, third) = (first?, second?, third?);
    for (days, image) in [(3, &first), (2, &second), (1, &third)] {
        store.keep(image)?;
        for digest in parts(&store, image)? {
            age(&store, &digest, day * days)?;
        }
    }
    let store = reopened(store)?;
    for (days, image) in [(3, &first), (2, &second), (1, &third)] {
        age(&store, &image.digest, day * days)?;
    }
    let old = Prune { dangling: true, older_than: Some(day * 5 / 2), ..Prune::default() };
    assert_eq!(store.prune(&old)?.images, std::slice::from_ref(&first.digest));
    let bytes = store.usage()?.blob_bytes;
    let small = Prune { dangling: true, keep_storage: Some(bytes - 1), ..Prune::default() };
    assert_eq!(store.prune(&small)?.images, [second.digest], "the longest unused goes first, and no more than needed");
    assert_eq!(store.dangling()?, [third]);
    Ok(())
}

#[test]
fn kinds_choose_records() -> Outcome {
    let (_dir, store) = new_store()?;
    let key = Digest::of(b"key");
    store.cache_put("layer", &key, b"1", &[])?;
    store.cache_put("result", &key, b"2", &[])?;
    let store = reopened(store)?;
    let report = store.prune(&Prune { kinds: vec!["layer".into()], ..EVERYTHING })?;
    assert_eq!(report.cached, 1);
    assert_eq!((store.cache_get("layer", &key)?, store.cache_get("result", &key)?), (None, Some(b"2".to_vec())));
    Ok(())
}

#[test]
fn removing_a_name_removes_what_only_it_held() -> Outcome {
    let (_dir, store) = new_store()?;
    let (one, two) = (put_image(&store, "1")?, put_image(&store, "2")?);
    store.tag_all(&[
        (reference("one"), one.clone()),
        (reference("uno"), one.clone()),
        (reference("two"), two.clone()),
    ])?;
    let store = reopened(store)?;
    assert_eq!(store.remove(&reference("one"))?.blobs, [], "it has another name");
    assert_eq!(store.remove(&reference("uno"))?.blobs.len(), 3);
    assert!(store.remove(&reference("uno")).is_err());
    assert_eq!(store.remove(&reference("two").with_digest(two.digest))?.blobs.len(), 3);
    assert_eq!(store.usage()?.blobs, 0);
    Ok(())
}

#[test]
fn a_referrer_lives_as_long_as_its_subject() -> Outcome {
    let (_dir, store) = new_store()?;
    let subject = put_image(&store, "subject")?;
    let mut referrer = store.manifest(&put_image(&store, "signature")?.digest)?;
    referrer.subject = Some(Box::new(subject.clone()));
    let referrer = store.put(&serde_json::to_vec(&referrer)?, MediaType::OCI_MANIFEST)?;
    store.tag(&reference("app"), &subject)?;
    store.keep(&referrer)?;
    let store = reopened(store)?;
    assert_eq!(store.prune(&EVERYTHING)?.images, []);
    let store = reopened(store)?;
    store.untag(&reference("app"))?;
    assert_eq!(store.prune(&EVERYTHING)?.images, [referrer.digest]);
    Ok(())
}

#[test]
fn what_killed_processes_left_is_removed_and_what_is_being_written_is_not() -> Outcome {
    let (_dir, store) = new_store()?;
    let ingest = store.dir().join("shipsmith/ingest");
    fs::write(ingest.join("left"), "half a blob")?;
    fs::create_dir(ingest.join("left-dir"))?;
    fs::write(ingest.join("left-dir/0"), "half an archive")?;
    fs::write(store.dir().join("shipsmith/leases/left"), "")?;
    let mut writer = store.writer(None)?;
    writer.write_all(b"whole ")?;
    drop(Store::open(store.dir())?);
    assert_eq!((count(&store, "shipsmith/ingest"), count(&store, "shipsmith/leases")), (1, 1));
    writer.write_all(b"blob")?;
    assert_eq!(writer.finish()?.0, Digest::of(b"whole blob"));
    Ok(())
}
