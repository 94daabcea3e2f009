//! What is wrong is refused, with its place where it has one and with what to do.

use crate::ground::Ground;

/// What is said of a package with this build.yml, which is not built.
fn said(ground: &Ground, yml: &str) -> String {
    ground.write("a/build.yml", yml);
    ground.refused("build", "a", &["--hash=x", "--nobuild"])
}

fn has(said: &str, parts: &[&str]) {
    for part in parts.iter().chain(&["hint: "]) {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn build_yml_errors_have_line_and_column() {
    let Some(ground) = Ground::with_package() else { return };
    has(
        &said(&ground, "image: a\nnetwrok: true\n"),
        &["build.yml:2:1: unknown key \"netwrok\"", "did you mean \"network\"?"],
    );
    has(&said(&ground, "org: a\n"), &["\"image\" is missing"]);
    has(&said(&ground, "image: ''\n"), &["build.yml:1:8: image is empty"]);
    has(&said(&ground, "image: a\nextra-sources:\n  - ../b\n"), &["build.yml:3:5: ", "is not SOURCE:DESTINATION"]);
    has(&said(&ground, "image: a\nextra-sources: ['../nowhere:x']\n"), &["build.yml:2:17: cannot find"]);
    has(&said(&ground, "image: a\nextra-sources: ['.:../x']\n"), &["leaves the build context"]);
    has(&said(&ground, "image: a\nbuildArgs:\n  - A\n"), &["build.yml:3:5: ", "NAME=VALUE"]);
    has(&said(&ground, "image: a\nbuildArgs: ['A=@lkt:pgk:.']\n"), &["build.yml:2:13: nothing calculates"]);
    has(&said(&ground, "image: a\ntag: '{{.Hsah}}'\n"), &[".Hsah"]);
    has(&said(&ground, "image: UPPER\n"), &["lowercase"]);
    has(&said(&ground, "image: a\ndockerfile: ../Dockerfile\n"), &["not below"]);
    has(&said(&ground, "image: a\ndockerfile: Missing\n"), &["there is no Dockerfile Missing"]);
    let said = said(&ground, "image: a\nnetwork: maybe\n");
    assert!(said.contains("build.yml:2:10: ") && said.contains("^^^^^"), "{said}");
}

#[test]
fn images_of_the_context_have_digests_and_one_place() {
    let Some(ground) = Ground::with_package() else { return };
    let depends = |fields: &str| said(&ground, &format!("image: a\ndepends:\n  docker-images:\n{fields}"));
    let digest = format!("alpine@sha256:{}", "0".repeat(64));
    has(&depends("    target: x\n    list: [alpine]\n"), &["build.yml:5:12: ", "has no digest"]);
    has(&depends(&format!("    list: ['{digest}']\n")), &["says not where"]);
    has(&depends(&format!("    target: x\n    target-dir: y\n    list: ['{digest}']\n")), &["exclude each other"]);
    has(&depends(&format!("    target: ../x\n    list: ['{digest}']\n")), &["build.yml:4:13: ", "not below"]);
    ground.write("a/images", &format!("# comment\n{digest}\nalpine:3\n"));
    has(&depends("    target: x\n    from-file: images\n"), &["images:3:1: ", "has no digest"]);
    has(&depends("    target: x\n    from-file: images\n    list: [a]\n"), &["exclude each other"]);
}

#[test]
fn git_has_to_know_the_package() {
    let Some(ground) = Ground::with_package() else { return };
    ground.package("new", "");
    has(&ground.refused("build", "new", &[]), &["is not in the commit HEAD", "commit it"]);
    ground.environment.write("outside/build.yml", "image: o\n");
    ground.environment.write("outside/Dockerfile", "FROM scratch\n");
    has(&ground.refused("build", "../outside", &[]), &["not in a git repository", "--hash"]);
    let tag = ground.environment.ok(["pkg", "show-tag", "outside", "--hash=x"]);
    assert_eq!(tag, "linuxkit/o:x");
    has(&ground.refused("build", "nowhere", &[]), &["cannot read"]);
    has(&ground.refused("build", "", &[]), &["build.yml"]);
    has(&ground.refused("build", "a", &["--hash-commit=nothing"]), &["--hash-commit"]);
    let path = ground.path("a").display().to_string();
    has(&ground.environment.fails(1, ["pkg", "show-tag", &path, "--hash-commit=nothing"]), &["no commit nothing"]);
    let elsewhere = ground.path("new").display().to_string();
    has(&ground.environment.fails(1, ["pkg", "show-tag", &path, "--hash-path", &elsewhere]), &["is not above"]);
    ground.in_repo(["init", "-q", "../empty"]);
    ground.environment.write("empty/build.yml", "image: e\n");
    has(&ground.environment.fails(1, ["pkg", "show-tag", "empty"]), &["no commit HEAD"]);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let Some(ground) = Ground::with_package() else { return };
    let refused = |flags: &[&str], part: &str| has(&ground.refused("build", "a", flags), &[part]);
    refused(&["--force", "--nobuild"], "--nobuild");
    refused(&["--force", "--pull"], "--pull");
    refused(&["--release=v1"], "--release pushes");
    refused(&["--platforms=linux/amd64", "--skip-platforms=linux/arm64"], "--skip-platforms");
    refused(&["--platforms=amd64/linux/x/y"], "--platforms");
    refused(&["--hash-commit=HEAD~0"], "--hash-commit");
    refused(&["--dockerfile=../x"], "not below");
    refused(&["--dockerfile=missing"], "no Dockerfile missing");
    refused(&["--sbom-scanner=image"], "SBOMs are made by BuildKit");
    refused(&["--builders=linux/amd64"], "--builders");
    refused(&["--registry-creds=example.org"], "--registry-creds");
    refused(&["--hash=x", "--force", "--platforms=linux/amd64", "--builder=far"], "\"far\" is no address of a builder");
    ground.refused("build", "a", &["--network", "--nonetwork"]);
    ground.refused("build", "a", &["--disable-cache", "--enable-cache"]);
}

#[test]
fn a_version_that_was_cut_off_is_not_made_up() {
    let Some(ground) = Ground::with_package() else { return };
    ground.write("a/Dockerfile", "FROM scratch\nARG GOPKGVERSION\nLABEL v=$GOPKGVERSION\nCOPY content /\n");
    ground.commit("version");
    let url = format!("file://{}", ground.path("").display());
    ground.in_repo(["clone", "-q", "--depth=1", &url, "../shallow"]);
    has(&ground.refused("build", "../shallow/a", &["--nobuild"]), &["shallow", "--unshallow"]);
    ground.environment.write("args", "GOPKGVERSION=v1.2.3\n");
    let args = ground.environment.path("args").display().to_string();
    ground.ok("build", "../shallow/a", &["--nobuild", "--build-arg-file", &args]);
}
