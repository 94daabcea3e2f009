//! Downloads, and one as something that blocking code reads.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use oci::{Descriptor, Repository};
use registry::{BlobStream, Client};
use store::Store;
use tokio::sync::mpsc;

use crate::Error;
use crate::layers::blocking;

/// Brings a blob into the store, verified, and notes where it is from. Says whether it was there already.
///
/// # Errors
/// When the registry does not send it as it is described, or the store cannot take it.
pub async fn fetch_blob(client: &Client, store: &Store, from: &Repository, blob: &Descriptor) -> Result<bool, Error> {
    let present = store.contains(&blob.digest);
    if !present {
        let download = Download::begin(client.get_blob(from, blob).await?);
        keep(store, blob, download).await?;
    }
    store.add_origin(&blob.digest, from)?;
    Ok(present)
}

/// Takes what `reader` yields into the store, verified to be the blob.
pub(crate) async fn keep(
    store: &Store,
    blob: &Descriptor,
    mut reader: impl Read + Send + 'static,
) -> Result<(), Error> {
    let (store, blob) = (store.clone(), blob.clone());
    blocking(move || {
        let mut writer = store.writer(Some(blob.size))?;
        io::copy(&mut reader, &mut writer)
            .map_err(|cause| Error::beneath(cause, |source| Error::LayerRead(blob.digest.clone(), source)))?;
        Ok(writer.verified(&blob)?)
    })
    .await
}

/// Chunks in flight between the network and the reader.
const AHEAD: usize = 8;

/// A blob's bytes, verified, as they arrive. To be read where blocking is allowed.
pub(crate) struct Download {
    /// `None` says that the blob is complete: a channel that ends without it was cut off.
    chunks: mpsc::Receiver<io::Result<Option<Bytes>>>,
    current: Bytes,
    complete: bool,
}

impl Download {
    /// Begins to fetch.
    pub(crate) fn begin(stream: BlobStream) -> Self {
        let (sender, chunks) = mpsc::channel(AHEAD);
        tokio::spawn(feed(stream, sender));
        Self { chunks, current: Bytes::new(), complete: false }
    }

    fn next(&mut self) -> io::Result<()> {
        let cut_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the download was stopped");
        match self.chunks.blocking_recv().ok_or_else(cut_off)?? {
            Some(chunk) => self.current = chunk,
            None => self.complete = true,
        }
        Ok(())
    }
}

async fn feed(mut stream: BlobStream, sender: mpsc::Sender<io::Result<Option<Bytes>>>) {
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map(Some).map_err(io::Error::other);
        let failed = chunk.is_err();
        // A reader that is gone wants no more.
        if sender.send(chunk).await.is_err() || failed {
            return;
        }
    }
    let _ = sender.send(Ok(None)).await;
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.complete {
            self.next()?;
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
