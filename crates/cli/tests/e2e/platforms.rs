//! Several platforms: one config and manifest each, one index over them.

use crate::support::remote::Remote;
use crate::support::{context, each, environment, json};

const TWO: &str = "--platform=linux/amd64,linux/arm64";

/// Pushes a base for two platforms, each with a file that names it.
fn push_base(remote: &Remote) -> String {
    let environment = environment();
    environment.write("base/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /etc/arch\n");
    environment.write("base/amd64", "amd64\n");
    environment.write("base/arm64", "arm64\n");
    let name = remote.name("library/base:1");
    environment.ok(["build", "--push", TWO, "-t", &name, "base"]);
    name
}

fn dockerfile(base: &str) -> String {
    format!(
        "FROM {base}\nARG TARGETPLATFORM\nARG TARGETOS\nARG TARGETARCH\nARG TARGETVARIANT\nARG BUILDPLATFORM\n\
         COPY <<EOF /opt/platform\n$TARGETPLATFORM $TARGETOS $TARGETARCH [$TARGETVARIANT]\nEOF\n\
         LABEL arch=$TARGETARCH build=$BUILDPLATFORM\n"
    )
}

#[test]
fn two_platforms_over_an_index_make_one_index() {
    let Some(remote) = Remote::start() else { return };
    let environment = context(&dockerfile(&push_base(&remote)));
    let name = remote.name("team/app:1");
    environment.ok(["build", "--push", TWO, "-t", &name, "--metadata-file=meta.json", "--iidfile=id", "app"]);

    let index = remote.manifest("team/app:1");
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(2));
    let layout = environment.path("layout");
    remote.copy("team/app:1", &layout);
    let images = testkit::canonical::read_images(&layout).expect("images");
    for arch in ["amd64", "arm64"] {
        let image = &images[&format!("linux/{arch}")];
        assert_eq!(image.config["Labels"]["arch"], arch);
        assert_eq!(image.config["Labels"]["build"], oci::Platform::host().to_string());
        let digest = |content: String| Some(oci::Digest::of(content.as_bytes()).hex().to_owned());
        assert_eq!(image.files["/opt/platform"].sha256, digest(format!("linux/{arch} linux {arch} []\n")));
        assert_eq!(image.files["/etc/arch"].sha256, digest(format!("{arch}\n")), "its own base");
    }
    let digest = remote.digest("team/app:1");
    let metadata = json(environment.read("meta.json"));
    assert_eq!(metadata["containerimage.digest"], digest.as_str());
    assert!(metadata["containerimage.config.digest"].is_null(), "an index has no single config");
    assert_eq!(environment.read("id"), digest);
}

#[test]
fn one_platform_makes_no_index() {
    let Some(remote) = Remote::start() else { return };
    let environment = context(&dockerfile(&push_base(&remote)));
    for (path, flags) in [("team/app:arm", &["--platform=linux/arm64"][..]), ("team/app:host", &[])] {
        let name = remote.name(path);
        let build = ["build", "--push", "-t", &name].into_iter().chain(flags.iter().copied());
        environment.ok(build.chain(["app"]));
        assert_eq!(remote.manifest(path)["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    }
    let architecture = |path: &str| remote.image(path).config["architecture"].clone();
    assert_eq!(architecture("team/app:arm"), "arm64");
    assert_eq!(architecture("team/app:host"), oci::Platform::host().architecture.as_str());
}

#[test]
fn a_variant_and_the_flag_given_twice() {
    let environment = context(&dockerfile("scratch"));
    let platforms = ["--platform=linux/arm/v7", "--platform=linux/amd64"];
    let output = "type=oci,tar=false,dest=layout";
    environment.ok(["build", "-o", output].into_iter().chain(platforms).chain(["app"]));
    let images = testkit::canonical::read_images(&environment.path("layout")).expect("images");
    assert_eq!(images.keys().map(String::as_str).collect::<Vec<_>>(), ["linux/amd64", "linux/arm/v7"]);
    assert_eq!(images["linux/arm/v7"].config["variant"], "v7");
}

#[test]
fn a_file_system_of_each_platform_has_its_own_directory() {
    let environment = context(&dockerfile("scratch"));
    environment.ok(["build", TWO, "-o", "out", "app"]);
    assert_eq!(environment.read("out/linux_amd64/opt/platform"), "linux/amd64 linux amd64 []\n");
    assert_eq!(environment.read("out/linux_arm64/opt/platform"), "linux/arm64 linux arm64 []\n");
    let archives = environment.run(["build", TWO, "-o", "type=docker,dest=a.tar", "app"]);
    assert_eq!(archives.code, Some(2), "Docker's archives are for one platform");
    assert!(!environment.path("a.tar").exists());
}

#[test]
fn a_platform_that_the_base_lacks_is_named_with_those_it_has() {
    let Some(remote) = Remote::start() else { return };
    let environment = context(&dockerfile(&push_base(&remote)));
    let said = environment.fails(1, ["build", "--platform=linux/s390x", "app"]);
    assert!(said.contains("has no image for linux/s390x") && said.contains("linux/amd64, linux/arm64"), "{said}");
    assert!(said.contains("Dockerfile:1"), "{said}");
}

#[test]
fn a_stage_pinned_to_the_build_platform_is_built_once() {
    let environment = environment();
    let text = "FROM --platform=$BUILDPLATFORM scratch AS tools\nARG BUILDARCH\nCOPY a /tool\n\
                FROM scratch\nARG TARGETARCH\nCOPY --from=tools /tool /tool-$TARGETARCH\n";
    environment.write("app/Dockerfile", text);
    environment.write("app/a", "tool");
    let ended = environment.run(["build", TWO, "-o", "type=oci,tar=false,dest=layout", "app"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("COPY a /tool").count(), 1, "{}", ended.stderr);
    let index = json(environment.read("layout/index.json"));
    assert_eq!(each(&index["manifests"], "mediaType"), ["application/vnd.oci.image.index.v1+json"]);
}
