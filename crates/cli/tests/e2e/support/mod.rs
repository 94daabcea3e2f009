//! What the tests share: the program in its own environment, images as skopeo sees them, small contexts.

pub(crate) mod remote;
pub(crate) mod serve;
pub(crate) mod tree;

use std::path::Path;

use serde_json::Value;
use testkit::canonical::{self, CanonicalImage};
pub(crate) use testkit::environment::Environment;
use testkit::fixtures::Fixture;

/// The program, with nothing of this machine's user.
pub(crate) fn environment() -> Environment {
    Environment::new(env!("CARGO_BIN_EXE_shipsmith"))
}

/// An environment whose `app` is a context with a file `a` and this Dockerfile.
pub(crate) fn context(dockerfile: &str) -> Environment {
    let environment = environment();
    environment.write("app/Dockerfile", dockerfile);
    environment.write("app/a", "content of a\n");
    environment
}

pub(crate) fn json(text: impl AsRef<[u8]>) -> Value {
    let text = text.as_ref();
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

/// The only image of an OCI layout, a directory or a tar.
pub(crate) fn image(layout: &Path) -> CanonicalImage {
    let images = canonical::read_images(layout).unwrap_or_else(|error| panic!("{}: {error}", layout.display()));
    images.into_values().next().expect("an image")
}

/// `--build-context base=...`: the fixture, under the name `base`.
pub(crate) fn base(fixture: &Fixture) -> String {
    format!("--build-context=base=oci-layout://{}:latest", fixture.layout().display())
}

/// Whether the environment's store has a blob.
pub(crate) fn stored(environment: &Environment, digest: &str) -> bool {
    environment.store().join("blobs").join(digest.replace(':', "/")).exists()
}

/// A field of each of an array's elements.
pub(crate) fn each<'v>(array: &'v Value, field: &str) -> Vec<&'v str> {
    let array = array.as_array().map(Vec::as_slice).unwrap_or_default();
    array.iter().map(|element| element[field].as_str().unwrap_or_default()).collect()
}
