//! Descriptors, manifests and indexes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, MediaType, Platform};

/// A pointer to content: its type, address and size (OCI image specification, "Descriptor").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default)]
    pub media_type: MediaType,
    /// Its address.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where else it may be had; never fetched from by us (CVE-2020-15157).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free-form annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image it points to (in an index).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The artifact's type, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields this version does not know, kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor with nothing but the three required fields.
    #[must_use]
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            other: Map::new(),
        }
    }

    /// The descriptor of `bytes`.
    #[must_use]
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Whether an index entry is an attestation that BuildKit attached to an image of the same index.
    #[must_use]
    pub fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest")
    }
}

/// An image manifest (OCI) or a Docker schema 2 manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own type; required by Docker, optional for OCI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The artifact's type, when it is not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, base first.
    pub layers: Vec<Descriptor>,
    /// The manifest this one refers to (referrers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<Descriptor>>,
    /// Free-form annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields this version does not know, kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An image index (OCI) or a Docker manifest list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The artifact's type, when it is not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What it lists, in its order.
    pub manifests: Vec<Descriptor>,
    /// The manifest this one refers to (referrers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<Descriptor>>,
    /// Free-form annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields this version does not know, kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Index {
    /// An index of the OCI or of the Docker family over `manifests`.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>, docker: bool) -> Self {
        let media_type = if docker { MediaType::DOCKER_INDEX } else { MediaType::OCI_INDEX };
        Self {
            schema_version: 2,
            media_type: Some(media_type),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
            other: Map::new(),
        }
    }

    /// The entry that serves `platform` best: an exact match before a compatible one, the first of equals.
    /// Attestations are never chosen.
    #[must_use]
    pub fn select(&self, platform: &Platform) -> Option<&Descriptor> {
        let images = || self.manifests.iter().filter(|entry| !entry.is_attestation());
        platform
            .candidates()
            .into_iter()
            .find_map(|wanted| images().find(|entry| entry.platform.as_ref().is_some_and(|p| p.serves(&wanted))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_survive_a_round_trip() {
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{0}","size":1,"data":"e30="}},"layers":[],"x-new":{{"a":1}}}}"#,
            Digest::of(b"")
        );
        let manifest: Manifest = serde_json::from_str(&text).expect("parses");
        assert_eq!(serde_json::to_string(&manifest).expect("prints"), text);
    }

    #[test]
    fn select_prefers_the_exact_platform_and_skips_attestations() {
        let entry = |platform: &str, content: &str| {
            let mut descriptor = Descriptor::of(MediaType::OCI_MANIFEST, content.as_bytes());
            descriptor.platform = Some(platform.parse().expect("a platform"));
            descriptor
        };
        let mut attestation = entry("linux/amd64", "attestation");
        attestation.annotations.insert("vnd.docker.reference.type".into(), "attestation-manifest".into());
        let index = Index::new(
            vec![attestation, entry("linux/arm/v6", "v6"), entry("linux/arm/v7", "v7"), entry("linux/amd64", "amd")],
            false,
        );
        let chosen = |platform: &str| index.select(&platform.parse().expect("a platform")).map(|d| d.digest.clone());
        assert_eq!(chosen("linux/arm/v7"), Some(Digest::of(b"v7")));
        assert_eq!(chosen("linux/arm/v5"), None);
        assert_eq!(chosen("linux/amd64"), Some(Digest::of(b"amd")));
        assert_eq!(chosen("linux/arm64"), Some(Digest::of(b"v7")));
        assert_eq!(chosen("linux/s390x"), None);
    }
}
