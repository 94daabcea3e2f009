//! The comparer sees each kind of difference, and the reader sees through everything else.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shipsmith_testkit::canonical::{
    Aspect, CanonicalError, CanonicalImage, images_from_json, images_to_json, read_image, read_images, read_images_at,
};
use shipsmith_testkit::corpus::Base;

type Outcome = Result<(), Box<dyn Error>>;

/// An image of one layer with one entry and a small configuration.
const CONFIG: &str = r#"{"Env": ["A=1", "B=2"], "Cmd": ["run"], "Labels": {"one": "1"}, "User": "app"}"#;
const FILE: &str = r#"{ path = "dir/file", content = "text" }"#;

fn base(config: &str, layers: &[&str]) -> Result<Base, Box<dyn Error>> {
    let mut text = format!("[[image]]\nplatform = \"linux/amd64\"\nconfig = '''{config}'''\n");
    for (number, entries) in layers.iter().enumerate() {
        text += &format!("[[image.layer]]\ncreated_by = \"step {number}\"\nentries = [{entries}]\n");
    }
    Ok(toml::from_str(&text)?)
}

fn image(config: &str, layers: &[&str]) -> Result<CanonicalImage, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    base(config, layers)?.write_layout(dir.path())?;
    Ok(read_image(dir.path(), "linux/amd64")?)
}

/// The differences between two images of one layer each, as text.
fn between(expected: &str, actual: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let differences = image(CONFIG, &[expected])?.differences(&image(CONFIG, &[actual])?);
    Ok(differences.iter().map(ToString::to_string).collect())
}

fn configured(expected: &str, actual: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let differences = image(expected, &[FILE])?.differences(&image(actual, &[FILE])?);
    Ok(differences.iter().map(ToString::to_string).collect())
}

#[test]
fn an_image_does_not_differ_from_itself() -> Outcome {
    assert!(between(FILE, FILE)?.is_empty());
    Ok(())
}

#[test]
fn a_missing_and_an_additional_file_are_found() -> Outcome {
    let found = between(r#"{ path = "a" }"#, r#"{ path = "b" }"#)?;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("files /a: expected {") && found[0].ends_with("found nothing"), "{}", found[0]);
    assert!(found[1].starts_with("files /b: expected nothing, found {"), "{}", found[1]);
    Ok(())
}

#[test]
fn another_type_is_found() -> Outcome {
    let found = between(r#"{ path = "a" }"#, r#"{ path = "a", type = "fifo" }"#)?;
    assert!(found.contains(&r#"files /a type: expected "file", found "fifo""#.to_owned()), "{found:?}");
    Ok(())
}

#[test]
fn another_mode_is_found() -> Outcome {
    let found = between(r#"{ path = "a", mode = 0o4755 }"#, r#"{ path = "a", mode = 0o755 }"#)?;
    assert_eq!(found, [r#"files /a mode: expected "4755", found "0755""#]);
    Ok(())
}

#[test]
fn another_owner_is_found() -> Outcome {
    let found = between(r#"{ path = "a", uid = 5 }"#, r#"{ path = "a", uid = 6 }"#)?;
    assert_eq!(found, ["files /a uid: expected 5, found 6"]);
    Ok(())
}

#[test]
fn another_group_is_found() -> Outcome {
    let found = between(r#"{ path = "a", gid = 5 }"#, r#"{ path = "a" }"#)?;
    assert_eq!(found, ["files /a gid: expected 5, found nothing"]);
    Ok(())
}

#[test]
fn another_content_is_found() -> Outcome {
    let found = between(r#"{ path = "a", content = "x" }"#, r#"{ path = "a", content = "y" }"#)?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("files /a sha256: "));
    Ok(())
}

#[test]
fn another_size_is_found() -> Outcome {
    let found = between(r#"{ path = "a", content = "x" }"#, r#"{ path = "a", content = "xx" }"#)?;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1], "files /a size: expected 1, found 2");
    Ok(())
}

#[test]
fn another_link_target_is_found() -> Outcome {
    let link = |target: &str| format!(r#"{{ path = "a", type = "symlink", link = "{target}" }}"#);
    let found = between(&link("b"), &link("/b"))?;
    assert_eq!(found, [r#"files /a link: expected "b", found "/b""#]);
    Ok(())
}

#[test]
fn another_device_number_is_found() -> Outcome {
    let device = |minor: u32| format!(r#"{{ path = "a", type = "char", device = [1, {minor}] }}"#);
    let found = between(&device(3), &device(5))?;
    assert_eq!(found, [r#"files /a device: expected "1:3", found "1:5""#]);
    Ok(())
}

#[test]
fn another_attribute_is_found() -> Outcome {
    let file = |value: &str| format!(r#"{{ path = "a", xattrs = {{ "user.x" = "{value}" }} }}"#);
    let found = between(&file("one"), &file("two"))?;
    assert_eq!(found, [r#"files /a xattrs: expected {"user.x":"one"}, found {"user.x":"two"}"#]);
    Ok(())
}

#[test]
fn a_copy_in_place_of_a_hard_link_is_found() -> Outcome {
    let linked = r#"{ path = "a", content = "x" }, { path = "b", type = "hardlink", link = "a" }"#;
    let copied = r#"{ path = "a", content = "x" }, { path = "b", content = "x" }"#;
    let found = between(linked, copied)?;
    assert_eq!(
        found,
        [
            r#"files /a hard_links: expected ["/b"], found nothing"#,
            r#"files /b hard_links: expected ["/a"], found nothing"#
        ]
    );
    Ok(())
}

#[test]
fn each_runtime_field_of_the_configuration_is_compared() -> Outcome {
    for (field, value) in [
        ("ArgsEscaped", json!(true)),
        ("Cmd", json!(["x"])),
        ("Entrypoint", json!(["x"])),
        ("Env", json!(["X=y"])),
        ("ExposedPorts", json!({"1/tcp": {}})),
        ("Healthcheck", json!({"Test": ["NONE"]})),
        ("Labels", json!({"x": "y"})),
        ("OnBuild", json!(["RUN x"])),
        ("Shell", json!(["x"])),
        ("StopSignal", json!("9")),
        ("User", json!("x")),
        ("Volumes", json!({"/x": {}})),
        ("WorkingDir", json!("/x")),
    ] {
        let found = configured("{}", &json!({field: value}).to_string())?;
        assert_eq!(found, [format!("config {field}: expected nothing, found {value}")]);
    }
    Ok(())
}

#[test]
fn the_order_of_the_environment_matters_and_that_of_labels_does_not() -> Outcome {
    let found = configured(r#"{"Env": ["A=1", "B=2"]}"#, r#"{"Env": ["B=2", "A=1"]}"#)?;
    assert_eq!(found.len(), 1, "{found:?}");
    let labels = configured(r#"{"Labels": {"a": "1", "b": "2"}}"#, r#"{"Labels": {"b": "2", "a": "1"}}"#)?;
    assert!(labels.is_empty(), "{labels:?}");
    Ok(())
}

#[test]
fn empty_fields_equal_absent_ones() -> Outcome {
    let empty = r#"{"Env": [], "Labels": {}, "User": "", "Cmd": null, "ArgsEscaped": false, "Volumes": {}}"#;
    assert!(configured("{}", empty)?.is_empty());
    Ok(())
}

#[test]
fn another_architecture_is_found() -> Outcome {
    let mut other = image(CONFIG, &[FILE])?;
    other.config.insert("architecture".to_owned(), json!("arm64"));
    let found = image(CONFIG, &[FILE])?.differences(&other);
    assert_eq!(found[0].to_string(), r#"config architecture: expected "amd64", found "arm64""#);
    Ok(())
}

#[test]
fn another_history_text_is_found() -> Outcome {
    let mut other = image(CONFIG, &[FILE])?;
    other.history[0].created_by = "something else".to_owned();
    let found = image(CONFIG, &[FILE])?.differences(&other);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].aspect, Aspect::History);
    Ok(())
}

#[test]
fn another_kind_of_history_entry_is_found() -> Outcome {
    let mut other = image(CONFIG, &[FILE])?;
    other.history[0].empty_layer = true;
    let found = image(CONFIG, &[FILE])?.differences(&other);
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("history 000: expected {"));
    Ok(())
}

#[test]
fn another_number_of_layers_and_history_entries_is_found() -> Outcome {
    let found = image(CONFIG, &[FILE])?.differences(&image(CONFIG, &[FILE, FILE])?);
    let aspects: Vec<Aspect> = found.iter().map(|difference| difference.aspect).collect();
    assert_eq!(aspects, [Aspect::History, Aspect::Layers]);
    assert_eq!(found[1].to_string(), "layers count: expected 1, found 2");
    Ok(())
}

#[test]
fn whiteouts_hide_lower_layers_only() -> Outcome {
    let lower = r#"{ path = "d/a" }, { path = "d/b" }, { path = "e/old" }"#;
    let upper = r#"{ path = "d/b", content = "new" }, { path = "d/.wh.b" }, { path = "d/.wh.a" },
        { path = "e/new" }, { path = "e/.wh..wh..opq" }"#;
    let image = image(CONFIG, &[lower, &upper.replace('\n', " ")])?;
    let paths: Vec<&str> = image.files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/d", "/d/b", "/e", "/e/new"]);
    assert_eq!(image.files["/d/b"].size, Some(3));
    Ok(())
}

#[test]
fn a_file_replaces_a_directory_with_all_that_is_in_it() -> Outcome {
    let image = image(CONFIG, &[r#"{ path = "d/x/y" }"#, r#"{ path = "d", content = "file" }"#])?;
    assert_eq!(image.files.keys().collect::<Vec<_>>(), ["/d"]);
    Ok(())
}

#[test]
fn an_entry_below_a_link_is_refused() -> Outcome {
    let link = r#"{ path = "bin", type = "symlink", link = "usr/bin" }"#;
    let error = image(CONFIG, &[link, r#"{ path = "bin/tool" }"#]).err().ok_or("it was read")?;
    assert_eq!(error.to_string(), "layer 1: /bin/tool lies below /bin, which is no directory");
    Ok(())
}

#[test]
fn an_entry_that_leaves_the_root_is_refused() -> Outcome {
    let error = image(CONFIG, &[r#"{ path = "a/../../b" }"#]).err().ok_or("it was read")?;
    assert_eq!(error.to_string(), "layer 0: a/../../b leaves its directory");
    Ok(())
}

#[test]
fn a_changed_blob_is_refused() -> Outcome {
    let dir = tempfile::tempdir()?;
    base(CONFIG, &[FILE])?.write_layout(dir.path())?;
    for blob in fs::read_dir(dir.path().join("blobs/sha256"))? {
        let path = blob?.path();
        let mut bytes = fs::read(&path)?;
        bytes.push(b' ');
        fs::write(&path, bytes)?;
    }
    assert!(matches!(read_images(dir.path()), Err(CanonicalError::WrongDigest { .. })));
    Ok(())
}

#[test]
fn compression_is_seen_through() -> Outcome {
    let dir = tempfile::tempdir()?;
    base(CONFIG, &[FILE])?.write_layout(dir.path())?;
    let plain = read_image(dir.path(), "linux/amd64")?;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
        let mut packed = Vec::new();
        std::io::Read::read_to_end(&mut encoder, &mut packed).map(|_| packed)
    };
    for compress in [gzip, |bytes: &[u8]| zstd::encode_all(bytes, 1)] {
        let digest = recompress(dir.path(), compress)?;
        let images = read_images_at(dir.path(), &digest)?;
        assert_eq!(images["linux/amd64"], plain);
    }
    Ok(())
}

/// Adds a manifest whose only layer is the first manifest's layer, compressed; returns its digest.
fn recompress(layout: &Path, compress: impl Fn(&[u8]) -> std::io::Result<Vec<u8>>) -> Result<String, Box<dyn Error>> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap_or_default().replace(':', "/");
        fs::read(layout.join("blobs").join(digest))
    };
    let mut manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])?)?;
    let packed = compress(&blob(&manifest["layers"][0])?)?;
    manifest["layers"][0]["digest"] = json!(add_blob(layout, &packed)?);
    add_blob(layout, manifest.to_string().as_bytes())
}

fn add_blob(layout: &Path, bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(layout.join("blobs/sha256").join(&hex), bytes)?;
    Ok(format!("sha256:{hex}"))
}

#[test]
fn a_layout_in_a_tar_file_is_the_same() -> Outcome {
    let dir = tempfile::tempdir()?;
    let layout = dir.path().join("layout");
    base(CONFIG, &[FILE])?.write_layout(&layout)?;
    let archive = dir.path().join("layout.tar");
    let mut builder = tar::Builder::new(fs::File::create(&archive)?);
    builder.append_dir_all("", &layout)?;
    builder.finish()?;
    assert_eq!(read_images(&archive)?, read_images(&layout)?);
    Ok(())
}

#[test]
fn the_written_form_reads_back() -> Outcome {
    let dir = tempfile::tempdir()?;
    base(CONFIG, &[FILE, r#"{ path = "ü\\x" }"#])?.write_layout(dir.path())?;
    let images = read_images(dir.path())?;
    assert_eq!(images_from_json(&images_to_json(&images))?, images);
    assert!(images["linux/amd64"].files.contains_key("/ü\\\\x"));
    Ok(())
}
