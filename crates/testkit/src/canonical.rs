//! The canonical form of an image: what a user of the image can observe, and nothing else.
//!
//! Two builders rarely produce the same bytes from one Dockerfile: they compress, order and
//! date things differently. Their images are nevertheless *equal* when the canonical forms are:
//! the runtime part of the configuration, the history, the number of layers, and the file system
//! that remains after every layer and whiteout has been applied. Times are not part of it.
//!
//! The reader shares no code with the layers, archives and stores it judges: it is built on
//! the `tar`, `flate2` and `zstd` crates alone, and it verifies every digest on its way.

mod compare;
mod layout;
mod render;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use layout::sha256;

pub use compare::{Aspect, Difference};
pub use render::{images_from_json, images_to_json};

/// One image in canonical form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanonicalImage {
    /// The runtime part of the configuration, by the field's name in the image configuration.
    /// Absent, `null`, zero, `false` and empty mean the same to a runtime and are left out.
    pub config: BTreeMap<String, Value>,
    /// The history entries, oldest first.
    pub history: Vec<HistoryEntry>,
    /// How many layers the manifest lists.
    pub layers: usize,
    /// The flattened file system, by absolute path. Bytes that are not UTF-8 are written `\xNN`.
    pub files: BTreeMap<String, Node>,
}

/// One entry of the image's history, without its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryEntry {
    /// The instruction as the builder wrote it.
    #[serde(default)]
    pub created_by: String,
    /// Whether the instruction made no layer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub empty_layer: bool,
    /// The builder's remark, for example `buildkit.dockerfile.v0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// One path of the flattened file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What the path is.
    #[serde(rename = "type")]
    pub kind: NodeKind,
    /// Permission, setuid, setgid and sticky bits in octal; a symbolic link always has `0777`.
    pub mode: String,
    /// The owner.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u64,
    /// The group.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u64,
    /// The size of a regular file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The hash of a regular file's content, in hexadecimal; in expectations `host:PATH` (and no size) for content of a file
    /// of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What a symbolic link holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// A device's `major:minor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Extended attributes, values escaped as paths are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// The other names of the same inode, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hard_links: Vec<String>,
}

/// The types of file an image can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum NodeKind {
    File,
    Dir,
    Symlink,
    Fifo,
    Char,
    Block,
}

/// Reads every image that the `index.json` of an OCI layout names, by platform (`os/arch[/variant]`).
///
/// `layout` is a directory or a tar file of one. Attestation manifests are not images.
///
/// # Errors
/// Whatever makes the layout or an image in it invalid, and two different images for one platform.
pub fn read_images(layout: &Path) -> Result<BTreeMap<String, CanonicalImage>, CanonicalError> {
    layout::Layout::open(layout)?.images(None)
}

/// Reads the images of one manifest or index of a layout that may hold many, by platform.
///
/// # Errors
/// As [`read_images`], and when the layout has no such blob.
pub fn read_images_at(layout: &Path, digest: &str) -> Result<BTreeMap<String, CanonicalImage>, CanonicalError> {
    layout::Layout::open(layout)?.images(Some(digest))
}

/// Reads the image for one platform from a layout.
///
/// # Errors
/// As [`read_images`], and when the layout has no image for that platform.
pub fn read_image(layout: &Path, platform: &str) -> Result<CanonicalImage, CanonicalError> {
    read_images(layout)?.remove(platform).ok_or_else(|| CanonicalError::NoPlatform(platform.to_owned()))
}

/// Reads the only image of an archive that `docker save` wrote.
///
/// # Errors
/// Whatever makes the archive or the image invalid.
pub fn read_saved(archive: &Path) -> Result<CanonicalImage, CanonicalError> {
    layout::Layout::open(archive)?.saved()
}

/// Why a layout has no canonical form.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CanonicalError {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the layout has no blob {0}")]
    MissingBlob(String),
    #[error("{what} is named {expected} but hashes to {actual}")]
    WrongDigest { what: &'static str, expected: String, actual: String },
    #[error("{what} is not valid: {source}")]
    Json { what: String, source: serde_json::Error },
    #[error("the layout has two different images for {0}")]
    Ambiguous(String),
    #[error("the layout has no image for {0}")]
    NoPlatform(String),
    #[error("layer {layer} cannot be read: {source}")]
    Layer { layer: usize, source: std::io::Error },
    #[error("layer {layer}: {problem}")]
    Tree { layer: usize, problem: String },
    #[error("the image has {layers} layers, {diff_ids} diff ids and {history} history entries with a layer")]
    Counts { layers: usize, diff_ids: usize, history: usize },
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
