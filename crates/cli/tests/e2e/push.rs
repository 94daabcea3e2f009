//! What goes over the wire when an image is pushed, and what does not.

use std::fs;

use oci::Digest;
use testkit::faulty_proxy::FaultyProxy;
use testkit::fixtures::tiny_base;

use crate::support::remote::Remote;
use crate::support::{base, context, each, stored};

const DOCKERFILE: &str = "FROM base\nCOPY a /opt/a\n";

/// Blobs that were sent whole: uploads that ended well or in one request.
fn uploads(proxy: &FaultyProxy) -> usize {
    proxy.seen().iter().filter(|seen| seen.method == "PUT" && seen.target.contains("/blobs/uploads/")).count()
}

fn manifests(proxy: &FaultyProxy) -> Vec<String> {
    let puts = proxy.seen().into_iter().filter(|seen| seen.method == "PUT" && seen.target.contains("/manifests/"));
    puts.map(|seen| seen.target).collect()
}

#[test]
fn two_tags_here_and_one_elsewhere_are_one_image() {
    let (Some(remote), Some(other)) = (Remote::start(), Remote::start()) else { return };
    let proxy = FaultyProxy::start(remote.address());
    let environment = context(DOCKERFILE);
    let here = |path: &str| format!("{}/{path}", proxy.address());
    let tags = [here("team/app:1"), here("team/app:latest"), here("mirror/app:1"), other.name("team/app:1")];
    let flags: Vec<&str> = tags.iter().flat_map(|tag| ["-t", tag.as_str()]).collect();
    let base = base(&tiny_base());
    environment.ok(["build", "--push", &base].into_iter().chain(flags).chain(["app"]));
    let digest = remote.digest("team/app:1");
    for path in ["team/app:latest", "mirror/app:1"] {
        assert_eq!(remote.digest(path), digest);
    }
    assert_eq!(other.digest("team/app:1"), digest);
    assert_eq!(other.image("team/app:1"), remote.image("team/app:1"));
    let puts = manifests(&proxy);
    for tag in ["/team/app/manifests/1", "/team/app/manifests/latest", "/mirror/app/manifests/1"] {
        assert_eq!(puts.iter().filter(|target| target.ends_with(tag)).count(), 1, "{puts:?}");
    }
    let position = |part: &str| puts.iter().position(|target| target.contains(part));
    assert!(position("/team/app/manifests/sha256") < position("/team/app/manifests/latest"), "tags last: {puts:?}");
}

#[test]
fn a_second_push_sends_no_blob() {
    let Some(remote) = Remote::start() else { return };
    let environment = context(DOCKERFILE);
    let first = FaultyProxy::start(remote.address());
    let base = base(&tiny_base());
    let push = |proxy: &FaultyProxy| {
        let name = format!("{}/team/app:1", proxy.address());
        environment.ok(["build", "--push", &base, "-t", &name, "app"])
    };
    push(&first);
    assert_eq!(uploads(&first), 3, "two layers and a config");
    // Files that were written a moment ago are not yet known to be at rest.
    let nothing_is_begun = (0..100).any(|_| {
        let again = FaultyProxy::start(remote.address());
        push(&again);
        uploads(&again) == 0 && again.count("POST", "/blobs/uploads/") == 0
    });
    assert!(nothing_is_begun, "an unchanged layer is sent again and again");
}

#[test]
fn a_layer_that_another_repository_has_is_mounted() {
    let Some(remote) = Remote::start() else { return };
    let proxy = FaultyProxy::start(remote.address());
    tiny_base().push(remote.address(), "library/base:1");
    let environment = context(&format!("FROM {}/library/base:1\nCOPY a /opt/a\n", proxy.address()));
    let name = format!("{}/team/app:1", proxy.address());
    let ended = environment.run(["build", "--push", "--progress=plain", "-t", &name, "app"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("mounted from "), "{}", ended.stderr);
    let layer = tiny_base().layer();
    let mounts = proxy.seen().into_iter().filter(|seen| seen.method == "POST" && seen.target.contains("mount="));
    let mounts: Vec<String> = mounts.map(|seen| seen.target.replace("%3A", ":").replace("%2F", "/")).collect();
    let wanted = |target: &String| target.contains(&layer) && target.contains("from=library/base");
    assert_eq!(mounts.iter().filter(|target| wanted(target)).count(), 1, "{mounts:?}");
    let second = format!("{}/team/other:1", proxy.address());
    environment.ok(["build", "--push", "-t", &second, "app"]);
    assert_eq!(remote.digest("team/other:1"), remote.digest("team/app:1"));
}

#[test]
fn a_base_goes_from_registry_to_registry_without_touching_the_store() {
    let (Some(remote), Some(other)) = (Remote::start(), Remote::start()) else { return };
    tiny_base().push(other.address(), "library/base:1");
    let environment = context(&format!("FROM {}\nCOPY --link a /opt/a\n", other.name("library/base:1")));
    environment.ok(["build", "--push", "-t", &remote.name("team/app:1"), "app"]);
    let layer = tiny_base().layer();
    assert!(!stored(&environment, &layer), "the layer is in the store");
    assert_eq!(remote.manifest("team/app:1")["layers"][0]["digest"], layer.as_str());
    assert!(remote.image("team/app:1").files.contains_key("/usr/bin/hello"), "and it is all there");
}

#[test]
fn what_the_store_has_is_sent_as_it_is() {
    let Some(remote) = Remote::start() else { return };
    let environment = context(DOCKERFILE);
    let name = remote.name("team/app:1");
    let base = base(&tiny_base());
    let digest = environment.ok(["build", &base, "-t", &name, "-q", "app"]);
    let stored = environment.ok(["images", "-q"]);
    let said = environment.ok(["push", &name]);
    assert_eq!(said, format!("{name}@{stored}"));
    assert_eq!(remote.digest("team/app:1"), stored);
    assert_eq!(remote.manifest("team/app:1")["config"]["digest"], digest);
    let gzip = each(&remote.manifest("team/app:1")["layers"], "mediaType").iter().all(|t| t.ends_with("gzip"));
    assert!(gzip, "what was compressed for everybody stays so, even for a registry on this machine");
}

#[test]
fn a_registry_on_this_machine_gets_plain_layers_and_an_option_overrides_it() {
    let Some(remote) = Remote::start() else { return };
    let environment = context("FROM scratch\nCOPY a /opt/a\n");
    environment.ok(["build", "--push", "-t", &remote.name("team/app:plain"), "app"]);
    let output = format!("type=registry,name={},compression=gzip", remote.name("team/app:gzip"));
    environment.ok(["build", "-o", &output, "app"]);
    let kind = |path: &str| remote.manifest(path)["layers"][0]["mediaType"].clone();
    assert_eq!(kind("team/app:plain"), "application/vnd.oci.image.layer.v1.tar");
    assert_eq!(kind("team/app:gzip"), "application/vnd.oci.image.layer.v1.tar+gzip");
}

#[test]
fn large_layers_arrive_whole() {
    let Some(remote) = Remote::start() else { return };
    let environment = context("FROM scratch\nCOPY large /\nCOPY a /\n");
    let large: Vec<u8> = (0..9_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(environment.path("app/large"), &large).expect("the directory is ours");
    environment.ok(["build", "--push", "-t", &remote.name("team/app:1"), "app"]);
    let digest = Digest::of(&large);
    assert_eq!(remote.image("team/app:1").files["/large"].sha256.as_deref(), Some(digest.hex()));
}
