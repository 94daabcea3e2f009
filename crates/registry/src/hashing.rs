//! The digest of what arrives.

use std::io;

use bytes::Bytes;
use oci::{Digest, Hasher};
use tokio::task::{JoinHandle, spawn_blocking};

/// As much is hashed at once: handing it over costs nothing against that.
const PIECE: usize = 256 << 10;

/// Hashes beside the network: one thread serves all connections, and what it computes they wait for.
pub(crate) struct Hashing {
    earlier: Earlier,
    /// What has arrived since, in order.
    pieces: Vec<Bytes>,
    length: usize,
}

/// The hash of the bytes before.
enum Earlier {
    Known(Hasher),
    Coming(JoinHandle<Hasher>),
}

impl Earlier {
    async fn wait(self) -> io::Result<Hasher> {
        match self {
            Self::Known(hasher) => Ok(hasher),
            Self::Coming(hasher) => Ok(hasher.await?),
        }
    }
}

impl Hashing {
    pub(crate) fn new() -> Self {
        Self { earlier: Earlier::Known(Hasher::new()), pieces: Vec::new(), length: 0 }
    }

    /// Appends bytes; waits while those before the last [`PIECE`] are still being hashed.
    pub(crate) async fn update(mut self, bytes: Bytes) -> io::Result<Self> {
        self.length += bytes.len();
        self.pieces.push(bytes);
        if self.length < PIECE {
            return Ok(self);
        }
        let hasher = self.earlier.wait().await?;
        let earlier = Earlier::Coming(spawn_blocking(move || hash(hasher, &self.pieces)));
        Ok(Self { earlier, pieces: Vec::new(), length: 0 })
    }

    /// The digest of all that came. What is left to hash is less than a [`PIECE`].
    pub(crate) async fn finish(self) -> io::Result<Digest> {
        let hasher = self.earlier.wait().await?;
        Ok(hash(hasher, &self.pieces).finish())
    }
}

fn hash(mut hasher: Hasher, pieces: &[Bytes]) -> Hasher {
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn however_it_is_cut_the_digest_is_that_of_the_whole() {
        let whole: Vec<u8> = (0..3 * PIECE + 17).map(|at| (at % 251) as u8).collect();
        for cut in [1000, PIECE - 1, PIECE, PIECE + 1, whole.len()] {
            let mut hashing = Hashing::new();
            for piece in whole.chunks(cut) {
                hashing = hashing.update(Bytes::copy_from_slice(piece)).await.expect("hashed");
            }
            assert_eq!(hashing.finish().await.expect("hashed"), Digest::of(&whole), "{cut}");
        }
    }
}
