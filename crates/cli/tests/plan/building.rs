//! Every image, variant, architecture, hub and tag.

use std::fs;
use std::io::Read;

use testkit::canonical::{CanonicalImage, read_images};

use crate::ground::{BOTH, Ground};

const IMAGES: [&str; 13] = [
    "control",
    "sidecar",
    "ingress",
    "egress",
    "plain",
    "certs",
    "deep",
    "named",
    "upstream",
    "client",
    "both",
    "app_echo",
    "app_sidecar_debian_12",
];

fn holds(image: &CanonicalImage, path: &str, text: &str) {
    let digest = oci::Digest::of(text.as_bytes());
    let node = image.files.get(path).unwrap_or_else(|| panic!("no {path}: {:?}", image.files.keys()));
    assert_eq!(node.sha256.as_deref(), Some(digest.hex()), "{path}");
}

fn program(name: &str, arch: &str) -> String {
    format!("#!/bin/sh\necho \"{name} for {arch}\"\n")
}

#[test]
fn every_image_goes_to_every_hub_under_every_tag_and_variant() {
    let Some(ground) = Ground::new() else { return };
    let (one, two) = (ground.hub("one"), ground.hub("two/deep"));
    let variants = "--variants=default,debug,distroless";
    let arguments = [one.as_str(), &two, "--tag=1", "--tag=latest", variants, BOTH, "--push"];
    let ended = ground.environment.run(ground.bake(arguments));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("skipped app_sidecar_debian_12 for linux/"), "{}", ended.stderr);
    assert!(ended.stderr.contains("skipped: RUN false"), "{}", ended.stderr);
    for image in IMAGES {
        let digest = ground.remote.digest(&format!("one/{image}:1"));
        for hub in ["one", "two/deep"] {
            for tag in ["1", "1-debug", "latest", "latest-debug"] {
                assert_eq!(ground.remote.digest(&format!("{hub}/{image}:{tag}")), digest, "{hub}/{image}:{tag}");
            }
            let distroless = ground.remote.has(&format!("{hub}/{image}:1-distroless"));
            assert_eq!(distroless, !image.starts_with("app_"), "{hub}/{image}");
        }
    }
    assert!(!ground.remote.has("one/base:1"), "bases are built when they are asked for");
    look(&ground);
}

fn look(ground: &Ground) {
    fs::create_dir(ground.environment.path("seen")).expect("the directory is ours");
    for (variant, base) in [("1-debug", "base"), ("1-distroless", "small")] {
        for arch in ["amd64", "arm64"] {
            let image = |name: &str| {
                let layout = ground.environment.path(&format!("seen/{name}-{variant}-{arch}"));
                ground.remote.copy(&format!("one/{name}:{variant}"), &layout);
                read_images(&layout).expect("images").remove(&format!("linux/{arch}")).expect("the platform")
            };
            let control = image("control");
            holds(&control, "/usr/local/bin/service", &program("service", arch));
            holds(&control, "/etc/base", &format!("{base} for {arch}\n"));
            assert_eq!(control.config["User"], "1337:1337");
            assert!(control.files["/usr/local/bin/service"].mode.ends_with("755"));
            let sidecar = image("sidecar");
            holds(&sidecar, "/usr/local/bin/envoy", &format!("proxy for {arch}\n"));
            holds(&sidecar, "/usr/local/bin/agent", &program("service", arch));
            holds(&sidecar, "/var/lib/bootstrap.json", "{\"bootstrap\": true}\n");
            assert!(sidecar.config["Env"].to_string().contains("PROXY_SHA=abc"), "{:?}", sidecar.config);
            holds(&image("plain"), "/service", &program("service", arch));
            holds(&image("certs"), "/etc/certs/dns/deep/key.pem", "key\n");
            holds(&image("deep"), "/key.pem", "key\n");
            holds(&image("named"), "/place.json", "{\"bootstrap\": true}\n");
            holds(&image("named"), "/tool", &program("service", arch));
            holds(&image("both"), "/usr/local/bin/client", &program("client", arch));
            assert_eq!(image("upstream").config["Labels"]["org.example.kind"], "upstream");
        }
    }
}

#[test]
fn the_same_images_as_one_by_one_with_a_staged_context() {
    let Some(ground) = Ground::new() else { return };
    let hub = ground.hub("one");
    ground.environment.ok(ground.bake([hub.as_str(), "--tag=1", BOTH, "--targets=control", "--push"]));
    for arch in ["amd64", "arm64"] {
        let staged = ground.environment.write(&format!("staged/{arch}/service"), program("service", arch));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(staged, mode).expect("the directory is ours");
    }
    let (registry, name) =
        (format!("ISTIO_BASE_REGISTRY={}", ground.remote.name("bases")), ground.remote.name("staged:1"));
    let flags = ["build", "--push", "--platform=linux/amd64,linux/arm64", "-f", "docker/Dockerfile.service"];
    let arguments = ["--build-arg", &registry, "--build-arg", "BASE_VERSION=v7", "-t", &name, "staged"];
    ground.environment.ok(flags.into_iter().chain(arguments));
    assert_eq!(ground.remote.digest("one/control:1"), ground.remote.digest("staged:1"));
}

#[test]
fn pushed_and_saved_in_one_go_with_the_default_as_alias() {
    let Some(ground) = Ground::new() else { return };
    let hub = ground.hub("one");
    let variants = "--variants=debug,default";
    let flags = ["--value=local_out=out/here", "--tag=1", BOTH, "--targets=control", "--push", "--save"];
    ground.environment.ok(ground.bake(flags.into_iter().chain([hub.as_str(), variants])));
    assert!(ground.remote.has("one/control:1-debug"));
    let saved = |name: &str| fs::read(ground.environment.path(&format!("out/here/release/docker/{name}"))).expect(name);
    assert_eq!(saved("control-debug.tar.gz"), saved("control.tar.gz"));
    assert_ne!(saved("control-debug-arm64.tar.gz"), saved("control.tar.gz"));
    let mut tar = Vec::new();
    flate2::read::MultiGzDecoder::new(&saved("control.tar.gz")[..]).read_to_end(&mut tar).expect("gzip");
    let text = String::from_utf8_lossy(&tar);
    assert!(text.contains("manifest.json") && text.contains("one/control:1-debug"));
}

#[test]
fn what_would_be_built_is_said_with_bases_and_tags_and_nothing_is_made() {
    let Some(ground) = Ground::new() else { return };
    let flags = ["--targets=control", "--hub=h.example/x", "--tag=1", "--variants=distroless", "--dry-run", "--push"];
    let said = ground.environment.ok(ground.bake(flags));
    assert!(said.contains(&format!("from {}", ground.remote.name("bases/small:v7"))), "{said}");
    assert!(said.contains("push h.example/x/control:1-distroless"), "{said}");
    assert!(said.contains("run make --no-print-directory init "), "{said}");
    assert!(!ground.environment.path("out").exists());
}
