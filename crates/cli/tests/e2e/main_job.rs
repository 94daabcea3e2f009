//! Six small files and a base: a Dockerfile becomes a pushed image that everybody reads alike.

use std::collections::BTreeSet;
use std::process::Command;

use testkit::canonical::CanonicalImage;
use testkit::engines::{Docker, Podman};
use testkit::faulty_proxy::FaultyProxy;
use testkit::fixtures::{Fixture, busybox_base, debian_base, tiny_base};
use testkit::tools::{Tool, require, run};

use crate::support::remote::Remote;
use crate::support::tree::{Owners, assert_holds};
use crate::support::{Environment, each, environment, image, stored};

/// What an image holds and its program prints, wherever it is unpacked or run.
const PROBE: &str = "cd / && find opt/app etc/e bin usr/bin/x -printf '%p %y %m %U:%G %l %Ts\\n' | sort && \
     find opt/app etc/e usr/bin/x -type f | sort | xargs sha256sum && /bin/x";

/// A context of six files; `x` is a program.
fn six_files(base: &str) -> Environment {
    let environment = environment();
    let dockerfile = format!(
        "FROM {base}\nCOPY files/ /opt/app/\nCOPY --chown=12:34 e /etc/e\nCOPY --chmod=755 x /bin/x\n\
         ENV GREETING=hello\nCMD [\"/bin/x\"]\n"
    );
    environment.write("app/Dockerfile", dockerfile);
    for name in ["files/a", "files/b", "files/c", "files/sub/d", "e"] {
        environment.write(&format!("app/{name}"), format!("content of {name}\n"));
    }
    environment.write("app/x", "#!/bin/sh\necho \"$GREETING from six files\"\n");
    environment
}

fn added(image: &CanonicalImage, base: &CanonicalImage) -> BTreeSet<String> {
    image.files.keys().filter(|path| !base.files.contains_key(*path)).cloned().collect()
}

#[test]
fn six_files_on_debian_are_the_same_for_skopeo_umoci_docker_and_podman() {
    let (Some(remote), Some(debian)) = (Remote::start(), debian_base()) else { return };
    let (Some(umoci), Some(docker), Some(podman)) = (require("umoci"), Docker::start(), Podman::start()) else {
        return;
    };
    debian.push(remote.address(), "library/debian:12");
    let environment = six_files(&remote.name("library/debian:12"));
    environment.ok(["build", "--push", "-t", &remote.name("team/app:1"), "app"]);

    let layout = environment.path("layout");
    remote.copy("team/app:1", &layout);
    let built = image(&layout);
    assert_eq!(built.files["/bin"].link.as_deref(), Some("usr/bin"), "the merged /usr stays merged");
    let paths = ["/etc/e", "/opt/app", "/opt/app/a", "/opt/app/b", "/opt/app/c", "/opt/app/sub", "/opt/app/sub/d"];
    let expected: BTreeSet<String> = paths.into_iter().chain(["/usr/bin/x"]).map(str::to_owned).collect();
    assert_eq!(added(&built, &image(debian.layout())), expected);

    let unpacked = unpacked_says(&umoci, &environment, &built);
    assert!(unpacked.contains("usr/bin/x f 755 0:0") && unpacked.contains("etc/e f 644 12:34"), "{unpacked}");
    let name = remote.name("team/app:1");
    docker.run(&["pull", "--quiet", &name]);
    assert_eq!(docker.container(&name, &[]), "hello from six files");
    assert_eq!(docker.container(&name, &["sh", "-c", PROBE]), unpacked);
    docker.forget(&name);
    podman.run(&["pull", "--quiet", "--tls-verify=false", &name]);
    assert_eq!(podman.container(&name, &[]), "hello from six files");
    assert_eq!(podman.container(&name, &["sh", "-c", PROBE]), unpacked);
}

/// Unpacks the layout with umoci, compares every file, and asks the probe in there.
fn unpacked_says(umoci: &Tool, environment: &Environment, built: &CanonicalImage) -> String {
    let bundle = environment.path("bundle");
    let layout = format!("{}:it", environment.path("layout").display());
    umoci.run(["unpack", "--image", &layout, &bundle.display().to_string()]);
    let root = bundle.join("rootfs");
    assert_holds(&root, built, Owners::Compared);
    run(Command::new("chroot").arg(root).args(["/bin/sh", "-c", PROBE]).env("GREETING", "hello")).text()
}

/// Pushes through a proxy; gives it and the base's layer.
fn counted(remote: &Remote, base: &Fixture) -> Option<(FaultyProxy, String)> {
    base.push(remote.address(), "library/base:1")?;
    Some((FaultyProxy::start(remote.address()), base.layer()))
}

#[test]
fn a_bases_layer_is_read_once_ever_and_never_sent() {
    let Some(remote) = Remote::start() else { return };
    let Some((proxy, layer)) = counted(&remote, &tiny_base()) else { return };
    let environment = six_files(&format!("{}/library/base:1", proxy.address()));
    let name = format!("{}/team/app:1", proxy.address());
    environment.ok(["build", "--push", "-t", &name, "app"]);
    let reads = || proxy.count("GET", &format!("/blobs/{layer}"));
    assert_eq!(reads(), 1, "/bin is a link: its layer is streamed into an index, once");
    assert_eq!(proxy.count("POST", &format!("mount={}", layer.replace(':', "%3A"))), 1, "{:#?}", proxy.seen());
    assert_eq!(proxy.count("PUT", &layer) + proxy.count("PUT", &layer.replace(':', "%3A")), 0);
    assert!(!stored(&environment, &layer), "the store knows it by its origin alone");
    environment.write("app/e", "something else\n");
    environment.ok(["build", "--push", "-t", &name, "app"]);
    assert_eq!(reads(), 1);
    let digest = remote.manifest("team/app:1")["layers"][0]["digest"].clone();
    assert_eq!(digest, layer.as_str(), "the base's layer is the image's, byte for byte");
}

#[test]
fn a_build_that_asks_nothing_of_its_base_reads_none_of_it() {
    let Some(remote) = Remote::start() else { return };
    let Some((proxy, layer)) = counted(&remote, &tiny_base()) else { return };
    let environment = environment();
    let base = format!("{}/library/base:1", proxy.address());
    environment.write("app/Dockerfile", format!("FROM {base}\nCOPY --link a /opt/a\nENV A=b\n"));
    environment.write("app/a", "a\n");
    environment.ok(["build", "--push", "-t", &format!("{}/team/app:1", proxy.address()), "app"]);
    assert_eq!(proxy.count("GET", &format!("/blobs/{layer}")), 0);
    assert!(remote.image("team/app:1").files.contains_key("/opt/a"));
}

#[test]
fn zstd_layers_are_read_by_skopeo_and_buildah() {
    let (Some(remote), Some(busybox)) = (Remote::start(), busybox_base()) else { return };
    let (Some(buildah), Some(podman)) = (require("buildah"), Podman::start()) else { return };
    busybox.push(remote.address(), "library/busybox:1");
    let environment = six_files(&remote.name("library/busybox:1"));
    let output = format!("type=registry,name={},compression=zstd,compression-level=5", remote.name("team/app:zstd"));
    environment.ok(["build", "-o", &output, "app"]);
    let manifest = remote.manifest("team/app:zstd");
    let types = each(&manifest["layers"], "mediaType");
    assert!(types[0].ends_with("tar+gzip") && types[1..].iter().all(|t| t.ends_with("tar+zstd")), "{types:?}");
    assert_eq!(remote.image("team/app:zstd").files["/bin/x"].mode, "0755");

    let name = format!("docker://{}", remote.name("team/app:zstd"));
    let container = podman.beside(&buildah, &["from", "--tls-verify=false", &name]).text();
    let root = podman.beside(&buildah, &["mount", &container]).text();
    let read = std::fs::read_to_string(format!("{root}/opt/app/sub/d")).expect("buildah has the file");
    assert_eq!(read, "content of files/sub/d\n");
    podman.beside(&buildah, &["rm", &container]);
}
