//! Blobs get a name when they are whole and right, and only then.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use crate::support::{Outcome, count, layer_tar, new_store, put_blob, put_image};
use oci::{Descriptor, DiffId, Digest, MediaType};
use shipsmith_store::{Error, Store, default_dir};

#[test]
fn a_new_store_is_an_oci_layout_for_its_owner_only() -> Outcome {
    let (_dir, store) = new_store()?;
    let mode = fs::metadata(store.dir())?.permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(fs::read_to_string(store.dir().join("oci-layout"))?, r#"{"imageLayoutVersion":"1.0.0"}"#);
    assert!(store.tags()?.is_empty());
    Ok(())
}

#[test]
fn what_is_written_is_found_under_its_digest() -> Outcome {
    let (_dir, store) = new_store()?;
    let digest = put_blob(&store, b"content")?;
    assert_eq!(digest, Digest::of(b"content"));
    let mut text = String::new();
    store.open_blob(&digest)?.read_to_string(&mut text)?;
    assert_eq!(text, "content");
    assert_eq!(put_blob(&store, b"content")?, digest, "a second time is fine");
    assert_eq!((count(&store, "blobs/sha256"), count(&store, "shipsmith/ingest")), (1, 0));
    Ok(())
}

#[test]
fn a_hash_from_upstream_names_the_blob_but_its_size_is_checked() -> Outcome {
    let (_dir, store) = new_store()?;
    let digest = Digest::of(b"content");
    let mut writer = store.raw_writer(Some(7))?;
    writer.write_all(b"content")?;
    writer.finish_hashed(&digest, 7)?;
    assert!(store.contains(&digest));

    let mut writer = store.raw_writer(None)?;
    writer.write_all(b"cont")?;
    assert!(matches!(writer.finish_hashed(&Digest::of(b"other"), 5), Err(Error::Mismatch { .. })));
    assert!(!store.contains(&Digest::of(b"other")));
    Ok(())
}

#[test]
fn other_content_than_expected_is_refused_and_removed() -> Outcome {
    let (_dir, store) = new_store()?;
    let expected = Descriptor::of(MediaType::OCI_LAYER, b"expected");
    let mut writer = store.writer(Some(expected.size))?;
    writer.write_all(b"something else")?;
    let error = writer.verified(&expected).expect_err("the digest differs");
    assert!(error.to_string().contains(expected.digest.as_str()), "{error}");
    let mut long = expected.clone();
    long.size += 1;
    let mut writer = store.writer(None)?;
    writer.write_all(b"expected")?;
    assert!(matches!(writer.verified(&long), Err(Error::Mismatch { .. })));
    assert_eq!((count(&store, "blobs/sha256"), count(&store, "shipsmith/ingest")), (0, 0));
    Ok(())
}

#[test]
fn damage_is_noticed_when_read_and_healed_when_written_again() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let path = store.blob_path(&image.digest);
    let good = fs::read(&path)?;
    fs::remove_file(&path)?;
    fs::write(&path, good.to_ascii_uppercase())?;
    assert!(matches!(store.manifest(&image.digest), Err(Error::Damaged { .. })));
    assert_eq!(store.verify()?.len(), 1);
    put_blob(&store, &good)?;
    assert!(store.manifest(&image.digest).is_ok());
    fs::remove_file(&path)?;
    fs::write(&path, &good[1..])?;
    assert!(matches!(store.open_sized(&image), Err(Error::Damaged { .. })));
    Ok(())
}

#[test]
fn documents_that_are_two_things_are_refused() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let mut both: serde_json::Value = serde_json::from_slice(&store.read(&image.digest)?)?;
    both["manifests"] = serde_json::json!([]);
    let bytes = serde_json::to_vec(&both)?;
    let digest = put_blob(&store, &bytes)?;
    assert!(matches!(store.manifest(&digest), Err(Error::Malformed { .. })));
    assert!(matches!(store.image_index(&digest), Err(Error::Malformed { .. })));
    assert!(store.describe(&digest).is_err());
    Ok(())
}

#[test]
fn an_absent_blob_has_a_hint() -> Outcome {
    let (_dir, store) = new_store()?;
    let error = store.open_blob(&Digest::of(b"absent")).expect_err("it is absent");
    assert!(matches!(error, Error::Absent(_)) && error.hint().is_some());
    Ok(())
}

#[test]
fn uncompressed_tars_and_header_indexes_are_found_by_diff_id() -> Outcome {
    let (_dir, store) = new_store()?;
    let tar = layer_tar("a", b"b");
    let diff_id = DiffId(Digest::of(&tar));
    assert!(store.tar(&diff_id)?.is_none() && store.index(&diff_id)?.is_none());
    let mut writer = store.tar_writer(Some(tar.len() as u64))?;
    writer.write_all(&tar)?;
    writer.finish()?;
    assert!(!store.contains(&diff_id.0), "it is no blob of the layout");
    let mut found = Vec::new();
    store.tar(&diff_id)?.expect("it is kept").read_to_end(&mut found)?;
    assert_eq!(found, tar);

    let index = layer::LayerIndex::default();
    store.put_index(&diff_id, &index)?;
    assert_eq!(store.index(&diff_id)?, Some(index));
    fs::write(store.dir().join("shipsmith/indexes/sha256").join(diff_id.0.hex()), "of another version")?;
    assert_eq!(store.index(&diff_id)?, None);

    let plain = put_blob(&store, b"a layer stored uncompressed")?;
    assert!(store.tar(&DiffId(plain))?.is_some());
    Ok(())
}

#[test]
fn other_peoples_directories_and_later_formats_are_refused() -> Outcome {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("letter.txt"), "dear")?;
    assert!(matches!(Store::open(dir.path()), Err(Error::NotAStore { .. })));
    assert_eq!(fs::read_dir(dir.path())?.count(), 1, "nothing was made");

    let (_dir, store) = new_store()?;
    fs::remove_file(store.dir().join("shipsmith/format"))?;
    fs::write(store.dir().join("shipsmith/format"), "999\n")?;
    let error = Store::open(store.dir()).expect_err("a later version wrote it");
    assert!(matches!(error, Error::NewerFormat { found: 999, .. }) && error.hint().is_some());
    Ok(())
}

#[test]
fn a_later_database_is_refused() -> Outcome {
    let (_dir, store) = new_store()?;
    let path = store.dir().join("shipsmith/cache.db");
    rusqlite::Connection::open(&path)?.pragma_update(None, "user_version", 999)?;
    let error = store.origin(&Digest::of(b"")).expect_err("a later version wrote it");
    assert!(matches!(error, Error::NewerFormat { found: 999, .. }), "{error}");
    Ok(())
}

#[test]
fn the_default_place_follows_the_environment() {
    let dir = |pairs: &[(&str, &str)]| {
        default_dir(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
            .map(|path| path.display().to_string())
    };
    let home = ("HOME", "/home/a");
    assert_eq!(dir(&[home]).as_deref(), Some("/home/a/.local/share/shipsmith/store"));
    assert_eq!(dir(&[home, ("XDG_DATA_HOME", "/data")]).as_deref(), Some("/data/shipsmith/store"));
    assert_eq!(dir(&[home, ("XDG_DATA_HOME", "data")]).as_deref(), Some("/home/a/.local/share/shipsmith/store"));
    assert_eq!(dir(&[home, ("SHIPSMITH_STORE", "/here")]).as_deref(), Some("/here"));
    assert_eq!(dir(&[]), None);
}
