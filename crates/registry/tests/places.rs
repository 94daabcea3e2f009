//! Where a registry is and how it is reached: encryption, authorities, mirrors, blocks.

mod common;

use std::fs;
use std::path::Path;

use common::{blob, client, config, push, push_image, read, reference, repository};
use shipsmith_registry::{Cause, Client, Config, ConnectProblem, Environment, Kind, Registries};
use testkit::faulty_proxy::{Fault, FaultyProxy};
use testkit::registry_server::{RegistryOptions, RegistryServer, self_signed};

fn encrypted() -> Option<(RegistryServer, String)> {
    let (certificate, key) = self_signed(&["127.0.0.1"]);
    Some((RegistryOptions::default().tls(&certificate, &key).start()?, certificate))
}

fn registries(text: &str) -> Client {
    let (mut config, _) = config();
    config.registries = Registries::parse(text, Path::new("registries.conf")).expect("valid");
    Client::new(config)
}

#[tokio::test]
async fn loopback_may_be_encrypted_or_not() {
    let (Some(plain), Some((tls, _))) = (RegistryServer::start(), encrypted()) else { return };
    let by_name = plain.address().replace("127.0.0.1", "localhost");
    for address in [plain.address(), tls.address(), &by_name] {
        push_image(&client(), &reference(address, "a:b"), 1).await;
    }
}

#[tokio::test]
async fn an_authority_in_certs_d_is_trusted_and_no_other() {
    let Some((server, certificate)) = encrypted() else { return };
    let home = tempfile::tempdir().expect("a home");
    let dir = home.path().join("etc/docker/certs.d").join(server.address());
    fs::create_dir_all(&dir).expect("made");
    let environment = Environment::new(home.path(), [("HOME", home.path())]);
    let at_home = || Client::new(Config::from(&environment).expect("a configuration"));
    let name = reference(server.address(), "a:b");
    let error = at_home().get_manifest(&name).await.expect_err("nobody vouches for it");
    assert!(matches!(error.cause(), Cause::Connect { problem: ConnectProblem::Tls, .. }), "{error}");
    assert!(error.hint().expect("a hint").contains(&format!("certs.d/{}/ca.crt", server.address())));
    fs::write(dir.join("ca.crt"), certificate).expect("written");
    push_image(&at_home(), &name, 1).await;
    at_home().get_manifest(&name).await.expect("read");
}

#[tokio::test]
async fn http_in_place_of_https_is_told() {
    let Some(server) = RegistryServer::start() else { return };
    let (mut config, _) = config();
    let certs = tempfile::tempdir().expect("a directory");
    fs::create_dir(certs.path().join(server.address())).expect("made");
    config.certificate_dirs = vec![certs.path().to_owned()];
    let error = Client::new(config).get_manifest(&reference(server.address(), "a:b")).await.expect_err("plain");
    assert!(matches!(error.cause(), Cause::Connect { problem: ConnectProblem::PlainHttp, .. }), "{error}");
    assert!(error.hint().expect("a hint").contains("insecure = true"));
}

#[tokio::test]
async fn an_insecure_registry_is_reached_either_way() {
    let (Some(plain), Some((tls, _))) = (RegistryServer::start(), encrypted()) else { return };
    let certs = tempfile::tempdir().expect("a directory");
    for address in [plain.address(), tls.address()] {
        // A directory in certs.d takes the loopback's privileges away.
        fs::create_dir(certs.path().join(address)).expect("made");
        let (mut config, _) = config();
        config.certificate_dirs = vec![certs.path().to_owned()];
        let text = format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n");
        config.registries = Registries::parse(&text, Path::new("registries.conf")).expect("valid");
        push_image(&Client::new(config), &reference(address, "a:b"), 1).await;
    }
}

#[tokio::test]
async fn mirrors_are_tried_first_and_the_registry_last() {
    let (Some(origin), Some(mirror)) = (RegistryServer::start(), RegistryServer::start()) else { return };
    let watched = FaultyProxy::start(origin.address());
    let name = reference(watched.address(), "team/app:v1");
    let (descriptor, _) = push_image(&client(), &name, 1).await;
    let layer = blob(4000, 9);
    push(&client(), &repository(mirror.address(), "cache/team/app"), &layer).await.expect("pushed");
    let client = registries(&format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:1/gone\"\n[[registry.mirror]]\nlocation = \"{}/cache\"\n",
        watched.address(),
        mirror.address()
    ));
    let before = watched.seen().len();
    assert_eq!(read(&client, name.repository(), &layer.0).await.expect("read"), layer.1);
    assert_eq!(watched.seen().len(), before, "the mirror has it");
    assert_eq!(client.get_manifest(&name).await.expect("read").0, descriptor);
    assert!(watched.seen().len() > before, "only the registry has it");
    let pushed = blob(50, 3);
    push(&client, name.repository(), &pushed).await.expect("pushed");
    assert!(client.has_blob(name.repository(), &pushed.0.digest).await.expect("asked"));
    let error = client.get_manifest(&reference(watched.address(), "team/app:v2")).await.expect_err("nowhere");
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}

#[tokio::test]
async fn a_blocked_registry_is_not_even_asked() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let client = registries(&format!("[[registry]]\nlocation = \"{}\"\nblocked = true\n", proxy.address()));
    let error = client.head_manifest(&reference(proxy.address(), "a:b")).await.expect_err("blocked");
    assert_eq!((error.kind(), proxy.seen().len()), (Kind::Denied, 0));
    let error = push(&client, &repository(proxy.address(), "a"), &blob(1, 1)).await.expect_err("blocked");
    assert_eq!(error.kind(), Kind::Denied);
}

#[tokio::test]
async fn a_registry_without_head_is_asked_with_get() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let name = reference(proxy.address(), "a:b");
    let (descriptor, _) = push_image(&client(), &name, 1).await;
    proxy.fault(1, "HEAD", "/manifests/", Fault::status(405));
    assert_eq!(client().head_manifest(&name).await.expect("asked"), Some(descriptor.clone()));
    let no_digest = Fault::with_header(200, &[("Content-Type", "application/vnd.oci.image.manifest.v1+json")]);
    proxy.fault(1, "HEAD", "/manifests/", no_digest);
    assert_eq!(client().head_manifest(&name).await.expect("asked"), Some(descriptor));
}

#[tokio::test]
async fn tags_come_page_by_page() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let name = reference(proxy.address(), "a:one");
    push_image(&client(), &name, 1).await;
    push_image(&client(), &name.with_tag("two").expect("a tag"), 1).await;
    let page = Fault::Answer {
        status: 200,
        headers: vec![("Link".into(), "</v2/a/tags/list?last=three&n=1>; rel=\"next\"".into())],
        body: r#"{"name":"a","tags":["three"]}"#.into(),
    };
    proxy.fault(1, "GET", "/tags/list", page);
    let tags = client().list_tags(name.repository()).await.expect("listed");
    assert_eq!(tags, ["one", "three", "two"]);
    assert_eq!(proxy.count("GET", "/tags/list"), 2);
}
