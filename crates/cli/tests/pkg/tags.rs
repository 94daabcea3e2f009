//! Tags are what git itself says of a clean tree.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use testkit::environment::ended;

use crate::ground::Ground;

/// SHA-1 by a program we did not write.
fn sha1(ground: &Ground, text: &str) -> String {
    ground.write("../sha1-input", text);
    let mut command = Command::new("sha1sum");
    ended(command.arg(ground.environment.path("sha1-input"))).stdout[..40].to_owned()
}

#[test]
fn tags_of_a_repository_full_of_packages_are_gits() {
    let Some(ground) = Ground::new() else { return };
    ground.package("plain", "");
    ground.package("deep/below/nested", "");
    ground.package("with space", "");
    ground.package("executable", "");
    let tool = ground.path("executable/content");
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).expect("ours");
    ground.package("linked", "");
    symlink("content", ground.path("linked/link")).expect("ours");
    symlink("/nowhere", ground.path("linked/dangling")).expect("ours");
    ground.package("ignoring", "");
    ground.write("ignoring/.gitignore", "*.o\nbuilt/\n");
    ground.write("ignoring/a.o", "object");
    ground.write("ignoring/built/b", "output");
    ground.package("renamed", "");
    ground.package("extra", "extra-sources:\n  - ../plain:plain\n");
    ground.package("extras", "extra-sources:\n  - ../plain:plain\n  - ../linked/content:one/file\n");
    ground.package("template", "tag: v1-{{ .Hash }}\n");
    ground.package("fixed", "tag: latest-and-greatest\n");
    ground.package("subdirs", "");
    ground.write("subdirs/x/y/z", "deep");
    ground.package("attributes", "");
    ground.write("attributes/.gitattributes", "*.txt text eol=lf\n");
    ground.write("attributes/a.txt", "one\r\ntwo\r\n");
    ground.package("many", "");
    (0..200).for_each(|number| ground.write(&format!("many/file{number}"), &format!("{number}")));
    ground.package("other-yml", "");
    ground.write("build.yml", "image: root\n");
    ground.write("Dockerfile", "FROM scratch\n");
    ground.commit("first");
    ground.in_repo(["mv", "renamed/content", "renamed/moved"]);
    ground.commit("second");
    symlink(ground.path("plain"), ground.environment.path("way-to-plain")).expect("ours");

    let plain = ["plain", "deep/below/nested", "with space", "executable", "linked", "ignoring", "renamed", "subdirs"];
    for path in plain.into_iter().chain(["attributes", "many", "other-yml"]) {
        assert_eq!(ground.tag(path, &[]), ground.tree(path), "{path}");
    }
    assert_eq!(ground.tag("", &[]), ground.in_repo(["rev-parse", "HEAD^{tree}"]));
    assert_eq!(ground.tag("../way-to-plain", &[]), ground.tree("plain"));
    let extra = format!("{}{}", ground.tree("extra"), ground.tree("plain"));
    assert_eq!(ground.tag("extra", &[]), sha1(&ground, &extra));
    let extras = format!("{}{}{}", ground.tree("extras"), ground.tree("plain"), ground.tree("linked/content"));
    assert_eq!(ground.tag("extras", &[]), sha1(&ground, &extras));
    assert_eq!(ground.tag("template", &[]), format!("v1-{}", ground.tree("template")));
    assert_eq!(ground.tag("fixed", &[]), "latest-and-greatest");
    assert_eq!(ground.tag("renamed", &["--hash-commit=HEAD~1"]), ground.in_repo(["rev-parse", "HEAD~1:renamed"]));
    assert_eq!(ground.tag("deep/below/nested", &["--hash-path", &at(&ground, "deep")]), ground.tree("deep"));
}

fn at(ground: &Ground, path: &str) -> String {
    ground.path(path).display().to_string()
}

#[test]
fn packs_worktrees_detached_heads_and_shallow_clones_make_no_difference() {
    let Some(ground) = Ground::with_package() else { return };
    let tree = ground.tree("a");
    ground.write("a/content", "second\n");
    ground.commit("second");
    ground.in_repo(["gc", "-q", "--aggressive"]);
    ground.in_repo(["pack-refs", "--all"]);
    let second = ground.tree("a");
    assert_eq!(ground.tag("a", &[]), second);
    ground.in_repo(["worktree", "add", "-q", "../worktree", "HEAD~1"]);
    assert_eq!(ground.tag("../worktree/a", &[]), tree);
    ground.in_repo(["checkout", "-q", "--detach", "HEAD~1"]);
    assert_eq!(ground.tag("a", &[]), tree);
    let url = format!("file://{}", ground.path("").display());
    ground.in_repo(["clone", "-q", "--depth=1", "--branch=main", &url, "../shallow"]);
    assert_eq!(ground.tag("../shallow/a", &[]), second);
    let said = ground.environment.fails(1, ["pkg", "show-tag", "shallow/a", "--hash-commit=HEAD~1"]);
    assert!(said.contains("HEAD~1") && said.contains("--unshallow"), "{said}");
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let Some(ground) = Ground::with_package() else { return };
    ground.in_repo(["init", "-q", "-b", "main", "../inner"]);
    ground.environment.write("inner/build.yml", "image: inner\n");
    ground.environment.write("inner/Dockerfile", "FROM scratch\n");
    ground.environment.write("inner/sub/build.yml", "image: sub\n");
    ground.environment.write("inner/sub/Dockerfile", "FROM scratch\n");
    for setting in [["config", "user.email", "a@example.org"], ["config", "user.name", "A"], ["add", "-A", "."]] {
        ground.in_dir("inner", setting);
    }
    ground.in_dir("inner", ["commit", "-q", "-m", "inner"]);
    let url = ground.environment.path("inner").display().to_string();
    ground.in_repo(["submodule", "--quiet", "add", &url, "a/inner"]);
    ground.commit("submodule");
    assert_eq!(ground.tag("a", &[]), ground.tree("a"));
    assert_eq!(ground.tag("a/inner", &[]), ground.in_dir("inner", ["rev-parse", "HEAD^{tree}"]));
    assert_eq!(ground.tag("a/inner/sub", &[]), ground.in_dir("inner", ["rev-parse", "HEAD:sub"]));
    ground.write("a/inner/new", "x");
    assert!(ground.tag("a/inner", &[]).contains("-dirty-"));
}

#[test]
fn flags_take_the_place_of_what_git_says() {
    let Some(ground) = Ground::with_package() else { return };
    let path = at(&ground, "a");
    let show = |flags: &[&str]| ground.environment.ok(["pkg", "show-tag", &path].iter().chain(flags));
    let tree = ground.tree("a");
    assert_eq!(show(&[]), format!("linuxkit/a:{tree}"));
    assert_eq!(show(&["--canonical"]), format!("docker.io/linuxkit/a:{tree}"));
    assert_eq!(show(&["--org=mine", "--tag=x-{{.Hash}}"]), format!("mine/a:x-{tree}"));
    assert_eq!(show(&["--hash=abc"]), "linuxkit/a:abc");
    assert!(show(&["--force-dirty"]).starts_with(&format!("linuxkit/a:{tree}-dirty-")));
    ground.write("a/other.yml", "image: other\norg: example.org/o\n");
    assert!(show(&["--build-yml=other.yml"]).starts_with("example.org/o/other:"));
    let mut dev = ground.environment.command(["pkg", "show-tag", &path, "--dev"]);
    assert_eq!(ended(dev.env("USER", "me")).stdout, "me/a:dev");
    for variable in ["LINUXKIT_PKG_ORG", "SHIPSMITH_PKG_ORG"] {
        let mut command = ground.environment.command(["pkg", "show-tag", &path, "--hash=1"]);
        assert_eq!(ended(command.env(variable, "env")).stdout, "env/a:1");
    }
}

#[test]
fn a_repositorys_defaults_are_what_packages_leave_unsaid() {
    let Some(ground) = Ground::with_package() else { return };
    ground.package("b", "org: own\n");
    ground.write("packages.yml", "org: shared\ntag: p-{{.Hash}}\n");
    ground.commit("defaults");
    let show = |path: &str| ground.environment.ok(["pkg", "show-tag", &at(&ground, path)]);
    assert_eq!(show("a"), format!("shared/a:p-{}", ground.tree("a")));
    assert_eq!(show("b"), format!("own/b:p-{}", ground.tree("b")));
    ground.write("packages.yml", "orgs: shared\n");
    let said = ground.environment.fails(1, ["pkg", "show-tag", &at(&ground, "a")]);
    assert!(said.contains("packages.yml:1:1: unknown key") && said.contains("\"org\""), "{said}");
}

#[test]
fn the_full_hash_covers_what_git_does_not_see() {
    let Some(ground) = Ground::with_package() else { return };
    ground.package("dep", "");
    ground.write("a/build.yml", "image: a\nbuildArgs:\n  - A=1\n  - DEP=@lkt:pkg:../dep\n");
    ground.commit("arguments");
    let full = |flags: &[&str]| {
        let mut all = vec!["--hash-scheme=full"];
        all.extend(flags);
        ground.tag("a", &all)
    };
    let first = full(&[]);
    assert_eq!((first.len(), first == full(&[])), (64, true));
    ground.environment.write("args", "A=2\n");
    let args = ground.environment.path("args").display().to_string();
    assert_ne!(full(&["--build-arg-file", &args]), first);
    assert_ne!(full(&["--network"]), first);
    let linuxkit = ground.tag("a", &[]);
    ground.write("dep/content", "other\n");
    ground.commit("the other package");
    assert_eq!(ground.tag("a", &[]), linuxkit);
    assert_ne!(full(&[]), first);
}

#[test]
fn explanations_say_what_went_in_and_what_differs() {
    let Some(ground) = Ground::with_package() else { return };
    let said = ground.environment.ok(["pkg", "show-tag", "--explain", &at(&ground, "a")]);
    assert!(said.contains(&format!("\n  tree a {}", ground.tree("a"))), "{said}");
    ground.in_repo(["worktree", "add", "-q", "../old", "HEAD"]);
    ground.write("a/content", "new\n");
    ground.commit("new");
    let (old, new) = (ground.environment.path("old/a").display().to_string(), at(&ground, "a"));
    let said = ground.environment.ok(["pkg", "show-tag", "--explain", &old, &new]);
    let (before, after) = (ground.in_repo(["rev-parse", "HEAD~1:a"]), ground.tree("a"));
    assert_eq!(said, format!("- tree a {before}\n+ tree a {after}"));
}
