//! The order in which a package is looked for, and what is pushed.

use crate::ground::{Ground, Remote, elsewhere};

const AMD: &str = "--platforms=linux/amd64";
const ARM: &str = "--platforms=linux/arm64";

fn both() -> Option<(Ground, Remote, String)> {
    let (ground, remote) = (Ground::with_package()?, Remote::start()?);
    let name = format!("a:{}", ground.tree("a"));
    Some((ground, remote, name))
}

#[test]
fn it_is_built_then_found_here_then_found_there() {
    let Some((ground, remote, name)) = both() else { return };
    let org = remote.org();
    let said = ground.ok("build", "a", &[&org, "--push"]);
    assert!(said.contains("linux/amd64: built") && said.contains("linux/arm64: built"), "{said}");
    assert_eq!(remote.arches(&name), ["amd64", "arm64"]);
    remote.copy_all(&name);

    let (before, _) = remote.requests();
    let said = ground.ok("build", "a", &[&org]);
    assert!(said.matches("found in the local store").count() >= 2 && !said.contains(": built"), "{said}");
    assert_eq!(remote.requests().0, before, "what is here is not asked of the registry");

    let other = elsewhere(&ground);
    let said = ground.ok("build", "a", &[&org, &other]);
    assert!(said.contains("linux/arm64: found in the registry") && !said.contains(": built"), "{said}");
    let said = ground.ok("build", "a", &[&org, &other, "--pull"]);
    assert!(said.contains("linux/arm64: pulled"), "{said}");
    let said = ground.ok("build", "a", &[&org, &other]);
    assert!(said.contains("linux/arm64: found in the local store"), "{said}");
}

#[test]
fn force_builds_and_nobuild_does_not() {
    let Some((ground, remote, name)) = both() else { return };
    let org = remote.org();
    let said = ground.ok("build", "a", &[&org, "--nobuild"]);
    assert!(said.contains("linux/amd64: not built"), "{said}");
    let said = ground.refused("push", "a", &[&org, "--nobuild"]);
    assert!(said.contains("no ") && said.contains("to push"), "{said}");
    assert_eq!(remote.proxy.seen().len(), 0);
    ground.ok("build", "a", &[&org]);
    let said = ground.ok("build", "a", &[&org, "--force"]);
    assert!(said.contains("linux/amd64: built"), "{said}");
    let said = ground.ok("build", "a", &[&org, "--nobuild", "--push"]);
    assert!(said.contains("linux/amd64: found in the local store"), "{said}");
    assert_eq!(remote.arches(&name), ["amd64", "arm64"]);
}

#[test]
fn second_runs_ask_and_do_no_more() {
    let Some((ground, remote, _)) = both() else { return };
    let org = remote.org();
    ground.ok("push", "a", &[&org]);
    let other = elsewhere(&ground);
    ground.ok("build", "a", &[&org, &other]);
    let (_, before) = remote.requests();
    let said = ground.ok("push", "a", &[&org]);
    assert!(said.contains("in its registry already"), "{said}");
    ground.ok("build", "a", &[&org, &other]);
    ground.ok("push", "a", &[&org, &other]);
    let (_, after) = remote.requests();
    assert_eq!(after, before, "{:?}", remote.proxy.seen().iter().map(|seen| &seen.method).collect::<Vec<_>>());
}

#[test]
fn platforms_of_several_machines_come_together() {
    let Some((ground, remote, name)) = both() else { return };
    let org = remote.org();
    ground.ok("push", "a", &[&org, ARM]);
    assert_eq!(remote.arches(&name), ["arm64"]);
    let other = elsewhere(&ground);
    ground.ok("push", "a", &[&org, AMD, &other]);
    assert_eq!(remote.arches(&name), ["amd64", "arm64"]);
    remote.copy_all(&name);
    let (_, before) = remote.requests();
    ground.ok("push", "a", &[&org, AMD, &other]);
    assert_eq!(remote.requests().1, before, "what is there among others' is not sent again");
    let index = remote.manifest(&name);
    ground.ok("push", "a", &[&org, ARM]);
    assert_eq!(remote.manifest(&name), index);
}

#[test]
fn another_image_for_a_platform_is_replaced_only_when_asked() {
    let Some((ground, remote, _)) = both() else { return };
    let org = remote.org();
    ground.ok("push", "a", &[&org, "--hash=same"]);
    ground.write("a/content", "changed\n");
    ground.commit("changed");
    let other = elsewhere(&ground);
    ground.ok("build", "a", &[&org, AMD, "--hash=same", &other, "--force"]);
    let before = remote.manifest("a:same");
    let said = ground.refused("push", "a", &[&org, AMD, "--hash=same", &other]);
    assert!(said.contains("linux/amd64, with another content") && said.contains("--override"), "{said}");
    assert_eq!(remote.manifest("a:same"), before);
    ground.ok("push", "a", &[&org, AMD, "--hash=same", &other, "--override"]);
    assert_ne!(remote.manifest("a:same"), before);
    assert_eq!(remote.arches("a:same"), ["amd64", "arm64"]);
    remote.copy_all("a:same");
}

#[test]
fn an_index_that_somebody_else_wrote_meanwhile_is_merged_again() {
    let Some((ground, remote, name)) = both() else { return };
    let org = remote.org();
    let other = elsewhere(&ground);
    ground.ok("build", "a", &[&org, AMD]);
    ground.ok("push", "a", &[&org, ARM, &other]);
    // The first answer about the tag is lost: as if the other machine had pushed a moment later.
    remote.proxy.fault(1, "HEAD", &name.replace("a:", "manifests/"), testkit::faulty_proxy::Fault::status(404));
    ground.ok("push", "a", &[&org, AMD]);
    assert_eq!(remote.arches(&name), ["amd64", "arm64"]);
}

#[test]
fn a_registry_that_fails_is_not_one_that_has_nothing() {
    let Some((ground, remote, _)) = both() else { return };
    remote.proxy.fault(1000, "HEAD", "/v2/", testkit::faulty_proxy::Fault::status(403));
    remote.proxy.fault(1000, "GET", "/v2/", testkit::faulty_proxy::Fault::status(403));
    let said = ground.refused("build", "a", &[&remote.org()]);
    assert!(said.contains("403") && !said.contains(": built"), "{said}");
    let said = ground.ok("build", "a", &[&remote.org(), "--force"]);
    assert!(said.contains(": built"), "{said}");
}

#[test]
fn releases_are_further_tags_of_the_same_index() {
    let Some((ground, remote, name)) = both() else { return };
    let org = remote.org();
    ground.ok("push", "a", &[&org, "--release=v1.0.0"]);
    assert_eq!(remote.manifest("a:v1.0.0"), remote.manifest(&name));
    ground.in_repo(["tag", "v2.0.0"]);
    ground.ok("push", "a", &[&org, &elsewhere(&ground)]);
    assert_eq!(remote.manifest("a:v2.0.0"), remote.manifest(&name));
    ground.in_repo(["tag", "-a", "-m", "x", "other"]);
    let said = ground.refused("push", "a", &[&org]);
    assert!(said.contains("other, v2.0.0") && said.contains("--release"), "{said}");
    ground.ok("build", "a", &[&org]);
    ground.ok("push", "a", &[&org, "--release=v3"]);
    assert!(remote.manifest("a:v3").is_some());
}

#[test]
fn tags_with_architectures_are_gathered_by_manifest() {
    let Some((ground, remote, name)) = both() else { return };
    let org = remote.org();
    ground.ok("push", "a", &[&org, AMD, "--manifest=false"]);
    ground.ok("push", "a", &[&org, ARM, "--manifest=false", &elsewhere(&ground)]);
    assert!(remote.manifest(&name).is_none());
    assert!(remote.manifest(&format!("{name}-arm64")).is_some());
    let path = ground.path("a").display().to_string();
    let digest = ground.environment.ok(["pkg", "manifest", &path, &org, "--release=v1"]);
    assert!(digest.contains("@sha256:"), "{digest}");
    assert_eq!(remote.arches(&name), ["amd64", "arm64"]);
    remote.copy_all(&name);
}

#[test]
fn an_image_gets_another_tag_where_it_is() {
    let Some((ground, remote, name)) = both() else { return };
    ground.ok("push", "a", &[&remote.org()]);
    let at = |tag: &str| format!("{}/org/{tag}", remote.proxy.address());
    let said = ground.environment.ok(["pkg", "remote-tag", &at(&name), &at("b:new")]);
    assert_eq!(remote.manifest("b:new"), remote.manifest(&name));
    assert_eq!(ground.environment.ok(["pkg", "remote-tag", &at(&name), &at("b:new")]), said);
    let said = ground.environment.fails(3, ["pkg", "remote-tag", &at("a:nothing"), &at("b:x")]);
    assert!(said.contains("a:nothing"), "{said}");
}

#[test]
fn labels_and_arguments_are_linuxkits() {
    let Some((ground, remote, _)) = both() else { return };
    let yml = "image: a\narches: [amd64]\ngitrepo: https://example.org/repo\nconfig:\n  binds: ['/x:/y']\n\
               buildArgs: [OWN=1, PKG_IMAGE=mine]\n";
    ground.write("a/build.yml", yml);
    let file = "FROM scratch\nARG SOURCE REVISION GOPKGVERSION PKG_HASH PKG_IMAGE OWN FILE\n\
                ENV ALL=$SOURCE|$REVISION|$GOPKGVERSION|$PKG_HASH|$PKG_IMAGE|$OWN|$FILE\n";
    ground.write("a/Dockerfile", file);
    ground.commit("labels");
    ground.environment.write("args", "# a comment\n\nFILE=f\nOWN=2\n");
    let args = ground.environment.path("args").display().to_string();
    ground.ok("build", "a", &[&remote.org(), "--build-arg-file", &args]);
    let name = format!("{}/org/a:{}", remote.proxy.address(), ground.tree("a"));
    let said = ground.environment.ok(["inspect", &name]);
    let head = ground.in_repo(["rev-parse", "HEAD"]);
    let time = ground.in_repo(["show", "-s", "--date=format:%Y", "--format=%cd", "HEAD"]);
    assert!(said.contains(&format!("https://example.org/repo|{head}|v0.0.0-{time}")), "{said}");
    assert!(said.contains(&format!("-{}|{}|mine|2|f", &head[..12], ground.tree("a"))), "{said}");
    for label in ["org.mobyproject.config", "org.opencontainers.image.source", "org.mobyproject.linuxkit.version"] {
        assert!(said.contains(label), "{said}");
    }
    assert!(said.contains(r#"{\"binds\":[\"/x:/y\"]}"#), "{said}");
}

#[test]
fn the_context_is_all_sources_in_their_places() {
    let Some((ground, remote, _)) = both() else { return };
    ground.package(
        "b",
        "arches: [amd64]\nextra-sources: ['../a/content:d/from-a', '../shared:d', '../second:/d/', '../second:/']\n",
    );
    ground.write("shared/one", "1");
    ground.write("shared/deep/two", "2");
    ground.write("second/three", "3");
    ground.write("b/d/own", "own");
    ground.write("b/.dockerignore", "build.yml\nd/one\n");
    ground.commit("sources");
    ground.ok("build", "b", &[&remote.org()]);
    let name = format!("{}/org/b:{}", remote.proxy.address(), ground.tag("b", &[]));
    let out = ground.environment.path("out.tar");
    ground.environment.ok([
        "cache",
        "export",
        &name,
        "--platform=linux/amd64",
        "--format=filesystem",
        "--outfile",
        &out.display().to_string(),
    ]);
    let listed = std::process::Command::new("tar").arg("-tf").arg(&out).output().expect("tar runs").stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let names: Vec<&str> = listed.lines().map(|line| line.trim_end_matches('/')).collect();
    for name in ["content", "d/from-a", "d/own", "d/deep/two", "d/three", "three"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(!names.contains(&"d/one") && !names.contains(&"build.yml"), "{names:?}");
    assert!(!ground.path("b/d/one").exists(), "nothing was copied into the package");
}

#[test]
fn images_in_the_context_are_archives_that_others_read() {
    let Some((ground, remote, name)) = both() else { return };
    ground.ok("push", "a", &[&remote.org()]);
    let at = format!("{}/org/{name}", remote.proxy.address());
    let path = at.clone();
    let digest = ground.environment.ok(["pkg", "remote-tag", &path, &format!("{}/org/a:x", remote.proxy.address())]);
    let digest = digest.rsplit_once('@').expect("a digest").1.to_owned();
    let image = format!("{}/org/a@{digest}", remote.proxy.address());
    ground.package(
        "b",
        &format!("arches: [amd64]\ndepends:\n  docker-images:\n    target-dir: images\n    list: ['{image}']\n"),
    );
    ground.commit("depends");
    ground.ok("build", "b", &[&remote.org()]);
    let name = format!("{}/org/b:{}", remote.proxy.address(), ground.tag("b", &[]));
    let out = ground.environment.path("out.tar").display().to_string();
    let flags = ["--platform=linux/amd64", "--format=filesystem", "--outfile", &out];
    ground.environment.ok(["cache", "export", &name].iter().chain(&flags));
    let listed = std::process::Command::new("tar").args(["-tf", &out]).output().expect("tar runs").stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    assert!(listed.contains(&format!("images/a@{digest}.tar")), "{listed}");
    assert!(!ground.path("b/images").exists());
}
