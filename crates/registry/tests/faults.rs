//! Every fault a network or a broken server may bring, between us and a real registry.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{blob, client, config, push, push_image, read, reference, repository};
use oci::{Descriptor, MediaType};
use shipsmith_registry::{Cause, Client, Credential, Kind, Pushed, Secret};
use testkit::faulty_proxy::{Fault, FaultyProxy};
use testkit::registry_server::{RegistryOptions, RegistryServer};

#[tokio::test]
async fn busy_registries_are_asked_again_when_they_say() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (config, clock) = config();
    let (client, blob) = (Client::new(config), blob(1000, 1));
    proxy.fault(1, "POST", "/blobs/uploads/", Fault::with_header(429, &[("Retry-After", "17")]));
    proxy.fault(1, "POST", "/blobs/uploads/", Fault::status(503));
    proxy.fault(1, "HEAD", "/blobs/", Fault::status(502));
    let to = repository(proxy.address(), "a");
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    assert_eq!(clock.slept(), [250, 17_000, 500].map(Duration::from_millis));
}

#[tokio::test]
async fn a_registry_that_keeps_failing_is_given_up() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (config, clock) = config();
    let attempts = config.retry.attempts as usize;
    proxy.fault(99, "GET", "/manifests/", Fault::status(503));
    let error = Client::new(config).get_manifest(&reference(proxy.address(), "a:b")).await.expect_err("it fails");
    assert_eq!((error.kind(), clock.slept().len()), (Kind::Network, attempts - 1));
    assert_eq!(proxy.count("GET", "/manifests/"), attempts);
    let place = proxy.address();
    assert_eq!(
        error.to_string(),
        format!("cannot pull the manifest of {place}/a:b: {place} answered 503 Service Unavailable")
    );
}

#[tokio::test]
async fn a_registry_that_asks_for_too_much_patience_has_failed() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    proxy.fault(99, "HEAD", "/manifests/", Fault::with_header(429, &[("Retry-After", "86400")]));
    let error = client().head_manifest(&reference(proxy.address(), "a:b")).await.expect_err("it fails");
    assert_eq!(proxy.count("HEAD", "/manifests/"), 1);
    assert!(error.hint().expect("a hint").contains("limits requests"));
}

#[tokio::test]
async fn a_broken_upload_is_finished() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, to, blob) = (client(), repository(proxy.address(), "a"), blob(1_500_000, 1));
    proxy.fault(2, "PUT", "/blobs/uploads/", Fault::CutRequest(600_000));
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    assert_eq!(read(&client, &to, &blob.0).await.expect("read"), blob.1);
}

/// docker-registry 2.8 gives a broken session up; this is how the specification lets others keep it.
#[tokio::test]
async fn a_broken_upload_goes_on_where_the_registry_says() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, to, blob) = (client(), repository(proxy.address(), "a"), blob(1_500_000, 1));
    proxy.fault(1, "PUT", "/blobs/uploads/", Fault::CutRequest(600_000));
    proxy.fault(1, "GET", "/blobs/uploads/", Fault::with_header(204, &[("Range", "0-599999")]));
    proxy.fault(1, "PUT", "/blobs/uploads/", Fault::status(201));
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    let seen = proxy.seen();
    let last = seen.last().expect("a request");
    assert_eq!((last.method.as_str(), last.header("content-range")), ("PUT", Some("600000-1499999")));
    assert_eq!(last.header("content-length"), Some("900000"));
    assert_eq!(proxy.count("POST", "/blobs/uploads/"), 1);
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_not_repeated() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, to, blob) = (client(), repository(proxy.address(), "a"), blob(50_000, 1));
    proxy.fault(1, "PUT", "/blobs/uploads/", Fault::LoseResponse);
    push(&client, &to, &blob).await.expect("pushed");
    assert_eq!(proxy.count("PUT", "/blobs/uploads/"), 1);
}

#[tokio::test]
async fn an_expired_session_is_begun_again() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, to, blob) = (client(), repository(proxy.address(), "a"), blob(50_000, 1));
    let unknown = Fault::Answer {
        status: 404,
        headers: vec![],
        body: r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}"#.into(),
    };
    proxy.fault(1, "PUT", "/blobs/uploads/", unknown.clone());
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    assert_eq!(read(&client, &to, &blob.0).await.expect("read"), blob.1);
    proxy.fault(99, "PUT", "/blobs/uploads/", unknown);
    let error = push(&client, &to, &common::blob(10, 2)).await.expect_err("it always expires");
    assert!(error.to_string().contains("BLOB_UPLOAD_UNKNOWN"), "{error}");
}

#[tokio::test]
async fn a_broken_stream_is_an_error_and_no_blob() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, to, blob) = (client(), repository(proxy.address(), "a"), blob(500_000, 1));
    proxy.fault(1, "PATCH", "/blobs/uploads/", Fault::CutRequest(1000));
    let body = shipsmith_registry::BlobSource::open(&blob.1, 0).expect("open");
    let digest = blob.0.digest.clone();
    let error = client.push_blob_streaming(&to, body, async { Ok(digest) }).await.expect_err("it broke");
    assert_eq!(error.kind(), Kind::Network, "{error}");
    assert!(!client.has_blob(&to, &blob.0.digest).await.expect("asked"));
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, from, blob) = (client(), repository(proxy.address(), "a"), blob(900_000, 1));
    push(&client, &from, &blob).await.expect("pushed");
    proxy.fault(2, "GET", "/blobs/", Fault::CutResponse(300_000));
    assert_eq!(read(&client, &from, &blob.0).await.expect("read"), blob.1);
    let ranges: Vec<_> = proxy
        .seen()
        .iter()
        .filter(|seen| seen.method == "GET" && seen.target.contains("/blobs/"))
        .map(|seen| seen.header("range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, [None, Some("bytes=300000-".into()), Some("bytes=600000-".into())]);
}

#[tokio::test]
async fn a_short_blob_is_never_taken_for_whole() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, from, blob) = (client(), repository(proxy.address(), "a"), blob(9000, 1));
    push(&client, &from, &blob).await.expect("pushed");
    proxy.fault(99, "GET", "/blobs/", Fault::CutResponse(0));
    let error = read(&client, &from, &blob.0).await.expect_err("nothing comes");
    assert_eq!(error.kind(), Kind::Network, "{error}");
}

#[tokio::test]
async fn a_turned_bit_is_found() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let client = client();
    let tagged = reference(proxy.address(), "a:b");
    let (manifest, _) = push_image(&client, &tagged, 1).await;
    let blob = blob(9000, 7);
    push(&client, tagged.repository(), &blob).await.expect("pushed");
    proxy.fault(1, "GET", "/blobs/", Fault::FlipBit(4321));
    let error = read(&client, tagged.repository(), &blob.0).await.expect_err("it is damaged");
    assert!(matches!(error.cause(), Cause::WrongDigest { .. }), "{error}");
    proxy.fault(2, "GET", "/manifests/", Fault::FlipBit(20));
    for reference in [tagged.clone(), tagged.with_digest(manifest.digest)] {
        let error = client.get_manifest(&reference).await.expect_err("it is damaged");
        assert_eq!(error.kind(), Kind::Integrity, "{error}");
    }
}

#[tokio::test]
async fn wrong_lengths_and_lying_descriptors_are_found() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, from, blob) = (client(), repository(proxy.address(), "a"), blob(9000, 1));
    push(&client, &from, &blob).await.expect("pushed");
    for delta in [-1, 1] {
        proxy.fault(1, "GET", "/blobs/", Fault::WrongLength(delta));
        let error = read(&client, &from, &blob.0).await.expect_err("the length is wrong");
        assert!(matches!(error.cause(), Cause::WrongSize { expected: 9000, .. }), "{error}");
    }
    for size in [8999, 9001] {
        let liar = Descriptor::new(MediaType::OCI_LAYER, blob.0.digest.clone(), size);
        let error = read(&client, &from, &liar).await.expect_err("the descriptor lies");
        assert_eq!(error.kind(), Kind::Integrity, "{error}");
    }
}

#[tokio::test]
async fn a_web_page_is_not_a_manifest() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, name) = (client(), reference(proxy.address(), "a:b"));
    for method in ["GET", "HEAD"] {
        proxy.fault(99, method, "/v2/a/", Fault::html());
    }
    let blob = blob(10, 1).0;
    let errors = [
        client.get_manifest(&name).await.expect_err("a page"),
        client.head_manifest(&name).await.expect_err("a page"),
        client.list_tags(name.repository()).await.expect_err("a page"),
        read(&client, name.repository(), &blob).await.expect_err("a page"),
    ];
    for error in errors {
        assert!(matches!(error.cause(), Cause::WebPage { .. }), "{error}");
        assert!(error.hint().expect("a hint").contains("a container registry?"));
    }
}

#[tokio::test]
async fn a_manifest_that_two_readers_read_differently_is_refused() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let headers = vec![("Content-Type".into(), MediaType::OCI_MANIFEST.as_str().into())];
    let body = r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#.to_owned();
    proxy.fault(1, "GET", "/manifests/", Fault::Answer { status: 200, headers, body });
    let error = client().get_manifest(&reference(proxy.address(), "a:b")).await.expect_err("ambiguous");
    assert!(error.to_string().ends_with("the manifest claims to be an image and an index at once"), "{error}");
}

#[tokio::test]
async fn a_manifest_is_bounded() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (mut config, _) = config();
    config.limits.manifest_bytes = 1000;
    proxy.fault(1, "GET", "/manifests/", Fault::Answer { status: 200, headers: vec![], body: " ".repeat(1001) });
    let error = Client::new(config).get_manifest(&reference(proxy.address(), "a:b")).await.expect_err("too long");
    assert!(error.to_string().ends_with("the answer is longer than 1000 bytes"), "{error}");
}

/// The canary: whoever is not the registry itself never sees an `Authorization` header.
#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let options = RegistryOptions::default().htpasswd("ann", "secret");
    let (Some(private), Some(open)) = (options.start(), RegistryServer::start()) else { return };
    let (proxy, canary) = (FaultyProxy::start(private.address()), FaultyProxy::start(open.address()));
    let (mut config, _) = config();
    let credential = Credential::Basic { username: "ann".into(), password: Secret::new("secret") };
    config.credentials = config.credentials.with(proxy.address(), credential);
    let client = Client::new(config);
    let (from, blob) = (repository(proxy.address(), "a"), blob(9000, 1));
    push(&client, &repository(open.address(), "a"), &blob).await.expect("pushed");

    let target = format!("http://{}/v2/a/blobs/{}", canary.address(), blob.0.digest);
    proxy.fault(1, "GET", "/blobs/", Fault::redirect(&target));
    assert_eq!(read(&client, &from, &blob.0).await.expect("read"), blob.1);

    // An upload location of another origin gets the bytes without the credentials (and here refuses the odd session).
    let location = format!("http://{}/v2/a/blobs/uploads/0", canary.address());
    proxy.fault(1, "POST", "/blobs/uploads/", Fault::with_header(202, &[("Location", &location)]));
    push(&client, &from, &common::blob(10, 2)).await.expect("pushed in a new session");

    // Nor does a redirected answer's own challenge bring them out.
    canary.fault(99, "GET", "/blobs/", Fault::with_header(401, &[("WWW-Authenticate", "Basic realm=\"x\"")]));
    proxy.fault(99, "GET", "/blobs/", Fault::redirect(&target));
    let error = read(&client, &from, &blob.0).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Auth, "{error}");

    assert!(proxy.seen().iter().any(|seen| seen.header("authorization").is_some()));
    assert!(canary.seen().len() >= 3);
    assert!(canary.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn redirects_end() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    proxy.fault(99, "GET", "/manifests/", Fault::redirect("/v2/a/manifests/b"));
    let error = client().get_manifest(&reference(proxy.address(), "a:b")).await.expect_err("a loop");
    assert!(error.to_string().ends_with("it redirects more than 5 times"), "{error}");
    proxy.fault(1, "POST", "/blobs/uploads/", Fault::redirect("/v2/b/blobs/uploads/"));
    let error = push(&client(), &repository(proxy.address(), "a"), &blob(10, 1)).await.expect_err("not followed");
    assert!(error.to_string().contains("it redirects an upload"), "{error}");
}

#[tokio::test]
async fn a_registry_that_stores_something_else_is_found_out() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let other = format!("sha256:{}", "0".repeat(64));
    proxy.fault(1, "PUT", "/manifests/", Fault::with_header(201, &[("Docker-Content-Digest", &other)]));
    let name = reference(proxy.address(), "a:b");
    let error = client().put_manifest(&name, &MediaType::OCI_MANIFEST, "{}".into()).await.expect_err("another digest");
    assert_eq!(error.kind(), Kind::Integrity, "{error}");
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let (config, clock) = config();
    let error = Client::new(config).get_manifest(&reference(&address, "a:b")).await.expect_err("nobody listens");
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.hint().expect("a hint").contains("running"));
    assert_eq!(clock.slept(), [Duration::from_millis(100)]);
}

#[tokio::test]
async fn nobody_there_any_more() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).expect("a request");
        drop(listener);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("an answer");
    });
    let (config, clock) = config();
    let attempts = config.retry.attempts as usize;
    let error = Client::new(config).get_manifest(&reference(&address, "a:b")).await.expect_err("it has gone");
    server.join().expect("the server ends");
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert_eq!(clock.slept().len(), attempts - 1);
}

/// A client that waits a moment for a sign of life, once.
fn impatient() -> Client {
    let (mut config, _) = config();
    config.timeouts.read = Duration::from_millis(300);
    config.retry.attempts = 1;
    Client::new(config)
}

#[tokio::test]
async fn a_registry_that_falls_silent_is_given_up() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (name, blob) = (repository(proxy.address(), "a"), blob(100_000, 1));
    push(&client(), &name, &blob).await.expect("pushed");
    proxy.fault(99, "GET", "/blobs/", Fault::StallResponse(1000));
    let error = read(&impatient(), &name, &blob.0).await.expect_err("nothing more comes");
    assert!(error.to_string().contains("cannot pull"), "{error}");
    proxy.fault(99, "PUT", "/blobs/uploads/", Fault::StallRequest(1000));
    let other = common::blob(100_000, 2);
    let error = push(&impatient(), &name, &other).await.expect_err("nobody takes it");
    assert_eq!(error.kind(), Kind::Network, "{error}");
}
