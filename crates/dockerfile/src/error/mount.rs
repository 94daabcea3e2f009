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
    pub fn hint(&self) -> String {
        let text = match self {
            MountError::UnknownKey { suggestion: Some(word), .. }
            | MountError::UnknownType { suggestion: Some(word), .. }
            | MountError::UnknownSharing { suggestion: Some(word), .. } => return format!("did you mean {word}?"),
            MountError::MissingValue(key) => return format!("write {key}=value"),
            MountError::InvalidValue { key, .. } => value_of(key),
            MountError::Csv => "write key=value,key=value; quote a whole field that has commas",
            MountError::UnknownKey { suggestion: None, .. } => {
                "mounts have type, from, source, target, readonly, id, sharing, required, size, mode, uid, gid and env"
            }
            MountError::UnknownType { suggestion: None, .. } => "the types are bind, cache, tmpfs, secret and ssh",
            MountError::UnknownSharing { suggestion: None, .. } => "use shared, private or locked",
            MountError::KeyNotAllowed { .. } => "take it away, or use another type of mount",
            MountError::VariableInFrom => "give the image a name with FROM image AS name, where variables are expanded",
            MountError::SecretWithoutName => "write id=name, as in --secret id=name,src=FILE",
            MountError::SecretNamedTwice | MountError::DeviceNamedTwice => "keep one of them",
        };
        text.to_owned()
    }
}

fn value_of(key: &str) -> &'static str {
    match key {
        "uid" | "gid" => "write a number",
        "mode" => "write an octal number, such as 0755",
        "size" => "write a number of bytes, or one with a unit, such as 64m",
        _ => "write true or false",
    }
}
