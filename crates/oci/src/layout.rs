//! What an OCI image layout calls things (image specification 1.1, `image-layout.md` and `annotations.md`).

use crate::Digest;

/// The annotation of an index's entry that says its tag or name.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation with the full reference of an entry, as containerd and BuildKit write it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// Where a layout has a blob, seen from its directory.
pub fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}
