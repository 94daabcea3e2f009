//! The local store under linuxkit's names.

use std::process::Command;

use testkit::environment::ended;

use crate::ground::{Ground, Remote};

fn pushed() -> Option<(Ground, Remote, String)> {
    let (ground, remote) = (Ground::with_package()?, Remote::start()?);
    ground.ok("build", "a", &[&remote.org()]);
    let name = format!("{}/org/a:{}", remote.proxy.address(), ground.tree("a"));
    Some((ground, remote, name))
}

#[test]
fn only_what_is_published_is_cleaned_when_asked() {
    let Some((ground, _remote, name)) = pushed() else { return };
    let environment = &ground.environment;
    assert!(environment.ok(["cache", "ls"]).contains("/org/a:"));
    environment.ok(["cache", "clean", "--published-only"]);
    assert!(environment.ok(["cache", "ls"]).contains("/org/a:"));
    environment.ok(["cache", "push", &name]);
    environment.ok(["cache", "rm", &name, "--published-only"]);
    assert!(!environment.ok(["cache", "ls"]).contains("/org/a:"));
    environment.ok(["cache", "pull", &name]);
    environment.ok(["cache", "clean"]);
    assert!(!environment.ok(["cache", "ls"]).contains("/org/a:"));
    environment.fails(1, ["cache", "rm", &name]);
}

#[test]
fn images_go_under_other_names_and_with_architectures() {
    let Some((ground, remote, name)) = pushed() else { return };
    let environment = &ground.environment;
    let other = format!("{}/org/other:1", remote.proxy.address());
    environment.ok(["cache", "push", &name, "--remote-name", &other, "--with-arch-tags"]);
    assert_eq!(remote.arches("other:1"), ["amd64", "arm64"]);
    assert!(remote.manifest("other:1-arm64").is_some_and(|manifest| manifest["layers"].is_array()));
    environment.ok(["cache", "push", &name, "--remote-name", &other, "--with-arch-tags"]);
    ground.write("a/content", "changed\n");
    ground.ok("build", "a", &[&remote.org(), "--hash=x"]);
    let changed = format!("{}/org/a:x", remote.proxy.address());
    let said = environment.fails(3, ["cache", "push", &changed, "--remote-name", &other]);
    assert!(said.contains("--override"), "{said}");
    environment.ok(["cache", "push", &changed, "--remote-name", &other, "--override"]);
    remote.copy_all("other:1");
}

#[test]
fn archives_come_and_go() {
    let Some((ground, _remote, name)) = pushed() else { return };
    let environment = &ground.environment;
    for format in ["oci", "docker", "filesystem"] {
        let file = environment.path(format).display().to_string();
        let flags = ["--platform=linux/arm64", "--format", format, "--name=example.org/x:1", "--outfile", &file];
        environment.ok(["cache", "export", &name].iter().chain(&flags));
        let listed = ended(Command::new("tar").args(["-tf", &file])).stdout;
        let expected = match format {
            "oci" => "oci-layout",
            "docker" => "manifest.json",
            _ => "content",
        };
        assert!(listed.lines().any(|line| line == expected), "{format}: {listed}");
    }
    environment.ok(["cache", "clean"]);
    environment.ok(["cache", "import", &environment.path("oci").display().to_string()]);
    assert!(environment.ok(["cache", "ls"]).contains("example.org/x:1"));
    let said = environment.run(["cache", "export", "example.org/x:1", "--outfile=-", "--format=docker"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.bytes.len() > 1024);
}

#[test]
fn linuxkits_variable_names_the_store() {
    let Some(ground) = Ground::with_package() else { return };
    let path = ground.path("a").display().to_string();
    let flags = ["pkg", "build", &path, "--force", "--platforms=linux/amd64", "--progress=none"];
    for (variable, directory) in [("LINUXKIT_CACHE", "theirs"), ("SHIPSMITH_CACHE", "ours")] {
        let mut command = ground.environment.command(flags);
        let store = ground.environment.path(directory);
        let result = ended(command.env_remove("SHIPSMITH_STORE").env(variable, &store));
        assert_eq!(result.code, Some(0), "{}", result.stderr);
        assert!(store.join("index.json").is_file(), "{variable}");
    }
    let flag = format!("--cache={}", ground.environment.path("flag").display());
    ground.environment.ok(flags.iter().copied().chain([flag.as_str()]));
    assert!(ground.environment.path("flag/index.json").is_file());
}
