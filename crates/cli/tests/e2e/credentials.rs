//! Who may push: Docker's and podman's files, login and logout, tokens that expire.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::faulty_proxy::FaultyProxy;
use testkit::registry_server::{RegistryOptions, RegistryServer};
use testkit::token_server::{TokenOptions, TokenServer};

use crate::support::{Environment, context, json as parse};

const USER: &str = "someone";
const PASSWORD: &str = "a pass: wörd";

/// A registry that asks for the name and password.
fn closed() -> Option<RegistryServer> {
    RegistryOptions::default().htpasswd(USER, PASSWORD).start()
}

fn auths(host: &str) -> String {
    json!({ "auths": { host: { "auth": STANDARD.encode(format!("{USER}:{PASSWORD}")) } } }).to_string()
}

fn app() -> Environment {
    context("FROM scratch\nCOPY a /\n")
}

#[test]
fn without_a_credential_it_is_refused_and_with_dockers_file_it_is_not() {
    let Some(registry) = closed() else { return };
    let environment = app();
    let name = format!("{}/team/app:1", registry.address());
    let said = environment.fails(3, ["build", "--push", "-t", &name, "app"]);
    assert!(said.contains("hint: ") && said.contains("login"), "{said}");
    fs::write(environment.docker_config(), auths(registry.address())).expect("the directory is ours");
    environment.ok(["build", "--push", "-t", &name, "app"]);
    let digest = parse(environment.ok(["inspect", "--raw", &name]));
    assert_eq!(digest["schemaVersion"], 2, "it is there, for whoever may read");
}

#[test]
fn podmans_file_serves_as_well_and_comes_first() {
    let Some(registry) = closed() else { return };
    let environment = app();
    let file = environment.write("auth.json", auths(registry.address()));
    fs::write(environment.docker_config(), r#"{"auths":{}}"#).expect("the directory is ours");
    let environment = environment.with("REGISTRY_AUTH_FILE", file);
    environment.ok(["build", "--push", "-t", &format!("{}/team/app:1", registry.address()), "app"]);
}

#[test]
fn a_credential_helper_is_asked() {
    let Some(registry) = closed() else { return };
    let environment = app();
    let helper = environment.write(
        "bin/docker-credential-test",
        format!(
            "#!/bin/sh\nread host\n[ \"$host\" = {} ] || exit 1\nprintf '%s' '{}'\n",
            registry.address(),
            json!({ "ServerURL": registry.address(), "Username": USER, "Secret": PASSWORD })
        ),
    );
    fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let config = json!({ "credHelpers": { registry.address(): "test" } }).to_string();
    fs::write(environment.docker_config(), config).expect("the directory is ours");
    let path = format!("{}:/usr/bin:/bin", helper.parent().expect("a directory").display());
    let environment = environment.with("PATH", path);
    environment.ok(["build", "--push", "-t", &format!("{}/team/app:1", registry.address()), "app"]);
}

#[test]
fn login_writes_what_docker_would_and_logout_takes_it_away() {
    let Some(registry) = closed() else { return };
    let environment = app();
    let login = ["login", "--username", USER, "--password-stdin", registry.address()];
    assert_eq!(environment.feed(b"wrong\n", login).code, Some(3));
    assert!(!environment.docker_config().exists(), "a wrong password is not kept");
    assert_eq!(environment.feed(format!("{PASSWORD}\n").as_bytes(), login).code, Some(0));
    let kept = fs::read_to_string(environment.docker_config()).expect("Docker's file");
    assert_eq!(parse(&kept), parse(auths(registry.address())));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&environment.docker_config().metadata().expect("it").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let name = format!("{}/team/app:1", registry.address());
    environment.ok(["build", "--push", "-t", &name, "app"]);
    environment.ok(["logout", registry.address()]);
    let kept = parse(fs::read_to_string(environment.docker_config()).expect("Docker's file"));
    assert!(kept["auths"].as_object().is_none_or(serde_json::Map::is_empty), "{kept}");
    environment.fails(3, ["build", "--push", "-t", &name, "app"]);
}

/// Several layers, so that a push takes several requests.
fn push_with(tokens: &TokenServer, environment: &Environment) -> Option<FaultyProxy> {
    let registry = RegistryOptions::default().token(tokens).start()?;
    let proxy = FaultyProxy::start(registry.address());
    let name = format!("{}/team/app:1", proxy.address());
    environment.ok(["build", "--push", "-t", &name, "app"]);
    let raw: Value = parse(environment.ok(["inspect", "--raw", &name]));
    assert_eq!(raw["layers"].as_array().map(Vec::len), Some(3));
    Some(proxy)
}

const THREE_LAYERS: &str = "FROM scratch\nCOPY a /1\nCOPY a /2\nCOPY a /3\n";

#[test]
fn a_token_that_expires_during_a_push_is_got_again() {
    let tokens = TokenOptions::default().first_lifetimes(&[-120]).start();
    let environment = context(THREE_LAYERS);
    let Some(proxy) = push_with(&tokens, &environment) else { return };
    assert!(tokens.seen().len() >= 2, "{:?}", tokens.seen());
    assert_eq!(proxy.count("PUT", "/manifests/1"), 1);
}

#[test]
fn a_token_server_gets_the_password_and_the_registry_does_not() {
    let tokens = TokenOptions::default().user(USER, PASSWORD).start();
    let environment = context(THREE_LAYERS);
    let Some(registry) = RegistryOptions::default().token(&tokens).start() else { return };
    let proxy = FaultyProxy::start(registry.address());
    fs::write(environment.docker_config(), auths(proxy.address())).expect("the directory is ours");
    environment.ok(["build", "--push", "-t", &format!("{}/team/app:1", proxy.address()), "app"]);
    assert!(tokens.seen().iter().any(|seen| seen.header("authorization").is_some_and(|a| a.starts_with("Basic "))));
    let sent = proxy.seen();
    let basic = sent.iter().filter_map(|seen| seen.header("authorization")).find(|value| value.starts_with("Basic "));
    assert_eq!(basic, None, "a registry that wants tokens gets tokens");
}

#[test]
fn an_identity_token_stands_for_the_password() {
    let tokens = TokenOptions::default().user("nobody", "knows").identity_token("long-lived").start();
    let environment = context(THREE_LAYERS);
    let Some(registry) = RegistryOptions::default().token(&tokens).start() else { return };
    let config = json!({ "auths": { registry.address(): { "identitytoken": "long-lived" } } }).to_string();
    fs::write(environment.docker_config(), config).expect("the directory is ours");
    environment.ok(["build", "--push", "-t", &format!("{}/team/app:1", registry.address()), "app"]);
    assert!(tokens.seen().iter().any(|seen| seen.method == "POST"));
}

#[test]
fn a_registry_token_is_used_as_it_is() {
    let tokens = TokenOptions::default().user("nobody", "knows").start();
    let environment = context(THREE_LAYERS);
    let Some(registry) = RegistryOptions::default().token(&tokens).start() else { return };
    let token = tokens.token("repository:team/app:pull,push");
    let config = json!({ "auths": { registry.address(): { "registrytoken": token } } }).to_string();
    fs::write(environment.docker_config(), config).expect("the directory is ours");
    environment.ok(["build", "--push", "-t", &format!("{}/team/app:1", registry.address()), "app"]);
    assert!(tokens.seen().is_empty(), "nobody was asked for another: {:?}", tokens.seen());
}
