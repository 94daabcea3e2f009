//! What can be wrong with a plan.

use dockerfile::did_you_mean;

/// Why nothing can be planned: one sentence, with the place in front where there is one, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
pub struct Error {
    message: String,
    place: Option<String>,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None }
    }

    /// A name that nothing has.
    pub(crate) fn unknown<'n>(kind: &str, name: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> Self {
        let hint = match did_you_mean(name, known.clone()) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("known are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
        };
        Self::new(format!("unknown {kind} {name:?}")).or_hint(hint)
    }

    pub(crate) fn at(self, file: &str, line: u64, column: u64) -> Self {
        Self { place: Some(format!("{file}:{line}:{column}")), ..self }
    }

    pub(crate) fn or_hint(self, hint: impl Into<String>) -> Self {
        let hint = self.hint.or_else(|| Some(hint.into()));
        Self { hint, ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
