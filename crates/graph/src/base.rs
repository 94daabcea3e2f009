//! Images a build starts from: needed first, resolved by the caller, then planned with.

use std::collections::BTreeMap;

use dockerfile::Span;
use oci::{Digest, ImageConfig, Platform, Reference};

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BaseOrigin {
    /// A registry, or the local store.
    Image(Reference),
    /// An OCI layout on disk.
    OciLayout {
        /// The layout's directory.
        directory: String,
        /// The tag or digest in it; the only image when `None`.
        object: Option<String>,
    },
    /// The result of another target of the same project.
    Target(String),
}

/// An image that must be resolved before planning can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseNeed {
    /// Where it comes from.
    pub origin: BaseOrigin,
    /// The platform wanted of it.
    pub platform: Platform,
    /// The instruction that names it.
    pub span: Option<Span>,
    /// The stages that could have been meant instead, for a hint when it is not found.
    pub stages: Vec<String>,
}

/// What resolving a need found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedBase {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// The image's config, with its layers.
    pub config: ImageConfig,
}

/// Resolved bases by need.
#[derive(Debug, Clone, Default)]
pub struct ResolvedBases(BTreeMap<(BaseOrigin, Platform), ResolvedBase>);

impl ResolvedBases {
    /// What `need` was resolved to.
    pub fn get(&self, need: &BaseNeed) -> Option<&ResolvedBase> {
        self.0.get(&(need.origin.clone(), need.platform.clone()))
    }

    /// Records what `need` was resolved to.
    pub fn insert(&mut self, need: &BaseNeed, base: ResolvedBase) {
        self.0.insert((need.origin.clone(), need.platform.clone()), base);
    }
}
