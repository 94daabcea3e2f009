//! Why a command line cannot be turned into a request.

/// What is wrong with what was typed. Every one ends in the exit code for usage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    /// A value that does not have the form its flag asks for.
    #[error("invalid value {value:?} for {flag}: {reason}")]
    Invalid {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What was typed.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// What to type instead.
        hint: Option<String>,
    },
    /// Something `docker buildx build` knows and this tool does not do.
    #[error("{what} is not supported: {reason}")]
    Unsupported {
        /// The flag or value.
        what: String,
        /// Why not.
        reason: String,
        /// What to do instead.
        hint: String,
    },
    /// Flags that contradict each other.
    #[error("{message}")]
    Conflict {
        /// Which, and why.
        message: String,
        /// What to do instead.
        hint: String,
    },
}

impl RequestError {
    /// A malformed value, with nothing better to say than what is wrong with it.
    pub(crate) fn invalid(flag: &'static str, value: &str, reason: impl Into<String>) -> Self {
        let (value, reason) = (value.to_owned(), reason.into());
        Self::Invalid { flag, value, reason, hint: None }
    }

    /// The same with a hint, where none was given.
    pub(crate) fn or_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Invalid { hint: hint @ None, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// The same of one of several targets: what it says, as if it had been typed.
    pub(crate) fn of_target(self, target: &str) -> Self {
        let hint = self.hint().unwrap_or_else(|| "`shipsmith bake --print` shows the target as it is read".to_owned());
        Self::Conflict { message: format!("target {target}: {self}"), hint }
    }

    /// Something that is understood and refused.
    pub(crate) fn unsupported(what: impl Into<String>, reason: &str, hint: &str) -> Self {
        Self::Unsupported { what: what.into(), reason: reason.into(), hint: hint.into() }
    }

    /// Flags that contradict each other.
    pub(crate) fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Conflict { message: message.into(), hint: hint.into() }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { hint, .. } => hint.clone(),
            Self::Unsupported { hint, .. } | Self::Conflict { hint, .. } => Some(hint.clone()),
        }
    }
}
