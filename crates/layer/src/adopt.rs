//! A layer from a tar that is framed already, such as the changes of a RUN.

use std::io::{self, Read, Write};

use crate::chunk::Chunker;
use crate::index::index_tar;
use crate::pipeline::{Finished, Pipeline};
use crate::recompress::full_chunks;
use crate::{Compression, Error, Layer, Writing};

/// Reads a plain tar once, and writes it to `sink` in `compression`: indexed, hashed and compressed as it passes. Gives the
/// sink back, flushed. The tar's bytes become the layer's: nothing is framed anew. Chunks of compressed
/// bytes end where [`recompress`](crate::recompress) ends them.
///
/// # Errors
/// When the tar cannot be read or holds what [`index_layer`](crate::index_layer) refuses, the sink fails, or the
/// compression's level does not exist.
pub fn adopt<W: Write + Send + 'static>(
    tar: impl Read,
    sink: W,
    compression: Compression,
) -> Result<(Layer, W), Error> {
    let mut through = Through { tar, chunks: full_chunks(sink, compression)?, failed: None };
    let indexed = index_tar(&mut through);
    if let Some(error) = through.failed {
        return Err(error);
    }
    let mut index = indexed?;
    let (uncompressed_size, pipeline) = through.chunks.finish()?;
    let Finished { diff_id, digest, size, sink: Writing(sink), members, spent } = pipeline.finish()?;
    index.set_tar_size(uncompressed_size);
    Ok((Layer { diff_id, digest, size, uncompressed_size, compression, index, members, spent }, sink))
}

/// What is read goes on to the compressor.
struct Through<R, W: Write + Send + 'static> {
    tar: R,
    chunks: Chunker<Pipeline<Writing<W>>>,
    /// Why the sink failed, which is not the tar's fault.
    failed: Option<Error>,
}

impl<R: Read, W: Write + Send + 'static> Read for Through<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.tar.read(buffer)?;
        if let Err(error) = self.chunks.write(buffer.get(..got).unwrap_or_default()) {
            self.failed = Some(error);
            return Err(io::Error::other("the layer cannot be written"));
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use rootfs::TreePath;

    use super::*;
    use crate::{Entry, EntryKind, LayerWriter};

    #[test]
    fn an_adopted_tar_is_the_layer_that_was_written() {
        let mut writer = LayerWriter::new(Vec::new(), Compression::None).expect("a writer");
        let content = vec![7_u8; 3 << 20];
        let path = TreePath::new("etc").expect("a path");
        writer.append(&Entry::new(path, EntryKind::Directory, 0o755), None).expect("append");
        let path = TreePath::new("etc/passwd").expect("a path");
        let file = Entry::new(path, EntryKind::File { size: content.len() as u64 }, 0o644);
        writer.append(&file, Some(&content)).expect("append");
        let (written, tar) = writer.finish().expect("finish");
        for compression in [Compression::None, Compression::default(), Compression::Zstd { level: 1 }] {
            let (adopted, blob) = adopt(&tar[..], Vec::new(), compression).expect("adopt");
            assert_eq!(adopted.diff_id, written.diff_id);
            assert_eq!(adopted.index, written.index);
            assert_eq!(adopted.uncompressed_size, written.uncompressed_size);
            assert_eq!(adopted.digest, oci::Digest::of(&blob));
            assert_eq!(adopted.size, blob.len() as u64);
        }
    }

    #[test]
    fn what_is_no_tar_is_refused() {
        assert!(adopt(&[1_u8; 1024][..], Vec::new(), Compression::None).is_err());
    }
}
