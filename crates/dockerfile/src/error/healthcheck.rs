//! Health checks that cannot be used as written.

/// What is wrong with a `HEALTHCHECK`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum HealthcheckError {
    #[error("HEALTHCHECK NONE takes no arguments")]
    NoneWithArguments,
    #[error("HEALTHCHECK CMD has no command")]
    NoCommand,
    #[error("{0:?} is no kind of HEALTHCHECK")]
    UnknownKind(String),
    #[error("{0:?} is no duration")]
    InvalidDuration(String),
    #[error("--{0} is shorter than 1ms")]
    TooShort(String),
    #[error("{0:?} is no number of retries")]
    InvalidRetries(String),
}

impl HealthcheckError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let text = match self {
            HealthcheckError::NoneWithArguments => "remove the arguments",
            HealthcheckError::NoCommand | HealthcheckError::UnknownKind(_) => {
                "write HEALTHCHECK CMD command, or HEALTHCHECK NONE"
            }
            HealthcheckError::InvalidDuration(_) => "write numbers with units, as in 30s, 1m30s or 500ms",
            HealthcheckError::TooShort(_) => "use at least 1ms, or 0s for the default",
            HealthcheckError::InvalidRetries(_) => "use a whole number from 0 to 2147483647",
        };
        text.into()
    }
}
