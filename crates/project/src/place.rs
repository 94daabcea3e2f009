//! Files that were read, and places in them.

use std::fmt;
use std::ops::Range;

/// A file and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// Its name for messages, `-` for standard input; of bake files the extension says how it is read.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A place in a file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// How many characters of the line are meant, at least 1.
    pub width: usize,
}

impl Input {
    /// What lies between two bytes of the text, as far as its first line goes.
    pub(crate) fn at_bytes(&self, bytes: Range<usize>) -> Place {
        let text = &self.text;
        let start = (0..=bytes.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let meant = text[start..].char_indices().take_while(|(at, c)| start + at < bytes.end && *c != '\n').count();
        Place {
            file: self.name.clone(),
            line: text[..begin].matches('\n').count() + 1,
            column: text[begin..start].chars().count() + 1,
            text: text[begin..].lines().next().unwrap_or_default().to_owned(),
            width: meant.max(1),
        }
    }

    /// From a line and a column to the end of the line.
    pub(crate) fn at(&self, line: usize, column: usize) -> Place {
        let text = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        Place { column, ..Place::line(&self.name, line, text) }.up_to_end()
    }
}

impl Place {
    /// A whole line, whose number begins at 1.
    pub(crate) fn line(file: &str, line: usize, text: &str) -> Self {
        Self { file: file.to_owned(), line, column: 1, text: text.to_owned(), width: 1 }.up_to_end()
    }

    fn up_to_end(self) -> Self {
        let rest = self.text.trim_end().chars().count().saturating_sub(self.column.saturating_sub(1));
        Self { width: rest.max(1), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let input = Input { name: "f".into(), text: "one\nzwö: drei  \n".into() };
        let place = input.at_bytes(10..14);
        assert_eq!((place.to_string().as_str(), place.width, place.text.as_str()), ("f:2:6", 4, "zwö: drei  "));
        assert_eq!(input.at(2, 6), place);
        assert_eq!((input.at(9, 9).to_string().as_str(), input.at(9, 9).width), ("f:9:9", 1));
        assert_eq!(Place::line("f", 1, "one").width, 3);
    }
}
