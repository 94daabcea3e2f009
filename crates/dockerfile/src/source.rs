//! Source text, places in it, and the excerpts an error shows.

use std::fmt;

use serde::Serialize;

/// A range of bytes in a [`Source`]'s text: `start` inclusive, `end` exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just past the last byte.
    pub end: usize,
}

impl Span {
    /// The range from `start` to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest range that covers both.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// Whether the range covers no byte.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// A value and where it stands in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

/// A place as people count: both numbers start at one, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A text with the name it is shown under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// What to call it in messages, mostly a path as the user gave it.
    pub name: String,
    /// The whole text. A byte-order mark at its start is part of it, and no part of any instruction.
    pub text: String,
}

/// What a renderer needs to show a place: the line, its number and which part of it to mark.
///
/// Its `Display` is that line with a row of carets below, for terminals without a richer renderer and for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt<'a> {
    /// The source's name.
    pub name: &'a str,
    /// Where the marked part starts.
    pub position: Position,
    /// The line's text without its line end.
    pub line: &'a str,
    /// The marked part, in bytes of `line`. Empty only where the line itself is.
    pub mark: Span,
}

impl Source {
    /// A source named `name`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// A source from bytes as they lie in a file. A byte that is not UTF-8 becomes U+FFFD, one for each, which is what
    /// BuildKit's shell lexer and its JSON configuration make of it.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        Self::new(name, text)
    }

    /// The text a span covers; empty where the span does not fit this source.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of a byte offset. An offset past the end is the end.
    pub fn line_column(&self, offset: usize) -> Position {
        let before = self.text.get(..self.floor(offset)).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        }
    }

    /// The first line of a span with the part to mark. A span over several lines is marked to its first line's end.
    pub fn excerpt(&self, span: Span) -> Excerpt<'_> {
        let start = self.floor(span.start);
        let line_start = self.text.get(..start).and_then(|text| text.rfind('\n')).map_or(0, |newline| newline + 1);
        let rest = self.text.get(line_start..).unwrap_or("");
        let line = rest.split('\n').next().unwrap_or("").trim_end_matches('\r');
        let from = (start - line_start).min(line.len());
        let end = self.floor(span.end).saturating_sub(line_start).min(line.len());
        Excerpt { name: &self.name, position: self.line_column(start), line, mark: Span::new(from, end.max(from)) }
    }

    /// The last character boundary at or before `offset`.
    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.position.line.to_string();
        let before = self.line.get(..self.mark.start).unwrap_or("");
        let marked = self.line.get(self.mark.start..self.mark.end).unwrap_or("");
        let indent: String = before.chars().map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
        writeln!(out, "{}:{}:{}", self.name, self.position.line, self.position.column)?;
        writeln!(out, "{number} | {}", self.line)?;
        write!(out, "{:width$} | {indent}{}", "", "^".repeat(marked.chars().count().max(1)), width = number.len())
    }
}
