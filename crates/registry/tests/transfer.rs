//! Pushes and pulls against a real, open registry.

mod common;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{blob, client, push, push_image, read, reference, repository, source};
use futures_util::StreamExt;
use oci::{Descriptor, Digest, MediaType, Repository};
use shipsmith_registry::{Client, Config, Kind, Observer, Pushed};
use testkit::faulty_proxy::FaultyProxy;
use testkit::registry_server::RegistryServer;

#[tokio::test]
async fn an_image_goes_up_and_comes_back() {
    let Some(server) = RegistryServer::start() else { return };
    let client = client();
    let tagged = reference(server.address(), "team/app:v1");
    assert_eq!(client.head_manifest(&tagged).await.expect("asked"), None);
    let (descriptor, bytes) = push_image(&client, &tagged, 1).await;
    assert_eq!(client.head_manifest(&tagged).await.expect("asked"), Some(descriptor.clone()));
    assert_eq!(client.get_manifest(&tagged).await.expect("read"), (descriptor.clone(), bytes.clone()));
    let pinned = tagged.with_digest(descriptor.digest.clone());
    assert_eq!(client.get_manifest(&pinned).await.expect("read"), (descriptor, bytes.clone()));
    for tag in ["v2", "a"] {
        let other = tagged.with_tag(tag).expect("a tag");
        client.put_manifest(&other, &MediaType::OCI_MANIFEST, bytes.clone()).await.expect("tagged");
    }
    assert_eq!(client.list_tags(tagged.repository()).await.expect("listed"), ["a", "v1", "v2"]);
    assert!(client.list_tags(&repository(server.address(), "nobody")).await.expect("listed").is_empty());
}

#[tokio::test]
async fn what_is_there_is_not_sent_again() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, to, blob) = (client(), repository(proxy.address(), "a"), blob(70_000, 1));
    assert!(!client.has_blob(&to, &blob.0.digest).await.expect("asked"));
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    assert!(client.has_blob(&to, &blob.0.digest).await.expect("asked"));
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Existed);
    assert_eq!(proxy.count("PUT", "/blobs/uploads/"), 1);
    assert_eq!(read(&client, &to, &blob.0).await.expect("read"), blob.1);
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let Some(server) = RegistryServer::start() else { return };
    let (client, to, blob) = (client(), repository(server.address(), "a"), blob(0, 1));
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    assert_eq!(read(&client, &to, &blob.0).await.expect("read"), blob.1);
}

#[tokio::test]
async fn blobs_are_mounted_within_a_registry() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, blob) = (client(), blob(10_000, 1));
    let [from, to, empty] = ["from", "to", "empty"].map(|path| repository(proxy.address(), path));
    let elsewhere = repository("registry.invalid", "from");
    push(&client, &from, &blob).await.expect("pushed");
    let origins = [elsewhere, to.clone(), empty, from.clone()];
    let pushed = client.push_blob(&to, &blob.0, source(&blob.1), &origins).await.expect("mounted");
    assert_eq!(pushed, Pushed::Mounted(from));
    assert_eq!(proxy.count("PUT", "/blobs/uploads/"), 1, "only the first push sends the bytes");
    assert_eq!(read(&client, &to, &blob.0).await.expect("read"), blob.1);
}

#[tokio::test]
async fn a_failed_mount_becomes_an_upload_in_the_offered_session() {
    let Some(server) = RegistryServer::start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let (client, blob) = (client(), blob(10_000, 1));
    let [from, to] = ["from", "to"].map(|path| repository(proxy.address(), path));
    let pushed = client.push_blob(&to, &blob.0, source(&blob.1), &[from]).await.expect("pushed");
    assert_eq!(pushed, Pushed::Uploaded);
    assert_eq!(proxy.count("POST", "/blobs/uploads/"), 1);
}

#[tokio::test]
async fn a_blob_is_sent_while_it_is_made() {
    let Some(server) = RegistryServer::start() else { return };
    let (client, to, blob) = (client(), repository(server.address(), "a"), blob(300_000, 1));
    let chunks: Vec<_> = blob.1.chunks(7001).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let (tell, told) = tokio::sync::oneshot::channel::<Digest>();
    let digest = blob.0.digest.clone();
    let body = futures_util::stream::iter(chunks).chain(futures_util::stream::once(async move {
        let _ = tell.send(digest);
        Ok(Bytes::new())
    }));
    let pushed = client.push_blob_streaming(&to, body.boxed(), async { told.await.map_err(std::io::Error::other) });
    assert_eq!(pushed.await.expect("pushed"), blob.0.digest);
    assert_eq!(read(&client, &to, &blob.0).await.expect("read"), blob.1);
}

#[tokio::test]
async fn a_stream_that_fails_or_lies_leaves_no_blob() {
    let Some(server) = RegistryServer::start() else { return };
    let (client, to, blob) = (client(), repository(server.address(), "a"), blob(3000, 1));
    let failing = || {
        let items = vec![Ok(blob.1.clone()), Err(std::io::Error::other("the disk is gone"))];
        futures_util::stream::iter(items).boxed()
    };
    let digest = blob.0.digest.clone();
    let error = client.push_blob_streaming(&to, failing(), async { Ok(digest) }).await.expect_err("it failed");
    assert_eq!(error.kind(), Kind::Source);
    assert!(error.to_string().ends_with("cannot read the content to send: the disk is gone"), "{error}");
    let whole = futures_util::stream::iter([Ok(blob.1.clone())]).boxed();
    let other = Digest::of(b"other");
    let error = client.push_blob_streaming(&to, whole, async { Ok(other) }).await.expect_err("it lied");
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(!client.has_blob(&to, &blob.0.digest).await.expect("asked"));
}

#[tokio::test]
async fn a_source_that_is_not_what_was_promised_is_refused() {
    let Some(server) = RegistryServer::start() else { return };
    let (client, to, blob) = (client(), repository(server.address(), "a"), blob(3000, 1));
    for (size, kind) in [(2999, Kind::Source), (3001, Kind::Source)] {
        let promised = Descriptor::new(MediaType::OCI_LAYER, blob.0.digest.clone(), size);
        let error = client.push_blob(&to, &promised, source(&blob.1), &[]).await.expect_err("it lied");
        assert_eq!(error.kind(), kind, "{error}");
    }
    let other = common::blob(3000, 2);
    let error = client.push_blob(&to, &other.0, source(&blob.1), &[]).await.expect_err("it lied");
    assert_eq!(error.kind(), Kind::Integrity, "{error}");
    assert!(error.to_string().contains("DIGEST_INVALID"), "{error}");
}

#[tokio::test]
async fn blobs_flow_from_registry_to_registry() {
    let (Some(one), Some(two)) = (RegistryServer::start(), RegistryServer::start()) else { return };
    let (client, blob) = (client(), blob(200_000, 1));
    let (from, near, far) =
        (repository(one.address(), "a"), repository(one.address(), "b"), repository(two.address(), "a"));
    push(&client, &from, &blob).await.expect("pushed");
    assert_eq!(client.copy_blob(&from, &near, &blob.0).await.expect("mounted"), Pushed::Mounted(from.clone()));
    assert_eq!(client.copy_blob(&from, &far, &blob.0).await.expect("copied"), Pushed::Uploaded);
    assert_eq!(read(&client, &far, &blob.0).await.expect("read"), blob.1);
    let missing = common::blob(10, 9).0;
    let error = client.copy_blob(&from, &far, &missing).await.expect_err("there is none");
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}

#[tokio::test]
async fn a_small_blob_is_read_whole_and_a_large_one_refused() {
    let Some(server) = RegistryServer::start() else { return };
    let (client, to, blob) = (client(), repository(server.address(), "a"), blob(1000, 1));
    push(&client, &to, &blob).await.expect("pushed");
    assert_eq!(client.get_blob_bytes(&to, &blob.0, 1000).await.expect("read"), blob.1);
    assert_eq!(client.get_blob_bytes(&to, &blob.0, 999).await.expect_err("too large").kind(), Kind::Protocol);
}

#[derive(Default)]
struct Recorder(Mutex<Vec<(bool, u64)>>);

impl Observer for Recorder {
    fn sent(&self, _: &Repository, _: &Digest, position: u64) {
        self.0.lock().expect("a record").push((true, position));
    }

    fn received(&self, _: &Repository, _: &Digest, position: u64) {
        self.0.lock().expect("a record").push((false, position));
    }
}

#[tokio::test]
async fn an_observer_hears_how_far_transfers_are() {
    let Some(server) = RegistryServer::start() else { return };
    let recorder = Arc::new(Recorder::default());
    let client = client().observed(recorder.clone());
    let (to, blob) = (repository(server.address(), "a"), blob(100_000, 1));
    push(&client, &to, &blob).await.expect("pushed");
    read(&client, &to, &blob.0).await.expect("read");
    let heard = recorder.0.lock().expect("a record").clone();
    for sent in [true, false] {
        let positions: Vec<u64> = heard.iter().filter(|(kind, _)| *kind == sent).map(|(_, at)| *at).collect();
        assert!(positions.is_sorted());
        assert_eq!(positions.last(), Some(&100_000));
    }
}

#[tokio::test]
async fn many_pushes_at_once_share_the_client() {
    let Some(server) = RegistryServer::start() else { return };
    let (client, to) = (client(), repository(server.address(), "a"));
    let pushes = (0..30).map(|seed| {
        let (client, to) = (client.clone(), to.clone());
        tokio::spawn(async move { push(&client, &to, &blob(5000, seed)).await })
    });
    for pushed in futures_util::future::join_all(pushes).await {
        assert_eq!(pushed.expect("no panic").expect("pushed"), Pushed::Uploaded);
    }
}

/// Every method's future may be spawned: the engine runs transfers side by side.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: T) {}
    let (client, name) = (client(), reference("127.0.0.1:1", "a:b"));
    let (to, blob) = (name.repository(), blob(1, 1));
    send(client.head_manifest(&name));
    send(client.get_manifest(&name));
    send(client.get_blob(to, &blob.0));
    send(client.get_blob_bytes(to, &blob.0, 1));
    send(client.has_blob(to, &blob.0.digest));
    send(client.push_blob(to, &blob.0, source(&blob.1), &[]));
    send(client.push_blob_streaming(to, futures_util::stream::empty().boxed(), async { Ok(Digest::of(b"")) }));
    send(client.copy_blob(to, to, &blob.0));
    send(client.put_manifest(&name, &MediaType::OCI_MANIFEST, Bytes::new()));
    send(client.list_tags(to));
    send(client.login("127.0.0.1:1", "ann", shipsmith_registry::Secret::new("x")));
    send(client.logout("127.0.0.1:1"));
}

/// Debian's registry reads links to an image's parts while another push writes them, and calls what it finds an invalid
/// digest.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_push_one_image_at_once_all_get_in() {
    const CLIENTS: u32 = 10;
    const ROUNDS: u32 = 10;
    let Some(server) = RegistryServer::start() else { return };
    for round in 0..ROUNDS {
        let name = reference(server.address(), &format!("team/app:v{round}"));
        let pushes = (0..CLIENTS).map(|_| {
            let name = name.clone();
            // The real clock: whoever comes too early has to wait.
            tokio::spawn(async move { push_image(&Client::new(Config::default()), &name, round).await })
        });
        for pushed in futures_util::future::join_all(pushes).await {
            pushed.expect("pushed");
        }
    }
}
