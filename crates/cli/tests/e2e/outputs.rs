//! Where the result goes: the store, archives, layouts, file systems, engines, registries, several at once.

use std::fs;

use testkit::engines::{Docker, Podman};
use testkit::faulty_proxy::FaultyProxy;
use testkit::fixtures::{busybox_base, tiny_base};
use testkit::registry_server::RegistryServer;
use testkit::tools::{require, run};

use crate::support::remote::Remote;
use crate::support::tree::{Owners, assert_holds};
use crate::support::{Environment, base, context, each, image, json};

const DOCKERFILE: &str = "FROM base\nCOPY --chmod=755 hello /bin/hello\nCOPY a /opt/\nCMD [\"/bin/hello\"]\n";

/// A context over a base that runs, whose program says hello.
fn runnable() -> Option<(Environment, String)> {
    let environment = context(DOCKERFILE);
    environment.write("app/hello", "#!/bin/sh\necho hello; cat /opt/a\n");
    Some((environment, base(&busybox_base()?)))
}

/// The same over a base of a few files.
fn small() -> (Environment, String) {
    let environment = context(DOCKERFILE);
    environment.write("app/hello", "#!/bin/sh\n");
    (environment, base(&tiny_base()))
}

#[test]
fn without_an_output_the_image_is_in_the_store_which_is_a_layout() {
    let Some(skopeo) = require("skopeo") else { return };
    let (environment, base) = small();
    environment.ok(["build", &base, "-t", "team/app:1", "-t", "team/app:latest", "app"]);
    for tag in ["1", "latest"] {
        let name = format!("oci:{}:docker.io/team/app:{tag}", environment.store().display());
        let config = json(skopeo.run(["inspect", "--config", &name]).stdout);
        assert_eq!(config["config"]["Cmd"][0], "/bin/hello");
    }
    let listed = environment.ok(["images", "--json"]);
    assert_eq!(listed.lines().map(|line| json(line)["name"].clone()).filter(|name| !name.is_null()).count(), 2);
    let inspected = json(environment.ok(["inspect", "team/app:1"]));
    let layers = inspected["manifests"][0]["layers"].as_array().expect("layers");
    assert!(layers.iter().all(|layer| layer["present"] == true), "what is only in a directory is copied: {layers:?}");
}

#[test]
fn a_base_layer_that_a_step_and_an_output_need_is_fetched_once() {
    let Some(registry) = RegistryServer::start() else { return };
    let base = tiny_base();
    if base.push(registry.address(), "base:1").is_none() {
        return;
    }
    let proxy = FaultyProxy::start(registry.address());
    let environment = context(&format!("FROM {}/base:1\nWORKDIR /opt/new\nCOPY a .\n", proxy.address()));
    environment.ok(["build", "-o", "type=oci,dest=app.tar", "app"]);
    assert_eq!(proxy.count("GET", &base.layer()), 1);
}

#[test]
fn a_file_named_as_a_whiteout_is_warned_of() {
    let environment = context("FROM scratch\nCOPY . /c/\n");
    environment.write("app/.wh.a", "");
    for _ in 0..3 {
        let said = environment.run(["build", "--progress=plain", "app"]).stderr;
        assert!(
            said.contains("warning: /c/.wh.a is no file in the image") && said.contains("(Dockerfile:2)"),
            "{said}"
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn an_oci_archive_is_the_same_in_a_file_on_standard_output_and_as_a_directory() {
    let Some(skopeo) = require("skopeo") else { return };
    let (environment, base) = small();
    environment.ok(["build", &base, "-t", "team/app:1", "-o", "type=oci,dest=app.tar", "app"]);
    let piped = environment.run(["build", &base, "-t", "team/app:1", "-o", "type=oci,dest=-", "app"]);
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    assert!(piped.bytes == fs::read(environment.path("app.tar")).expect("the archive"));
    let layout = environment.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    environment.ok(["build", &base, "-t", "team/app:1", "-o", &output, "app"]);
    assert_eq!(image(&layout), image(&environment.path("app.tar")));
    let name = format!("oci-archive:{}:1", environment.path("app.tar").display());
    assert_eq!(json(skopeo.run(["inspect", &name]).stdout)["Layers"].as_array().map(Vec::len), Some(3));
    assert_eq!(environment.ok(["images", "-q"]), "", "an archive was asked for, not the store");
}

#[test]
fn a_docker_archive_runs_under_docker_and_podman() {
    let (Some((environment, base)), Some(docker)) = (runnable(), Docker::start()) else { return };
    let Some(podman) = Podman::start() else { return };
    environment.ok(["build", &base, "-t", "e2e/archive:1", "-o", "type=docker,dest=app.tar", "app"]);
    let archive = environment.path("app.tar").display().to_string();
    let said = docker.run(&["load", "--input", &archive]).text();
    assert_eq!(said, "Loaded image: e2e/archive:1");
    assert_eq!(docker.container("e2e/archive:1", &[]), "hello\ncontent of a");
    docker.forget("e2e/archive:1");
    podman.run(&["load", "--quiet", "--input", &archive]);
    assert_eq!(podman.container("docker.io/e2e/archive:1", &[]), "hello\ncontent of a");
}

#[test]
fn load_brings_an_image_into_docker() {
    let (Some((environment, base)), Some(docker)) = (runnable(), Docker::start()) else { return };
    let environment = environment.with("DOCKER_HOST", docker.host());
    environment.ok(["build", &base, "-t", "e2e/load:1", "--load", "app"]);
    assert_eq!(docker.container("e2e/load:1", &[]), "hello\ncontent of a");
    docker.forget("e2e/load:1");
    environment.ok(["build", &base, "-o", "type=docker,name=e2e/load:named", "app"]);
    assert_eq!(docker.container("e2e/load:named", &[]), "hello\ncontent of a");
    docker.forget("e2e/load:named");
    let several = ["build", &base, "--platform=linux/amd64,linux/arm64", "--load", "app"];
    let said = environment.fails(2, several);
    assert!(said.contains("one platform"), "{said}");
}

#[test]
fn load_brings_an_image_into_podman_where_there_is_no_docker() {
    let (Some((environment, base)), Some(podman)) = (runnable(), Podman::start()) else { return };
    let nowhere = format!("unix://{}", environment.path("no.sock").display());
    let environment = environment.with("DOCKER_HOST", nowhere).with("CONTAINERS_STORAGE_CONF", podman.configuration());
    environment.ok(["build", &base, "-t", "e2e/load:1", "--load", "app"]);
    assert_eq!(podman.container("docker.io/e2e/load:1", &[]), "hello\ncontent of a");
}

#[test]
fn local_and_tar_are_the_images_file_system() {
    let Some(tar) = require("tar") else { return };
    let (environment, base) = small();
    let outputs = ["-o", "type=local,dest=out", "-o", "type=tar,dest=out.tar", "-o", "type=oci,dest=app.tar"];
    environment.ok(["build", &base].into_iter().chain(outputs).chain(["app"]));
    let built = image(&environment.path("app.tar"));
    assert!(built.files["/usr/bin/hello"].mode == "0755" && built.files.contains_key("/usr/bin/hello"));
    assert_holds(&environment.path("out"), &built, Owners::Ignored);
    fs::create_dir(environment.path("untarred")).expect("the directory is ours");
    let arguments = ["-xpf", "out.tar", "-C", "untarred"];
    run(tar.command().args(arguments).current_dir(environment.work()));
    assert_holds(&environment.path("untarred"), &built, Owners::Ignored);
}

#[test]
fn a_directory_and_a_dash_are_outputs_too() {
    let environment = context("FROM scratch\nCOPY a /b\n");
    environment.write("out/kept", "kept");
    environment.ok(["build", "-o", "out", "app"]);
    assert_eq!(environment.read("out/b"), "content of a\n");
    assert_eq!(environment.read("out/kept"), "kept", "as with BuildKit, nothing is deleted");
    let piped = environment.run(["build", "--output=-", "app"]);
    let mut archive = Vec::from("b");
    archive.resize(100, 0);
    assert_eq!(piped.bytes.get(..100), Some(archive.as_slice()), "the tar begins with the file `b`");
}

#[test]
fn several_outputs_come_from_one_build() {
    let Some(remote) = Remote::start() else { return };
    let (environment, base) = small();
    let registry = format!("type=registry,name={}", remote.name("team/app:1"));
    let outputs = ["-o", "type=oci,dest=app.tar", "-o", "type=image,name=team/app:2", "-o", &registry, "-o", "out"];
    let arguments = ["build", &base, "--metadata-file=meta.json"].into_iter().chain(outputs).chain(["app"]);
    let ended = environment.run(arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("COPY a /opt/").count(), 1, "each step is done once: {}", ended.stderr);
    let digest = remote.digest("team/app:1");
    assert_eq!(environment.ok(["images", "-q"]), digest);
    assert_eq!(image(&environment.path("app.tar")), remote.image("team/app:1"));
    assert_eq!(environment.read("out/opt/a"), "content of a\n");
    assert_eq!(json(environment.read("meta.json"))["containerimage.digest"], digest.as_str());
}

#[test]
fn what_is_pushed_by_digest_has_no_tag_until_an_index_names_it() {
    let Some(remote) = Remote::start() else { return };
    let mut digests = Vec::new();
    for platform in ["linux/amd64", "linux/arm64"] {
        let environment = context("FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY a /\n");
        let output = format!("type=image,name={},push-by-digest=true,push=true", remote.name("team/app"));
        let flag = format!("--platform={platform}");
        environment.ok(["build", &flag, "-o", &output, "--metadata-file=meta.json", "app"]);
        digests.push(json(environment.read("meta.json"))["containerimage.digest"].as_str().expect("one").to_owned());
    }
    assert!(!remote.has("team/app:latest"), "no tag was written");
    let environment = context("");
    let name = remote.name("team/app:1");
    let index = environment.ok(["index", "create", "-t", &name, &digests[0], &digests[1]]);
    assert_eq!(remote.digest("team/app:1"), index);
    let manifest = remote.manifest("team/app:1");
    assert_eq!(each(&manifest["manifests"], "digest"), digests);
    let platforms: Vec<_> = (0..2).map(|n| manifest["manifests"][n]["platform"]["architecture"].clone()).collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
}

#[test]
fn what_an_output_cannot_do_is_said() {
    let (environment, _) = small();
    for (output, code, word) in [
        ("type=oci,dest=a.tar,bogus=1", 2, "bogus"),
        ("type=bogus", 2, "bogus"),
        ("type=local", 2, "dest=DIR"),
        ("type=oci,tar=false", 2, "dest=DIR"),
        ("type=registry", 2, "--tag"),
        ("type=oci,dest=missing/a.tar", 4, "missing/a.tar"),
    ] {
        let arguments = ["build", "-f", "-", "-o", output, "app"];
        let ended = environment.feed(b"FROM scratch\nCOPY a /\n", arguments);
        assert_eq!(ended.code, Some(code), "{output}: {}", ended.stderr);
        assert!(ended.stderr.contains(word), "{output}: {}", ended.stderr);
    }
}
