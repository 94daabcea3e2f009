//! Heredocs: which words of a line begin one, and the lines that belong to it.

use super::lines::Lines;
use crate::ast::Heredoc;
use crate::error::{ErrorKind, Problem};
use crate::expand::{self, ExpandError};
use crate::source::Span;

/// What a word such as `<<EOF`, `<<-"EOF"` or `3<<EOF` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) name: String,
    pub(super) expand: bool,
    pub(super) chomp: bool,
}

impl Opening {
    /// Reads a whole word; `None` if it begins no heredoc.
    pub(super) fn parse(word: &str) -> Result<Option<Self>, ExpandError> {
        let number_end = word.find(|char: char| !char.is_ascii_digit()).unwrap_or(word.len());
        let Some(rest) = word.get(number_end..).and_then(|rest| rest.strip_prefix("<<")) else { return Ok(None) };
        let (rest, chomp) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
        let name = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        if name.is_empty() || name.contains('<') {
            return Ok(None);
        }
        let words = expand::plain_words(name, false)?;
        let [name_word] = words.as_slice() else { return Ok(None) };
        let quoted: String = expand::plain_words(name, true)?.concat();
        let expand = quotes(name_word) == quotes(&quoted);
        Ok(Some(Self { name: name_word.clone(), expand, chomp }))
    }

    /// Whether a line ends it.
    fn ends_at(&self, line: &str) -> bool {
        let line = if self.chomp { line.trim_start_matches('\t') } else { line };
        line == self.name
    }
}

fn quotes(text: &str) -> usize {
    text.matches(['\'', '"']).count()
}

/// The heredocs of a logical line, which stands at `span`, and where the last one ends.
pub(super) fn bodies(
    lines: &mut Lines<'_>,
    text: &str,
    span: Span,
    mut end: usize,
) -> Result<(Vec<Heredoc>, usize), Problem> {
    let mut found = Vec::new();
    if !text.contains("<<") {
        return Ok((found, end));
    }
    for word in expand::raw_words(text) {
        let opening = Opening::parse(&word).map_err(|error| Problem::new(span, error))?;
        if let Some(opening) = opening {
            let (heredoc, body_end) = body(lines, opening, span)?;
            found.push(heredoc);
            end = body_end;
        }
    }
    Ok((found, end))
}

/// The lines up to the heredoc's name, and the end of the line that holds it.
fn body(lines: &mut Lines<'_>, opening: Opening, line: Span) -> Result<(Heredoc, usize), Problem> {
    let mut content = String::new();
    let mut start = None;
    while let Some(physical) = lines.physical()? {
        let start = *start.get_or_insert(physical.start);
        if opening.ends_at(physical.content()) {
            let span = Span::new(start, physical.start);
            let Opening { name, expand, chomp } = opening;
            let end = physical.start + physical.content().len();
            return Ok((Heredoc { name, content, expand, chomp, span }, end));
        }
        content.push_str(physical.text);
    }
    Err(Problem::new(line, ErrorKind::UnterminatedHeredoc(opening.name)))
}
