//! Words that cannot be expanded.

/// What is wrong with a word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ExpandError {
    #[error("the single quote is not closed")]
    UnclosedSingleQuote,
    #[error("the double quote is not closed")]
    UnclosedDoubleQuote,
    #[error("the substitution is not closed")]
    UnclosedBrace,
    #[error("the pattern of the substitution is not closed")]
    UnclosedPattern,
    #[error("the substitution has no name")]
    BadSubstitution,
    #[error("unknown modifier {0:?} in the substitution")]
    UnknownModifier(String),
    #[error("bad pattern {pattern:?}: {reason}")]
    BadPattern { pattern: String, reason: String },
    #[error("{name}: {message}")]
    Refused { name: String, message: String },
    #[error("substitutions are nested too deeply")]
    TooDeep,
    #[error("the expanded text is longer than {0} bytes")]
    TooLong(usize),
}

impl ExpandError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let text = match self {
            ExpandError::UnclosedSingleQuote | ExpandError::UnclosedDoubleQuote => {
                "close the quote, or put the escape character before it"
            }
            ExpandError::UnclosedBrace => "close it with }, or put the escape character before the $",
            ExpandError::UnclosedPattern => "write ${name/pattern/replacement}",
            ExpandError::BadSubstitution => "write ${name}, or put the escape character before the $",
            ExpandError::UnknownModifier(_) => "the modifiers are :- - :+ + :? ? # ## % %% / and //",
            ExpandError::BadPattern { .. } => "patterns have * and ?; a backslash stands only before * ? \\ } and /",
            ExpandError::Refused { name, .. } => {
                return format!("set it with ARG, ENV or --build-arg {name}=value");
            }
            ExpandError::TooDeep => "give the inner ones names of their own with ARG",
            ExpandError::TooLong(_) => "put large contents into files and COPY them",
        };
        text.into()
    }
}
