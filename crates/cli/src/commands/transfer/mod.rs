//! Images on their way: push, pull, copy, and indexes made of what is in a registry.

mod complete;
mod copy;
mod index;
mod pull;
mod push;
mod shown;

use std::sync::Arc;

use ::store::Store;
use oci::{Descriptor, Reference};
use registry::Client;

use super::output::print_line;
use super::runtime::block_on;
use super::{client, open_store};
use crate::args::{CopyArgs, GlobalArgs, IndexCreateArgs, ProgressArgs, PullArgs, PushArgs};
use crate::failure::Failure;
use crate::render::progress;
use crate::request::{self, Process};
use shown::Shown;

/// The two ends of a transfer, and who watches.
struct Transfer {
    client: Client,
    shown: Arc<Shown>,
}

impl Transfer {
    fn new(args: ProgressArgs) -> Result<Self, Failure> {
        let display = request::display(args, false, &Process)?;
        let shown = Arc::new(Shown::new(progress(display)));
        let client = client()?.observed(Arc::clone(&shown) as Arc<dyn registry::Observer>);
        Ok(Self { client, shown })
    }
}

fn references(texts: &[String]) -> Result<Vec<Reference>, Failure> {
    texts.iter().map(|text| Ok(request::reference(text)?.or_latest())).collect()
}

/// `shipsmith push REF...`
pub(super) fn push(args: &PushArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let references = references(&args.references)?;
    let store = Arc::new(open_store(global)?);
    let transfer = Transfer::new(args.progress)?;
    for reference in &references {
        let digest = block_on(push::push(&transfer, &store, reference))?;
        print_line(&format!("{reference}@{digest}"))?;
    }
    Ok(())
}

/// `shipsmith pull REF...`
pub(super) fn pull(args: &PullArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let platform = request::platforms("--platform", args.platform.as_slice())?.pop();
    let references = references(&args.references)?;
    let store = open_store(global)?;
    let transfer = Transfer::new(args.progress)?;
    for reference in &references {
        let digest = block_on(pull::pull(&transfer, &store, reference, platform.as_ref()))?;
        print_line(digest.as_str())?;
    }
    Ok(())
}

/// `shipsmith copy SOURCE DESTINATION...`
pub(super) fn copy(args: &CopyArgs, _global: &GlobalArgs) -> Result<(), Failure> {
    let source = request::reference(&args.source)?.or_latest();
    let targets = names("DESTINATION", &args.destinations)?;
    let transfer = Transfer::new(args.progress)?;
    let digest = block_on(copy::copy(&transfer, &source, &targets))?;
    print_line(digest.as_str())
}

/// Copies an image with a client that knows more than the machine's configuration.
pub(super) fn copy_with(client: Client, source: &Reference, targets: &[Reference]) -> Result<oci::Digest, Failure> {
    let shown = Arc::new(Shown::new(progress(request::Display::None)));
    block_on(copy::copy(&Transfer { client, shown }, source, targets))
}

/// `shipsmith index create -t REF SOURCE...`
pub(super) fn create_index(args: &IndexCreateArgs, _global: &GlobalArgs) -> Result<(), Failure> {
    let tags = names("--tag", &args.tags)?;
    let transfer = Transfer::new(ProgressArgs { progress: None })?;
    let made = block_on(index::create(&transfer, args, &tags))?;
    print_line(&made)
}

/// Fetches what the store has of an image by name only, if anything.
pub(super) fn complete(store: &Store, image: &Descriptor, progress: ProgressArgs) -> Result<(), Failure> {
    let absent = complete::absent(store, image)?;
    if absent.is_empty() {
        return Ok(());
    }
    let transfer = Transfer::new(progress)?;
    block_on(complete::fetch(&transfer, store, &absent))
}

fn names(flag: &'static str, texts: &[String]) -> Result<Vec<Reference>, Failure> {
    texts.iter().map(|text| Ok(request::tag(flag, text)?.or_latest())).collect()
}

/// What of a manifest is fetched and sent: configuration and layers, each once.
fn blobs(manifest: &oci::Manifest) -> Vec<oci::Descriptor> {
    let mut blobs: Vec<oci::Descriptor> = Vec::new();
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        if !blobs.iter().any(|other| other.digest == blob.digest) {
            blobs.push(blob.clone());
        }
    }
    blobs
}

/// Reads a document that came from a registry.
fn parse<T: serde::de::DeserializeOwned>(digest: &oci::Digest, bytes: &[u8]) -> Result<T, Failure> {
    use crate::failure::Exit;
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::new(Exit::Registry, format!("{digest} cannot be read: {error}")))
}
