//! Parser directives: what stands in comments at the very top.

use std::collections::BTreeSet;

use crate::error::{ErrorKind, Problem};
use crate::source::{Span, Spanned};

const NAMES: [&str; 3] = ["syntax", "escape", "check"];

/// Follows the directives while a file is read. They end at the first line that is none.
pub(super) struct Directives {
    escape: char,
    seen: BTreeSet<&'static str>,
    done: bool,
}

impl Default for Directives {
    fn default() -> Self {
        Self { escape: '\\', seen: BTreeSet::new(), done: false }
    }
}

impl Directives {
    pub(super) fn escape(&self) -> char {
        self.escape
    }

    /// Looks at a line that starts at `start`; whether it is a directive.
    pub(super) fn line(&mut self, line: &str, start: usize) -> Result<bool, Problem> {
        let directive = if self.done { None } else { Directive::parse(line, "#", start) };
        let Some(directive) = directive else {
            self.done = true;
            return Ok(false);
        };
        if !self.seen.insert(directive.name) {
            let span = Span::new(start, start + line.len());
            return Err(Problem::new(span, ErrorKind::DuplicateDirective(directive.name.into())));
        }
        if directive.name == "escape" {
            self.escape = escape(&directive)?;
        }
        Ok(true)
    }
}

fn escape(directive: &Directive<'_>) -> Result<char, Problem> {
    match directive.value {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        other => Err(Problem::new(directive.span, ErrorKind::InvalidEscape(other.into()))),
    }
}

/// One directive.
#[derive(Clone, Copy)]
struct Directive<'a> {
    name: &'static str,
    value: &'a str,
    /// Where the value stands.
    span: Span,
}

impl<'a> Directive<'a> {
    /// `# name = value` with a known name.
    fn parse(line: &'a str, comment: &str, start: usize) -> Option<Self> {
        const BLANK: [char; 5] = ['\t', '\n', '\u{c}', '\r', ' '];
        let (name, value) = line.strip_prefix(comment)?.trim_start().split_once('=')?;
        let written = name.trim_end_matches(BLANK);
        let name = NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(written))?;
        let behind_equals = value.len();
        let trimmed = value.trim_matches(BLANK);
        // Where nothing but blanks follows, the last one is the value: the pattern BuildKit uses needs a character.
        let last_blank = value.char_indices().next_back().map_or(0, |(at, _)| at);
        let value_start = value.find(|char| !BLANK.contains(&char)).unwrap_or(last_blank);
        let value = if trimmed.is_empty() { value.get(last_blank..)? } else { trimmed };
        let from = start + (line.len() - behind_equals) + value_start;
        (!value.is_empty()).then(|| Self { name, value, span: Span::new(from, from + value.len()) })
    }
}

/// A directive's value and its place.
type Value = Option<Spanned<String>>;

/// The `syntax` and `check` directives, found as BuildKit finds them before it reads the file proper: a first line
/// that begins with `#!` is passed over, directives start in the first column, and `syntax` may also be written in `//`
/// comments or be a member of a file that is one JSON object.
///
/// # Errors
/// A `syntax` that is not Docker's Dockerfile frontend.
pub(super) fn detect(text: &str) -> Result<(Value, Value), Problem> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let start = start + shebang(text.get(start..).unwrap_or(""));
    let syntax = find(text, start, "#", "syntax").or_else(|| find(text, start, "//", "syntax"));
    let syntax = syntax.map(|found| first_word(&found)).or_else(|| json_syntax(text, start));
    if let Some(syntax) = syntax.as_ref().filter(|syntax| !is_ours(&syntax.value)) {
        return Err(Problem::new(syntax.span, ErrorKind::ForeignFrontend(syntax.value.clone())));
    }
    let check = find(text, start, "#", "check").map(|found| first_word(&found));
    Ok((syntax, check))
}

/// The length of a `#!` line.
fn shebang(text: &str) -> usize {
    if !text.starts_with("#!") {
        return 0;
    }
    text.find('\n').map_or(text.len(), |newline| newline + 1)
}

fn find<'a>(text: &'a str, start: usize, comment: &str, name: &str) -> Option<Directive<'a>> {
    let mut at = start;
    let lines = text.get(start..).unwrap_or("").split_inclusive('\n');
    let mut seen = BTreeSet::new();
    let directives = lines.map_while(|line| {
        let directive = Directive::parse(line.trim_end_matches('\n').trim_end_matches('\r'), comment, at)?;
        at += line.len();
        seen.insert(directive.name).then_some(directive)
    });
    directives.into_iter().find(|directive| directive.name == name)
}

/// The part of a value that BuildKit uses: up to the first space; without white space of other kinds before that, which would
/// be the end of the line without what follows.
fn first_word(directive: &Directive<'_>) -> Spanned<String> {
    let value = directive.value.split(' ').next().unwrap_or("").trim_end();
    Spanned { value: value.to_owned(), span: Span::new(directive.span.start, directive.span.start + value.len()) }
}

/// The member `syntax` of a file that is a JSON object.
fn json_syntax(text: &str, start: usize) -> Option<Spanned<String>> {
    let body = text.get(start..)?;
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).ok()?;
    let value = object.get("syntax")?.as_str()?.to_owned();
    Some(Spanned { value, span: Span::new(start, start + body.len()) })
}

/// Whether an image reference names Docker's own Dockerfile frontend, in whichever registry and version.
fn is_ours(reference: &str) -> bool {
    let name = reference.split('@').next().unwrap_or("");
    let (path, last) = name.rsplit_once('/').unwrap_or(("", name));
    let last = last.split(':').next().unwrap_or("");
    let owner = path.rsplit('/').next().unwrap_or("");
    owner == "docker" && (last == "dockerfile" || last == "dockerfile-upstream")
}
