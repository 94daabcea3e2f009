//! Where the parser is in the text.

use super::{Expr, MAX_DEPTH, Span, Word};
use crate::bake::Error;

/// A position in the text of a file.
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    file: usize,
    /// All spans are this one: the text is the content of something else, such as a JSON string.
    whole: Option<Span>,
    /// Within how many brackets line ends mean nothing.
    pub(super) brackets: usize,
    depth: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(file: usize, text: &'t str) -> Self {
        Self { text, at: 0, file, whole: None, brackets: 0, depth: 0 }
    }

    /// For a text that is written at `span`, but not as it is here.
    pub(super) fn within(text: &'t str, span: Span) -> Self {
        Self { whole: Some(span), ..Self::new(span.file, text) }
    }

    pub(super) fn span(&self, start: usize) -> Span {
        self.whole.unwrap_or(Span { file: self.file, start, end: self.at })
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn looking_at(&self, token: &str) -> bool {
        self.rest().starts_with(token)
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.looking_at(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// An error at the next character.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        let end = self.at + self.peek().map_or(0, char::len_utf8);
        Error::new(message).at(self.whole.unwrap_or(Span { file: self.file, start: self.at, end }))
    }

    /// An error because something else was expected.
    pub(super) fn expected(&self, what: &str) -> Error {
        match self.peek() {
            None => self.error(format!("{what} expected, and the text ends")),
            Some('\n') => self.error(format!("{what} expected, and the line ends")),
            Some(c) => self.error(format!("{what} expected, not {c:?}")),
        }
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), Error> {
        match self.eat(token) {
            true => Ok(()),
            false => Err(self.expected(&format!("{token:?}"))),
        }
    }

    /// Skips spaces and comments, and line ends where they mean nothing.
    pub(super) fn blanks(&mut self) -> Result<(), Error> {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\n') if self.brackets > 0 => self.at += 1,
                Some('#') => self.line(),
                Some('/') if self.looking_at("//") => self.line(),
                Some('/') if self.looking_at("/*") => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// Skips line ends, too.
    pub(super) fn lines(&mut self) -> Result<(), Error> {
        self.brackets += 1;
        let skipped = self.blanks();
        self.brackets -= 1;
        skipped
    }

    fn line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    fn comment(&mut self) -> Result<(), Error> {
        let end = self.rest().find("*/").ok_or_else(|| self.error("this comment has no end"))?;
        self.at += end + 2;
        Ok(())
    }

    /// A name, if there is one here.
    pub(super) fn word(&mut self) -> Option<Word> {
        let start = self.at;
        let mut chars = self.rest().char_indices();
        chars.next().filter(|(_, c)| c.is_alphabetic() || *c == '_')?;
        let end = chars.find(|(_, c)| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).map(|(at, _)| at);
        let text = self.rest().get(..end.unwrap_or(self.rest().len()))?.to_owned();
        self.at += text.len();
        Some(Word { text, span: self.span(start) })
    }

    /// Whether the word is here; it is taken.
    pub(super) fn eat_word(&mut self, wanted: &str) -> bool {
        let start = self.at;
        let found = self.word().is_some_and(|word| word.text == wanted);
        if !found {
            self.at = start;
        }
        found
    }

    /// Parses one level deeper.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        let parsed = self.check_depth(self.depth).and_then(|()| parse(self));
        self.depth -= 1;
        parsed
    }

    /// Refuses what is nested too deep.
    pub(super) fn check_depth(&self, depth: usize) -> Result<(), Error> {
        match depth > MAX_DEPTH {
            true => Err(self.error(format!("this is nested more than {MAX_DEPTH} deep"))),
            false => Ok(()),
        }
    }

    /// Parses between brackets, where line ends mean nothing, and takes the closing one.
    pub(super) fn bracketed<T>(
        &mut self,
        close: &str,
        parse: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.brackets += 1;
        let parsed = self.deeper(parse).and_then(|parsed| {
            self.blanks()?;
            Ok(parsed)
        });
        self.brackets -= 1;
        let parsed = parsed?;
        self.expect(close)?;
        Ok(parsed)
    }

    /// Parses with line ends meaning something again.
    pub(super) fn with_lines<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let brackets = std::mem::take(&mut self.brackets);
        let parsed = self.deeper(parse);
        self.brackets = brackets;
        parsed
    }

    /// An expression that is all there is.
    pub(super) fn whole_expression(mut self) -> Result<Expr, Error> {
        self.brackets = 1;
        let parsed = self.expression()?;
        self.blanks()?;
        match self.peek() {
            None => Ok(parsed),
            Some(_) => Err(self.expected("the end")),
        }
    }
}
