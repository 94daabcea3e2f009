//! A container engine gets each platform's image.

use crate::ground::{Ground, Remote};
use testkit::engines::Docker;

#[test]
fn every_platform_is_loaded_and_this_machines_has_the_plain_tag() {
    let (Some(ground), Some(remote)) = (Ground::with_package(), Remote::start()) else { return };
    let Some(docker) = Docker::start() else { return };
    let path = ground.path("a").display().to_string();
    let run = |flags: &[&str]| {
        let mut command = ground.environment.command(["pkg", "build", &path, &remote.org(), "--progress=plain"]);
        let result = testkit::environment::ended(command.args(flags).env("DOCKER_HOST", docker.host()));
        assert_eq!(result.code, Some(0), "{}", result.stderr);
        result.stderr
    };
    run(&["--docker", "--push", "--release=v1"]);
    let name = format!("{}/org/a:{}", remote.proxy.address(), ground.tree("a"));
    let arch = |name: &str| docker.run(&["image", "inspect", "--format={{.Architecture}}", name]).text();
    let host = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    for arches in ["amd64", "arm64"] {
        assert_eq!(arch(&format!("{name}-{arches}")).trim(), arches);
    }
    assert_eq!(arch(&name).trim(), host);
    assert_eq!(arch(&format!("{}/org/a:v1", remote.proxy.address())).trim(), host);
    // A machine that has nothing fetches what it loads.
    ground.environment.ok(["cache", "clean"]);
    let said = run(&["--docker"]);
    assert!(said.contains("linux/arm64: pulled") && said.contains("loaded "), "{said}");
    for tag in [format!("{name}-amd64"), format!("{name}-arm64"), name] {
        docker.forget(&tag);
    }
}
