//! Layers that are sent while they are made, because the registry is on this machine: what is then not stored here, how
//! little the next build asks, and what becomes of it when the registry or the network fails in the midst.

use std::fs;

use testkit::environment::Environment;
use testkit::faulty_proxy::{Fault, FaultyProxy};
use testkit::registry_server::{RegistryOptions, RegistryServer};

use crate::support::{assert_done, assert_nothing_unfinished, big_app, files, here, said, tags};

const APP: &str = "FROM scratch\nCOPY a big /\n";

/// Builds `app` and pushes it under all the names.
fn push(environment: &Environment, names: &[String]) -> (Option<i32>, String) {
    let tags = names.iter().flat_map(|name| ["-t", name.as_str()]);
    said(environment, &["build", "--push"].into_iter().chain(tags).chain(["app"]).collect::<Vec<_>>())
}

/// Whether the store has a layer: everything else of these images is small.
fn has_layer(environment: &Environment) -> bool {
    let blobs = files(&environment.store().join("blobs"));
    blobs.iter().any(|blob| fs::metadata(blob).is_ok_and(|found| found.len() > 1 << 20))
}

/// What the registry has under the name is whole.
#[track_caller]
fn assert_whole(name: &str) {
    let other = here();
    assert_done(&other.run(["pull", name]));
    assert_nothing_unfinished(&other);
}

#[test]
fn nothing_is_stored_here_and_an_unchanged_image_costs_one_question() {
    let Some(registry) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(registry.address());
    let name = format!("{}/app:1", proxy.address());
    let environment = big_app(APP);
    let sent = || proxy.count("PATCH", "/blobs/uploads/");
    // Files that were written a moment ago are not yet known to be at rest.
    let unchanged = (0..100).any(|_| {
        let before = sent();
        assert_eq!(push(&environment, std::slice::from_ref(&name)), (Some(0), String::new()));
        sent() == before
    });
    assert!(unchanged, "an unchanged layer is never recognised");
    assert!(!has_layer(&environment));
    let (put, posted) = (proxy.count("PUT", ""), proxy.count("POST", ""));
    let asked = proxy.count("HEAD", "");
    assert_eq!(push(&environment, std::slice::from_ref(&name)), (Some(0), String::new()));
    assert_eq!((proxy.count("PUT", ""), proxy.count("POST", "")), (put, posted), "nothing is written");
    assert_eq!(proxy.count("HEAD", ""), asked + 1, "the manifest is asked for, and speaks for its layer");
    assert_whole(&name);
}

#[test]
fn what_is_new_is_sent_without_a_question() {
    let Some(registry) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(registry.address());
    let name = format!("{}/app:1", proxy.address());
    assert_eq!(push(&big_app(APP), std::slice::from_ref(&name)), (Some(0), String::new()));
    assert_eq!(proxy.count("HEAD", "/blobs/"), 0, "neither the layer nor the config that names it");
    assert_eq!(proxy.count("POST", "/blobs/uploads/"), 2);
    assert_whole(&name);
}

#[test]
fn several_registries_and_repositories_get_it_at_once() {
    let (Some(one), Some(two)) = (RegistryServer::start(), RegistryServer::start()) else { return };
    let name = |registry: &RegistryServer, repository: &str| format!("{}/{repository}:1", registry.address());
    let names = [name(&one, "app"), name(&one, "other"), name(&two, "app")];
    let environment = big_app(APP);
    assert_eq!(push(&environment, &names), (Some(0), String::new()));
    assert!(!has_layer(&environment));
    names.iter().for_each(|name| assert_whole(name));
}

#[test]
fn a_registry_that_has_lost_a_layer_is_sent_it_again() {
    let Some(registry) = RegistryServer::start() else { return };
    let names = [format!("{}/app:1", registry.address())];
    let environment = big_app(APP);
    for _ in 0..4 {
        assert_eq!(push(&environment, &names), (Some(0), String::new()));
    }
    fs::remove_dir_all(registry.data().join("docker/registry/v2")).expect("the registry's files");
    assert_eq!(push(&environment, &names), (Some(0), String::new()));
    assert_whole(&names[0]);
}

#[test]
fn an_upload_that_breaks_in_the_midst_is_made_again_from_the_files() {
    let Some(registry) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(registry.address());
    for compression in ["uncompressed", "gzip"] {
        proxy.fault(1, "PATCH", "/blobs/uploads/", Fault::CutRequest(300_000));
        let name = format!("{}/{compression}:1", proxy.address());
        let output = format!("type=registry,compression={compression}");
        let environment = big_app(APP);
        let done = said(&environment, &["build", "-o", &output, "-t", &name, "app"]);
        assert_eq!(done, (Some(0), String::new()));
        assert_whole(&name);
        assert_nothing_unfinished(&environment);
    }
}

#[test]
fn a_registry_that_takes_nothing_is_told_as_ever() {
    let Some(registry) = RegistryOptions::default().read_only().start() else { return };
    let environment = big_app(APP);
    let (code, message) = push(&environment, &[format!("{}/app:1", registry.address())]);
    assert_ne!(code, Some(0));
    assert!(message.contains("REGISTRY/app"), "{message}");
    assert_eq!(tags(&registry, "app"), [] as [String; 0]);
    assert_nothing_unfinished(&environment);
}
