//! Mounts and devices that cannot be used as written.

/// What is wrong with a `--mount` or a `--device`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum MountError {
    #[error("the options are no comma-separated list")]
    Csv,
    #[error("the option {0:?} needs a value")]
    MissingValue(String),
    #[error("unknown option {key:?}")]
    UnknownKey { key: String, suggestion: Option<String> },
    #[error("{value:?} is no value for {key}")]
    InvalidValue { key: String, value: String },
    #[error("{value:?} is no mount type")]
    UnknownType { value: String, suggestion: Option<String> },
    #[error("{value:?} is no way of sharing")]
    UnknownSharing { value: String, suggestion: Option<String> },
    #[error("a {kind} mount has no {key}")]
    KeyNotAllowed { kind: &'static str, key: String },
    #[error("from must not contain variables")]
    VariableInFrom,
    #[error("a secret mount needs an id, a source or a target")]
    SecretWithoutName,
    #[error("a secret mount has both an id and a source")]
    SecretNamedTwice,
    #[error("the device is named twice")]
    DeviceNamedTwice,
}

impl MountError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            MountError::UnknownKey { suggestion, .. }
            | MountError::UnknownType { suggestion, .. }
            | MountError::UnknownSharing { suggestion, .. } => {
                suggestion.as_ref().map(|word| format!("did you mean {word}?"))
            }
            MountError::Csv => Some("write key=value,key=value; quote a whole field that has commas".into()),
            MountError::MissingValue(key) => Some(format!("write {key}=value")),
            MountError::VariableInFrom => {
                Some("give the image a name with FROM image AS name, where variables are expanded".into())
            }
            MountError::SecretNamedTwice => Some("keep one of them".into()),
            _ => None,
        }
    }
}
