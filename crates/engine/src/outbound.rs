//! Layers that are sent while they are made.
//!
//! Where an image is only pushed, and only to registries of this machine, its new layers go there as they come, to all of
//! them at once, and are not stored here. A registry further away is asked first, as it always was: sending is dearer there
//! than making a layer twice, and what a fresh checkout makes is mostly there already.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream;
use layer::{Compression, LayerWriter, Sink};
use oci::{Digest, Reference, Repository};
use registry::Client;
use store::{RawBlobWriter, Store};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cancel::Cancel;
use crate::execute::Turn;
use crate::layers::{LayerRef, Layers, Origin};
use crate::members::{self, StoredMembers};
use crate::overlay::Item;
use crate::sink::push::Sent;
use crate::stored::{Written, append_items, blob_of, keep_index};
use crate::tags::{self, Tags};
use crate::warm::has_bytes;
use crate::{BuildRequest, Error, Output};

/// Pieces on their way between a layer and a connection: those of compressed layers are larger.
const AHEAD: usize = 4;
const COMPRESSED_AHEAD: usize = 2;

/// Where new layers are sent as they are made: one repository of each registry. Others of the same registry are given them
/// by it.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client,
    repositories: Vec<Repository>,
    /// All that is to be pushed there.
    names: Vec<Reference>,
    sent: Arc<Sent>,
    tags: Arc<Tags>,
}

impl Outbound {
    /// Where all that `request` builds goes to; `None` when it also goes elsewhere, or far away.
    pub(crate) fn of(request: &BuildRequest, client: &Client, sent: &Arc<Sent>, tags: &Arc<Tags>) -> Option<Self> {
        let (mut registries, mut names) = (BTreeMap::new(), Vec::new());
        for output in &request.outputs {
            for name in pushed_only(output, &request.tags)? {
                let repository = name.repository();
                registries.entry(repository.registry().to_owned()).or_insert_with(|| repository.clone());
                names.push(name.clone().or_latest());
            }
        }
        let near = !registries.is_empty() && registries.keys().all(|registry| is_loopback(registry));
        let repositories = registries.into_values().collect();
        let (client, sent, tags) = (client.clone(), Arc::clone(sent), Arc::clone(tags));
        near.then_some(Self { client, repositories, names, sent, tags })
    }

    /// Whether every registry still has what was sent to it before.
    pub(crate) async fn has(&self, store: &Store, digest: &Digest) -> Result<bool, Error> {
        let asked = self.repositories.iter().map(|repository| self.is_in(repository, store, digest));
        let there = try_join_all(asked).await?;
        Ok(there.into_iter().all(|there| there))
    }

    /// What the image names there that is to be replaced, or most often to stay, needs no question of its own.
    async fn is_in(&self, repository: &Repository, store: &Store, digest: &Digest) -> Result<bool, Error> {
        for name in self.names.iter().filter(|name| name.repository() == repository) {
            if let Some(manifest) = self.tags.find(&self.client, name).await
                && tags::names(store, &manifest, digest)?
            {
                return Ok(true);
            }
        }
        Ok(self.client.has_blob(repository, digest).await?)
    }

    /// A layer that was sent before.
    pub(crate) fn origin(&self) -> Origin {
        Origin::Registry(self.repositories.clone())
    }

    /// Makes the layer of `items` and sends it; `None` when it could not be sent, which whoever pushes will find out and
    /// tell. A compressed layer of several files is stored too: one that differs in some of them uses its parts. Blocks.
    pub(crate) fn send(
        &self,
        layers: &Layers,
        cancel: &Cancel,
        compression: Compression,
        items: &[Item],
        turn: Option<Turn>,
    ) -> Result<Option<Written>, Error> {
        let store = layers.store();
        let (kept, known) = match compression != Compression::None && are_several(items) {
            true => (Some(store.raw_writer(None)?), Some(StoredMembers::of(store))),
            false => (None, None),
        };
        let (uploads, fan) = self.begin(cancel, compression, kept);
        let (layer, fan) = match append_items(LayerWriter::on(fan, compression, known)?, items) {
            Err(Error::Layer(layer::Error::Write(_))) if !cancel.is_set() => return Ok(None),
            made => made?,
        };
        let Fan { kept, senders, .. } = fan;
        // The bodies end here; what they lack is their name. While registries wait for their disks, others may have the cores.
        drop((senders, turn));
        let is_kept = kept.is_some();
        if let Some(writer) = kept {
            writer.finish_hashed(&layer.digest, layer.size)?;
            members::remember(store, &layer)?;
        }
        let is_sent = uploads.commit(&layer.digest);
        if is_sent {
            self.repositories.iter().for_each(|repository| self.sent.note(repository, &layer.digest));
        }
        if is_kept && is_sent {
            // Other images of the run, and later ones, have it mounted from there.
            self.repositories.iter().try_for_each(|repository| store.add_origins(&[&layer.digest], repository))?;
        }
        let origin = match (is_kept, is_sent) {
            (true, _) => Origin::Store,
            (false, true) => self.origin(),
            (false, false) => return Ok(None),
        };
        let blob = blob_of(&layer);
        let (layer, spent) = keep_index(layers, layer, Some(blob))?;
        Ok(Some((LayerRef { origin, ..layer }, spent)))
    }

    fn begin(&self, cancel: &Cancel, compression: Compression, kept: Option<RawBlobWriter>) -> (Uploads, Fan) {
        let ahead = if compression == Compression::None { AHEAD } else { COMPRESSED_AHEAD };
        let (mut uploads, mut senders) = (Vec::new(), Vec::new());
        for repository in &self.repositories {
            let (sender, receiver) = mpsc::channel::<Bytes>(ahead);
            let (name, named) = oneshot::channel();
            let (client, repository) = (self.client.clone(), repository.clone());
            let task = Handle::current().spawn(async move {
                let pieces = stream::unfold(receiver, |mut receiver| async move {
                    receiver.recv().await.map(|bytes| (Ok(bytes), receiver))
                });
                let named = async { named.await.map_err(io::Error::other) };
                client.push_blob_streaming(&repository, pieces.boxed(), named).await.map(drop)
            });
            uploads.push(Upload { name, task });
            senders.push(sender);
        }
        (Uploads(uploads), Fan { cancel: cancel.clone(), kept, senders })
    }
}

/// Whether more than one file has bytes in the layer: of a single one, nothing can be used again when it has changed.
fn are_several(items: &[Item]) -> bool {
    items.iter().filter(|(entry, _)| has_bytes(entry)).nth(1).is_some()
}

/// The names of an output that is nothing but a push.
fn pushed_only<'a>(output: &'a Output, tags: &'a [Reference]) -> Option<&'a [Reference]> {
    match output {
        Output::Image(options) if options.push && !options.store && !options.form.force_compression => {
            Some(if options.names.is_empty() { tags } else { &options.names })
        }
        _ => None,
    }
}

/// Whether a registry is on this machine.
pub(crate) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// One upload that has begun. Dropped before it has a name, it comes to nothing.
struct Upload {
    name: oneshot::Sender<Digest>,
    task: JoinHandle<Result<(), registry::Error>>,
}

struct Uploads(Vec<Upload>);

impl Uploads {
    /// Names what was sent; whether all registries took it. Blocks.
    fn commit(self, digest: &Digest) -> bool {
        let named: Vec<_> = self.0.into_iter().map(|upload| (upload.name.send(digest.clone()), upload.task)).collect();
        named.into_iter().fold(true, |all, (_, task)| match Handle::current().block_on(task) {
            Ok(Ok(())) => all,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a layer could not be sent as it was made");
                false
            }
            Err(_) => false,
        })
    }
}

/// Hands a layer's bytes to every upload that goes on, and to the store if they are kept.
struct Fan {
    cancel: Cancel,
    kept: Option<RawBlobWriter>,
    senders: Vec<mpsc::Sender<Bytes>>,
}

impl Sink for Fan {
    fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.cancel.is_set() {
            return Err(io::Error::other("the build was cancelled"));
        }
        self.senders.retain(|sender| sender.blocking_send(bytes.clone()).is_ok());
        match &mut self.kept {
            Some(kept) => Ok(kept.write_bytes(&bytes)?),
            None if self.senders.is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
            None => Ok(()),
        }
    }
}
