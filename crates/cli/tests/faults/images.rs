//! The commands around images, asked for what is not there.

use testkit::registry_server::RegistryServer;

use crate::support::{app, assert_said, here};

const LIST: &str = "hint: `shipsmith images` lists what there is\n";

#[test]
fn images_that_the_store_does_not_have() {
    let environment = here();
    let message = format!("error: there is no image nowhere:1 in the local store\n{LIST}");
    for arguments in
        [vec!["push", "nowhere:1"], vec!["export", "-o", "type=oci,dest=x", "nowhere:1"], vec!["rm", "nowhere:1"]]
    {
        assert_said(&environment, &arguments, 1, &message);
    }
}

#[test]
fn images_that_the_registry_does_not_have() {
    let Some(registry) = RegistryServer::start() else { return };
    let (environment, name) = (here(), format!("{}/no/such:1", registry.address()));
    let (code, said) = crate::support::said(&environment, &["pull", &name]);
    assert_eq!(code, Some(3));
    assert!(
        said.starts_with(
            "error: cannot pull the manifest of REGISTRY/no/such:1: REGISTRY answered 404 Not Found (MANIFEST_UNKNOWN"
        ),
        "{said}"
    );
}

#[test]
fn archives_that_are_none() {
    let environment = here();
    environment.write("letter", "dear reader\n");
    let (code, said) = crate::support::said(&environment, &["import", "letter"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.starts_with("error: cannot import the archive: "), "{said}");
    let (code, said) = crate::support::said(&environment, &["import", "nowhere"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("nowhere") && said.contains("No such file"), "{said}");
}

#[test]
fn a_load_without_an_engine() {
    let environment =
        app("FROM scratch\nCOPY a /b\n").with("DOCKER_HOST", "unix:///nowhere/docker.sock").with("PATH", "/nowhere");
    let message = "error: cannot reach the container engine: Socket not found: /nowhere/docker.sock\n\
                   hint: start the engine, or set DOCKER_HOST; `--output type=docker,dest=image.tar` needs none\n";
    assert_said(&environment, &["build", "--load", "app"], 1, message);
}
