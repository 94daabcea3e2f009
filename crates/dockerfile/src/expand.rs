//! Expansion of words: variables, quotes and escapes, as the shell lexer of BuildKit does it.
//!
//! Which words an instruction expands is said at [`crate::Kind`]; [`crate::Instruction::expanded_words`] lists them.
//!
//! | form | value |
//! |---|---|
//! | `$name`, `${name}` | the variable's value, nothing if it is not set |
//! | `${name-word}`, `${name:-word}` | `word` if it is not set (`:` or empty) |
//! | `${name+word}`, `${name:+word}` | `word` if it is set (`:` and not empty) |
//! | `${name?word}`, `${name:?word}` | an error that says `word` if it is not set (`:` or empty) |
//! | `${name#pattern}`, `${name##pattern}` | the value without the shortest (longest) match at its start |
//! | `${name%pattern}`, `${name%%pattern}` | the value without the shortest (longest) match at its end |
//! | `${name/pattern/text}`, `${name//pattern/text}` | the value with the first match (every match) replaced |
//!
//! Letters of a name may be of any script; of the digits only those of ASCII count.

mod environment;
mod error;
mod lexer;
mod pattern;
#[cfg(test)]
mod tests;
mod words;

pub use environment::{Environment, NoVariables};
pub use error::ExpandError;

use crate::ast::{Heredoc, Word};
use crate::error::Problem;
use crate::source::Span;
use lexer::{Failure, Lexer, Outcome, Rules};

/// Gives words their values.
#[derive(Clone, Copy, Debug)]
pub struct Expander {
    rules: Rules,
}

/// An expanded word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The value.
    pub value: String,
    /// The variables it was made with, sorted.
    pub used: Vec<String>,
    /// The variables it asked for that are not set, sorted.
    pub unset: Vec<String>,
}

impl Expander {
    /// An expander with the escape character of the file the words come from ([`crate::Directives::escape`]).
    pub fn new(escape: char) -> Self {
        Self { rules: Rules { escape, ..Rules::default() } }
    }

    /// Keeps quotes in the result.
    pub fn keep_quotes(mut self) -> Self {
        self.rules.keep_quotes = true;
        self
    }

    /// Keeps escape characters in the result.
    pub fn keep_escapes(mut self) -> Self {
        self.rules.keep_escapes = true;
        self
    }

    /// Keeps references to variables that are not set, instead of dropping them.
    ///
    /// With [`Expander::keep_quotes`] this is how BuildKit expands the names of `RUN` steps.
    pub fn keep_unset(mut self) -> Self {
        self.rules.keep_unset = true;
        self
    }

    /// The word's value, as one word whatever it contains.
    ///
    /// # Errors
    /// A quote or brace that is not closed, an unknown modifier, a bad pattern, `${name?}` of an unset variable, or
    /// more than [`crate::limits::MAX_EXPANSION`] bytes of values; each with its place inside the word.
    pub fn expand(&self, word: &Word, env: &dyn Environment) -> Result<Expanded, Problem> {
        self.text(&word.raw, env).map_err(|failure| failure.into_problem(|start, end| word.locate(start, end)))
    }

    /// The words that the word's value falls into at white space outside quotes, as `EXPOSE` takes them.
    ///
    /// # Errors
    /// As [`Expander::expand`].
    pub fn words(&self, word: &Word, env: &dyn Environment) -> Result<Vec<String>, Problem> {
        let outcome = Lexer::new(&word.raw, self.rules, env).run();
        Ok(outcome.map_err(|failure| failure.into_problem(|start, end| word.locate(start, end)))?.words)
    }

    /// The name of a step: `text` expanded, or as it is where that fails.
    pub fn label(&self, text: &str, env: &dyn Environment) -> String {
        self.text(text, env).map_or_else(|_| text.to_owned(), |expanded| expanded.value)
    }

    fn text(&self, text: &str, env: &dyn Environment) -> Result<Expanded, Failure> {
        Lexer::new(text, self.rules, env).run().map(Expanded::from)
    }
}

impl From<Outcome> for Expanded {
    fn from(outcome: Outcome) -> Self {
        Self {
            value: outcome.text,
            used: outcome.used.into_iter().collect(),
            unset: outcome.unset.into_iter().collect(),
        }
    }
}

/// What a heredoc of `COPY` or `ADD` holds: its data, with variables expanded where [`Heredoc::expand`] says so. Quotes
/// mean nothing here, and the escape character is always a backslash.
///
/// # Errors
/// As [`Expander::expand`].
pub fn heredoc(heredoc: &Heredoc, env: &dyn Environment) -> Result<Expanded, Problem> {
    let data = heredoc.data();
    if !heredoc.expand {
        return Ok(Expanded { value: data, ..Expanded::default() });
    }
    let rules = Rules { ignore_quotes: true, ..Rules::default() };
    let outcome = Lexer::new(&data, rules, env).run();
    outcome.map(Expanded::from).map_err(|failure| {
        failure.into_problem(|start, end| {
            let exact = data.len() == heredoc.content.len();
            if exact { Span::new(heredoc.span.start + start, heredoc.span.start + end) } else { heredoc.span }
        })
    })
}

/// Words of a line as they are written, split at white space outside quotes; nothing is expanded or removed. Empty
/// where a quote or brace is not closed.
pub(crate) fn raw_words(line: &str) -> Vec<String> {
    let rules = Rules { keep_quotes: true, keep_escapes: true, keep_unset: true, ..Rules::default() };
    Lexer::new(line, rules, &NoVariables).run().map(|outcome| outcome.words).unwrap_or_default()
}

/// Words of a text with quotes kept or removed, and nothing expanded.
pub(crate) fn plain_words(text: &str, keep_quotes: bool) -> Result<Vec<String>, ExpandError> {
    let rules = Rules { keep_quotes, keep_unset: true, ..Rules::default() };
    Lexer::new(text, rules, &NoVariables).run().map(|outcome| outcome.words).map_err(|failure| failure.error)
}
