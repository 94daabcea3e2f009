//! The store's own commands.

use std::fs;

use testkit::fixtures::tiny_base;

use crate::support::remote::Remote;
use crate::support::{Environment, base, context, environment, image, json, stored};

const DOCKERFILE: &str = "FROM base\nCOPY a /opt/a\n";

/// Builds under a name; gives the image's digest.
fn build(environment: &Environment, name: &str) -> String {
    environment.ok(["build", &base(&tiny_base()), "-t", name, "--metadata-file=meta.json", "app"]);
    json(environment.read("meta.json"))["containerimage.digest"].as_str().expect("a digest").to_owned()
}

fn names(environment: &Environment) -> Vec<String> {
    let listed = environment.ok(["images", "--json"]);
    let name = |line: &str| json(line)["name"].as_str().unwrap_or("<none>").to_owned();
    listed.lines().map(name).collect()
}

#[test]
fn images_are_listed_for_people_and_for_programs() {
    let environment = context(DOCKERFILE);
    assert_eq!(environment.ok(["images", "-q"]), "");
    let digest = build(&environment, "team/app:1");
    let table = environment.ok(["images"]);
    let row = table.lines().nth(1).expect("a row");
    assert!(row.starts_with("team/app:1") && row.contains("linux/"), "{table}");
    let line = json(environment.ok(["images", "--json"]));
    assert_eq!((&line["name"], &line["digest"]), (&"docker.io/team/app:1".into(), &digest.as_str().into()));
    assert_eq!(environment.ok(["cache", "ls", "-q"]), digest);
}

#[test]
fn inspect_shows_documents_and_raw_gives_their_bytes() {
    let environment = context(DOCKERFILE);
    let digest = build(&environment, "app:1");
    let inspected = json(environment.ok(["inspect", "app:1"]));
    assert_eq!(inspected["digest"], digest.as_str());
    assert_eq!(inspected["manifests"][0]["config"]["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
    let raw = environment.run(["inspect", "--raw", "app:1"]);
    assert_eq!(oci::Digest::of(&raw.bytes).to_string(), digest);
    let said = environment.fails(1, ["inspect", "app:2"]);
    assert!(said.contains("app:2") && said.contains("hint: "), "{said}");
}

#[test]
fn what_a_name_alone_holds_goes_with_it() {
    let environment = context(DOCKERFILE);
    let digest = build(&environment, "app:1");
    environment.write("app/a", "something else\n");
    let other = build(&environment, "app:2");
    environment.ok(["rm", "app:1"]);
    assert_eq!(names(&environment), ["docker.io/library/app:2"]);
    environment.ok(["prune", "--all"]);
    assert!(!stored(&environment, &digest) && stored(&environment, &other));
    let said = environment.fails(1, ["rm", "app:1"]);
    assert!(said.contains("app:1"), "{said}");
    environment.ok(["rm", "app:2"]);
    environment.ok(["prune", "--all"]);
    let left = fs::read_dir(environment.store().join("blobs/sha256")).expect("the store").count();
    assert_eq!(left, 0, "nothing needs anything any more");
}

#[test]
fn a_prune_keeps_what_has_a_name_and_takes_images_without_one_only_when_asked() {
    let environment = context(DOCKERFILE);
    let named = build(&environment, "app:1");
    environment.write("app/a", "something else\n");
    environment.ok(["build", &base(&tiny_base()), "--metadata-file=meta.json", "app"]);
    let unnamed = json(environment.read("meta.json"))["containerimage.digest"].as_str().expect("one").to_owned();
    environment.ok(["prune"]);
    assert!(stored(&environment, &named) && stored(&environment, &unnamed));
    environment.ok(["prune", "--all", "--older-than", "1h"]);
    assert!(stored(&environment, &unnamed), "it is younger");
    environment.ok(["prune", "--all"]);
    assert!(stored(&environment, &named) && !stored(&environment, &unnamed));
    assert_eq!(names(&environment), ["docker.io/library/app:1"]);
}

#[test]
fn an_image_goes_out_and_comes_in_again() {
    let environment = context(DOCKERFILE);
    environment.ok(["import", "-t", "tiny:1", &tiny_base().layout().display().to_string()]);
    let digest = json(environment.ok(["inspect", "tiny:1"]))["digest"].as_str().expect("a digest").to_owned();
    for output in ["type=oci,dest=a.tar", "type=docker,dest=b.tar", "type=oci,tar=false,dest=layout"] {
        environment.ok(["export", "-o", output, "tiny:1"]);
    }
    let piped = environment.run(["export", "-o", "type=oci,dest=-", "tiny:1"]);
    assert!(piped.bytes == fs::read(environment.path("a.tar")).expect("the archive"));
    assert_eq!(image(&environment.path("a.tar")), image(tiny_base().layout()));
    for place in ["a.tar", "b.tar", "layout"] {
        let other = self::environment();
        let place = environment.path(place).display().to_string();
        assert_eq!(other.ok(["import", &place]), digest);
        assert_eq!(names(&other), ["docker.io/library/tiny:1"], "{place}");
    }
    let other = self::environment();
    assert_eq!(other.feed(&piped.bytes, ["import", "-"]).stdout, digest);
}

#[test]
fn an_import_of_what_is_no_image_names_nothing() {
    let environment = environment();
    environment.write("junk.tar", "this is no archive");
    let said = environment.fails(4, ["import", "junk.tar"]);
    assert!(said.starts_with("error: "), "{said}");
    assert_eq!(environment.ok(["images", "-q"]), "");
}

#[test]
fn pull_push_and_copy_move_an_image_without_changing_it() {
    let (Some(remote), Some(other)) = (Remote::start(), Remote::start()) else { return };
    tiny_base().push(remote.address(), "library/tiny:1");
    let digest = remote.digest("library/tiny:1");
    let environment = environment();
    assert_eq!(environment.ok(["pull", &remote.name("library/tiny:1")]), digest);
    assert!(stored(&environment, &tiny_base().layer()), "a pull brings the layers too");
    environment.ok(["push", &remote.name("library/tiny:1")]);
    assert_eq!(environment.ok(["copy", &remote.name("library/tiny:1"), &other.name("far/tiny:1")]), digest);
    assert_eq!(other.digest("far/tiny:1"), digest);
    assert_eq!(other.image("far/tiny:1"), image(tiny_base().layout()));
    let inspected = json(environment.ok(["inspect", &remote.name("library/tiny:1")]));
    assert_eq!(inspected["manifests"][0]["layers"][0]["present"], true);
}

#[test]
fn a_base_known_by_its_origin_is_fetched_for_an_export() {
    let Some(remote) = Remote::start() else { return };
    tiny_base().push(remote.address(), "library/tiny:1");
    let environment = context(&format!("FROM {}\nCOPY --link a /opt/a\n", remote.name("library/tiny:1")));
    environment.ok(["build", "-t", "app:1", "app"]);
    assert!(!stored(&environment, &tiny_base().layer()));
    environment.ok(["export", "-o", "type=oci,dest=a.tar", "app:1"]);
    assert!(image(&environment.path("a.tar")).files.contains_key("/usr/bin/hello"));
    let digest = environment.ok(["images", "-q"]);
    environment.ok(["export", "-o", "type=oci,dest=b.tar", &digest]);
    assert_eq!(image(&environment.path("b.tar")), image(&environment.path("a.tar")), "by its digest as well");
}

#[test]
fn an_index_is_made_of_references_and_annotated() {
    let Some(remote) = Remote::start() else { return };
    tiny_base().push(remote.address(), "library/tiny:1");
    let environment = context("FROM scratch\nCOPY a /\n");
    let arm = remote.name("other/arm:1");
    environment.ok(["build", "--push", "--platform=linux/arm64", "-t", &arm, "app"]);
    let (one, two) = (remote.name("library/all:1"), remote.name("library/all:latest"));
    let sources = [remote.name("library/tiny:1"), arm];
    let flags = ["index", "create", "-t", &one, "-t", &two, "--annotation", "a=b"];
    let dry = environment.ok(flags.into_iter().chain(["--dry-run"]).chain(sources.iter().map(String::as_str)));
    assert!(!remote.has("library/all:1"), "a dry run writes nothing");
    let digest = environment.ok(flags.into_iter().chain(sources.iter().map(String::as_str)));
    assert_eq!(oci::Digest::of(dry.as_bytes()).to_string(), digest);
    assert_eq!((remote.digest("library/all:1"), remote.digest("library/all:latest")), (digest.clone(), digest));
    let index = remote.manifest("library/all:1");
    assert_eq!(index["annotations"]["a"], "b");
    let layout = environment.path("layout");
    remote.copy("library/all:1", &layout);
    let images = testkit::canonical::read_images(&layout).expect("images");
    assert!(images.contains_key("linux/arm64") && images.len() == 2, "all of both is in the index's repository");
}

#[test]
fn an_image_of_the_store_is_a_base_with_layers_that_are_elsewhere() {
    let Some(remote) = Remote::start() else { return };
    tiny_base().push(remote.address(), "library/tiny:1");
    let environment = context(&format!("FROM {}\nCOPY --link a /opt/a\n", remote.name("library/tiny:1")));
    let middle = remote.name("never/pushed:1");
    environment.ok(["build", "-t", &middle, "app"]);
    environment.write("app/Dockerfile", format!("FROM {middle}\nCOPY a /bin/b\n"));
    environment.ok(["build", "--push", "-t", &remote.name("team/app:1"), "app"]);
    let files = remote.image("team/app:1").files;
    assert!(files.contains_key("/usr/bin/b") && files.contains_key("/opt/a") && files.contains_key("/usr/bin/hello"));
}
