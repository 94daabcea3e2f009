//! Why a build failed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use dockerfile::{Source, Span};
use layer::TreeError;
use oci::{DiffId, Digest, MediaType, Platform, Reference};

use crate::copy::CopyError;
use crate::owner::OwnerError;
use crate::run::RunError;

/// Why a build, or a command on images, failed. Its `Display` is one sentence.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    Dockerfile(#[from] dockerfile::Error),
    #[error(transparent)]
    Graph(#[from] graph::Error),
    #[error(transparent)]
    Context(#[from] context::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Registry(#[from] registry::Error),
    #[error(transparent)]
    Builder(#[from] buildkit::Error),
    #[error(transparent)]
    Layer(layer::Error),
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A failure at a place of the Dockerfile.
    #[error("{cause}")]
    At { source_text: Arc<Source>, span: Span, cause: Box<Error> },
    /// The same before it is known which Dockerfile.
    #[error("{cause}")]
    Spanned { span: Span, cause: Box<Error> },
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("invalid pattern in --exclude or --parents: {0}")]
    Pattern(#[source] dockerfile::ignore::Error),
    #[error("{0} is not in its registry")]
    BaseNotFound(Reference),
    /// An image that cannot be had, whose name is nearly that of a stage.
    #[error("{cause}")]
    MistypedStage { stage: String, cause: Box<Error> },
    #[error("{0} is not in the local store, and --offline forbids to ask its registry")]
    BaseOffline(Reference),
    #[error("{digest} has {blobs} layers, but its config names {diff_ids}")]
    LayerCount { digest: Digest, blobs: usize, diff_ids: usize },
    #[error("layer {digest} has the media type {media_type}, which is none that can be read")]
    LayerType { digest: Digest, media_type: MediaType },
    #[error("layer {0} is neither in the local store nor known to be in a registry")]
    LayerLost(Digest),
    #[error("layer {0} is not in the local store, and --offline forbids to fetch it")]
    LayerOffline(Digest),
    #[error("cannot read layer {0}: {1}")]
    LayerRead(Digest, #[source] io::Error),
    #[error("a layer that should be {expected} when decompressed is {found}")]
    LayerMismatch { expected: DiffId, found: DiffId },
    #[error("{digest} is not the JSON document it should be: {source}")]
    Document { digest: Digest, source: serde_json::Error },
    #[error("{name} has no image for {wanted}")]
    NoPlatform { name: String, wanted: Box<Platform>, offered: Vec<Platform> },
    #[error("cannot read {path}: {source}")]
    LayoutRead { path: PathBuf, source: io::Error },
    #[error("{path} is no index of an OCI layout: {reason}")]
    LayoutIndex { path: PathBuf, reason: String },
    #[error("the OCI layout {directory} has no single image {}", object.as_deref().unwrap_or("without a name"))]
    LayoutEntry { directory: PathBuf, object: Option<String>, entries: Vec<String> },
    #[error("cannot read the Dockerfile {path}: {source}")]
    DockerfileRead { path: String, source: io::Error },
    #[error("cannot {operation} {path}: {source}")]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Stdout(#[source] io::Error),
    #[error("{what} is not supported")]
    Unsupported { what: String, hint: String },
    #[error("{0}")]
    Conflict(String),
    #[error("the tag {0} is given twice")]
    TagTwice(Reference),
    #[error("cannot reach the container engine: {0}")]
    Engine(String),
    #[error("the container engine refused the image: {0}")]
    Load(String),
    #[error("no image {0} in the local store")]
    NoImage(String),
    #[error("{name} is already in its registry for {platform}, with another content")]
    Replaces { name: Reference, platform: Box<Platform> },
    #[error("{name} was changed by others {times} times while it was being pushed")]
    Contended { name: Reference, times: usize },
    /// The failure of work that several images share.
    #[error(transparent)]
    Shared(#[from] Arc<Error>),
    /// A command that makes files for images.
    #[error("the command {name} failed: {reason}{}", if output.is_empty() { String::new() } else { format!("\n{output}") })]
    Command { name: String, reason: String, output: String },
    /// Images that can only be built after themselves.
    #[error("the images {} need each other: none can be built first", .0.join(" -> "))]
    Cycle(Vec<String>),
    #[error("{job} needs the image {needed}, which is none of those that are built")]
    UnknownJob { job: String, needed: String },
    #[error("the image {needed} is not built for {wanted}")]
    JobPlatform { needed: String, wanted: Box<Platform>, offered: Vec<Platform> },
    #[error("the build was cancelled")]
    Cancelled,
    #[error("internal error: {0}")]
    Internal(String),
}

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The Dockerfile, its context or the request is at fault.
    Build,
    /// A registry could not be reached, or refused.
    Registry,
    /// The local store failed.
    Store,
    /// A file or a stream that the result is written to failed.
    Output,
    /// The user asked to stop.
    Cancelled,
    /// This program is at fault.
    Internal,
}

/// Below a layer there may be a registry or the store: when they failed, it is told without the layer around it.
impl From<layer::Error> for Error {
    fn from(error: layer::Error) -> Self {
        match error {
            layer::Error::Archive(cause) => Self::beneath(cause, |cause| Self::Layer(layer::Error::Archive(cause))),
            layer::Error::Write(cause) => Self::beneath(cause, |cause| Self::Layer(layer::Error::Write(cause))),
            other => Self::Layer(other),
        }
    }
}

impl Error {
    /// What failed below a reader or a writer, when that was one of our own rooms.
    pub(crate) fn beneath(cause: io::Error, otherwise: impl FnOnce(io::Error) -> Self) -> Self {
        match cause.downcast::<store::Error>().map_err(io::Error::downcast::<registry::Error>) {
            Ok(store) => store.into(),
            Err(Ok(registry)) => registry.into(),
            Err(Err(cause)) => otherwise(cause),
        }
    }

    /// The same for all who wait for what failed.
    pub(crate) fn shared(self) -> Arc<Self> {
        match self {
            Self::Shared(shared) => shared,
            own => Arc::new(own),
        }
    }

    /// The same, told of at `span` of `source` when it happened in another Dockerfile.
    pub(crate) fn in_file(self, source: &Arc<Source>, span: Option<Span>) -> Self {
        match (self.location(), span) {
            (Some((file, _)), Some(span)) if !Arc::ptr_eq(file, source) => {
                Self::At { source_text: Arc::clone(source), span, cause: Box::new(self) }
            }
            _ => self,
        }
    }

    /// The same, at a place of the Dockerfile that is being built.
    pub(crate) fn at(self, span: Option<Span>) -> Self {
        match (span, &self) {
            (None, _) | (_, Self::At { .. } | Self::Spanned { .. }) => self,
            (_, Self::Shared(cause)) if cause.location().is_some() => self,
            (Some(span), _) => Self::Spanned { span, cause: Box::new(self) },
        }
    }

    /// The same, located in `source`: at its own place if it has one, at `span` otherwise.
    pub(crate) fn within(self, source: &Arc<Source>, span: Option<Span>) -> Self {
        match (self.at(span), source) {
            (Self::Spanned { span, cause }, source) => Self::At { source_text: Arc::clone(source), span, cause },
            (other, _) => other,
        }
    }

    /// The place of the Dockerfile, if it has one.
    #[must_use]
    pub fn location(&self) -> Option<(&Arc<Source>, Span)> {
        match self {
            Self::Dockerfile(error) => Some((error.source_text(), error.span())),
            Self::Graph(error) => error.span().map(|span| (error.source_text(), span)),
            Self::At { source_text, span, .. } => Some((source_text, *span)),
            Self::Shared(cause) => cause.location(),
            _ => None,
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::At { cause, .. } | Self::Spanned { cause, .. } | Self::MistypedStage { cause, .. } => cause.kind(),
            Self::Shared(cause) => cause.kind(),
            Self::Registry(_) | Self::BaseNotFound(_) | Self::Replaces { .. } | Self::Contended { .. } => {
                ErrorKind::Registry
            }
            Self::Store(_) | Self::LayerLost(_) => ErrorKind::Store,
            Self::File { .. } | Self::Stdout(_) | Self::Layer(layer::Error::Write(_) | layer::Error::RootFs(_)) => {
                ErrorKind::Output
            }
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Internal(_) => ErrorKind::Internal,
            _ => ErrorKind::Build,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Dockerfile(error) => error.hint(),
            Self::Graph(error) => error.hint(),
            Self::Context(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::Builder(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::At { cause, .. } | Self::Spanned { cause, .. } => cause.hint(),
            Self::Shared(cause) => cause.hint(),
            Self::MistypedStage { stage, .. } => Some(format!("did you mean the stage {stage}?")),
            Self::Copy(error) => error.hint(),
            Self::Owner(error) => error.hint(),
            Self::Run(error) => error.hint(),
            Self::Pattern(error) => error.hint(),
            Self::Unsupported { hint, .. } => Some(hint.clone()),
            other => other.own_hint().map(str::to_owned).or_else(|| other.list_hint()),
        }
    }

    fn own_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::BaseNotFound(_) => {
                "check the name and the tag; an image that is only in a Docker engine must be pushed or exported first"
            }
            Self::BaseOffline(_) | Self::LayerOffline(_) => {
                "build once without --offline, or `shipsmith pull` it before"
            }
            Self::LayerLost(_) => "pull or import the image again",
            Self::LayerMismatch { .. } => "the image is damaged or was tampered with; pull it from another place",
            Self::DockerfileRead { .. } => "name it with --file, or check the context's path",
            Self::Engine(_) => "start the engine, or set DOCKER_HOST; `--output type=docker,dest=image.tar` needs none",
            Self::NoImage(_) => "`shipsmith images` lists what is there",
            Self::TagTwice(_) => "give each --tag once",
            Self::Replaces { .. } => "a tag by content means one content; --override (or --force) replaces it",
            Self::Contended { .. } => "push again",
            Self::Cycle(_) => "take one of these contexts away, or make its files a stage of the image that needs them",
            Self::UnknownJob { .. } => "name an image of the same run, or a reference of a registry",
            Self::Internal(_) => "this is a bug; please report it with the command line",
            _ => return None,
        })
    }

    fn list_hint(&self) -> Option<String> {
        match self {
            Self::NoPlatform { offered, .. } | Self::JobPlatform { offered, .. } if !offered.is_empty() => {
                let offered: Vec<String> = offered.iter().map(ToString::to_string).collect();
                Some(format!("it has {}", offered.join(", ")))
            }
            Self::LayoutEntry { entries, .. } if !entries.is_empty() => Some(format!("it has {}", entries.join(", "))),
            _ => None,
        }
    }
}
