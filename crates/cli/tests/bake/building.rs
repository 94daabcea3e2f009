//! What is built, in which order, and where it ends.

use std::net::TcpListener;

use oci::Digest;
use serde_json::{Value, json};

use crate::project;
use crate::support::remote::Remote;
use crate::support::{environment, image, json, stored};

/// Variables, functions, inheritance and a matrix, over one Dockerfile.
const EVERYTHING: &str = r#"
variable "HUB" {}
variable "TAG" { default = "1" }
function "name" {
  params = [image]
  result = "${HUB}/${image}:${TAG}"
}
group "default" { targets = ["plain", "sized"] }
target "_common" {
  context = "app"
  args    = { NAME = "common" }
  labels  = { "org.example.tag" = TAG }
}
target "plain" {
  inherits  = ["_common"]
  tags      = [name("plain"), name("other")]
  platforms = ["linux/amd64", "linux/arm64"]
}
target "sized" {
  name     = "sized-${size}"
  matrix   = { size = ["small", "large"] }
  inherits = ["_common"]
  args     = { NAME = size }
  tags     = [name("sized-${size}")]
}
"#;

#[test]
fn everything_goes_where_its_tags_say() {
    let Some(remote) = Remote::start() else { return };
    let project = project(EVERYTHING).with("HUB", remote.name("team"));
    let ended = project.run(["bake", "--push", "--var", "TAG=2", "--metadata-file=meta.json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("3 images: 3 done\n"), "{}", ended.stderr);
    assert_eq!(remote.digest("team/plain:2"), remote.digest("team/other:2"));
    assert_eq!(remote.manifest("team/plain:2")["manifests"].as_array().map(Vec::len), Some(2));
    for size in ["small", "large"] {
        let labels = &remote.image(&format!("team/sized-{size}:2")).config["Labels"];
        assert_eq!(labels, &json!({ "name": size, "org.example.tag": "2" }));
    }
    let metadata: Value = json(project.read("meta.json"));
    assert_eq!(metadata["plain"]["containerimage.digest"], remote.digest("team/plain:2"));
    assert_eq!(metadata["sized-small"]["image.name"], remote.name("team/sized-small:2"));
}

#[test]
fn a_target_is_the_build_that_its_attributes_say() {
    let Some(remote) = Remote::start() else { return };
    let project = project(&format!(
        "target \"default\" {{\n context = \"app\"\n target = \"first\"\n args = {{ NAME = \"x y\" }}\n\
         labels = {{ \"a\" = \"b=c\" }}\n annotations = [\"manifest:k=v\"]\n tags = [\"{}\"]\n\
         output = [\"type=registry,compression=zstd\"]\n no-cache = true\n}}\n",
        remote.name("baked:1")
    ));
    project.ok(["bake"]);
    let name = remote.name("built:1");
    let flags = ["--target=first", "--build-arg=NAME=x y", "--label=a=b=c", "--annotation=manifest:k=v"];
    let place = ["--no-cache", "-o", "type=registry,compression=zstd", "-t", &name, "app"];
    project.ok(["build"].into_iter().chain(flags).chain(place));
    assert_eq!(remote.digest("baked:1"), remote.digest("built:1"));
}

#[test]
fn a_target_that_others_are_built_upon_comes_first_and_stays_inside() {
    let project = project(
        "group \"default\" { targets = [\"top\", \"other\"] }\n\
         target \"base\" {\n context = \"app\"\n tags = [\"base:1\"]\n}\n\
         target \"top\" {\n context = \"app\"\n contexts = { below = \"target:base\" }\n tags = [\"top:1\"]\n\
         dockerfile-inline = \"FROM below\\nCOPY a /b\\n\"\n}\n\
         target \"other\" {\n context = \"app\"\n contexts = { below = \"target:base\" }\n\
         dockerfile-inline = \"FROM scratch\\nCOPY --from=below /a /c\\n\"\n output = [\"type=oci,dest=other.tar\"]\n}\n",
    );
    project.ok(["bake"]);
    let listed = project.ok(["images"]);
    assert!(listed.contains("top") && !listed.contains("base"), "{listed}");
    project.ok(["export", "top:1", "-o", "type=oci,dest=top.tar"]);
    let top = image(&project.path("top.tar"));
    assert!(top.files.contains_key("/a") && top.files.contains_key("/b"), "{:?}", top.files.keys());
    assert_eq!(top.config["Labels"]["name"], "none");
    let digest = Digest::of(b"content of a\n");
    assert_eq!(image(&project.path("other.tar")).files["/c"].sha256.as_deref(), Some(digest.hex()));
}

#[test]
fn compose_files_build_what_their_services_say() {
    let environment = environment();
    environment.write("web/Dockerfile", "FROM scratch\nARG GREETING\nLABEL greeting=$GREETING\nCOPY . /web\n");
    environment.write("web/index", "hello\n");
    environment.write(
        "compose.yaml",
        "services:\n  web:\n    image: web:${VERSION:-3}\n    build:\n      context: ./web\n      args:\n        GREETING: hello\n  db:\n    image: postgres\n",
    );
    environment.ok(["bake"]);
    environment.ok(["export", "web:3", "-o", "type=oci,dest=web.tar"]);
    let web = image(&environment.path("web.tar"));
    assert_eq!(web.config["Labels"]["greeting"], "hello");
    assert!(web.files.contains_key("/web/index"));
}

#[test]
fn a_second_run_writes_nothing_new() {
    let project = project("target \"default\" {\n context = \"app\"\n tags = [\"app:1\"]\n}\n");
    project.ok(["bake", "--metadata-file=one.json"]);
    project.ok(["bake", "--metadata-file=two.json"]);
    let (one, two) = (json(project.read("one.json")), json(project.read("two.json")));
    assert_eq!(one, two);
    assert!(stored(&project, one["default"]["containerimage.digest"].as_str().expect("a digest")));
}

#[test]
fn one_that_fails_stops_the_rest_or_not_as_asked() {
    let project = project(
        "group \"default\" { targets = [\"bad\", \"good\"] }\n\
         target \"good\" {\n context = \"app\"\n tags = [\"good:1\"]\n}\n\
         target \"bad\" {\n context = \"app\"\n dockerfile-inline = \"FROM scratch\\nCOPY nothing /\\n\"\n}\n",
    );
    let said = project.fails(1, ["bake", "--keep-going"]);
    assert!(said.contains("bad: ") && said.contains("COPY nothing /"), "{said}");
    assert!(said.contains("\ndone    good") && said.contains("2 images: 1 done, 1 failed"), "{said}");
    assert!(project.ok(["images"]).contains("good"));
    let said = project.fails(1, ["bake"]);
    assert!(said.contains("COPY nothing /") && said.contains("failed  bad"), "{said}");
}

#[test]
fn a_registry_that_is_down_fails_only_what_goes_there() {
    let Some(remote) = Remote::start() else { return };
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
    let project = project(&format!(
        "group \"default\" {{ targets = [\"down\", \"up\"] }}\n\
         target \"up\" {{\n context = \"app\"\n tags = [\"{}\"]\n}}\n\
         target \"down\" {{\n context = \"app\"\n tags = [\"{closed}/down:1\"]\n}}\n",
        remote.name("up:1")
    ));
    let said = project.fails(3, ["bake", "--push", "--keep-going"]);
    assert!(said.contains(&closed.to_string()) && said.contains("down: "), "{said}");
    assert!(remote.has("up:1"), "{said}");
}
