//! Several packages: what needs what, and what goes on when one fails.

use crate::ground::{Ground, Remote};

fn build(ground: &Ground, remote: &Remote, paths: &[&str], flags: &[&str]) -> testkit::environment::Ended {
    let paths: Vec<String> = paths.iter().map(|path| ground.path(path).display().to_string()).collect();
    let org = remote.org();
    let mut arguments = vec!["pkg", "build", &org, "--progress=plain", "--platforms=linux/amd64"];
    arguments.extend(paths.iter().map(String::as_str).chain(flags.iter().copied()));
    ground.environment.run(arguments)
}

/// `top` is built upon `middle`, and that upon `bottom`; `alone` is.
fn tower() -> Option<(Ground, Remote)> {
    let (ground, remote) = (Ground::new()?, Remote::start()?);
    for name in ["top", "middle", "bottom", "alone"] {
        ground.package(name, "");
    }
    ground.write("top/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY content /top\n");
    ground.write("top/build.yml", "image: top\nbuildArgs: ['BASE=@lkt:pkg:../middle']\n");
    ground.write("middle/build.yml", "image: middle\nbuildArgs: ['BASE=@lkt:pkg:../bottom']\n");
    ground.write("middle/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY content /middle\n");
    ground.commit("tower");
    Some((ground, remote))
}

#[test]
fn each_comes_after_those_it_needs() {
    let Some((ground, remote)) = tower() else { return };
    let result = build(&ground, &remote, &["top", "alone", "middle", "bottom"], &[]);
    assert_eq!(result.code, Some(0), "{}", result.stderr);
    let place = |name: &str| result.stdout.find(&format!("/{name}:")).unwrap_or_else(|| panic!("{}", result.stdout));
    assert!(place("bottom") < place("middle") && place("middle") < place("top"), "{}", result.stdout);
    let top = result.stdout.lines().find(|line| line.contains("/top:")).expect("it was built").to_owned();
    let said = ground.environment.ok(["inspect", "--raw", &top]);
    assert!(said.contains("manifests"), "{said}");
}

#[test]
fn siblings_named_by_from_are_needed_too() {
    let (Some(ground), Some(remote)) = (Ground::new(), Remote::start()) else { return };
    ground.package("base", "");
    ground.package("app", "");
    ground.commit("base");
    let base = format!("{}/org/base:{}", remote.proxy.address(), ground.tree("base"));
    ground.write("app/Dockerfile", &format!("FROM {base}\nCOPY content /app\n"));
    ground.commit("app");
    let result = build(&ground, &remote, &["app", "base"], &[]);
    assert_eq!(result.code, Some(0), "{}", result.stderr);
    assert!(result.stdout.find("/base:") < result.stdout.find("/app:"), "{}", result.stdout);
}

#[test]
fn what_fails_lets_down_those_that_need_it_and_no_others() {
    let Some((ground, remote)) = tower() else { return };
    ground.write("bottom/Dockerfile", "FROM scratch\nCOPY nothing /\n");
    ground.commit("broken");
    let result = build(&ground, &remote, &["top", "alone", "middle", "bottom"], &["--push"]);
    assert_eq!(result.code, Some(1), "{}", result.stderr);
    assert!(result.stderr.contains("nothing"), "{}", result.stderr);
    assert!(result.stderr.contains("it needs") && result.stderr.contains("which failed"), "{}", result.stderr);
    assert_eq!(result.stdout.lines().count(), 1, "{}", result.stdout);
    assert!(remote.manifest(&format!("alone:{}", ground.tree("alone"))).is_some());
    assert!(remote.manifest(&format!("top:{}", ground.tree("top"))).is_none());
}

#[test]
fn circles_are_refused() {
    let Some((ground, remote)) = tower() else { return };
    ground.write("bottom/build.yml", "image: bottom\nbuildArgs: ['X=@lkt:pkg:../top']\n");
    ground.commit("circle");
    let result = build(&ground, &remote, &["top"], &[]);
    assert!(result.stderr.contains("need each other") && result.stderr.contains("top"), "{}", result.stderr);
}

#[test]
fn several_calculated_arguments_have_names_of_their_packages() {
    let (Some(ground), Some(remote)) = (Ground::new(), Remote::start()) else { return };
    for name in ["deps/one", "deps/two-x", "deps/.hidden"] {
        ground.package(name, "org: o\n");
    }
    let yml = "image: app\nbuildArgs: ['DEP_%=@lkt:pkgs:../deps/*']\n";
    ground.package("app", "");
    ground.write("app/build.yml", yml);
    ground.commit("deps");
    let path = ground.path("app").display().to_string();
    let said = ground.environment.ok(["pkg", "build", &path, "--dry-run", "--platforms=linux/amd64"]);
    let one = format!("DEP_O_ONE=o/one:{}", ground.tree("deps/one"));
    let two = format!("DEP_O_TWO_X=o/two-x:{}", ground.tree("deps/two-x"));
    assert!(said.contains(&one) && said.contains(&two) && !said.contains("HIDDEN"), "{said}");
    drop(remote);
}
