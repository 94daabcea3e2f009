//! Packages and bake files on builders.

use std::process::Command;

use crate::support::{Daemon, Engine, Ground};

/// A package that runs something, committed.
fn package(ground: &Ground) {
    ground.environment.write("repo/it/build.yml", "image: it\narches: [amd64, arm64]\n");
    let dockerfile = format!("FROM {}\nRUN echo made > /made\nCOPY . /\n", ground.base());
    ground.environment.write("repo/it/Dockerfile", dockerfile);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        ground.environment.confine(&mut command);
        let names = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-C", "repo"];
        let ended = testkit::environment::ended(command.args(names).args(arguments));
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "first"]);
}

fn host() -> &'static str {
    if cfg!(target_arch = "x86_64") { "linux/amd64" } else { "linux/arm64" }
}

#[test]
fn a_package_is_the_same_by_an_engine_and_by_this_process() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    if testkit::tools::require("git").is_none() {
        return;
    }
    package(&ground);
    let org = format!("--org={}/org", ground.registry.address());
    let image = |flags: &[&str], archive: &str| {
        let fixed = ["pkg", "build", "repo/it", &org, "--force", "--progress=plain", "--platforms", host()];
        let ended = ground.environment.run(fixed.iter().chain(flags));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let name = ended.stdout.trim().to_owned();
        ground.environment.ok(["export", "-o", &format!("type=oci,dest={archive}"), &name]);
        let images = testkit::canonical::read_images(&ground.environment.path(archive)).expect("an archive");
        (images.into_values().next().expect("an image"), ended.stderr)
    };
    let builders = format!("--builders={}={}", host(), engine.builder);
    let (there, said) = image(&[&builders], "there.tar");
    assert!(said.contains(&format!("is built on {}", engine.builder)), "{said}");
    let (here, _) = image(&[], "here.tar");
    assert!(here.differences(&there).is_empty(), "{:?}", here.differences(&there));
}

#[test]
fn a_package_that_wants_an_sbom_needs_a_builder_that_exists() {
    let Some(ground) = Ground::new() else { return };
    if testkit::tools::require("git").is_none() {
        return;
    }
    package(&ground);
    let run = |flags: &[&str]| ground.environment.run(["pkg", "build", "repo/it"].iter().chain(flags));
    let none = run(&["--sbom-scanner=scanner:1"]);
    assert!(none.stderr.contains("SBOMs are made by BuildKit builders, and none is given"), "{}", none.stderr);
    let missing = format!("unix://{}", ground.environment.path("no.sock").display());
    let org = format!("--org={}/org", ground.registry.address());
    let absent = run(&["--builder", &missing, "--platforms", host(), &org]);
    assert_ne!(absent.code, Some(0));
    assert!(absent.stderr.contains("cannot reach the builder"), "{}", absent.stderr);
}

#[test]
fn an_sbom_is_made_by_the_scanner_that_is_named_and_is_in_the_packages_index() {
    let Some(ground) = Ground::new() else { return };
    if testkit::tools::require("git").is_none() {
        return;
    }
    let text = format!("[registry.\"{}\"]\nhttp = true\n", ground.registry.address());
    let config = ground.environment.write("buildkitd.toml", text).display().to_string();
    let Some(daemon) = Daemon::start(&["--config", &config]) else { return };
    // A scanner that knows the protocol, and nothing else: https://github.com/moby/buildkit/blob/master/docs/attestations/sbom-protocol.md
    let scanner = format!("{}/scanner:1", ground.registry.address());
    let script = "echo '{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://spdx.dev/Document\",\
                  \"predicate\":{\"name\":\"by-the-scanner\"}}' > $BUILDKIT_SCAN_DESTINATION/it.spdx.json";
    let dockerfile = format!("FROM {}\nCOPY scan.sh /scan.sh\nENTRYPOINT [\"sh\", \"/scan.sh\"]\n", ground.base());
    ground.environment.write("scanner/Dockerfile", dockerfile);
    ground.environment.write("scanner/scan.sh", script);
    ground.environment.ok(["build", "-t", &scanner, "--push", "scanner"]);
    package(&ground);
    let (org, named) = (format!("--org={}/org", ground.registry.address()), format!("--sbom-scanner={scanner}"));
    let platforms = ["--platforms", host(), "--progress=plain"];
    let ended = ground.environment.run(
        ["pkg", "build", "repo/it", &org, &named, "--builder", &daemon.address(), "--push"].iter().chain(&platforms),
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let name = ended.stdout.trim().split('@').next().expect("a name").to_owned();
    let skopeo = testkit::tools::require("skopeo").expect("the base was pushed with it");
    let raw = skopeo.run(["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]).text();
    assert!(raw.contains("attestation-manifest"), "{raw}");
    let data = ground.registry.data();
    let found = std::process::Command::new("grep").args(["-rl", "by-the-scanner"]).arg(&data).output().expect("grep");
    assert!(!found.stdout.is_empty(), "the statement is in the registry");
}

#[test]
fn a_bake_file_is_built_on_a_builder() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM BASE\nARG word\nRUN echo $word > /made\n");
    let file = "group \"default\" { targets = [\"a\", \"b\"] }\n\
                target \"a\" {\n context = \"app\"\n args = { word = \"a\" }\n network = \"none\"\n tags = [\"a:1\"]\n}\n\
                target \"b\" {\n context = \"app\"\n args = { word = \"b\" }\n network = \"none\"\n tags = [\"b:1\"]\n}\n";
    ground.environment.write("docker-bake.hcl", file);
    let ended = ground.environment.run(["bake", "--progress=plain", "--builder", &engine.builder]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("is built on {}", engine.builder)), "{}", ended.stderr);
    let images = ground.environment.ok(["images"]);
    assert!(images.contains("a") && images.contains("b"), "{images}");
}

#[test]
fn a_bake_target_that_is_built_upon_another_takes_it_from_the_store() {
    let Some(ground) = Ground::new() else { return };
    let text = format!("[registry.\"{}\"]\nhttp = true\n", ground.registry.address());
    let config = ground.environment.write("buildkitd.toml", text).display().to_string();
    let Some(daemon) = Daemon::start(&["--config", &config]) else { return };
    ground.environment.write("low/Dockerfile", format!("FROM {}\nRUN echo low > /low\n", ground.base()));
    ground.environment.write("high/Dockerfile", "FROM low\nRUN test -e /low && echo high > /high\n");
    let file = "target \"low\" {\n context = \"low\"\n tags = [\"low:1\"]\n}\n\
                target \"default\" {\n context = \"high\"\n contexts = { low = \"target:low\" }\n tags = [\"high:1\"]\n}\n";
    ground.environment.write("docker-bake.hcl", file);
    let ended = ground.environment.run(["bake", "--progress=plain", "--builder", &daemon.address()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
