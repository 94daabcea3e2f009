//! Images out and in again, through our hands and others'.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::support::{Outcome, count, new_store, parts, put_blob, put_image, put_image_of, reference};
use oci::{Descriptor, Digest, Index, MediaType};
use shipsmith_store::{ArchiveFormat, Error, NamedImage, Store, export, export_layout};

fn named(image: &Descriptor, names: &[&str]) -> NamedImage {
    NamedImage { image: image.clone(), names: names.iter().map(|name| reference(name)).collect() }
}

/// An index over two platforms and an attestation of one.
fn put_index(store: &Store) -> Result<Descriptor, Box<dyn std::error::Error>> {
    let mut images = Vec::new();
    for platform in ["linux/amd64", "linux/arm64"] {
        let mut image = put_image(store, platform)?;
        image.platform = Some(platform.parse()?);
        images.push(image);
    }
    let mut attestation = put_image(store, "attestation")?;
    attestation.annotations.insert("vnd.docker.reference.type".into(), "attestation-manifest".into());
    images.push(attestation);
    Ok(store.put(&serde_json::to_vec(&Index::new(images, false))?, MediaType::OCI_INDEX)?)
}

/// Names and contents of a tar's files.
fn members(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("a content");
        (name, content)
    });
    entries.collect()
}

#[test]
fn both_archives_come_back_as_they_went() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let images = [named(&image, &["app:v1", "localhost:5000/app:v2"]), named(&put_image(&store, "other")?, &[])];
    for format in [ArchiveFormat::Oci, ArchiveFormat::Docker] {
        let tar = export(&images, format, &store, Vec::new())?;
        let (_other_dir, other) = new_store()?;
        let imported = other.import_archive(tar.as_slice())?;
        assert_eq!(imported.len(), 3);
        assert_eq!(other.resolve(&reference("app:v1"))?, Some(image.clone()));
        assert_eq!(other.resolve(&reference("localhost:5000/app:v2"))?, Some(image.clone()));
        assert_eq!(other.dangling()?.len(), 1);
        assert!(other.verify()?.is_empty());
        assert_eq!(export(&images, format, &other, Vec::new())?, tar, "the same images give the same bytes");
    }
    Ok(())
}

#[test]
fn a_docker_archive_names_blobs_as_buildkit_does() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let files = members(&store.export_docker(&[named(&image, &["app:v1"])], Vec::new())?);
    let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"])?;
    let parts = parts(&store, &image)?;
    let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let expected =
        serde_json::json!([{"Config": path(&parts[1]), "RepoTags": ["app:v1"], "Layers": [path(&parts[2])]}]);
    assert_eq!(manifest, expected);
    let index: serde_json::Value = serde_json::from_slice(&files["index.json"])?;
    let annotations = &index["manifests"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "v1");
    assert_eq!(annotations["io.containerd.image.name"], "docker.io/library/app:v1");
    let names: Vec<&str> = files.keys().map(String::as_str).filter(|name| !name.starts_with("blobs/sha256/")).collect();
    assert_eq!(names, ["blobs/", "index.json", "manifest.json", "oci-layout"]);
    Ok(())
}

#[test]
fn several_platforms_fit_an_oci_archive_but_no_docker_archive() -> Outcome {
    let (_dir, store) = new_store()?;
    let images = [named(&put_index(&store)?, &["app"])];
    let error = store.export_docker(&images, Vec::new()).expect_err("docker archives hold one platform");
    assert!(error.to_string().contains("one platform"), "{error}");
    let tar = store.export_oci(&images, Vec::new())?;
    let (_other_dir, other) = new_store()?;
    assert_eq!(other.import_archive(tar.as_slice())?[0].image, images[0].image);
    assert!(other.verify()?.is_empty());
    Ok(())
}

#[test]
fn a_layer_held_by_reference_must_be_fetched_before_an_export() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let layer = parts(&store, &image)?.pop().ok_or("it has a layer")?;
    fs::remove_file(store.blob_path(&layer))?;
    let error = store.export_oci(&[named(&image, &[])], Vec::new()).expect_err("the layer is absent");
    assert!(matches!(&error, Error::Absent(digest) if *digest == layer), "{error}");
    Ok(())
}

#[test]
fn a_damaged_blob_is_never_delivered() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let layer = store.blob_path(&parts(&store, &image)?.pop().ok_or("it has a layer")?);
    let damaged = fs::read(&layer)?.to_ascii_uppercase();
    fs::remove_file(&layer)?;
    fs::write(&layer, damaged)?;
    let error = store.export_oci(&[named(&image, &[])], Vec::new()).expect_err("the layer is damaged");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    Ok(())
}

#[test]
fn a_layout_directory_grows_and_its_names_move() -> Outcome {
    let (dir, store) = new_store()?;
    let (first, second) = (put_image(&store, "1")?, put_image(&store, "2")?);
    let out = dir.path().join("out");
    export_layout(&[named(&first, &["app:v1"]), named(&first, &["app:old"])], &store, &out)?;
    export_layout(&[named(&second, &["app:v1"])], &store, &out)?;
    let (_other_dir, other) = new_store()?;
    other.import(&out)?;
    assert_eq!(other.resolve(&reference("app:v1"))?, Some(second));
    assert_eq!(other.resolve(&reference("app:old"))?, Some(first));
    assert!(other.verify()?.is_empty());
    Ok(())
}

#[test]
fn skopeo_and_we_understand_each_other() -> Outcome {
    let Some(skopeo) = testkit::tools::require("skopeo") else { return Ok(()) };
    let (dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let config = parts(&store, &image)?.swap_remove(1);
    let path = |name: &str| dir.path().join(name).display().to_string();
    store.export_oci(&[named(&image, &["app:v1"])], File::create(path("ours.oci"))?)?;
    store.export_docker(&[named(&image, &["app:v1"])], File::create(path("ours.docker"))?)?;
    export_layout(&[named(&image, &["app:v1"])], &store, Path::new(&path("ours.dir")))?;
    let [oci, docker, layout] = ["oci-archive:ours.oci:v1", "docker-archive:ours.docker:app:v1", "oci:ours.dir:v1"]
        .map(|place| place.replace("ours", &path("ours")));
    for place in [&oci, &layout] {
        let inspected: serde_json::Value = serde_json::from_str(&skopeo.run(["inspect", place]).text())?;
        assert_eq!(inspected["Digest"], image.digest.as_str(), "{place}");
    }
    for (place, kind) in [(&docker, "docker-archive"), (&oci, "docker-archive"), (&oci, "oci-archive")] {
        let theirs = path("theirs");
        skopeo.run(["--insecure-policy", "copy", "--quiet", place, &format!("{kind}:{theirs}:again:v3")]);
        let (_other_dir, other) = new_store()?;
        let imported = other.import(Path::new(&theirs))?;
        assert_eq!(imported[0].reference, Some(reference("again:v3")));
        assert_eq!(other.manifest(&imported[0].image.digest)?.config.digest, config, "{place} as {kind}");
        assert!(other.verify()?.is_empty());
        fs::remove_file(theirs)?;
    }
    Ok(())
}

#[test]
fn what_is_no_archive_of_images_is_said_so() -> Outcome {
    let (dir, store) = new_store()?;
    let said = |result: Result<_, Error>| {
        result.map(|_: Vec<shipsmith_store::Imported>| ()).expect_err("no images").to_string()
    };
    assert!(said(store.import_archive(&[0; 1024][..])).contains("neither oci-layout"));
    assert!(said(store.import_archive(&[b'x'; 1024][..])).contains("checksum"));
    assert!(said(store.import(dir.path())).contains("no OCI image layout"));
    assert!(said(store.import(&dir.path().join("absent"))).contains("absent"));
    Ok(())
}

#[test]
fn an_archive_that_lies_or_lacks_a_part_changes_nothing() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let files = members(&store.export_oci(&[named(&image, &["app"])], Vec::new())?);
    let blobs = parts(&store, &image)?;
    for digest in &blobs {
        for content in [None, Some(b"other".to_vec())] {
            let (_other_dir, other) = new_store()?;
            let mut changed = files.clone();
            let name = format!("blobs/sha256/{}", digest.hex());
            match content {
                None => drop(changed.remove(&name)),
                Some(content) => drop(changed.insert(name, content)),
            }
            assert!(other.import_archive(pack(&changed).as_slice()).is_err());
            assert!(other.tags()?.is_empty() && other.verify()?.is_empty());
        }
    }
    Ok(())
}

#[test]
fn an_old_docker_archive_is_checked_against_its_config() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    let parts = parts(&store, &image)?;
    let (config, layer) = (fs::read(store.blob_path(&parts[1]))?, fs::read(store.blob_path(&parts[2]))?);
    let config_name = format!("{}.json", parts[1].hex());
    let manifest = format!(r#"[{{"Config":"{config_name}","RepoTags":["app:old"],"Layers":["abc/layer.tar"]}}]"#);
    let files: BTreeMap<String, Vec<u8>> = BTreeMap::from([
        ("manifest.json".into(), manifest.into_bytes()),
        (config_name.clone(), config.clone()),
        ("abc/layer.tar".into(), layer),
    ]);
    let (_other_dir, other) = new_store()?;
    assert_eq!(other.import_archive(pack(&files).as_slice())?[0].image, image, "only the manifest was made anew");

    for (name, content) in
        [("abc/layer.tar", b"another layer".to_vec()), (config_name.as_str(), [&config[..], b" "].concat())]
    {
        let mut changed = files.clone();
        changed.insert(name.to_owned(), content);
        let (_other_dir, other) = new_store()?;
        assert!(other.import_archive(pack(&changed).as_slice()).is_err(), "{name}");
    }
    Ok(())
}

#[test]
fn a_layer_that_a_docker_archive_names_twice_is_taken_once() -> Outcome {
    let (_dir, store) = new_store()?;
    let layer = parts(&store, &put_image(&store, "hello")?)?.pop().ok_or("it has a layer")?;
    let rootfs = serde_json::json!({ "type": "layers", "diff_ids": [layer.as_str(), layer.as_str()] });
    let config = serde_json::json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs });
    let config = serde_json::to_vec(&config)?;
    let name = format!("{}.json", Digest::of(&config).hex());
    let manifest = format!(r#"[{{"Config":"{name}","RepoTags":null,"Layers":["a/layer.tar","a/layer.tar"]}}]"#);
    let files: BTreeMap<String, Vec<u8>> = BTreeMap::from([
        ("manifest.json".into(), manifest.into_bytes()),
        (name, config),
        ("a/layer.tar".into(), fs::read(store.blob_path(&layer))?),
    ]);
    let (_other_dir, other) = new_store()?;
    let image = other.import_archive(pack(&files).as_slice())?.remove(0).image;
    assert_eq!(other.manifest(&image.digest)?.layers.len(), 2);
    assert!(other.verify()?.is_empty());
    Ok(())
}

#[test]
fn what_is_only_read_gets_no_name() -> Outcome {
    let (_dir, store) = new_store()?;
    let theirs = put_image(&store, "theirs")?;
    let archives = [
        store.export_oci(&[named(&theirs, &["app:v1"])], Vec::new())?,
        store.export_docker(&[named(&theirs, &["app:v1"])], Vec::new())?,
    ];
    for archive in archives {
        let (_other_dir, other) = new_store()?;
        let name = "app:v1".parse()?;
        let ours = put_image(&other, "ours")?;
        other.tag(&name, &ours)?;
        let read = other.read_archive(archive.as_slice())?;
        assert_eq!(other.manifest(&read[0].image.digest)?.layers, store.manifest(&theirs.digest)?.layers);
        assert_eq!(other.resolve(&name)?.map(|image| image.digest), Some(ours.digest));
        assert_eq!((other.tags()?.len(), other.dangling()?.len()), (1, 0));
    }
    Ok(())
}

#[test]
fn a_compressed_layer_in_a_docker_archive_stays_as_it_is() -> Outcome {
    let (_dir, store) = new_store()?;
    for compression in [layer::Compression::Gzip { level: 1 }, layer::Compression::Zstd { level: 1 }] {
        let (layer, bytes) = compressed_layer(compression, "a")?;
        put_blob(&store, &bytes)?;
        let encoding = match compression {
            layer::Compression::Zstd { .. } => MediaType::OCI_LAYER_ZSTD,
            _ => MediaType::OCI_LAYER_GZIP,
        };
        let descriptor = Descriptor::new(encoding, layer.digest.clone(), layer.size);
        let image = put_image_of(&store, descriptor, &layer.diff_id)?;
        let mut files = members(&store.export_docker(&[named(&image, &["app"])], Vec::new())?);
        files.remove("oci-layout");
        let (_other_dir, other) = new_store()?;
        assert_eq!(other.import_archive(pack(&files).as_slice())?[0].image, image);
        assert_eq!(other.diff_id_of(&layer.digest)?, Some(layer.diff_id));
        files.insert(format!("blobs/sha256/{}", layer.digest.hex()), compressed_layer(compression, "b")?.1);
        assert!(other.import_archive(pack(&files).as_slice()).is_err());
    }
    Ok(())
}

#[test]
fn an_archive_may_itself_be_compressed() -> Outcome {
    let (_dir, store) = new_store()?;
    let tar = store.export_oci(&[named(&put_image(&store, "hello")?, &["app"])], Vec::new())?;
    let Some(gzip) = testkit::tools::require("gzip") else { return Ok(()) };
    let file = store.dir().with_extension("tar");
    fs::write(&file, tar)?;
    gzip.run([file.as_os_str()]);
    let (_other_dir, other) = new_store()?;
    assert_eq!(other.import(&file.with_extension("tar.gz"))?.len(), 1);
    Ok(())
}

fn compressed_layer(
    compression: layer::Compression,
    dir: &str,
) -> Result<(layer::Layer, Vec<u8>), Box<dyn std::error::Error>> {
    let mut writer = layer::LayerWriter::new(Vec::new(), compression)?;
    let entry = layer::Entry {
        path: rootfs::TreePath::new(dir.as_bytes())?,
        kind: layer::EntryKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: layer::Timestamp { seconds: 0, nanos: 0 },
        xattrs: BTreeMap::new(),
    };
    writer.append(&entry, None)?;
    Ok(writer.finish()?)
}

#[test]
fn names_in_an_archive_are_never_paths() -> Outcome {
    let (dir, store) = new_store()?;
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["../../escaped", "/escaped"] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(1);
        header.set_cksum();
        builder.append(&header, &b"x"[..])?;
    }
    assert!(store.import_archive(builder.into_inner()?.as_slice()).is_err());
    assert!(!dir.path().join("escaped").exists() && !Path::new("/escaped").exists());
    assert_eq!(count(&store, "shipsmith/ingest"), 0);
    put_blob(&store, b"the store still works")?;
    Ok(())
}

fn pack(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files.iter().filter(|(name, _)| !name.ends_with('/')) {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_slice()).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}
