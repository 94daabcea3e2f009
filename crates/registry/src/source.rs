//! Where uploaded bytes come from, and who hears how far they have got.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use oci::{Digest, Repository};

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// How much of a file is read at once.
const CHUNK: usize = 512 * 1024;

/// Content that can be read again from any offset, as retries need it.
pub trait BlobSource: Send + Sync {
    /// The bytes from `offset` to the end.
    ///
    /// # Errors
    /// When the content cannot be opened; later trouble is an item of the stream.
    fn open(&self, offset: u64) -> io::Result<ByteStream>;
}

impl BlobSource for Bytes {
    fn open(&self, offset: u64) -> io::Result<ByteStream> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let rest = self.slice(offset..);
        Ok(stream::once(async move { Ok(rest) }).boxed())
    }
}

/// A blob in an open file, read by position: one descriptor serves any number of readers.
#[derive(Debug, Clone)]
pub struct FileSource(Arc<File>);

impl From<File> for FileSource {
    fn from(file: File) -> Self {
        Self(Arc::new(file))
    }
}

impl BlobSource for FileSource {
    fn open(&self, offset: u64) -> io::Result<ByteStream> {
        let chunks = stream::try_unfold((Arc::clone(&self.0), offset), |(file, offset)| async move {
            let reader = Arc::clone(&file);
            let chunk = tokio::task::spawn_blocking(move || read_chunk(&reader, offset)).await??;
            let next = offset + chunk.len() as u64;
            Ok((!chunk.is_empty()).then_some((chunk, (file, next))))
        });
        Ok(chunks.boxed())
    }
}

fn read_chunk(file: &File, offset: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; CHUNK];
    let length = loop {
        match file.read_at(&mut buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    buffer.truncate(length);
    Ok(buffer.into())
}

/// Hears how far transfers have got. Called often: it must be quick.
pub trait Observer: Send + Sync {
    /// `position` bytes of the blob have been handed to the network. It falls when an upload starts again.
    fn sent(&self, repository: &Repository, digest: &Digest, position: u64) {
        let _ = (repository, digest, position);
    }

    /// `position` bytes of the blob have arrived.
    fn received(&self, repository: &Repository, digest: &Digest, position: u64) {
        let _ = (repository, digest, position);
    }
}

/// An observer that does not care.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures_util::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn both_sources_start_where_asked() {
        let content: Vec<u8> = (0..CHUNK + 100).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&content).expect("written");
        let sources: [Box<dyn BlobSource>; 2] =
            [Box::new(FileSource::from(file)), Box::new(Bytes::from(content.clone()))];
        for source in &sources {
            for offset in [0, 7, CHUNK, content.len()] {
                let read: Vec<Bytes> = source.open(offset as u64).expect("open").try_collect().await.expect("read");
                assert_eq!(read.concat(), content[offset..]);
            }
        }
    }
}
