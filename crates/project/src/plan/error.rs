//! What can be wrong with a plan.

use serde_saphyr::Spanned;

use crate::yaml::{self, Wrong, meant};
use crate::{Input, Place};

/// Why nothing can be planned: one sentence, with the place in front where there is one, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
pub struct Error {
    message: String,
    place: Option<Box<Place>>,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None }
    }

    /// A name that nothing has.
    pub(crate) fn unknown<'n>(kind: &str, name: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> Self {
        Self::new(format!("unknown {kind} {name:?}")).or_hint(meant(name, known))
    }

    pub(crate) fn at(self, place: Place) -> Self {
        Self { place: Some(Box::new(place)), ..self }
    }

    /// The same, at a value of a file.
    pub(crate) fn of<T>(self, input: &Input, value: &Spanned<T>) -> Self {
        self.at(yaml::place(input, value.referenced))
    }

    pub(crate) fn or_hint(self, hint: impl Into<String>) -> Self {
        let hint = self.hint.or_else(|| Some(hint.into()));
        Self { hint, ..self }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it is, when it is in a file.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        Self { message: wrong.message, place: Some(Box::new(wrong.place)), hint: wrong.hint }
    }
}
