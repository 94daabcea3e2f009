//! What flags, build.yml and the environment let a package's build reach: the network, agents, mirrors, bases fetched before.

use std::fs;

use testkit::environment::{Ended, ended};
use testkit::faulty_proxy::Fault;
use testkit::tools::{as_root, require, run};

use crate::ground::{Ground, Remote, elsewhere};

/// A repository whose package `a` runs a program of the machine's busybox.
fn running(options: &str, program: &[&str]) -> Option<Ground> {
    let (ground, busybox) = (Ground::with_package()?, require("busybox")?);
    if !as_root() {
        return None;
    }
    fs::copy(busybox.path(), ground.path("a/busybox")).expect("a copy");
    let program: Vec<String> = program.iter().map(|word| format!("{word:?}")).collect();
    let file = format!("FROM scratch\nCOPY busybox /bin/busybox\nRUN {options} [{}]\n", program.join(", "));
    ground.write("a/Dockerfile", &file);
    ground.commit("a RUN");
    Some(ground)
}

fn here() -> String {
    format!("--platforms={}", oci::Platform::host())
}

#[test]
fn the_network_is_off_unless_it_is_asked_for() {
    let Some(remote) = Remote::start() else { return };
    let url = format!("http://{}/v2/", remote.server.address());
    let Some(ground) = running("", &["/bin/busybox", "wget", "-q", "-O", "/answer", &url]) else { return };
    let (platform, org) = (here(), remote.org());
    let flags = |more: &[&'static str]| [&[platform.as_str(), &org, "--force"][..], more].concat();
    let refused = |more: &[&'static str]| {
        let said = ground.refused("build", "a", &flags(more));
        assert!(said.contains("wget") && said.contains("exit code: 1"), "{more:?}: {said}");
    };
    refused(&[]);
    ground.ok("build", "a", &flags(&["--network"]));
    refused(&[]);
    ground.write("a/build.yml", "image: a\nnetwork: true\n");
    ground.commit("with the network");
    ground.ok("build", "a", &flags(&[]));
    refused(&["--nonetwork"]);
    ground.write("a/build.yml", "image: a\n");
    ground.write("packages.yml", "network: true\n");
    ground.commit("the repository's default");
    ground.ok("build", "a", &flags(&[]));
    refused(&["--nonetwork"]);
}

#[test]
fn agents_are_lent_to_the_runs_that_ask() {
    let program = ["/bin/busybox", "sh", "-c", "test -S \"$SSH_AUTH_SOCK\""];
    let Some(ground) = running("--mount=type=ssh,required=true", &program) else { return };
    let (Some(remote), Some(keygen)) = (Remote::start(), require("ssh-keygen")) else { return };
    let key = ground.environment.path("key");
    run(keygen.command().args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&key));
    let (platform, org) = (here(), remote.org());
    let said = ground.refused("build", "a", &[&platform, &org]);
    assert!(said.contains("Dockerfile:3") && said.contains("--ssh"), "{said}");
    ground.ok("build", "a", &[&platform, &org, &format!("--ssh=default={}", key.display())]);
    let said = ground.refused("build", "a", &[&platform, &org, "--force", "--ssh=default=/nowhere"]);
    assert!(said.contains("/nowhere"), "{said}");
}

/// A package `base` in the registry, and `b`, which is built upon `from`.
fn upon(from: impl FnOnce(&Ground, &Remote) -> String) -> Option<(Ground, Remote, String)> {
    let (ground, remote) = (Ground::with_package()?, Remote::start()?);
    ground.package("base", "arches: [amd64, arm64]\n");
    ground.commit("base");
    ground.ok("push", "base", &[&remote.org(), &elsewhere(&ground)]);
    let from = from(&ground, &remote);
    ground.package("b", "arches: [amd64, arm64]\n");
    ground.write("b/Dockerfile", &format!("FROM {from}\nCOPY content /b\n"));
    ground.commit("b");
    Some((ground, remote, from))
}

#[test]
fn bases_are_fetched_before_when_that_is_asked_for() {
    let base =
        |ground: &Ground, remote: &Remote| format!("{}/org/base:{}", remote.proxy.address(), ground.tree("base"));
    let Some((ground, remote, base)) = upon(base) else { return };
    let org = remote.org();
    let listed = || ground.environment.ok(["cache", "ls"]).contains("/org/base:");
    ground.ok("build", "b", &[&org, "--platforms=linux/amd64"]);
    assert!(!listed(), "a base is not fetched unasked");
    ground.ok("build", "b", &[&org, "--platforms=linux/amd64", "--precache-images", "--force"]);
    assert!(listed());
    let said = ground.environment.run(["cache", "export", &base, "--platform=linux/arm64", "--outfile=-"]);
    assert_ne!(said.code, Some(0), "only what is built for is fetched");
    ground.ok("build", "b", &[&org, "--precache-images", "--force"]);

    let other = ["--dockerfile=Other", "--force", "--precache-images", &org];
    ground.write("b/Other", "FROM scratch\nCOPY content /other\n");
    ground.commit("another Dockerfile");
    ground.environment.ok(["cache", "rm", &base]);
    ground.ok("build", "b", &other);
    assert!(!listed(), "it is the Dockerfile that is built which names them");
    ground.write("b/Other", &format!("FROM {base}\nCOPY content /other\n"));
    ground.commit("with the base");
    ground.ok("build", "b", &other);
    assert!(listed());
    for method in ["HEAD", "GET"] {
        remote.proxy.fault(1000, method, "/v2/", Fault::status(503));
    }
    ground.ok("build", "b", &["--force", &org]);
}

/// Builds `b` in a store of its own, with a mirror.
fn with_mirror(ground: &Ground, org: &str, variable: &str, value: &str) -> Ended {
    let path = ground.path("b").display().to_string();
    let store = elsewhere(ground);
    let mut command = ground.environment.command(["pkg", "build", &path, org, &store, "--progress=plain"]);
    ended(command.env(variable, value))
}

#[test]
fn docker_hubs_images_come_from_its_mirror() {
    let base = |ground: &Ground, remote: &Remote| {
        let at = |name: &str| format!("{}/{name}", remote.proxy.address());
        let from = at(&format!("org/base:{}", ground.tree("base")));
        ground.environment.ok(["pkg", "remote-tag", &from, &at("library/mirrored:1")]);
        "mirrored:1".to_owned()
    };
    let Some((ground, remote, _)) = upon(base) else { return };
    for (variable, value) in [("LINUXKIT_MIRROR", "http://{}"), ("SHIPSMITH_MIRROR", "docker.io=http://{}/")] {
        let value = value.replace("{}", remote.proxy.address());
        let result = with_mirror(&ground, &remote.org(), variable, &value);
        assert_eq!(result.code, Some(0), "{}", result.stderr);
        assert!(result.stderr.contains("linux/arm64: built"), "{}", result.stderr);
    }
    let asked = remote.proxy.seen().iter().filter(|seen| seen.target.contains("library/mirrored")).count();
    assert!(asked >= 2, "{asked}");
}

#[test]
fn packages_are_found_in_the_mirror_of_their_registry() {
    let base =
        |ground: &Ground, remote: &Remote| format!("{}/org/base:{}", remote.proxy.address(), ground.tree("base"));
    let Some((ground, remote, _)) = upon(base) else { return };
    ground.ok("push", "b", &[&remote.org()]);
    let value = format!("example.org=http://{0} other.example.org=http://{0}", remote.proxy.address());
    let result = with_mirror(&ground, "--org=example.org/org", "SHIPSMITH_MIRROR", &value);
    assert_eq!(result.code, Some(0), "{}", result.stderr);
    assert!(result.stderr.contains("linux/arm64: found in the registry"), "{}", result.stderr);
    let said = with_mirror(&ground, "--org=example.org/org", "SHIPSMITH_MIRROR", "example.org=").stderr;
    assert!(said.contains("names no mirror") && said.contains("hint:"), "{said}");
}
