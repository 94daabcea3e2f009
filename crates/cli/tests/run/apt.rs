//! A real system installs a package, with the configuration that apt has on this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::fixtures::debian_base;
use testkit::tools::{find, run};

use crate::levels::ordinary;
use crate::support::Ground;

const INSTALL: &str = "apt-get update && apt-get install -y --no-install-recommends hello";
/// Where apt looks for packages and whom it trusts, over what the base has.
const CONFIGURED: &str = "--mount=from=apt,source=sources.list.d,target=/etc/apt/sources.list.d \
     --mount=from=apt,source=apt.conf,target=/etc/apt/apt.conf --mount=from=keyrings,target=/usr/share/keyrings";

/// Debian, and the flags that bring apt's configuration.
fn ground() -> Option<(Ground, Vec<String>)> {
    let ground = Ground::over(debian_base()?, &[]);
    let apt = ground.environment().path("apt");
    fs::create_dir_all(&apt).expect("ours");
    run(Command::new("cp").args(["-rL", "/etc/apt/sources.list.d"]).arg(&apt));
    if Path::new("/etc/apt/sources.list").exists() {
        run(Command::new("cp").arg("/etc/apt/sources.list").arg(apt.join("sources.list.d/machine.list")));
    }
    let said = run(find("apt-config").expect("it is Debian's").command().args(["dump", "Acquire"])).text();
    fs::write(apt.join("apt.conf"), said).expect("ours");
    let flags =
        vec![format!("--build-context=apt={}", apt.display()), "--build-context=keyrings=/usr/share/keyrings".into()];
    Some((ground, flags))
}

fn with<'a>(flags: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    flags.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

#[test]
fn apt_installs_a_package_as_root() {
    let Some((ground, flags)) = ground() else { return };
    let image =
        ground.image(&format!("FROM base\nRUN {CONFIGURED} {INSTALL}\nRUN hello > /said\n"), &with(&flags, &[]));
    assert_eq!(image.files["/usr/bin/hello"].mode, "0755");
    assert!(image.files["/said"].size > Some(5));
    assert!(image.files["/var/lib/dpkg/info/hello.list"].size.is_some());
    ground.is_clean();
}

#[test]
fn apt_installs_a_package_as_an_ordinary_user() {
    let Some((ground, flags)) = ground() else { return };
    let dockerfile = format!(
        "FROM base\nRUN {CONFIGURED} {INSTALL}\nRUN hello > /said && stat -c %u:%g /var/cache/apt/archives/partial\n"
    );
    for level in ["subuid", "single-id"] {
        let arguments =
            ground.arguments(&dockerfile, &with(&flags, &["--isolation", level, "--output=type=oci,dest=image.tar"]));
        let ended = ordinary(&ground, level, &arguments);
        assert_eq!(ended.code, Some(0), "{level}: {}", ended.stderr);
    }
}

#[test]
fn without_a_network_apt_says_so_itself() {
    let Some((ground, flags)) = ground() else { return };
    let step = format!("FROM base\nRUN --network=none {CONFIGURED} {INSTALL}\n");
    let said = ground.fails(&step, &with(&flags, &[]));
    assert!(said.contains("Unable to") || said.contains("Could not") || said.contains("Failed to fetch"), "{said}");
    ground.is_clean();
}

#[test]
fn with_a_cache_mount_the_second_build_downloads_nothing() {
    let Some((ground, flags)) = ground() else { return };
    let caches =
        "--mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked";
    let keep = "rm -f /etc/apt/apt.conf.d/docker-clean && apt-get -o APT::Keep-Downloaded-Packages=true";
    let install = format!("{keep} update && {keep} install -y --no-install-recommends hello");
    let step = format!("FROM base\nRUN {CONFIGURED} {caches} {install}\n");
    let first = ground.builds(&step, &with(&flags, &["--no-cache"]));
    assert!(first.contains("Need to get") && !first.contains("Need to get 0 B"), "{first}");
    let second = ground.builds(&step, &with(&flags, &["--no-cache"]));
    assert!(second.contains("Need to get 0 B"), "{second}");
    ground.is_clean();
}
