//! Physical lines joined to logical ones.

use std::ops::Range;

use super::directives::Directives;
use crate::error::{ErrorKind, Problem};
use crate::limits::MAX_LINE;
use crate::source::Span;

/// The lines of a file, from the top.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    directives: Directives,
    comments: Vec<String>,
}

/// A line of the file.
#[derive(Clone, Copy)]
pub(super) struct Physical<'a> {
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Its text with its line end.
    pub(super) text: &'a str,
}

/// A line with its continuation lines, comments inside dropped.
#[derive(Debug)]
pub(super) struct Logical {
    /// The joined text.
    pub(super) text: String,
    /// Which offset in `text` comes from which offset in the source, in ascending order.
    pieces: Vec<(usize, usize)>,
    /// Empty lines inside.
    pub(super) empty: Vec<Span>,
    /// The comment lines above.
    pub(super) comments: Vec<String>,
    /// The end of the last line, its line end not counted.
    pub(super) end: usize,
}

impl Logical {
    /// Where a range of the text stands in the source.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        if range.end <= range.start {
            return Span::new(start, start);
        }
        Span::new(start, self.source_offset(range.end - 1) + 1)
    }

    fn source_offset(&self, offset: usize) -> usize {
        let next = self.pieces.partition_point(|(joined, _)| *joined <= offset);
        let piece = next.checked_sub(1).and_then(|index| self.pieces.get(index));
        piece.map_or(offset, |(joined, source)| source + (offset - joined))
    }

    fn push(&mut self, text: &str, start: usize) {
        self.pieces.push((self.text.len(), start));
        self.text.push_str(text);
    }
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Problem> {
        super::check_size(text)?;
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Ok(Self { text, at, directives: Directives::default(), comments: Vec::new() })
    }

    /// The escape character, once the directives are read.
    pub(super) fn escape(&self) -> char {
        self.directives.escape()
    }

    /// The next line of the file as it is.
    pub(super) fn physical(&mut self) -> Result<Option<Physical<'a>>, Problem> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or("");
        let Some(text) = rest.split_inclusive('\n').next() else { return Ok(None) };
        if text.strip_suffix('\n').unwrap_or(text).len() > MAX_LINE {
            return Err(Problem::new(Span::new(start, start + text.len()), ErrorKind::LineTooLong));
        }
        self.at += text.len();
        Ok(Some(Physical { start, text }))
    }

    /// The next line that is neither empty nor a comment, with its continuation lines.
    pub(super) fn logical(&mut self) -> Result<Option<Logical>, Problem> {
        while let Some(line) = self.physical()? {
            let text = line.content().trim_start();
            let start = line.start + (line.content().len() - text.len());
            let directive = self.directives.line(text, start)?;
            if text.starts_with('#') {
                if !directive {
                    self.comment(line.content());
                }
                continue;
            }
            if text.is_empty() {
                continue;
            }
            let joined = strip_continuation(text, self.escape());
            let comments = std::mem::take(&mut self.comments);
            let end = line.start + line.content().len();
            let mut logical = Logical { text: String::new(), pieces: Vec::new(), empty: Vec::new(), comments, end };
            logical.push(joined.unwrap_or(text), start);
            if joined.is_some() {
                self.join(&mut logical)?;
            }
            return Ok(Some(logical));
        }
        Ok(None)
    }

    /// Remembers a comment line. BuildKit drops the first character whatever it is, white space before the `#` too; an
    /// empty comment makes it forget those above.
    fn comment(&mut self, line: &str) {
        let mut chars = line.chars();
        chars.next();
        match chars.as_str().trim() {
            "" => self.comments.clear(),
            comment => self.comments.push(comment.to_owned()),
        }
    }

    /// Appends continuation lines up to one that is not continued.
    fn join(&mut self, logical: &mut Logical) -> Result<(), Problem> {
        while let Some(line) = self.physical()? {
            let text = line.content();
            self.directives.line(text, line.start)?;
            if text.trim_start().starts_with('#') {
                continue;
            }
            if text.trim_start().is_empty() {
                logical.empty.push(Span::new(line.start, line.start + text.len()));
                continue;
            }
            logical.end = line.start + text.len();
            let joined = strip_continuation(text, self.escape());
            logical.push(joined.unwrap_or(text), line.start);
            if joined.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// The line without its continuation character, if it has one: an escape character at the end (blanks may follow) that
/// does not stand behind another.
pub(crate) fn strip_continuation(line: &str, escape: char) -> Option<&str> {
    let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!before.ends_with(escape)).then_some(before)
}

impl<'a> Physical<'a> {
    /// The text without its line end.
    pub(super) fn content(self) -> &'a str {
        self.text.trim_end_matches(['\r', '\n'])
    }
}
