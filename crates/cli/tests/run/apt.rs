//! A real system installs a package, with the configuration that apt has on this machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::canonical::read_images;
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

const PROGRAM: &str = "#include <stdio.h>\nint main(void) { return puts(\"compiled here\") < 0; }\n";

const COMPILER: &str = "apt-get update && apt-get install -y --no-install-recommends build-essential";

/// The compiler's packages, as root has downloaded them in a step: once for all tests, whoever asks first.
fn packages(ground: &Ground, flags: &[String]) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiler");
    let lock = File::create(kept.with_extension("lock")).expect("ours");
    lock.lock().expect("a lock");
    if !kept.exists() {
        let dockerfile = format!(
            "FROM base AS build\nRUN {CONFIGURED} {COMPILER}\nFROM scratch\nCOPY --from=build /var/cache/apt/archives/*.deb /\n"
        );
        let output = ground.environment().path("packages");
        ground.builds(&dockerfile, &with(flags, &[&format!("--output=type=local,dest={}", output.display())]));
        let unfinished = kept.with_extension("unfinished");
        run(Command::new("cp").arg("-rT").arg(output).arg(&unfinished));
        fs::rename(unfinished, &kept).expect("ours");
    }
    kept
}

/// A compiler is installed, compiles a file of the context, and the last stage has nothing but the program, which runs there.
fn compiles(ground: &Ground, mounts: &str, flags: &[&str]) -> Vec<String> {
    let dockerfile = format!(
        "FROM base AS build\nRUN {CONFIGURED} {mounts} {COMPILER}\n\
         COPY <<EOF /src/main.c\n{PROGRAM}EOF\nWORKDIR /src\nRUN gcc -O2 -static -o /program main.c\n\
         FROM scratch\nCOPY --from=build /program /bin/program\nRUN [\"/bin/program\"]\n"
    );
    ground.arguments(&dockerfile, flags)
}

#[test]
fn a_compiler_is_installed_compiles_and_stays_behind() {
    let Some((ground, flags)) = ground() else { return };
    packages(&ground, &flags);
    let ended = ground.environment().run(compiles(&ground, "", &with(&flags, &["--output=type=oci,dest=image.tar"])));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("compiled here"), "{}", ended.stderr);
    let images = read_images(&ground.environment().path("image.tar")).expect("a layout");
    let files: Vec<&String> = images["linux/amd64"].files.keys().collect();
    assert!(
        files.contains(&&"/bin/program".to_owned()) && !files.iter().any(|path| path.starts_with("/usr")),
        "{files:?}"
    );
    ground.is_clean();
}

#[test]
fn an_ordinary_user_installs_a_compiler_too() {
    for level in ["subuid", "single-id"] {
        let Some((ground, flags)) = ground() else { return };
        let downloaded = format!("--build-context=downloaded={}", packages(&ground, &flags).display());
        let flags = with(&flags, &["--isolation", level, "--output=type=oci,dest=image.tar", &downloaded]);
        let arguments = compiles(&ground, "--mount=from=downloaded,target=/var/cache/apt/archives,rw", &flags);
        let ended = ordinary(&ground, level, &arguments);
        assert_eq!(ended.code, Some(0), "{level}: {}", ended.stderr);
        assert!(ended.stderr.contains("compiled here"), "{level}: {}", ended.stderr);
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
