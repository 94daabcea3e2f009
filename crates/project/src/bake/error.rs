//! What is wrong with a bake file, or with what is asked of it.

use std::fmt;

use super::syntax::Span;
use crate::{Input, Place};

/// A mistake: what it is, where it is written, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Inner {
    message: String,
    span: Option<Span>,
    place: Option<Place>,
    hint: Option<String>,
    fatal: bool,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { message: message.into(), ..Inner::default() }))
    }

    /// One that `try` and `can` do not catch: a limit is reached.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        let mut error = Self::new(message);
        error.0.fatal = true;
        error
    }

    pub(super) fn is_limit(&self) -> bool {
        self.0.fatal
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds which of `names` was meant instead of `word`, or else which there are.
    pub(super) fn meant<'n>(self, word: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        match dockerfile::did_you_mean(word, names.iter().copied()) {
            Some(name) => self.with_hint(format!("did you mean {name}?")),
            None if names.is_empty() || names.len() > 12 => self,
            None => self.with_hint(format!("known are {}", names.join(", "))),
        }
    }

    /// Adds where it is, unless a more exact place is known.
    pub(super) fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Says more in front of the message.
    pub(super) fn within(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Turns the span into a place that people can read.
    pub(super) fn located(mut self, inputs: &[Input]) -> Self {
        if let Some(span) = self.0.span
            && let Some(input) = inputs.get(span.file)
        {
            self.0.place = Some(input.at_bytes(span.start..span.end));
        }
        self
    }

    /// Where it is, when it is in a file.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.0.hint.clone()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.place {
            Some(place) => write!(f, "{place}: {}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl std::error::Error for Error {}
