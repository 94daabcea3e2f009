//! Where registries are and how they are trusted: registries.conf and certs.d, through the whole program.

use std::fs;

use testkit::authority::{Authority, Issued};
use testkit::environment::Environment;
use testkit::registry_server::{RegistryOptions, RegistryServer};

use crate::support::{app, assert_nothing_left, assert_said, here, push_base, said, tags};

/// Writes the user's registries.conf.
fn configure(environment: &Environment, text: &str) {
    let directory = environment.home().join(".config/containers");
    fs::create_dir_all(&directory).expect("the home is ours");
    fs::write(directory.join("registries.conf"), text).expect("the home is ours");
}

/// Writes a file into the user's certs.d directory of a registry.
fn trust(environment: &Environment, address: &str, file: &str, text: &str) {
    let directory = environment.home().join(".config/containers/certs.d").join(address);
    fs::create_dir_all(&directory).expect("the home is ours");
    fs::write(directory.join(file), text).expect("the home is ours");
}

#[test]
fn a_mirror_is_asked_first() {
    let Some(mirror) = RegistryServer::start() else { return };
    let Some(_) = push_base(&mirror) else { return };
    let environment = app("FROM far.example/base:1\nCOPY a /a\n");
    let rule = "[[registry]]\nlocation = \"far.example\"\n[[registry.mirror]]\nlocation = \"MIRROR\"\n";
    configure(&environment, &rule.replace("MIRROR", mirror.address()));
    let output = ["build", "-o", "type=oci,dest=out.tar", "app"];
    assert_said(&environment, &output, 0, "");
}

#[test]
fn another_location_is_where_it_is() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(_) = push_base(&registry) else { return };
    let environment = app("FROM team.example/base:1\nCOPY a /a\n");
    configure(
        &environment,
        &format!("[[registry]]\nprefix = \"team.example\"\nlocation = \"{}\"\n", registry.address()),
    );
    assert_said(&environment, &["build", "-o", "out", "app"], 0, "");
    assert_eq!(environment.read("out/usr/bin/hello"), "#!/bin/sh\necho hello\n");
}

#[test]
fn a_blocked_registry_is_not_asked() {
    let environment = app("FROM bad.example/base:1\n");
    configure(&environment, "[[registry]]\nlocation = \"bad.example\"\nblocked = true\n");
    let message = "error: cannot look up bad.example/base:1: bad.example is blocked in registries.conf\nDockerfile:1\n\
                   \x20 1 | FROM bad.example/base:1\n    | ^^^^^^^^^^^^^^^^^^^^^^^\n\
                   hint: remove `blocked = true` from its [[registry]] entry\n";
    assert_said(&environment, &["build", "app"], 3, message);
    environment.write("app/Dockerfile", "FROM scratch\nENV A=1\n");
    let (code, said) = said(&environment, &["build", "--push", "-t", "bad.example/x:1", "app"]);
    assert_eq!(code, Some(3));
    assert!(said.contains(" of bad.example/x: bad.example is blocked in registries.conf\nhint: "), "{said}");
    assert_nothing_left(&environment);
}

#[test]
fn a_registries_conf_that_means_nothing_is_named() {
    let environment = app("FROM scratch\n");
    configure(&environment, "[registries.search]\nregistries = []\n");
    let (code, said) = said(&environment, &["build", "app"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.starts_with("error: cannot use the configuration of ")
            && said.contains("HOME/.config/containers/registries.conf: "),
        "{said}"
    );
}

/// A directory in certs.d asks for encryption even on this machine; `insecure` takes that back.
#[test]
fn plain_http_only_where_configured() {
    let Some(registry) = RegistryServer::start() else { return };
    let environment = app("FROM scratch\nCOPY a /a\n");
    let (address, name) = (registry.address(), format!("{}/app:1", registry.address()));
    trust(&environment, address, "ca.crt", &Authority::default().certificate());
    let build = ["build", "--push", "-t", &name, "app"];
    let (code, text) = said(&environment, &build);
    assert_eq!(code, Some(3));
    assert!(text.contains("the server speaks plain http where https was expected"), "{text}");
    assert!(text.ends_with("hint: if REGISTRY is meant to be reached without encryption, say so in ~/.config/containers/registries.conf: [[registry]] location = \"REGISTRY\", insecure = true\n"), "{text}");
    configure(&environment, &format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n"));
    assert_eq!(said(&environment, &build), (Some(0), String::new()));
    assert_eq!(tags(&registry, "app"), ["1"]);
}

#[test]
fn a_private_authority_and_a_client_certificate() {
    let (authority, others) = (Authority::default(), Authority::default());
    let Issued { certificate, key } = authority.server(&["127.0.0.1"]);
    let options = RegistryOptions::default().tls(&certificate, &key).client_authority(&others.certificate());
    let Some(registry) = options.start() else { return };
    let environment = app("FROM scratch\nCOPY a /a\n");
    let (address, name) = (registry.address(), format!("{}/app:1", registry.address()));
    let build = ["build", "--push", "-t", &name, "app"];

    trust(&environment, address, "ca.crt", &others.certificate());
    let (code, text) = said(&environment, &build);
    assert_eq!(code, Some(3));
    assert!(text.contains(" of REGISTRY/app: cannot connect to REGISTRY: no trusted encrypted connection ("), "{text}");
    assert!(text.ends_with("hint: if REGISTRY uses a private authority, put its certificate into /etc/docker/certs.d/REGISTRY/ca.crt or ~/.config/containers/certs.d/REGISTRY/ca.crt\n"), "{text}");

    trust(&environment, address, "ca.crt", &authority.certificate());
    let (code, text) = said(&environment, &build);
    assert_eq!(code, Some(3), "without a certificate of our own: {text}");
    assert_nothing_left(&environment);

    let us = others.client();
    trust(&environment, address, "client.cert", &us.certificate);
    trust(&environment, address, "client.key", &us.key);
    assert_eq!(said(&environment, &build), (Some(0), String::new()));
    assert_eq!(tags(&registry, "app"), ["1"]);
    let other = here();
    for (file, text) in [("ca.crt", authority.certificate()), ("client.cert", us.certificate), ("client.key", us.key)] {
        trust(&other, address, file, &text);
    }
    other.ok(["pull", &name]);
}
