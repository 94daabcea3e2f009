//! File systems that are full or may not be written.

use std::process::Command;

use testkit::environment::{Ended, Environment, ended};
use testkit::tools;

use crate::support::{app, assert_said, big_app, here, plain};

/// Runs the program with a file system of one mebibyte at `place`, which lasts as long as it; afterwards prints what is in
/// `look` there. `None`, with a printed reason: skip this test.
#[expect(clippy::print_stderr, reason = "a skipped test says why, under the test runner's capture")]
fn on_a_small_disk(environment: &Environment, place: &str, look: &str, arguments: &[&str]) -> Option<Ended> {
    let unshare = tools::require("unshare")?;
    if !rustix::process::geteuid().is_root() {
        assert!(!tools::in_ci(), "only root can mount, and CI must test everything");
        eprintln!("skipped: only root can mount");
        return None;
    }
    let script = "mkdir -p \"$1\" && mount -t tmpfs -o size=1m tmpfs \"$1\" || exit 99\n\
                  cd \"$3\"; place=$1 look=$2; shift 3; \"$@\"; code=$?\n\
                  find \"$place/$look\" -type f; exit $code";
    let mut command = Command::new(unshare.path());
    command.args(["--mount", "sh", "-c", script, "sh", place, look]).arg(environment.work());
    command.arg(env!("CARGO_BIN_EXE_shipsmith")).args(arguments);
    environment.confine(&mut command);
    Some(ended(&mut command))
}

#[test]
fn a_full_disk_while_the_store_is_written() {
    let environment = big_app("FROM scratch\nCOPY big /\n");
    let store = environment.store();
    let build = ["build", "--progress=none", "-t", "x", "app"];
    let Some(ended) = on_a_small_disk(&environment, &store.display().to_string(), "shipsmith/ingest", &build) else {
        return;
    };
    let said = plain(&environment, &ended.stderr);
    let (before, after) = said.split_once("STORE/").expect("the place is named");
    assert_eq!((ended.code, before), (Some(4), "error: no space left for "));
    let rest = " bytes needed\nDockerfile:2\n  2 | COPY big /\n    | ^^^^^^^^^^\n\
                hint: free some space with `shipsmith prune`, or choose another store with --store\n";
    assert!(after.ends_with(rest), "{said}");
    assert_eq!(ended.stdout, "", "nothing is left half written");
}

#[test]
fn a_full_disk_while_an_output_is_written() {
    let environment = big_app("FROM scratch\nCOPY big /\n");
    let place = environment.path("small").display().to_string();
    for (output, name) in [
        ("type=oci,dest=small/out.tar", "small/out.tar"),
        ("type=tar,dest=small/out.tar", "small/out.tar"),
        ("small/out", "cannot write /big"),
    ] {
        let build = ["build", "--progress=none", "-o", output, "app"];
        let Some(ended) = on_a_small_disk(&environment, &place, "", &build) else { return };
        assert_eq!(ended.code, Some(4), "{output}: {}", ended.stderr);
        assert!(ended.stderr.contains("No space left on device") && ended.stderr.contains(name), "{}", ended.stderr);
        if output.contains("out.tar") {
            assert_eq!(ended.stdout, "", "{output}: nothing is left half written");
        }
    }
}

#[test]
fn a_store_that_is_none() {
    let environment = app("FROM scratch\nCOPY a /b\n");
    environment.write("mine/letter", "dear");
    let message = "error: WORK/mine is not a store: it holds letter and is no OCI image layout\n\
                   hint: name an empty or new directory\n";
    let mine = environment.path("mine").display().to_string();
    assert_said(&environment, &["--store", &mine, "build", "app"], 4, message);
    assert_eq!(environment.read("mine/letter"), "dear");
}

#[test]
fn a_store_of_a_later_version() {
    let environment = here();
    environment.ok(["images"]);
    std::fs::write(environment.store().join("shipsmith/format"), "99\n").expect("the store is ours");
    let message = "error: the store at STORE has format 99, this version reads up to 1\n\
                   hint: use the newer version of shipsmith, or another store with --store\n";
    assert_said(&environment, &["images"], 4, message);
}

#[test]
fn an_output_where_no_file_can_be() {
    let environment = app("FROM scratch\nCOPY a /b\n");
    let message = "error: cannot create WORK/app/a/out.tar: not a directory\n";
    let output = format!("type=oci,dest={}", environment.path("app/a/out.tar").display());
    assert_said(&environment, &["build", "-o", &output, "app"], 4, message);
}
