//! What a layer contains, without its bytes.

mod decode;
mod encode;
mod layer;

pub(crate) use layer::index_tar;
pub use layer::{IndexedLayer, index_layer};

use std::sync::Arc;

use rootfs::TreePath;

use crate::{Entry, EntryKind};

/// The files whose small contents an index keeps, because builds look names up in them.
const CAPTURED: [&[u8]; 2] = [b"etc/passwd", b"etc/group"];
/// Larger files are not captured.
const MAX_CAPTURED: u64 = 1 << 20;

/// The entries of a layer in the order of its tar, each with the place of its bytes in the uncompressed tar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerIndex {
    entries: Vec<IndexEntry>,
    captured: Vec<(TreePath, Arc<[u8]>)>,
    tar_size: u64,
}

/// One entry of a layer and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The entry.
    pub entry: Arc<Entry>,
    /// Where its content begins in the uncompressed tar; meaningful for regular files.
    pub offset: u64,
}

impl LayerIndex {
    /// The entries in the order of the tar, whiteouts among them.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The length of the uncompressed tar in bytes.
    pub fn tar_size(&self) -> u64 {
        self.tar_size
    }

    /// The bytes of `/etc/passwd` or `/etc/group`, when this layer has them as regular files under 1 MiB.
    pub fn captured(&self, path: &TreePath) -> Option<&[u8]> {
        self.captured_shared(path).map(|content| &**content)
    }

    pub(crate) fn captured_shared(&self, path: &TreePath) -> Option<&Arc<[u8]>> {
        self.captured.iter().rev().find(|(name, _)| name == path).map(|(_, content)| content)
    }

    /// Whether the content of `entry` should be handed to [`LayerIndex::push`].
    pub(crate) fn wants_content(entry: &Entry) -> bool {
        matches!(entry.kind, EntryKind::File { size } if size < MAX_CAPTURED)
            && CAPTURED.contains(&entry.path.as_bytes())
    }

    pub(crate) fn push(&mut self, entry: Entry, offset: u64, content: Option<Vec<u8>>) {
        if let Some(content) = content {
            self.captured.push((entry.path.clone(), content.into()));
        }
        self.entries.push(IndexEntry { entry: Arc::new(entry), offset });
    }

    pub(crate) fn set_tar_size(&mut self, size: u64) {
        self.tar_size = size;
    }
}
