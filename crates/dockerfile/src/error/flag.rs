//! Flags that cannot be used as written.

use crate::Keyword;

/// What is wrong with a flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FlagError {
    #[error("{keyword} has no flag --{name}")]
    Unknown { keyword: Keyword, name: String, suggestion: Option<String>, known: Vec<String> },
    #[error("the flag --{0} is given twice")]
    Duplicate(String),
    #[error("the flag --{0} needs a value")]
    MissingValue(String),
    #[error("the flag --{name} is true or false, not {value:?}")]
    NotBoolean { name: String, value: String },
}

impl FlagError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            FlagError::Unknown { suggestion: Some(name), .. } => format!("did you mean --{name}?"),
            FlagError::Unknown { keyword, known, .. } if known.is_empty() => format!("{keyword} takes no flags"),
            FlagError::Unknown { keyword, known, .. } => format!("{keyword} takes --{}", known.join(", --")),
            FlagError::Duplicate(_) => "keep one of them".into(),
            FlagError::MissingValue(name) => format!("write --{name}=value"),
            FlagError::NotBoolean { name, .. } => format!("write --{name}, --{name}=true or --{name}=false"),
        }
    }
}
