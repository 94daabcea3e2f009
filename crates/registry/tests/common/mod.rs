//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::{BoxFuture, ready};
use oci::{Descriptor, MediaType, Reference, Repository};
use shipsmith_registry::{BlobSource, Client, Clock, Config, Error, Pushed};

/// A clock that stands still until somebody sleeps, and then jumps.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<Mutex<(SystemTime, Vec<Duration>)>>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((SystemTime::now(), Vec::new()))))
    }
}

impl TestClock {
    pub fn slept(&self) -> Vec<Duration> {
        self.0.lock().expect("a clock").1.clone()
    }

    pub fn advance(&self, duration: Duration) {
        self.0.lock().expect("a clock").0 += duration;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.0.lock().expect("a clock").0
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.0.lock().expect("a clock");
        state.0 += duration;
        state.1.push(duration);
        Box::pin(ready(()))
    }
}

/// A configuration that knows nothing of this machine, and its clock.
pub fn config() -> (Config, TestClock) {
    let clock = TestClock::default();
    (Config { clock: Arc::new(clock.clone()), ..Config::default() }, clock)
}

pub fn client() -> Client {
    Client::new(config().0)
}

pub fn repository(address: &str, path: &str) -> Repository {
    format!("{address}/{path}").parse().expect("a repository")
}

pub fn reference(address: &str, rest: &str) -> Reference {
    format!("{address}/{rest}").parse().expect("a reference")
}

/// `size` bytes that do not repeat soon, and their descriptor.
pub fn blob(size: usize, seed: u32) -> (Descriptor, Bytes) {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    })
    .take(size)
    .collect();
    (Descriptor::of(MediaType::OCI_LAYER, &bytes), bytes.into())
}

pub async fn push(client: &Client, to: &Repository, blob: &(Descriptor, Bytes)) -> Result<Pushed, Error> {
    client.push_blob(to, &blob.0, source(&blob.1), &[]).await
}

pub fn source(bytes: &Bytes) -> Arc<dyn BlobSource> {
    Arc::new(bytes.clone())
}

pub async fn read(client: &Client, from: &Repository, blob: &Descriptor) -> Result<Vec<u8>, Error> {
    let chunks: Vec<Bytes> = client.get_blob(from, blob).await?.try_collect().await?;
    Ok(chunks.concat())
}

/// Pushes a manifest with one layer, all parts of it, under `reference`.
pub async fn push_image(client: &Client, reference: &Reference, seed: u32) -> (Descriptor, Bytes) {
    let config = blob(100, seed);
    let layer = blob(2000, seed + 1);
    for part in [&config, &layer] {
        push(client, reference.repository(), part).await.expect("the blob is pushed");
    }
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST.as_str(),
        "config": { "mediaType": MediaType::OCI_CONFIG.as_str(), "digest": config.0.digest.as_str(), "size": config.0.size },
        "layers": [layer.0],
    });
    let bytes = Bytes::from(manifest.to_string());
    let digest = client.put_manifest(reference, &MediaType::OCI_MANIFEST, bytes.clone()).await.expect("pushed");
    let descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
    assert_eq!(digest, descriptor.digest);
    (descriptor, bytes)
}
