//! A logical line cut into keyword, flags and arguments, with its heredocs.

use std::ops::Range;

use super::heredoc;
use super::json;
use super::lines::{Lines, Logical};
use super::words::{self, Piece, RawFlag, Taken};
use crate::ast::{Flag, Heredoc, Instruction, Keyword, Kind, Word};
use crate::error::{ErrorKind, Problem};
use crate::source::Span;
use crate::suggest::did_you_mean;

/// One instruction's line, not yet read by what the instruction expects.
#[derive(Debug)]
pub(super) struct Line {
    logical: Logical,
    pub(super) escape: char,
    pub(super) keyword: Keyword,
    keyword_range: Range<usize>,
    pub(super) flags: Vec<Flag>,
    args: Range<usize>,
    pub(super) heredocs: Vec<Heredoc>,
    /// Where the line's heredocs end; the line's own end without any.
    end: usize,
}

/// A text cut into its parts.
pub(super) struct Cut<'a> {
    pub(super) keyword: Piece<'a>,
    pub(super) flags: Vec<RawFlag>,
    pub(super) args: Piece<'a>,
}

impl<'a> Cut<'a> {
    /// Cuts a text, which white space may surround.
    pub(super) fn new(text: Piece<'a>, escape: char) -> Self {
        let (keyword, rest) = text.trim().split_blank();
        let nothing = keyword.after(keyword.text.len());
        let (flags, args) = words::leading_flags(rest.unwrap_or(nothing), escape);
        Self { keyword, flags, args: args.trim() }
    }

    /// Whether `<<` in the line begins a heredoc: for `RUN`, `COPY` and `ADD` not in JSON form, and for triggers that
    /// are such.
    fn takes_heredocs(&self, escape: char) -> bool {
        match Keyword::parse(self.keyword.text) {
            Some(Keyword::Run | Keyword::Copy | Keyword::Add) => !json::is_strings(self.args),
            Some(Keyword::Onbuild) => {
                let trigger = Cut::new(self.args, escape);
                Keyword::parse(trigger.keyword.text) != Some(Keyword::Onbuild) && trigger.takes_heredocs(escape)
            }
            _ => false,
        }
    }
}

impl Line {
    /// The next instruction's line with its heredocs.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Option<Line>, Problem> {
        let Some(logical) = lines.logical()? else { return Ok(None) };
        let escape = lines.escape();
        let cut = Cut::new(Piece { text: &logical.text, start: 0 }, escape);
        let Some(keyword) = Keyword::parse(cut.keyword.text) else {
            return Err(unknown(cut.keyword, &logical));
        };
        let mut heredocs = Vec::new();
        let mut end = logical.end;
        if cut.takes_heredocs(escape) {
            let span = logical.span(0..logical.text.len());
            (heredocs, end) = heredoc::bodies(lines, &logical.text, span, end)?;
        }
        let flags = cut.flags.iter().map(|flag| to_flag(flag, &logical)).collect();
        let (keyword_range, args) = (cut.keyword.range(), cut.args.range());
        Ok(Some(Line { escape, keyword, keyword_range, flags, args, heredocs, end, logical }))
    }

    /// The arguments: what follows the flags.
    pub(super) fn args(&self) -> Piece<'_> {
        let text = self.logical.text.get(self.args.clone()).unwrap_or("");
        Piece { text, start: self.args.start }
    }

    pub(super) fn word(&self, taken: Taken) -> Word {
        Word::new(taken.raw, self.logical.span(taken.range))
    }

    pub(super) fn span(&self, range: Range<usize>) -> Span {
        self.logical.span(range)
    }

    pub(super) fn keyword_span(&self) -> Span {
        self.logical.span(self.keyword_range.clone())
    }

    /// The whole line as BuildKit keeps it.
    pub(super) fn text(&self) -> &str {
        self.logical.text.trim()
    }

    /// The whole line with the white space at its end.
    pub(super) fn raw_text(&self) -> &str {
        &self.logical.text
    }

    pub(super) fn comments(&self) -> &[String] {
        &self.logical.comments
    }

    /// A refusal of the arguments, or of the whole line if there are none.
    pub(super) fn refuse<T>(&self, kind: impl Into<ErrorKind>) -> Result<T, Problem> {
        let args = self.span(self.args.clone());
        Err(Problem::new(if args.is_empty() { self.keyword_span() } else { args }, kind))
    }

    /// The instruction that says `kind`.
    pub(super) fn into_instruction(self, kind: Kind) -> Instruction {
        let start = self.keyword_span();
        Instruction {
            span: start.to(Span::new(start.start, self.end)),
            line: start.to(Span::new(start.start, self.logical.end)),
            keyword: self.keyword,
            keyword_span: start,
            text: self.text().to_owned(),
            flags: self.flags,
            comments: self.logical.comments,
            empty_continuations: self.logical.empty,
            kind,
            onbuild: false,
        }
    }
}

/// The refusal of a keyword.
fn unknown(keyword: Piece<'_>, logical: &Logical) -> Problem {
    let name = keyword.text.to_owned();
    let names = Keyword::ALL.map(Keyword::as_str);
    let suggestion = did_you_mean(&name.to_ascii_uppercase(), names).map(str::to_owned);
    Problem::new(logical.span(keyword.range()), ErrorKind::UnknownInstruction { name, suggestion })
}

fn to_flag(flag: &RawFlag, logical: &Logical) -> Flag {
    let range = flag.taken.range.clone();
    let text = flag.taken.raw.strip_prefix("--").unwrap_or(&flag.taken.raw);
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let value_start = flag.equals.map_or(range.end, |equals| equals + 1);
    let value = value.map(|value| Word::new(value, logical.span(value_start..range.end)));
    Flag { name: name.to_owned(), value, span: logical.span(range) }
}
