//! What went wrong, as the user is told: one sentence, the place in the source, causes when asked
//! for, hints; and the exit code a script sees.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use engine::ErrorKind;

use crate::render::clean;
use crate::request::RequestError;

/// How the program ends; docs/errors.md is the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked is done.
    Done = 0,
    /// The Dockerfile, its context or the request is at fault, or a check found something.
    Build = 1,
    /// The command line is at fault; clap's code, too.
    Usage = 2,
    /// A registry refused, could not be reached, or answered nonsense.
    Registry = 3,
    /// The local store, a file, or this program failed.
    Internal = 4,
    /// The user asked to stop: 128 and the signal's number, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure on its way to the user.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    place: Option<Box<Place>>,
    causes: Vec<String>,
    hint: Option<String>,
}

/// A place in a source, with the line it is on.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) text: String,
    /// The marked part, in bytes of `text`.
    pub(crate) mark: std::ops::Range<usize>,
}

impl Failure {
    /// A failure that is said in one sentence.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), place: None, causes: Vec::new(), hint: None }
    }

    /// The same with what to do about it.
    pub(crate) fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// The same of one of several images.
    pub(crate) fn of(self, image: &str) -> Self {
        Self { message: format!("{image}: {}", self.message), ..self }
    }

    fn with_causes(self, error: &dyn Error) -> Self {
        let sources = std::iter::successors(error.source(), |&error| error.source());
        let mut causes: Vec<String> = sources.map(ToString::to_string).collect();
        causes.retain(|cause| *cause != self.message);
        Self { causes, ..self }
    }

    /// A file that could not be read or written.
    pub(crate) fn file(operation: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(Exit::Internal, format!("cannot {operation} {}: {error}", path.display()))
    }

    /// What went wrong, in one sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// How the program ends.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells the user, in colour on a terminal unless `NO_COLOR` is set (no-color.org).
    pub(crate) fn report(&self, causes: bool) {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = io::stderr().is_terminal() && !plain;
        let _gone = io::stderr().write_all(self.text(causes, colour).as_bytes());
    }

    fn text(&self, causes: bool, colour: bool) -> String {
        let paint = |code: &str, text: &str| match colour {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        };
        let mut text = format!("{} {}\n", paint("1;31", "error:"), lines(&self.message));
        if let Some(place) = &self.place {
            place.write(&mut text, &|marks| paint("1;31", marks));
        }
        for cause in self.causes.iter().filter(|_| causes) {
            let _ = writeln!(text, "caused by: {}", lines(cause));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{} {}", paint("1;36", "hint:"), lines(hint));
        }
        text
    }
}

/// Text of several lines stays so; nothing in it commands the terminal.
fn lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

impl Place {
    fn write(&self, text: &mut String, paint: &dyn Fn(&str) -> String) {
        let (number, file) = (self.line.to_string(), clean(&self.file));
        let before = self.text.get(..self.mark.start).unwrap_or_default();
        let marked = self.text.get(self.mark.clone()).unwrap_or_default();
        let indent: String = clean(before).chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let marks = "^".repeat(clean(marked).chars().count().max(1));
        let gutter = " ".repeat(number.len());
        let _ = writeln!(text, "{file}:{number}");
        let _ = writeln!(text, "  {number} | {}", clean(&self.text));
        let _ = writeln!(text, "  {gutter} | {indent}{}", paint(&marks));
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::new(Exit::Usage, error.to_string()).with_hint(error.hint())
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Build => Exit::Build,
            ErrorKind::Registry => Exit::Registry,
            ErrorKind::Store | ErrorKind::Output | ErrorKind::Internal => Exit::Internal,
            ErrorKind::Cancelled => Exit::Interrupted,
        };
        let place = error.location().map(|(source, span)| {
            let excerpt = source.excerpt(span);
            let (file, text) = (excerpt.name.to_owned(), excerpt.line.to_owned());
            Box::new(Place { file, line: excerpt.position.line, text, mark: excerpt.mark.start..excerpt.mark.end })
        });
        let failure = Self::new(exit, error.to_string()).with_hint(error.hint()).with_causes(&error);
        Self { place, ..failure }
    }
}

impl From<&project::Place> for Box<Place> {
    fn from(place: &project::Place) -> Self {
        let at = |character: usize| place.text.char_indices().nth(character).map_or(place.text.len(), |(at, _)| at);
        let first = place.column.saturating_sub(1);
        let mark = at(first)..at(first + place.width);
        Box::new(Place { file: place.file.clone(), line: place.line, text: place.text.clone(), mark })
    }
}

impl From<project::pkg::Error> for Failure {
    fn from(error: project::pkg::Error) -> Self {
        let hint = error.hint().filter(|hint| !hint.is_empty());
        let place = error.place().map(Into::into);
        Self { place, ..Self::new(Exit::Build, error.to_string()).with_hint(hint) }
    }
}

impl From<project::bake::Error> for Failure {
    fn from(error: project::bake::Error) -> Self {
        let place = error.place().map(Into::into);
        Self { place, ..Self::new(Exit::Usage, error.message()).with_hint(error.hint()) }
    }
}

impl From<project::plan::Error> for Failure {
    fn from(error: project::plan::Error) -> Self {
        let place = error.place().map(Into::into);
        Self { place, ..Self::new(Exit::Usage, error.message()).with_hint(error.hint()) }
    }
}

impl From<dockerfile::Error> for Failure {
    fn from(error: dockerfile::Error) -> Self {
        engine::Error::from(error).into()
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::new(Exit::Internal, error.to_string()).with_hint(error.hint()).with_causes(&error)
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        Self::new(Exit::Registry, error.to_string()).with_hint(error.hint()).with_causes(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        let text = "\tFRMO \u{1b}alpine".to_owned();
        let place = Place { file: "app/Dockerfile".into(), line: 12, text, mark: 1..5 };
        let causes = vec!["the deeper reason".into()];
        let failure =
            Failure::new(Exit::Build, "unknown instruction FRMO").with_hint(Some("did you mean FROM?".into()));
        Failure { place: Some(Box::new(place)), causes, ..failure }
    }

    #[test]
    fn a_sentence_a_place_and_a_hint() {
        let expected = "error: unknown instruction FRMO\n\
                        app/Dockerfile:12\n  12 | \tFRMO \\u{1b}alpine\n     | \t^^^^\n\
                        hint: did you mean FROM?\n";
        assert_eq!(failure().text(false, false), expected);
    }

    #[test]
    fn causes_are_for_those_who_ask() {
        assert!(failure().text(true, false).contains("caused by: the deeper reason\nhint:"));
    }

    #[test]
    fn colour_marks_words_and_carets_only() {
        let text = failure().text(false, true);
        assert!(text.starts_with("\u{1b}[1;31merror:\u{1b}[0m unknown"));
        assert!(text.contains("\u{1b}[1;31m^^^^\u{1b}[0m\n\u{1b}[1;36mhint:\u{1b}[0m did"));
    }

    #[test]
    fn a_command_line_that_is_wrong_is_usage() {
        let failure = Failure::from(RequestError::conflict("a and b", "leave out b"));
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(failure.text(false, false), "error: a and b\nhint: leave out b\n");
    }
}
