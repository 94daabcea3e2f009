//! What a BuildKit builder says about the images it made stays with them, wherever they go, and goes when they go.
//!
//! `attested` is what BuildKit 73ed6825c wrote as `type=oci,tar=false` for two platforms, each with an SBOM and a provenance.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::environment::ended;

use crate::ground::{Ground, Remote, elsewhere};

const ABOUT: &str = "vnd.docker.reference.digest";
const SBOM: &str = "https://spdx.dev/Document";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Package `a`, of which the store has what BuildKit made, and its name in the registry.
fn attested() -> Option<(Ground, Remote, String)> {
    let (ground, remote) = (Ground::with_package()?, Remote::start()?);
    let name = format!("a:{}", ground.tree("a"));
    import(&ground, &remote, &name, |_| {});
    Some((ground, remote, name))
}

/// Takes the recorded image into the store under a name, after a change to its list.
fn import(ground: &Ground, remote: &Remote, name: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let layout = ground.environment.path("attested");
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pkg/attested");
    assert_eq!(ended(Command::new("cp").arg("-rT").arg(recorded).arg(&layout)).code, Some(0));
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).expect("recorded")).expect("JSON") };
    let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
    let mut root = read(&layout.join("index.json"))["manifests"][0].take();
    let mut index = read(&blob(root["digest"].as_str().expect("a digest")));
    change(index["manifests"].as_array_mut().expect("a list"));
    let bytes = index.to_string();
    let digest = oci::Digest::of(bytes.as_bytes()).to_string();
    fs::write(blob(&digest), &bytes).expect("ours");
    (root["digest"], root["size"]) = (json!(digest), json!(bytes.len()));
    root["annotations"] = json!({ "io.containerd.image.name": format!("{}/org/{name}", remote.proxy.address()) });
    fs::write(layout.join("index.json"), json!({ "schemaVersion": 2, "manifests": [root] }).to_string()).expect("ours");
    ground.environment.ok(["cache", "import", &layout.display().to_string()]);
}

/// What is said of each architecture of an image in the registry; all of it is there, and about an image that is.
fn statements(remote: &Remote, name: &str) -> BTreeMap<String, Vec<String>> {
    remote.copy_all(name);
    let index = remote.manifest(name).expect("an index");
    let entries = index["manifests"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (about, images): (Vec<&Value>, Vec<&Value>) =
        entries.iter().partition(|entry| !entry["annotations"][ABOUT].is_null());
    let arch = |image: &&Value| (text(&image["digest"]), text(&image["platform"]["architecture"]));
    let arches: BTreeMap<String, String> = images.iter().map(arch).collect();
    let mut said: BTreeMap<String, Vec<String>> = arches.values().map(|arch| (arch.clone(), Vec::new())).collect();
    for entry in about {
        let manifest = remote.manifest(&format!("a@{}", text(&entry["digest"]))).expect("it is there");
        assert_eq!(manifest["subject"]["digest"], entry["annotations"][ABOUT]);
        let arch = &arches[&text(&entry["annotations"][ABOUT])];
        let layers = manifest["layers"].as_array().expect("a list").iter();
        let types = layers.map(|layer| text(&layer["annotations"]["in-toto.io/predicate-type"]));
        said.get_mut(arch).expect("an image").extend(types);
    }
    said
}

fn both() -> Vec<String> {
    vec![SBOM.to_owned(), PROVENANCE.to_owned()]
}

fn expected<const N: usize>(arches: [(&str, Vec<String>); N]) -> BTreeMap<String, Vec<String>> {
    arches.into_iter().map(|(arch, said)| (arch.to_owned(), said)).collect()
}

#[test]
fn they_are_pushed_with_their_image_and_released_with_it() {
    let Some((ground, remote, name)) = attested() else { return };
    let said = ground.ok("push", "a", &[&remote.org(), "--release=v1"]);
    assert!(said.matches("found in the local store").count() >= 2 && !said.contains(": built"), "{said}");
    assert_eq!(statements(&remote, &name), expected([("amd64", both()), ("arm64", both())]));
    assert_eq!(remote.manifest("a:v1"), remote.manifest(&name));
    let (_, before) = remote.requests();
    ground.ok("push", "a", &[&remote.org(), "--release=v1"]);
    assert_eq!(remote.requests().1, before, "a second push only asks");
}

#[test]
fn other_platforms_join_without_them_and_take_none_away() {
    let Some((ground, remote, name)) = attested() else { return };
    let other = elsewhere(&ground);
    let riscv = ["--platforms=linux/riscv64", &remote.org(), &other];
    ground.ok("push", "a", &riscv);
    ground.ok("push", "a", &[&remote.org()]);
    let all = expected([("amd64", both()), ("arm64", both()), ("riscv64", Vec::new())]);
    assert_eq!(statements(&remote, &name), all);
    ground.ok("push", "a", &riscv);
    assert_eq!(statements(&remote, &name), all);
}

#[test]
fn who_pulls_an_image_gets_what_is_said_of_it() {
    let Some((ground, remote, name)) = attested() else { return };
    ground.ok("push", "a", &[&remote.org()]);
    let other = elsewhere(&ground);
    ground.ok("build", "a", &[&remote.org(), &other, "--pull", "--platforms=linux/arm64"]);
    let local = format!("{}/org/{name}", remote.proxy.address());
    let copy = format!("{}/org/a:copy", remote.proxy.address());
    ground.environment.ok(["cache", "push", &local, "--remote-name", &copy, &other]);
    assert_eq!(statements(&remote, "a:copy"), expected([("arm64", both())]));
}

#[test]
fn they_go_with_an_image_that_is_replaced() {
    let Some((ground, remote, name)) = attested() else { return };
    ground.ok("push", "a", &[&remote.org()]);
    let rebuild = ["--platforms=linux/amd64", "--force", &remote.org()];
    let said = ground.ok("push", "a", &rebuild);
    assert!(said.contains("linux/amd64: built"), "{said}");
    assert_eq!(statements(&remote, &name), expected([("amd64", Vec::new()), ("arm64", both())]));
    let local = format!("{}/org/{name}", remote.proxy.address());
    let raw: Value = serde_json::from_str(&ground.environment.ok(["inspect", "--raw", &local])).expect("JSON");
    assert_eq!(raw["manifests"].as_array().map(Vec::len), Some(3), "{raw}");
}

#[test]
fn those_about_nothing_are_left_behind() {
    let (Some(ground), Some(remote)) = (Ground::with_package(), Remote::start()) else { return };
    import(&ground, &remote, "a:dangling", |entries| {
        entries.retain(|entry| entry["platform"]["architecture"] != "arm64");
        assert_eq!(entries.len(), 3);
    });
    ground.ok("push", "a", &[&remote.org(), "--hash=dangling", "--platforms=linux/amd64"]);
    assert_eq!(statements(&remote, "a:dangling"), expected([("amd64", both())]));
}
