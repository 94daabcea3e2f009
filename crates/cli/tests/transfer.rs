//! Images between the store, registries and archives, checked with skopeo.

mod common;

use std::path::Path;

use common::{here, shipsmith, stderr, stdout};
use serde_json::Value;
use testkit::fixtures::tiny_base;
use testkit::registry_server::RegistryServer;
use testkit::tools;

/// Runs what must succeed, and gives what it printed.
fn ok(directory: &Path, arguments: &[&str]) -> String {
    let output = shipsmith(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output).trim_end().to_owned()
}

fn import(directory: &Path, name: &str) -> String {
    let base = tiny_base();
    ok(directory, &["import", "-t", name, base.layout().to_str().expect("UTF-8")])
}

fn skopeo_digest(name: &str) -> Option<String> {
    let skopeo = tools::require("skopeo")?;
    let raw = skopeo.run(["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    Some(oci::Digest::of(&raw.stdout).to_string())
}

#[test]
fn what_is_imported_is_listed_inspected_exported_and_removed() {
    let directory = here();
    let at = directory.path();
    let digest = import(at, "example/tiny:1");
    let listed = ok(at, &["images", "--json"]);
    let lines = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let listed = lines.into_iter().find(|image| image["name"] == "docker.io/example/tiny:1").expect("listed");
    assert_eq!((&listed["digest"], &listed["platforms"][0]), (&digest.as_str().into(), &"linux/amd64".into()));
    assert!(ok(at, &["images"]).contains("example/tiny:1"));
    assert!(ok(at, &["images", "-q"]).lines().all(|line| line == digest));
    let inspected: Value = serde_json::from_str(&ok(at, &["inspect", "example/tiny:1"])).expect("JSON");
    assert_eq!(inspected["manifests"][0]["layers"][0]["present"], true);
    assert_eq!(inspected["manifests"][0]["config"]["os"], "linux");
    let raw = shipsmith(at, &["inspect", "--raw", "example/tiny:1"]);
    assert_eq!(oci::Digest::of(&raw.stdout).to_string(), digest);

    ok(at, &["export", "-o", "type=oci,dest=a.tar", "example/tiny:1"]);
    ok(at, &["export", "-o", "type=docker,dest=b.tar", "example/tiny:1"]);
    ok(at, &["export", "-o", "type=oci,tar=false,dest=layout", "example/tiny:1"]);
    for archive in ["a.tar", "b.tar", "layout"] {
        let store = here();
        std::os::unix::fs::symlink(at.join(archive), store.path().join("archive")).expect("a link");
        assert_eq!(ok(store.path(), &["import", "archive"]), digest, "{archive}");
    }
    assert!(ok(at, &["rm", "example/tiny:1"]).starts_with("removed example/tiny:1"));
    assert!(!ok(at, &["images"]).contains("example/tiny:1"));
    assert_eq!(ok(at, &["images", "-q"]), "");
}

#[test]
fn an_export_needs_a_file() {
    let directory = here();
    import(directory.path(), "a");
    let output = shipsmith(directory.path(), &["export", "-o", "type=registry", "a"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn push_pull_copy_and_index_keep_every_byte() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(second) = RegistryServer::start() else { return };
    let directory = here();
    let at = directory.path();
    let name = |path: &str| format!("{}/{path}", registry.address());
    let digest = import(at, &name("team/tiny:1"));

    let pushed = ok(at, &["push", "--progress=plain", &name("team/tiny:1")]);
    assert_eq!(pushed, format!("{}@{digest}", name("team/tiny:1")));
    let Some(seen) = skopeo_digest(&name("team/tiny:1")) else { return };
    assert_eq!(seen, digest);

    let other = here();
    assert_eq!(ok(other.path(), &["pull", &name("team/tiny:1")]), digest);
    assert_eq!(ok(other.path(), &["images", "-q"]), digest);

    let far = format!("{}/copied/tiny:2", second.address());
    assert_eq!(ok(at, &["copy", &name("team/tiny:1"), &name("elsewhere/tiny:2"), &far]), digest);
    assert_eq!(skopeo_digest(&name("elsewhere/tiny:2")), Some(digest.clone()));
    assert_eq!(skopeo_digest(&far), Some(digest.clone()));

    let index = ok(at, &["index", "create", "-t", &name("team/tiny:all"), "--annotation=a=b", &digest]);
    let raw = shipsmith(at, &["inspect", "--raw", &name("team/tiny:all")]);
    assert_eq!(oci::Digest::of(&raw.stdout).to_string(), index, "{}", stderr(&raw));
    let value: Value = serde_json::from_slice(&raw.stdout).expect("JSON");
    assert_eq!(value["manifests"][0]["platform"]["os"], "linux");
    assert_eq!(value["annotations"]["a"], "b");
    let platform = ok(other.path(), &["pull", "--platform=linux/amd64", &name("team/tiny:all")]);
    assert_eq!(platform, digest);
    let missing = shipsmith(at, &["pull", "--platform=linux/s390x", &name("team/tiny:all")]);
    assert!(stderr(&missing).contains("hint: it has linux/amd64"), "{}", stderr(&missing));
}

#[test]
fn what_a_registry_refuses_ends_with_3() {
    let Some(registry) = RegistryServer::start() else { return };
    let directory = here();
    let output = shipsmith(directory.path(), &["pull", &format!("{}/no/such:tag", registry.address())]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: "));
}

#[test]
fn a_login_is_tried_and_kept_where_docker_keeps_it() {
    let options = testkit::registry_server::RegistryOptions::default().htpasswd("me", "secret");
    let Some(registry) = options.start() else { return };
    let directory = here();
    let at = directory.path();
    let wrong = shipsmith(at, &["login", "-u", "me", "-p", "wrong", registry.address()]);
    assert_eq!(wrong.status.code(), Some(3), "{}", stderr(&wrong));
    assert!(!at.join(".docker/config.json").exists());
    ok(at, &["login", "-u", "me", "-p", "secret", registry.address()]);
    let kept = std::fs::read_to_string(at.join(".docker/config.json")).expect("docker's file");
    assert!(kept.contains(registry.address()), "{kept}");
    assert!(ok(at, &["logout", registry.address()]).starts_with("forgot"));
    assert!(ok(at, &["logout", registry.address()]).starts_with("there was no"));
    let missing = shipsmith(at, &["login", "-u", "me", registry.address()]);
    assert_eq!(missing.status.code(), Some(2));
}
