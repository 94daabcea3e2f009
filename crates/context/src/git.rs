//! Git sources: contexts given as a repository, and `ADD` of one.
//!
//! The installed `git` does the work, as it does for BuildKit: it alone knows every transport, shallow fetches of a commit,
//! submodules and attributes. It runs without the user's and the system's configuration, asks nobody for passwords, runs no
//! hook, and talks over the network only (its sub-module `command` says how).

mod checkout;
mod command;
mod resolve;

pub use checkout::{Checkout, checkout};
pub use dockerfile::git::GitSource;
pub use resolve::{Resolved, resolve};

/// Why a git source cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reference's query says something we do not understand.
    #[error("invalid git reference {reference:?}: {reason}")]
    Reference {
        /// As written, without credentials.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no `git` to run.
    #[error("git is not installed")]
    Missing,
    /// `git` could not be started or listened to.
    #[error("cannot run git: {0}")]
    Start(#[source] std::io::Error),
    /// `git` failed.
    #[error("git {command} failed for {remote}: {words}")]
    Failed {
        /// The sub-command.
        command: String,
        /// The repository, without credentials.
        remote: String,
        /// The end of what git said.
        words: String,
    },
    /// The remote has no such branch, tag or commit.
    #[error("{remote} has no branch, tag or commit {name:?}")]
    NoSuchRef {
        /// The repository, without credentials.
        remote: String,
        /// What was asked for.
        name: String,
    },
    /// The repository answered with something that git does not say.
    #[error("{remote} answered {what}")]
    Answer {
        /// The repository, without credentials.
        remote: String,
        /// What it said, in short.
        what: String,
    },
    /// The commit is not the one that was promised.
    #[error("{remote} is at {actual}, expected {expected}")]
    Checksum {
        /// The repository, without credentials.
        remote: String,
        /// The commit that the Dockerfile or the reference names.
        expected: String,
        /// What the remote has.
        actual: String,
    },
    /// The sub-directory is missing or is no directory.
    #[error("{remote} has no directory {directory:?}")]
    NoSuchDirectory {
        /// The repository, without credentials.
        remote: String,
        /// What was asked for.
        directory: String,
    },
}

/// Reads the address of a context; `None` when it is something else: a path, or a URL of a file.
///
/// # Errors
/// When it names a repository, but says something unknown or contradictory of it.
pub fn parse_context(text: &str) -> Result<Option<GitSource>, Error> {
    let reference = || dockerfile::git::without_credentials(text);
    let parsed = GitSource::parse_context(text).transpose();
    parsed.map_err(|reason| Error::Reference { reference: reference(), reason })
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing => "install git, or give the context as a directory",
            Self::Failed { words, .. } if words.contains("Host key verification failed") => {
                "connect to the host once with ssh, so that its key is known"
            }
            Self::Failed { words, .. } if asks_for_password(words) => {
                "put a token into the URL (https://TOKEN@host/...), or use ssh with an agent"
            }
            Self::NoSuchRef { .. } => {
                "names are written after the #, as in https://host/repository.git#branch:directory"
            }
            Self::NoSuchDirectory { .. } => {
                "the directory follows the second colon: #branch:directory; links are not followed"
            }
            Self::Checksum { .. } => "check the commit; a branch or tag may have moved since it was written down",
            Self::Failed { .. } => "check the repository's URL, and that `git ls-remote URL` works on this machine",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn asks_for_password(words: &str) -> bool {
    ["could not read Username", "could not read Password", "Authentication failed", "Permission denied"]
        .iter()
        .any(|sign| words.contains(sign))
}
