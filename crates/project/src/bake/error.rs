//! What is wrong with a bake file, and where.

use std::fmt;
use std::ops::Range;

/// A mistake in a bake or compose file, or in what overrides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
    place: Option<Place>,
    hint: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
    /// The marked part, in bytes of the text.
    pub mark: Range<usize>,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None }
    }

    pub(super) fn hint_of(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds which of `names` was meant instead of `word`.
    pub(super) fn meant<'n>(self, word: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        match dockerfile::did_you_mean(word, names) {
            Some(name) => self.hint_of(format!("did you mean {name}?")),
            None => self,
        }
    }

    /// Adds the place, unless a more exact one is known.
    pub(super) fn at(self, file: &str, text: &str, span: Option<Range<usize>>) -> Self {
        match (&self.place, span) {
            (None, Some(span)) => Self { place: Some(Place::new(file, text, span)), ..self },
            _ => self,
        }
    }

    /// Where it is, when it is in a file.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl Place {
    fn new(file: &str, text: &str, span: Range<usize>) -> Self {
        let start = span.start.min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = text.get(begin..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let mark = (start - begin).min(line.len())..span.end.saturating_sub(begin).min(line.len());
        Self { file: file.to_owned(), line: before.matches('\n').count() + 1, text: line.to_owned(), mark }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
