//! Builders that are not there, go away, or cannot do what is asked; builds that fail there.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::support::{Daemon, Engine, Ground, Wire};

#[test]
fn a_builder_that_is_not_there_is_fatal() {
    let Some(ground) = Ground::new() else { return };
    ground.app("FROM BASE\nRUN true\n");
    let missing = format!("unix://{}", ground.environment.path("no.sock").display());
    for builder in [["--builder", &missing], ["--builders", &format!("linux/amd64={missing},linux/arm64={missing}")]] {
        let said = ground.fails(&builder);
        assert!(said.contains("cannot reach the builder unix://"), "{said}");
        assert!(said.contains("hint: start the builder"), "{said}");
    }
}

#[test]
fn what_fails_is_shown_at_its_place_with_what_it_printed() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM BASE\nCOPY file /\nRUN echo the last words && exit 7\n");
    let said = ground.fails(&["--builder", &engine.builder, "--network=none"]);
    assert!(said.contains("the last words"), "{said}");
    assert!(said.contains("the build on docker:///") && said.contains("exit code: 7"), "{said}");
    assert!(said.contains("Dockerfile:3") && said.contains("RUN echo the last words && exit 7"), "{said}");
}

#[test]
fn a_builder_without_the_platform_says_which_it_has() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    let said = ground.fails(&["--builder", &engine.builder, "--platform=linux/mips64le,linux/s390x"]);
    assert!(said.contains("does not build for linux/"), "{said}");
    assert!(said.contains("it offers linux/") && said.contains("binfmt"), "{said}");
}

#[test]
fn a_program_of_another_architecture_names_binfmt() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM scratch\nCOPY foreign /foreign\nRUN [\"/foreign\"]\n");
    let path = ground.environment.write("app/foreign", foreign());
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is ours");
    let said = ground.fails(&["--builder", &engine.builder, "--network=none"]);
    assert!(said.contains("exec format error") && said.contains("binfmt"), "{said}");
}

/// A program of S/390, as far as a kernel looks.
fn foreign() -> Vec<u8> {
    let mut elf = vec![0; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x02");
    elf[6] = 1;
    for (at, value) in [(16, 2_u16), (18, 22), (52, 64), (54, 56), (56, 1)] {
        elf[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
    elf[39] = 64;
    elf
}

#[test]
fn what_is_no_builder_is_told_of() {
    let Some(ground) = Ground::new() else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    for answer in
        ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "\0\0\x12\x04\0\0\0\0\0nonsense that is no frame", ""]
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let builder = format!("tcp://{}", listener.local_addr().expect("it has one"));
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("somebody comes");
            client.write_all(answer.as_bytes()).expect("it listens");
            let _ = client.shutdown(std::net::Shutdown::Write);
            let _ = client.read_to_end(&mut Vec::new());
        });
        let said = ground.fails(&["--builder", &builder]);
        assert!(said.contains("cannot reach the builder tcp://127.0.0.1:"), "{answer:?}: {said}");
        server.join().expect("nobody panics");
    }
}

#[test]
fn a_builder_that_dies_in_the_middle_leaves_a_clear_word_and_no_image() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM BASE\nRUN echo begun && sleep 600\n");
    let wire = Wire::to(engine.socket());
    let builder = format!("docker://{}", wire.socket().display());
    let flags = ["build", "--progress=plain", "--no-cache", "--network=none", "--builder", &builder];
    let mut command = ground.environment.command(flags.iter().chain(&["-t", "gone:1", "app"]));
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it can be started");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.lines().last().unwrap_or_default().ends_with(" begun") {
        assert!(lines.read_line(&mut said).expect("text") > 0, "it ended: {said}");
    }
    wire.cut();
    lines.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{said}");
    assert!(said.contains("the connection to the builder docker://") && said.contains("was lost"), "{said}");
    assert!(said.contains("hint: see the builder's own log"), "{said}");
    assert!(!ground.environment.ok(["images"]).contains("gone"));
}

#[test]
fn a_daemon_that_is_killed_is_lost_and_its_next_life_builds() {
    let (Some(ground), Some(daemon)) = (Ground::new(), Daemon::start(&[])) else { return };
    ground.environment.ok(["pull", &ground.base()]);
    ground.app("FROM BASE\nRUN echo begun && sleep 60\n");
    let flags = ["build", "--progress=plain", "--pull=missing", "--network=none", "--builder", &daemon.address()];
    let mut child =
        ground.environment.command(flags.iter().chain(&["app"])).stderr(Stdio::piped()).spawn().expect("ours");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.lines().last().unwrap_or_default().ends_with(" begun") {
        assert!(lines.read_line(&mut said).expect("text") > 0, "it ended: {said}");
    }
    let daemon = daemon.killed();
    lines.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{said}");
    assert!(said.contains("the connection to the builder unix://") && said.contains("was lost"), "{said}");
    ground.app("FROM BASE\nRUN echo again\n");
    ground.builds(&["--pull=missing", "--network=none", "--builder", &daemon.address()]);
}

#[test]
fn what_is_no_address_is_refused_before_anything_is_built() {
    let Some(ground) = Ground::new() else { return };
    ground.app("FROM scratch\n");
    for flag in ["--builder=nonsense", "--builders=linux/amd64", "--builders=linux/amd64=ftp://x"] {
        let said = ground.fails(&[flag]);
        assert!(said.contains("hint: such as"), "{flag}: {said}");
    }
    let said = ground.fails(&["--sbom=true"]);
    assert!(said.contains("attestations are made by BuildKit builders, and none is given"), "{said}");
}
