//! Registries that refuse, or are not there: the whole message and exit code 3.

use std::net::TcpListener;

use testkit::registry_server::{RegistryOptions, RegistryServer};
use testkit::token_server::TokenOptions;

use crate::support::{app, assert_nothing_left, assert_said, log_in, push_base, tags};

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

const DOWN: &str = "cannot connect to REGISTRY: connection refused";
const DOWN_HINT: &str = "hint: is the registry at REGISTRY running, and is this its port?\n";

#[test]
fn a_base_in_a_registry_that_is_down() {
    let environment = app(&format!("FROM {}/base:1\n", nobody()));
    let file = environment.read("app/Dockerfile");
    let (line, marks) = (file.trim_end(), "^".repeat(file.trim_end().len()));
    let message = format!(
        "error: cannot look up REGISTRY/base:1: {DOWN}\nDockerfile:1\n  1 | {line}\n    | {marks}\n{DOWN_HINT}"
    );
    let message = crate::support::plain(&environment, &message);
    assert_said(&environment, &["build", "-t", "x", "app"], 3, &message);
    assert_nothing_left(&environment);
}

#[test]
fn a_push_to_a_registry_that_is_down() {
    let environment = app("FROM scratch\nENV A=1\n");
    let name = format!("{}/app", nobody());
    let (code, said) = crate::support::said(&environment, &["build", "--push", "-t", &name, "app"]);
    let (before, rest) = said.split_once("sha256:").expect("the blob is named");
    let rest = &rest[64..];
    assert_eq!((code, before), (Some(3), "error: cannot push blob "));
    assert_eq!(rest, format!(" of REGISTRY/app: {DOWN}\n{DOWN_HINT}"));
    assert_nothing_left(&environment);
}

#[test]
fn a_base_that_is_not_there() {
    let Some(registry) = RegistryServer::start() else { return };
    let environment = app("ARG REGISTRY\nFROM $REGISTRY/no/such:1\n");
    let argument = format!("--build-arg=REGISTRY={}", registry.address());
    let message = "error: REGISTRY/no/such:1 is not in its registry\nDockerfile:2\n  2 | FROM $REGISTRY/no/such:1\n\
                   \x20   | ^^^^^^^^^^^^^^^^^^^^^^^^\n\
                   hint: check the name and the tag; an image that is only in a Docker engine must be pushed or exported first\n";
    assert_said(&environment, &["build", &argument, "app"], 3, message);
    let (message, hint) = (
        "error: REGISTRY/no/such:1 is not in the local store, and --offline forbids to ask its registry\nDockerfile:2\n  2 | FROM $REGISTRY/no/such:1\n    | ^^^^^^^^^^^^^^^^^^^^^^^^\n",
        "hint: build once without --offline, or `shipsmith pull` it before\n",
    );
    assert_said(&environment, &["build", "--offline", &argument, "app"], 1, &format!("{message}{hint}"));
}

#[test]
fn a_base_without_the_platform() {
    let Some(registry) = RegistryServer::start() else { return };
    let environment = app("ARG REGISTRY\nFROM $REGISTRY/base:1\n");
    let name = format!("{}/base:1", registry.address());
    environment.write("base/Dockerfile", "FROM scratch\nENV A=1\n");
    environment.ok(["build", "--platform=linux/amd64,linux/arm64", "--push", "-t", &name, "base"]);
    let argument = format!("--build-arg=REGISTRY={}", registry.address());
    let message = "error: REGISTRY/base:1 has no image for linux/s390x\nDockerfile:2\n  2 | FROM $REGISTRY/base:1\n\
                   \x20   | ^^^^^^^^^^^^^^^^^^^^^\nhint: it has linux/amd64, linux/arm64\n";
    assert_said(&environment, &["build", "--platform=linux/s390x", &argument, "-t", "x", "app"], 1, message);
    assert_nothing_left(&environment);
}

const REFUSED_BASE: &str = "Dockerfile:2\n  2 | FROM $REGISTRY/base:1\n    | ^^^^^^^^^^^^^^^^^^^^^\n";
const LOG_IN: &str = "hint: run `shipsmith login REGISTRY`\n";
const ANSWER: &str = "REGISTRY answered 401 Unauthorized";

#[test]
fn no_credentials_and_wrong_ones() {
    let Some(registry) = RegistryOptions::default().htpasswd("ann", "secret").start() else { return };
    let environment = app("ARG REGISTRY\nFROM $REGISTRY/base:1\n");
    let argument = format!("--build-arg=REGISTRY={}", registry.address());
    let build = ["build", "-t", "x", &argument, "app"];
    let message = format!("error: cannot look up REGISTRY/base:1: {ANSWER}\n{REFUSED_BASE}{LOG_IN}");
    assert_said(&environment, &build, 3, &message);

    log_in(&environment, registry.address(), "ann", "wr0ng");
    let message = message.replace(ANSWER, &format!("the credentials were refused: {ANSWER}"));
    assert_said(&environment, &build, 3, &message);
    assert_nothing_left(&environment);
}

#[test]
fn no_credentials_for_a_push() {
    let tokens = TokenOptions::default().user("ann", "secret").start();
    let Some(registry) = RegistryOptions::default().token(&tokens).start() else { return };
    let environment = app("FROM scratch\nENV A=1\n");
    let name = format!("{}/app:1", registry.address());
    let (code, said) = crate::support::said(&environment, &["build", "--push", "-t", &name, "app"]);
    let (before, rest) = said.split_once("sha256:").expect("the blob is named");
    assert_eq!((code, before), (Some(3), "error: cannot push blob "));
    let answer = "REGISTRY answered 401 Unauthorized (UNAUTHORIZED: its token server 127.0.0.1 answered \
                  401 Unauthorized (UNAUTHORIZED: who are you?))";
    assert_eq!(&rest[64..], format!(" of REGISTRY/app: {answer}\nhint: run `shipsmith login REGISTRY`\n"));
    assert_nothing_left(&environment);
    assert_eq!(tags(&registry, "app"), [] as [&str; 0]);
}

#[test]
fn a_registry_that_may_only_be_read() {
    let Some(registry) = RegistryOptions::default().read_only().start() else { return };
    let environment = app("FROM scratch\nENV A=1\n");
    let name = format!("{}/app:1", registry.address());
    let (code, said) = crate::support::said(&environment, &["build", "--push", "-t", &name, "app"]);
    let (before, rest) = said.split_once("sha256:").expect("the blob is named");
    assert_eq!((code, before), (Some(3), "error: cannot push blob "));
    assert_eq!(
        &rest[64..],
        " of REGISTRY/app: REGISTRY answered 405 Method Not Allowed\nhint: REGISTRY does not allow this at all: it may be read-only, a mirror, or forbid to delete\n"
    );
    assert_nothing_left(&environment);
}

#[test]
fn a_failed_push_beside_a_good_one_gives_no_tag_in_the_bad() {
    let (Some(good), Some(bad)) = (RegistryServer::start(), RegistryOptions::default().read_only().start()) else {
        return;
    };
    let environment = app("FROM scratch\nCOPY a /b\n");
    let names = [&good, &bad].map(|registry| format!("{}/app:1", registry.address()));
    let (code, _) = crate::support::said(&environment, &["build", "--push", "-t", &names[0], "-t", &names[1], "app"]);
    assert_eq!(code, Some(3));
    assert_eq!(tags(&bad, "app"), [] as [&str; 0]);
    assert_nothing_left(&environment);
}

#[test]
fn a_login_that_is_refused_keeps_nothing() {
    let Some(registry) = RegistryOptions::default().htpasswd("ann", "secret").start() else { return };
    let environment = app("FROM scratch\n");
    let message = "error: cannot log in to REGISTRY: the credentials were refused: REGISTRY answered 401 Unauthorized \
                   (UNAUTHORIZED: authentication required)\n\
                   hint: check the name and the password; many registries want an access token in its place\n";
    assert_said(&environment, &["login", "-u", "ann", "-p", "wr0ng", registry.address()], 3, message);
    assert!(!environment.docker_config().exists());
}

#[test]
fn a_local_image_stands_in_for_a_base_that_no_registry_serves() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(_) = push_base(&registry) else { return };
    let environment = app("ARG REGISTRY\nFROM $REGISTRY/mine:1\n");
    let name = format!("{}/mine:1", registry.address());
    environment.write("base/Dockerfile", "FROM scratch\nENV A=1\n");
    environment.ok(["build", "-t", &name, "base"]);
    environment.ok(["build", "--build-arg", &format!("REGISTRY={}", registry.address()), "app"]);
}
