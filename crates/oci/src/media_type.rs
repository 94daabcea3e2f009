//! Media types of manifests, configs and layers.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A media type, kept as it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct MediaType(Cow<'static, str>);

/// How a layer's tar is encoded in its blob, as its media type tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerEncoding {
    /// The tar itself.
    Plain,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
}

impl MediaType {
    /// OCI image index.
    pub const OCI_INDEX: Self = Self::known("application/vnd.oci.image.index.v1+json");
    /// OCI image manifest.
    pub const OCI_MANIFEST: Self = Self::known("application/vnd.oci.image.manifest.v1+json");
    /// OCI image config.
    pub const OCI_CONFIG: Self = Self::known("application/vnd.oci.image.config.v1+json");
    /// OCI layer, uncompressed.
    pub const OCI_LAYER: Self = Self::known("application/vnd.oci.image.layer.v1.tar");
    /// OCI layer, gzip.
    pub const OCI_LAYER_GZIP: Self = Self::known("application/vnd.oci.image.layer.v1.tar+gzip");
    /// OCI layer, zstd.
    pub const OCI_LAYER_ZSTD: Self = Self::known("application/vnd.oci.image.layer.v1.tar+zstd");
    /// Docker manifest list.
    pub const DOCKER_INDEX: Self = Self::known("application/vnd.docker.distribution.manifest.list.v2+json");
    /// Docker image manifest, schema 2.
    pub const DOCKER_MANIFEST: Self = Self::known("application/vnd.docker.distribution.manifest.v2+json");
    /// Docker image config.
    pub const DOCKER_CONFIG: Self = Self::known("application/vnd.docker.container.image.v1+json");
    /// Docker layer, uncompressed.
    pub const DOCKER_LAYER: Self = Self::known("application/vnd.docker.image.rootfs.diff.tar");
    /// Docker layer, gzip.
    pub const DOCKER_LAYER_GZIP: Self = Self::known("application/vnd.docker.image.rootfs.diff.tar.gzip");
    /// Docker layer, zstd (containerd and BuildKit write it; old engines refuse it).
    pub const DOCKER_LAYER_ZSTD: Self = Self::known("application/vnd.docker.image.rootfs.diff.tar.zstd");

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The media type written `text`; parameters (`; charset=..`) are dropped.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.split(';').next().unwrap_or_default().trim();
        Self(Cow::Owned(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an index (OCI) or a manifest list (Docker).
    #[must_use]
    pub fn is_index(&self) -> bool {
        *self == Self::OCI_INDEX || *self == Self::DOCKER_INDEX
    }

    /// Whether this is an image manifest.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        *self == Self::OCI_MANIFEST || *self == Self::DOCKER_MANIFEST
    }

    /// Whether this belongs to Docker's own family.
    #[must_use]
    pub fn is_docker(&self) -> bool {
        self.0.starts_with("application/vnd.docker.")
    }

    /// How a layer of this type is encoded; `None` when it is no (distributable) layer type.
    #[must_use]
    pub fn layer_encoding(&self) -> Option<LayerEncoding> {
        Some(match self.as_str() {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                LayerEncoding::Plain
            }
            "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                LayerEncoding::Gzip
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
                LayerEncoding::Zstd
            }
            _ => return None,
        })
    }

    /// The layer type of the OCI or of the Docker family for `encoding`.
    #[must_use]
    pub fn layer(encoding: LayerEncoding, docker: bool) -> Self {
        match (encoding, docker) {
            (LayerEncoding::Plain, false) => Self::OCI_LAYER,
            (LayerEncoding::Gzip, false) => Self::OCI_LAYER_GZIP,
            (LayerEncoding::Zstd, false) => Self::OCI_LAYER_ZSTD,
            (LayerEncoding::Plain, true) => Self::DOCKER_LAYER,
            (LayerEncoding::Gzip, true) => Self::DOCKER_LAYER_GZIP,
            (LayerEncoding::Zstd, true) => Self::DOCKER_LAYER_ZSTD,
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_type_round_trips_through_its_encoding() {
        for docker in [false, true] {
            for encoding in [LayerEncoding::Plain, LayerEncoding::Gzip, LayerEncoding::Zstd] {
                let media_type = MediaType::layer(encoding, docker);
                assert_eq!(media_type.layer_encoding(), Some(encoding));
                assert_eq!(media_type.is_docker(), docker);
            }
        }
        assert_eq!(MediaType::new("application/vnd.oci.image.layer.nondistributable.v1.tar").layer_encoding(), None);
    }

    #[test]
    fn parameters_are_dropped() {
        assert_eq!(MediaType::new("application/vnd.oci.image.index.v1+json; charset=utf-8"), MediaType::OCI_INDEX);
    }
}
