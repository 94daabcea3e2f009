//! Why a RUN failed.

use std::io;
use std::path::PathBuf;

use sandbox::Exit;

use crate::SandboxOptions;

/// Why a RUN failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RunError {
    /// The process ran, and said that it failed. Worded as BuildKit words it.
    #[error("process {command:?} did not complete successfully: {exit}")]
    Failed { command: String, exit: Exit },
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    #[error("secret {id}: not found")]
    NoSecret { id: String, given: Vec<String> },
    #[error("cannot read the secret {id} from {}: {source}", path.display())]
    SecretRead { id: String, path: PathBuf, source: io::Error },
    #[error("the secret {0} is larger than 500 KiB")]
    SecretSize(String),
    #[error("the secret {0} is no text, so it cannot be a variable")]
    SecretText(String),
    #[error("ssh agent {id}: not found")]
    NoAgent { id: String, given: Vec<String> },
    #[error("cannot serve an ssh agent: {0}")]
    Agent(io::Error),
    #[error("{0} is not allowed")]
    NotAllowed(&'static str),
    #[error("devices are not given to RUN")]
    Devices,
}

impl RunError {
    pub(crate) fn no_secret(id: &str, options: &SandboxOptions) -> Self {
        Self::NoSecret { id: id.to_owned(), given: options.secrets.keys().cloned().collect() }
    }

    pub(crate) fn no_agent(id: &str, options: &SandboxOptions) -> Self {
        Self::NoAgent { id: id.to_owned(), given: options.agents.keys().cloned().collect() }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { exit, .. } => exit_hint(exit).map(str::to_owned),
            Self::Sandbox(error) => error.hint(),
            Self::NoSecret { id, given } => Some(not_given("--secret", &format!("id={id},src=FILE"), given)),
            Self::NoAgent { id, given } => Some(not_given("--ssh", id, given)),
            Self::SecretRead { .. } => Some("check the src= of --secret".into()),
            Self::SecretSize(_) => Some("mount a directory with --mount=type=bind instead".into()),
            Self::Agent(_) => Some("TMPDIR must be a directory of yours, with a short name".into()),
            Self::SecretText(_) => Some("mount it as a file: leave out env=".into()),
            Self::NotAllowed(what) => Some(format!("allow it with --allow {what}")),
            Self::Devices => Some("leave out --device".into()),
        }
    }
}

/// What the shell's and the kernel's usual codes mean.
fn exit_hint(exit: &Exit) -> Option<&'static str> {
    match exit.code() {
        126 => Some("126: the program was found but cannot be executed"),
        127 => Some("127: the program was not found; is its package installed, and is it in PATH?"),
        137 => Some("it was killed: did it use more memory than there is?"),
        139 => Some("it crashed; is it built for this processor?"),
        _ => None,
    }
}

fn not_given(flag: &str, example: &str, given: &[String]) -> String {
    match given {
        [] => format!("give it with {flag} {example}"),
        several => format!("give it with {flag} {example}; given are: {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_worded_as_buildkit_words_them() {
        let failed = RunError::Failed { command: "/bin/sh -c exit 3".into(), exit: Exit::Code(3) };
        let message = "process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3";
        assert_eq!(failed.to_string(), message);
        assert_eq!(failed.hint(), None);
    }

    #[test]
    fn a_missing_secret_says_which_there_are() {
        let error = RunError::NoSecret { id: "a".into(), given: vec!["b".into(), "c".into()] };
        assert_eq!(error.hint().as_deref(), Some("give it with --secret id=a,src=FILE; given are: b, c"));
    }
}
