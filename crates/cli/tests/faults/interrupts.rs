//! Ctrl-C and kill -9 in the middle of things.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use testkit::environment::{Ended, Environment};
use testkit::faulty_proxy::{Fault, FaultyProxy};
use testkit::registry_server::RegistryServer;

use crate::support::{assert_nothing_left, assert_nothing_unfinished, assert_whole, big_app, here, push_base, tags};

const INTERRUPTED: &str = "error: interrupted\n";

fn start(environment: &Environment, arguments: &[&str]) -> Child {
    let mut command = environment.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).expect("the program runs");
}

/// Sends `signal` as soon as the proxy has seen a request, which it never answers.
fn interrupted(
    environment: &Environment,
    arguments: &[&str],
    proxy: &FaultyProxy,
    request: (&str, &str),
    signal: Signal,
) -> Ended {
    let child = start(environment, arguments);
    proxy.wait_for(request.0, request.1);
    send(&child, signal);
    child.wait_with_output().expect("the program ends").into()
}

#[track_caller]
fn assert_interrupted(ended: &Ended) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(130), ""), "{}", ended.stderr);
    assert_eq!(ended.stderr, INTERRUPTED);
}

#[test]
fn a_slow_push_leaves_no_tag() {
    let Some(registry) = RegistryServer::start() else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let proxy = FaultyProxy::start(registry.address());
        proxy.fault(99, "PUT", "/blobs/uploads/", Fault::StallRequest(1000));
        let environment = big_app("FROM scratch\nCOPY big /\n");
        let name = format!("{}/app:1", proxy.address());
        let arguments = ["build", "--progress=none", "--push", "-t", &name, "app"];
        assert_interrupted(&interrupted(&environment, &arguments, &proxy, ("PUT", "/blobs/uploads/"), signal));
        assert_eq!(tags(&registry, "app"), [] as [&str; 0]);
        assert_nothing_left(&environment);
    }
}

#[test]
fn a_slow_base_leaves_no_output() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(base) = push_base(&registry) else { return };
    for output in ["type=oci,dest=out", "type=docker,dest=out", "type=tar,dest=out", "type=oci,tar=false,dest=out"] {
        let proxy = FaultyProxy::start(registry.address());
        let layer = format!("/blobs/{}", base.layer);
        proxy.fault(99, "GET", &layer, Fault::StallResponse(100));
        let environment = big_app(&format!("FROM {}/base:1\nCOPY big /\n", proxy.address()));
        let arguments = ["build", "--progress=none", "-t", "x", "-o", output, "--iidfile=id", "app"];
        let arguments: Vec<&str> =
            arguments.into_iter().filter(|flag| !output.contains("=tar,") || !flag.contains("iid")).collect();
        assert_interrupted(&interrupted(&environment, &arguments, &proxy, ("GET", &layer), Signal::INT));
        assert!(!environment.path("out").exists(), "{output}");
        assert!(!environment.path("id").exists(), "{output}");
        assert_nothing_left(&environment);
    }
}

#[test]
fn a_slow_pull_and_a_slow_copy_leave_no_name() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(base) = push_base(&registry) else { return };
    let proxy = FaultyProxy::start(registry.address());
    let layer = format!("/blobs/{}", base.layer);
    proxy.fault(99, "GET", &layer, Fault::StallResponse(100));
    let (from, to) = (format!("{}/base:1", proxy.address()), format!("{}/copy:1", registry.address()));
    let environment = here();
    let pull = ["pull", "--progress=none", &from];
    assert_interrupted(&interrupted(&environment, &pull, &proxy, ("GET", &layer), Signal::INT));
    assert_nothing_left(&environment);
    // Another host name, so that no mount spares the transfer.
    let to = to.replace("127.0.0.1", "localhost");
    let proxy = FaultyProxy::start(registry.address());
    proxy.fault(99, "GET", &layer, Fault::StallResponse(100));
    let from = format!("{}/base:1", proxy.address());
    let copy = ["copy", "--progress=none", &from, &to];
    assert_interrupted(&interrupted(&environment, &copy, &proxy, ("GET", &layer), Signal::INT));
    assert_eq!(tags(&registry, "copy"), [] as [&str; 0]);
    assert_nothing_left(&environment);
}

/// Killed when it has said so many lines, which is somewhere else each time.
#[test]
fn a_killed_build_leaves_a_whole_store() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(_) = push_base(&registry) else { return };
    let dockerfile = "ARG REGISTRY\nFROM $REGISTRY/base:1 AS one\nCOPY big /one\nFROM $REGISTRY/base:1\n\
                      COPY a /bin/\nCOPY --from=one /one /two\nWORKDIR /work\n";
    let argument = format!("REGISTRY={}", registry.address());
    let build = [
        "build",
        "--progress=rawjson",
        "--build-arg",
        &argument,
        "-t",
        "x",
        "-o",
        "type=oci,dest=out.tar",
        "-o",
        "type=image",
        "app",
    ];
    for lines in 1..=20 {
        let environment = big_app(dockerfile);
        let mut child = start(&environment, &build);
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let read = stderr.lines().take(lines).map_while(Result::ok).count();
        assert!(read > 0, "it says what it does");
        send(&child, Signal::KILL);
        child.wait().expect("the program ends");
        assert_whole(&environment);
        environment.ok(build);
        assert_nothing_unfinished_after_a_prune(&environment);
    }
}

/// What a killed process left unfinished, the next prune removes.
#[track_caller]
fn assert_nothing_unfinished_after_a_prune(environment: &Environment) {
    environment.ok(["prune"]);
    assert_whole(environment);
    assert_eq!(environment.ok(["images", "--quiet"]).lines().count(), 1);
}

#[test]
fn a_second_build_after_an_interrupted_one_is_as_good_as_a_first() {
    let Some(registry) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(registry.address());
    let environment = big_app("FROM scratch\nCOPY big /\n");
    let name = format!("{}/app:1", proxy.address());
    let arguments = ["build", "--progress=none", "--push", "-t", &name, "app"];
    proxy.fault(2, "PUT", "/blobs/uploads/", Fault::StallRequest(1000));
    assert_interrupted(&interrupted(&environment, &arguments, &proxy, ("PUT", "/blobs/uploads/"), Signal::INT));
    let second = FaultyProxy::start(registry.address());
    let name = format!("{}/app:1", second.address());
    environment.ok(["build", "--progress=none", "--push", "-t", &name, "app"]);
    assert_eq!(tags(&registry, "app"), ["1"]);
    assert_nothing_unfinished(&environment);
}
