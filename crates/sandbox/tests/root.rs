//! The strongest level: run as root.

mod support;

use shipsmith_sandbox::{Level, probe};
use support::Ground;

#[ctor::ctor(unsafe)]
fn worker() {
    shipsmith_sandbox::become_worker();
}

fn ground() -> Ground {
    Ground::new(|dir| probe(dir).choose(Some(Level::Root)).expect("root"))
}

#[test]
fn a_command_runs_and_its_changes_are_a_layer() {
    let ground = ground();
    let outcome = ground.sh("echo hello; echo oops >&2; echo new > /etc/new; rm /etc/group");
    assert_eq!((outcome.code, &*outcome.output, &*outcome.errors), (0, "hello\n", "oops\n"), "{outcome:?}");
    assert_eq!(outcome.paths(), ["etc", "!etc/group", "etc/new"]);
}
