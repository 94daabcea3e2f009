//! Decompression by what the bytes are, not by what they are called.

use std::io::{self, BufReader, Read};

use crate::Error;

const BUFFER: usize = 256 << 10;
/// zstd's own default limit for windows that come from strangers: 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// What `xz -9` needs to decompress, 65 MiB, and some room.
const XZ_MEMORY: u64 = 128 << 20;

/// What a stream was compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Not compressed, or by something unknown.
    Plain,
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The `.xz` format.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Format {
    /// The format that a stream with these first bytes is in; six bytes suffice.
    pub fn detect(start: &[u8]) -> Format {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Format::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Format::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
            // A skippable frame, as some writers put one first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
            _ => Format::Plain,
        }
    }
}

/// Detects how a stream is compressed and gives its decompressed bytes. Members and frames that follow each other are one
/// stream. Memory is bounded whatever the stream says (zstd windows up to 128 MiB, xz up to 128 MiB); the length of what comes
/// out is not: whoever takes it limits that.
///
/// # Errors
/// When the stream cannot be read.
pub fn decompress<'r>(mut reader: impl Read + Send + 'r) -> Result<(Format, Box<dyn Read + Send + 'r>), Error> {
    let start = first_bytes(&mut reader).map_err(Error::Archive)?;
    let format = Format::detect(&start);
    let reader = BufReader::with_capacity(BUFFER, io::Cursor::new(start).chain(reader));
    let plain: Box<dyn Read + Send + 'r> = match format {
        Format::Plain => Box::new(reader),
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        Format::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)
                .map_err(|error| Error::Archive(error.into()))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
        Format::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader).map_err(Error::Archive)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(Error::Archive)?;
            Box::new(decoder)
        }
    };
    Ok((format, plain))
}

/// As many bytes as a format needs to be known, or all there are.
fn first_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(6);
    reader.take(6).read_to_end(&mut start)?;
    Ok(start)
}
