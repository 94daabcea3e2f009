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
    /// What is built failed; `line` is the place in the Dockerfile, counted from 1. A program that is `foreign` is made for
    /// another processor.
    #[error("the build on {builder} failed: {reason}")]
    Solve { builder: String, reason: String, line: Option<u32>, foreign: bool },
    #[error("the builder {builder} refuses: {reason}")]
    Refused { builder: String, reason: String },
    #[error("the builder sent {0}")]
    Unexpected(String),
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
            Self::Solve { foreign: true, .. } => {
                "the builder cannot run programs of that architecture: install emulation there (binfmt), or give \
                 the platform another builder with --builders"
                    .into()
            }
            Self::Refused { .. } => "give another builder, or build in this process (without --builder)".into(),
            Self::Unexpected(_) | Self::Solve { .. } | Self::Result(_) => return None,
        })
    }
}

/// Whether it is what a builder says of a program that is made for another processor.
#[must_use]
pub fn is_foreign(said: &str) -> bool {
    ["exec format error", "Exec format error", ".buildkit_qemu_emulator"].iter().any(|sign| said.contains(sign))
}
