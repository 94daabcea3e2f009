//! Cutting a line's text into flags and words.

use std::ops::Range;

/// A part of a logical line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Its text.
    pub(super) text: &'a str,
    /// Its offset in the line.
    pub(super) start: usize,
}

/// Text taken from a line, perhaps without some of its characters.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    /// The text.
    pub(super) raw: String,
    /// Which part of the line it was taken from.
    pub(super) range: Range<usize>,
}

/// The characters that part words; other white space does not.
const BLANK: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];

impl<'a> Piece<'a> {
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The part from byte `from` on.
    pub(super) fn after(self, from: usize) -> Piece<'a> {
        Piece { text: self.text.get(from..).unwrap_or(""), start: self.start + from }
    }

    /// The part before byte `to`.
    pub(super) fn before(self, to: usize) -> Piece<'a> {
        Piece { text: self.text.get(..to).unwrap_or(""), start: self.start }
    }

    pub(super) fn trim(self) -> Piece<'a> {
        let text = self.text.trim_start();
        Piece { text: text.trim_end(), start: self.start + (self.text.len() - text.len()) }
    }

    pub(super) fn taken(self) -> Taken {
        Taken { raw: self.text.to_owned(), range: self.range() }
    }

    /// The part before the first blanks, and the part after them if there are any.
    pub(super) fn split_blank(self) -> (Piece<'a>, Option<Piece<'a>>) {
        let Some(end) = self.text.find(BLANK) else { return (self, None) };
        let rest = self.after(end);
        let skipped = rest.text.len() - rest.text.trim_start_matches(BLANK).len();
        (self.before(end), Some(rest.after(skipped)))
    }

    /// The parts between blanks; none of an empty text.
    pub(super) fn fields(self) -> Vec<Piece<'a>> {
        let mut fields = Vec::new();
        let mut rest = (!self.text.is_empty()).then_some(self);
        while let Some(piece) = rest {
            let (field, after) = piece.split_blank();
            fields.push(field);
            rest = after;
        }
        fields
    }
}

/// Splits at white space outside quotes, and keeps quotes and escapes, as `ENV`, `LABEL` and `ARG` do. A quote that is
/// not closed reaches to the end; an escape character at the very end is dropped.
pub(super) fn quoted_words(piece: Piece<'_>, escape: char) -> Vec<Taken> {
    let mut words = Vec::new();
    let mut word: Option<Taken> = None;
    let mut quote = None;
    let mut chars = piece.text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if quote.is_none() && char.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let start = piece.start + at;
        let current = word.get_or_insert_with(|| Taken { raw: String::new(), range: start..start });
        if char == escape && quote != Some('\'') {
            let Some((next_at, next)) = chars.next() else { break };
            current.raw.extend([char, next]);
            current.range.end = piece.start + next_at + next.len_utf8();
            continue;
        }
        match quote {
            None if matches!(char, '\'' | '"') => quote = Some(char),
            Some(open) if open == char => quote = None,
            _ => {}
        }
        current.raw.push(char);
        current.range.end = start + char.len_utf8();
    }
    words.extend(word.filter(|word| !word.raw.is_empty()));
    words
}

/// A flag with its quotes and escapes removed.
#[derive(Clone, Debug, Default)]
pub(super) struct RawFlag {
    pub(super) taken: Taken,
    /// Where in the line its first equals sign stands.
    pub(super) equals: Option<usize>,
}

impl RawFlag {
    fn push(&mut self, char: char, at: usize) {
        if char == '=' && self.equals.is_none() {
            self.equals = Some(at);
        }
        self.taken.raw.push(char);
    }
}

/// The words at the start that begin with `--`, up to one that is `--` itself; and the rest.
///
/// BuildKit takes flags byte by byte, which garbles characters outside ASCII; here they stay what they are.
pub(super) fn leading_flags(piece: Piece<'_>, escape: char) -> (Vec<RawFlag>, Piece<'_>) {
    let mut flags = Vec::new();
    let mut rest = piece;
    loop {
        let skipped = rest.text.len() - rest.text.trim_start().len();
        rest = rest.after(skipped);
        if !rest.text.starts_with("--") {
            return (flags, rest);
        }
        let (flag, length) = flag(rest, escape);
        rest = rest.after(length);
        if flag.taken.raw == "--" {
            return (flags, rest);
        }
        flags.push(flag);
    }
}

/// The flag at the start of `piece`, and how many bytes it takes.
fn flag(piece: Piece<'_>, escape: char) -> (RawFlag, usize) {
    let mut flag = RawFlag::default();
    let mut quote = None;
    let mut length = piece.text.len();
    let mut chars = piece.text.char_indices();
    while let Some((at, char)) = chars.next() {
        match quote {
            None if char.is_whitespace() => {
                length = at;
                break;
            }
            None if matches!(char, '\'' | '"') => quote = Some(char),
            Some(open) if open == char => quote = None,
            _ if char == escape => {
                if let Some((next_at, next)) = chars.next() {
                    flag.push(next, piece.start + next_at);
                }
            }
            _ => flag.push(char, piece.start + at),
        }
    }
    flag.taken.range = piece.start..piece.start + length;
    (flag, length)
}
