//! One chunk in, one gzip member or zstd frame out. No state passes from chunk to chunk.

use crate::deflate::Deflate;
use crate::{Compression, Error};

/// Chunks of compressed layers: large enough that cutting costs under a percent of size, small enough to keep many in flight.
pub(crate) const CHUNK: usize = 1 << 20;

/// Chunks that are only read, hashed and handed on: they fit into a core's own cache.
const PLAIN_CHUNK: usize = 256 << 10;

/// How much is handled at once. Where something is compressed, this decides the layer's bytes.
pub(crate) fn chunk_size(compression: Compression) -> usize {
    match compression {
        Compression::None => PLAIN_CHUNK,
        Compression::Gzip { .. } | Compression::FastGzip | Compression::Zstd { .. } => CHUNK,
    }
}

/// Compresses whole chunks; each thread has its own.
pub(crate) enum Codec {
    Gzip(libdeflater::Compressor, Room),
    FastGzip(Deflate),
    Zstd(zstd::bulk::Compressor<'static>, Room),
}

/// Where chunks are compressed, one after another: what comes out is copied, so that many results can wait in no more memory
/// than they need.
type Room = Vec<u8>;

impl Codec {
    /// `None` when nothing is to be compressed.
    pub(crate) fn new(compression: Compression) -> Result<Option<Codec>, Error> {
        Ok(match compression {
            Compression::None => None,
            Compression::Gzip { level } => Some(Codec::Gzip(gzip(level)?, Room::new())),
            Compression::FastGzip => Some(Codec::FastGzip(Deflate::new())),
            Compression::Zstd { level } => Some(Codec::Zstd(zstd(level)?, Room::new())),
        })
    }

    /// The compressed chunk. The gzip header says neither time nor system (mtime 0, OS 255).
    pub(crate) fn compress(&mut self, chunk: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Codec::Gzip(codec, room) => {
                let out = at_least(room, codec.gzip_compress_bound(chunk.len()));
                let length = codec.gzip_compress(chunk, out).map_err(|e| Error::Compress(e.to_string()))?;
                Ok(out[..length].to_vec())
            }
            Codec::FastGzip(codec) => Ok(codec.gzip(chunk)),
            Codec::Zstd(codec, room) => {
                let out = at_least(room, zstd::zstd_safe::compress_bound(chunk.len()));
                let length = codec.compress_to_buffer(chunk, out).map_err(|e| Error::Compress(e.to_string()))?;
                Ok(out[..length].to_vec())
            }
        }
    }
}

fn at_least(room: &mut Room, length: usize) -> &mut [u8] {
    if room.len() < length {
        room.resize(length, 0);
    }
    room
}

fn gzip(level: u32) -> Result<libdeflater::Compressor, Error> {
    let refused = || Error::Compress(format!("gzip has levels 1 to 12, not {level}"));
    let number = i32::try_from(level).ok().filter(|level| (1..=12).contains(level)).ok_or_else(refused)?;
    let level = libdeflater::CompressionLvl::new(number).map_err(|_| refused())?;
    Ok(libdeflater::Compressor::new(level))
}

fn zstd(level: i32) -> Result<zstd::bulk::Compressor<'static>, Error> {
    if !(1..=22).contains(&level) {
        return Err(Error::Compress(format!("zstd has levels 1 to 22, not {level}")));
    }
    zstd::bulk::Compressor::new(level).map_err(|e| Error::Compress(e.to_string()))
}
