//! What can be wrong with a package.

use std::io;
use std::path::{Path, PathBuf};

use serde_saphyr::Spanned;

use crate::yaml::{self, Wrong};
use crate::{Input, Place};

/// Why a package cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something that is written wrongly, in a place.
    #[error("{place}: {message}")]
    Written {
        /// What is wrong.
        message: String,
        /// Where.
        place: Box<Place>,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A directory that no git repository holds.
    #[error("{} is not in a git repository", .0.display())]
    NoRepository(PathBuf),
    /// A directory of which the commit knows nothing.
    #[error("{} is not in the commit {commit}", path.display())]
    NotCommitted {
        /// The directory.
        path: PathBuf,
        /// The commit that was asked.
        commit: String,
    },
    /// A commit that the repository does not have.
    #[error("there is no commit {commit} in the repository of {}: {reason}", path.display())]
    NoCommit {
        /// What was asked for.
        commit: String,
        /// A path in the repository.
        path: PathBuf,
        /// What git says.
        reason: String,
        /// Whether the history was cut when it was cloned.
        shallow: bool,
    },
    /// A history that ends before a version could be found.
    #[error("the clone that holds {} is shallow and has no version tag, so GOPKGVERSION is not known", .0.display())]
    Shallow(PathBuf),
    /// A repository that cannot be read.
    #[error("cannot ask git about {}: {reason}", path.display())]
    Git {
        /// A path in it.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// Something that contradicts itself.
    #[error("{message}")]
    Conflict {
        /// What does.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

impl Error {
    pub(crate) fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Conflict { message: message.into(), hint: hint.into() }
    }

    /// Something wrong with a value of a file.
    pub(crate) fn written<T>(
        input: &Input,
        value: &Spanned<T>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let place = Box::new(yaml::place(input, value.referenced));
        Self::Written { message: message.into(), place, hint: Some(hint.into()) }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(crate) fn git(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Git { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The place of what is wrong, when it is written somewhere.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Written { place, .. } => Some(place),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Written { hint, .. } => hint.clone(),
            Self::Read { source, path } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("a package is a directory with a build.yml; there is no {}", path.display()))
            }
            Self::NoRepository(_) => Some("a package's hash comes from git: commit it, or give --hash or --dev".into()),
            Self::NotCommitted { .. } => Some("commit it, or give --hash or --dev".into()),
            Self::NoCommit { shallow: true, .. } => {
                Some("the clone is shallow; `git fetch --unshallow` brings the rest".into())
            }
            Self::NoCommit { .. } => Some("name a commit, a branch or a tag of this repository".into()),
            Self::Shallow(_) => Some("`git fetch --unshallow --tags`, or set GOPKGVERSION in buildArgs".into()),
            Self::Conflict { hint, .. } => Some(hint.clone()),
            Self::Read { .. } | Self::Git { .. } => None,
        }
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        Self::Written { message: wrong.message, place: Box::new(wrong.place), hint: wrong.hint }
    }
}
