//! Trees that differ from what is committed: their tags cover all that a build sees.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::ground::Ground;

#[test]
fn path_type_mode_link_and_content_each_make_another_tag() {
    let Some(ground) = Ground::with_package() else { return };
    ground.write("a/.gitignore", "*.o\n");
    ground.write("a/tool", "tool\n");
    symlink("content", ground.path("a/link")).expect("ours");
    ground.commit("more");
    let clean = ground.tag("a", &[]);
    let mut seen = BTreeSet::from([clean.clone()]);
    let mut another = |what: &str| {
        let tag = ground.tag("a", &[]);
        assert!(tag.starts_with(&format!("{clean}-dirty-")), "{what}: {tag}");
        assert_eq!(tag.len(), clean.len() + "-dirty-1234567".len(), "{what}");
        assert!(seen.insert(tag), "{what} made no difference");
    };
    ground.write("a/content", "changed\n");
    another("content");
    ground.write("a/untracked", "");
    another("an untracked file");
    fs::rename(ground.path("a/untracked"), ground.path("a/other")).expect("ours");
    another("its name");
    fs::set_permissions(ground.path("a/tool"), fs::Permissions::from_mode(0o755)).expect("ours");
    another("a mode");
    fs::remove_file(ground.path("a/link")).expect("ours");
    another("a removed link");
    symlink("tool", ground.path("a/link")).expect("ours");
    another("a link's target");
    fs::remove_file(ground.path("a/link")).expect("ours");
    ground.write("a/link", "tool");
    another("a link that became a file");
    ground.in_repo(["add", "-A"]);
    let staged = ground.tag("a", &[]);
    ground.write("a/x.o", "ignored");
    assert_eq!(ground.tag("a", &[]), staged, "what git ignores counts for nothing");
}

#[test]
fn what_is_as_committed_is_clean_whatever_its_times() {
    let Some(ground) = Ground::with_package() else { return };
    let clean = ground.tag("a", &[]);
    ground.write("a/content", "changed\n");
    assert_ne!(ground.tag("a", &[]), clean);
    ground.write("a/content", "content of a\n");
    assert_eq!(ground.tag("a", &[]), clean);
    ground.write("elsewhere", "untracked");
    assert_eq!(ground.tag("a", &[]), clean, "other directories do not count");
}

#[test]
fn extra_sources_make_dirty_too() {
    let Some(ground) = Ground::with_package() else { return };
    ground.package("b", "extra-sources: ['../a:a']\n");
    ground.commit("extra");
    assert!(!ground.tag("b", &[]).contains("dirty"));
    ground.write("a/new", "x");
    let first = ground.tag("b", &[]);
    ground.write("a/new", "y");
    assert!(first.contains("-dirty-") && first != ground.tag("b", &[]));
}

#[test]
fn what_is_dirty_is_built_but_neither_pushed_nor_released() {
    let Some(ground) = Ground::with_package() else { return };
    ground.write("a/content", "changed\n");
    ground.ok("build", "a", &["--platforms=linux/amd64", "--force"]);
    let said = ground.refused("build", "a", &["--push"]);
    assert!(said.contains("not committed") && said.contains("hint:"), "{said}");
    let said = ground.refused("push", "a", &["--release=v1"]);
    assert!(said.contains("not committed"), "{said}");
    let path = ground.path("a").display().to_string();
    let said = ground.environment.fails(1, ["pkg", "manifest", &path, "--release=v1"]);
    assert!(said.contains("cannot be released"), "{said}");
}
