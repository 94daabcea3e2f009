//! Why a builder could not be used.

use std::path::PathBuf;

use oci::Platform;

/// Why a build on a builder failed. Its `Display` is one sentence.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("{text:?} is no address of a builder: {reason}")]
    Address { text: String, reason: String },
    #[error("cannot reach the builder {builder}: {reason}")]
    Connect { builder: String, reason: String },
    #[error("cannot use {path} for the connection to a builder: {reason}")]
    Certificate { path: PathBuf, reason: String },
    #[error("the connection to the builder {builder} was lost: {reason}")]
    Lost { builder: String, reason: String },
    #[error("the builder {builder} does not build for {wanted}")]
    NoPlatform { builder: String, wanted: Box<Platform>, offered: Vec<String> },
    #[error("the build on {builder} failed: {reason}")]
    Solve { builder: String, reason: String },
    #[error("cannot write what the builder sends: {0}")]
    Result(#[source] std::io::Error),
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Address { .. } => {
                "such as unix:///run/buildkit/buildkitd.sock, tcp://HOST:PORT, docker://, ssh://HOST, \
                 docker-container://NAME or kube-pod://NAME"
                    .into()
            }
            Self::Connect { .. } => "start the builder, or leave out --builder to build in this process".into(),
            Self::Certificate { .. } => "ca, cert and key name files in PEM form".into(),
            Self::Lost { .. } => "see the builder's own log; what it has done is in its cache, so build again".into(),
            Self::NoPlatform { offered, .. } => {
                format!("it offers {}; give another builder, or install emulation there (binfmt)", offered.join(", "))
            }
            Self::Solve { .. } | Self::Result(_) => return None,
        })
    }
}
