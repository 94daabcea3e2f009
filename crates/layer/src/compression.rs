//! How a layer is compressed: a value, because it decides the layer's bits.

/// The compression of a layer. The same value over the same tar gives the same bytes, whatever the machine and the number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// The tar itself; its digest is its diffID.
    None,
    /// gzip (RFC 1952) by libdeflate, one member per chunk.
    Gzip {
        /// 1, the fastest, to 12.
        level: u32,
    },
    /// gzip by this room's own compressor, one member per chunk: for fast networks, where size matters less.
    FastGzip,
    /// Zstandard (RFC 8878), one frame per chunk.
    Zstd {
        /// 1 to 22.
        level: i32,
    },
}

/// gzip at level 1: read by every consumer of images, and on trees of an operating system no larger than `gzip -1`.
impl Default for Compression {
    fn default() -> Compression {
        Compression::Gzip { level: 1 }
    }
}
