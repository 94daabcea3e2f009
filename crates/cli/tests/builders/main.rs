//! Builds on BuildKit builders: the one inside Debian's Docker engine, and ones that are not there.
//!
//! `DOCKER_HOST` names the engine, as `.ci/run` starts one.

use testkit::canonical;
use testkit::environment::Environment;

/// A context that the old BuildKit of Debian's engine understands: no heredocs, no base to fetch.
const DOCKERFILE: &str = "FROM scratch\nARG greeting=none\nCOPY . /app/\nENV GREETING=$greeting\nLABEL own=yes\n\
                          CMD [\"/app/a\"]\n";

fn environment() -> Environment {
    let environment = Environment::new(env!("CARGO_BIN_EXE_shipsmith"));
    environment.write("app/Dockerfile", DOCKERFILE);
    environment.write("app/.dockerignore", "*.log\n.dockerignore\nDockerfile\n");
    environment.write("app/a", "content of a\n");
    environment.write("app/left.log", "never sent\n");
    environment.write("app/deep/below/b", "content of b\n");
    environment
}

/// The socket of the machine's engine, or `None`: skip this test; the reason is already printed.
fn engine() -> Option<String> {
    testkit::tools::require("docker")?;
    let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let socket = host.as_deref().unwrap_or("unix:///var/run/docker.sock").strip_prefix("unix://")?.to_owned();
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return Some(format!("docker://{socket}"));
    }
    assert!(std::env::var_os("CI").is_none(), "no engine answers at {socket}");
    eprintln!("skipped: no engine answers at {socket}");
    None
}

fn only_image(environment: &Environment, archive: &str) -> canonical::CanonicalImage {
    let images = canonical::read_images(&environment.path(archive)).expect("an archive");
    images.into_values().next().expect("an image")
}

#[test]
fn an_engine_builds_the_image_that_this_process_builds() {
    let Some(builder) = engine() else { return };
    let environment = environment();
    let epoch = "--build-arg=SOURCE_DATE_EPOCH=1700000000";
    let greeting = "--build-arg=greeting=hello";
    environment.ok(["build", epoch, greeting, "-o", "type=oci,dest=here.tar", "app"]);
    environment.ok(["build", epoch, greeting, "--builder", &builder, "-o", "type=oci,dest=there.tar", "app"]);
    let (here, there) = (only_image(&environment, "here.tar"), only_image(&environment, "there.tar"));
    let differences = here.differences(&there);
    assert!(differences.is_empty(), "{differences:?}");
}

#[test]
fn a_second_build_sends_changed_files_only() {
    let Some(builder) = engine() else { return };
    let environment = environment();
    let big = "x".repeat(300_000);
    environment.write("app/big", &big);
    let sent = || {
        let run = ["build", "--progress=plain", "--builder", &builder, "-o", "type=cacheonly", "app"];
        let said = environment.run(run).stderr;
        let words = said.split("sent ").nth(1).unwrap_or_else(|| panic!("no bytes are told: {said}"));
        words.split(' ').next().and_then(|number| number.parse::<u64>().ok()).expect("a number")
    };
    let first = sent();
    assert!(first >= 300_000, "everything is sent: {first}");
    environment.write("app/a", "other content\n");
    let second = sent();
    assert!(second < 1_000, "one small file has changed, and {second} bytes were sent");
}

#[test]
fn a_builder_that_is_not_there_is_fatal() {
    let environment = environment();
    let missing = format!("unix://{}", environment.path("no.sock").display());
    let failed = environment.run(["build", "--builder", &missing, "app"]);
    assert_ne!(failed.code, Some(0));
    assert!(failed.stderr.contains("cannot reach the builder"), "{}", failed.stderr);
    assert!(failed.stderr.contains("hint: start the builder"), "{}", failed.stderr);
}

#[test]
fn what_needs_no_run_is_built_here_though_its_platform_has_a_builder() {
    let environment = environment();
    let map = format!("--builders=linux/amd64=unix://{}", environment.path("no.sock").display());
    let said = environment.run(["build", "--progress=plain", "--platform=linux/amd64", &map, "app"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("linux/amd64 is built in this process"), "{}", said.stderr);
}

#[test]
fn what_is_no_address_is_refused_before_anything_is_built() {
    let environment = environment();
    for flag in ["--builder=nonsense", "--builders=linux/amd64", "--builders=linux/amd64=ftp://x"] {
        let failed = environment.run(["build", flag, "app"]);
        assert_ne!(failed.code, Some(0), "{flag}");
        assert!(failed.stderr.contains("hint: such as"), "{flag}: {}", failed.stderr);
    }
}
