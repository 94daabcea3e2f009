//! What a build says about itself: files, standard output, progress.

use serde_json::Value;
use testkit::fixtures::tiny_base;

use crate::support::remote::Remote;
use crate::support::{context, each, json};

const DOCKERFILE: &str = "FROM scratch\nCOPY a /b\n";

#[test]
fn the_files_that_scripts_read_agree_with_the_registry() {
    let Some(remote) = Remote::start() else { return };
    tiny_base().push(remote.address(), "library/tiny:1");
    let base = remote.name("library/tiny:1");
    let environment = context(&format!("FROM {base}\nCOPY a /b\n"));
    let (one, two) = (remote.name("team/app:1"), remote.name("team/app:2"));
    let files = ["--iidfile=id", "--metadata-file=meta.json"];
    environment.ok(["build", "--push", "-t", &one, "-t", &two].into_iter().chain(files).chain(["app"]));
    let metadata = json(environment.read("meta.json"));
    let digest = remote.digest("team/app:1");
    let manifest = remote.manifest("team/app:1");
    assert_eq!(metadata["containerimage.digest"], digest.as_str());
    assert_eq!(metadata["containerimage.config.digest"], manifest["config"]["digest"]);
    assert_eq!(metadata["containerimage.descriptor"]["digest"], digest.as_str());
    assert_eq!(metadata["containerimage.descriptor"]["mediaType"], manifest["mediaType"]);
    assert!(metadata["containerimage.descriptor"]["size"].as_u64().is_some_and(|size| size > 300));
    assert_eq!(metadata["image.name"], format!("{one},{two}"));
    assert_eq!(metadata["shipsmith.bases"][&base], remote.digest("library/tiny:1"));
    assert_eq!(environment.read("id"), manifest["config"]["digest"].as_str().expect("a digest"));
}

#[test]
fn quiet_prints_the_id_and_nothing_else() {
    let environment = context(DOCKERFILE);
    for flags in [&["-q"][..], &["--progress=quiet"], &["--quiet", "-t", "app:1"]] {
        let ended = environment.run(["build"].iter().chain(flags).chain(&["--iidfile=id", "app"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{flags:?}");
        assert_eq!(ended.stdout, environment.read("id"));
        assert!(oci::Digest::parse(&ended.stdout).is_ok(), "{}", ended.stdout);
    }
}

#[test]
fn json_progress_is_in_the_shape_of_buildkits_status() {
    let environment = context("FROM scratch\nMAINTAINER me\nCOPY a /b\n");
    let ended = environment.run(["build", "--progress=rawjson", "app"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    let lines: Vec<Value> = ended.stderr.lines().map(json).collect();
    let vertices: Vec<&Value> = lines.iter().filter_map(|line| line["vertexes"].get(0)).collect();
    let copy = vertices.iter().filter(|vertex| vertex["name"].as_str().is_some_and(|name| name.contains("COPY a /b")));
    let copy: Vec<_> = copy.collect();
    assert!(copy.iter().any(|vertex| vertex["completed"].is_string()), "{copy:?}");
    assert!(copy.iter().all(|vertex| vertex["digest"] == copy[0]["digest"] && vertex["started"].is_string()));
    assert!(lines.iter().any(|line| line["warnings"].is_array()), "{}", ended.stderr);
}

#[test]
fn plain_progress_goes_to_standard_error_and_names_each_step_once() {
    let environment = context(DOCKERFILE);
    let ended = environment.run(["build", "--progress=plain", "-t", "app:1", "app"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("[1/1] COPY a /b"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("as app:1\n"), "{}", ended.stderr);
    let none = environment.run(["build", "--progress=none", "app"]);
    assert_eq!((none.code, none.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_second_build_finds_everything_done() {
    let environment = context(DOCKERFILE);
    let first = environment.ok(["build", "-q", "app"]);
    let blobs = || walk(&environment.store().join("blobs/sha256"));
    let before = blobs();
    assert_eq!(environment.ok(["build", "-q", "app"]), first);
    assert_eq!(environment.ok(["build", "-q", "--no-cache", "app"]), first);
    assert_eq!(blobs(), before);
}

fn walk(directory: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the store has it");
    let mut names: Vec<String> = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}

#[test]
fn an_image_without_a_name_is_found_by_its_digest() {
    let environment = context(DOCKERFILE);
    environment.ok(["build", "--metadata-file=meta.json", "app"]);
    let digest = json(environment.read("meta.json"))["containerimage.digest"].as_str().expect("one").to_owned();
    let inspected = json(environment.ok(["inspect", &digest]));
    assert_eq!(each(&inspected["manifests"], "digest"), [digest]);
}
