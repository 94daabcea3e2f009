//! One pattern's matcher: moby turns patterns into comparisons where it can and into regular expressions otherwise.
//!
//! The translation has quirks that files in the wild rely on, so it is followed exactly: it knows nothing of
//! brackets (a `*` between them becomes what `*` always becomes), and an escaped letter keeps its meaning in a
//! regular expression.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) enum Glob {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Expression(Regex),
}

impl Glob {
    /// `None` when the pattern's syntax is wrong.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        if !well_formed(pattern) {
            return None;
        }
        let translation = Translation::of(pattern);
        Some(match translation.shape {
            Shape::Exact => Self::Exact(pattern.to_owned()),
            Shape::Prefix => Self::Prefix(pattern.strip_suffix("**")?.to_owned()),
            Shape::Suffix => Self::Suffix(pattern.strip_prefix("**")?.to_owned()),
            Shape::Expression => Self::Expression(Regex::new(&go_expression(&translation.expression)?).ok()?),
        })
    }

    pub(super) fn is_match(&self, path: &str) -> bool {
        match self {
            Self::Exact(text) => path == text,
            Self::Prefix(text) => path.starts_with(text.as_str()),
            Self::Suffix(text) => path.ends_with(text.as_str()) || text.strip_prefix('/') == Some(path),
            Self::Expression(regex) => regex.is_match(path),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Exact,
    Prefix,
    Suffix,
    Expression,
}

/// A pattern as the regular expression (in Go's syntax) that moby makes of it.
struct Translation {
    shape: Shape,
    expression: String,
}

impl Translation {
    fn of(pattern: &str) -> Self {
        let mut this = Self { shape: Shape::Exact, expression: "^".to_owned() };
        let mut chars = pattern.chars().peekable();
        let mut first = true;
        while let Some(char) = chars.next() {
            match char {
                '*' if chars.next_if_eq(&'*').is_some() => this.double_star(&mut chars, first),
                '*' => this.push("[^/]*"),
                '?' => this.push("[^/]"),
                '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => this.expression.extend(['\\', char]),
                '\\' => this.escape(chars.next()),
                '[' | ']' => this.push(char.encode_utf8(&mut [0; 4])),
                other => this.expression.push(other),
            }
            first = false;
        }
        this.expression.push('$');
        this
    }

    fn push(&mut self, text: &str) {
        self.expression.push_str(text);
        self.shape = Shape::Expression;
    }

    fn escape(&mut self, next: Option<char>) {
        self.push("\\");
        self.expression.extend(next);
    }

    fn double_star(&mut self, chars: &mut Peekable<Chars<'_>>, first: bool) {
        chars.next_if_eq(&'/');
        match chars.peek() {
            None if self.shape == Shape::Exact => self.shape = Shape::Prefix,
            None => self.push(".*"),
            Some(_) => self.push("(.*/)?"),
        }
        if first {
            self.shape = Shape::Suffix;
        }
    }
}

/// Whether Go's `filepath.Match` accepts the pattern.
fn well_formed(pattern: &str) -> bool {
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        let fine = match char {
            '\\' => chars.next().is_some(),
            '[' => well_formed_class(&mut chars),
            _ => true,
        };
        if !fine {
            return false;
        }
    }
    true
}

/// The rest of a class, after its `[`.
fn well_formed_class(chars: &mut Peekable<Chars<'_>>) -> bool {
    chars.next_if_eq(&'^');
    let mut empty = true;
    loop {
        if !empty && chars.next_if_eq(&']').is_some() {
            return true;
        }
        empty = false;
        if !class_member(chars) || (chars.next_if_eq(&'-').is_some() && !class_member(chars)) {
            return false;
        }
    }
}

fn class_member(chars: &mut Peekable<Chars<'_>>) -> bool {
    match chars.next() {
        None | Some('-' | ']') => false,
        Some('\\') => chars.next().is_some() && chars.peek().is_some(),
        Some(_) => chars.peek().is_some(),
    }
}

/// Go's regular expression, in the syntax of the `regex` crate, of which only classes and letter escapes differ.
/// `None` where Go refuses it, or where it uses escapes we do not support (`\p`, `\x`, `\Q`, octal).
fn go_expression(expression: &str) -> Option<String> {
    let mut out = String::with_capacity(expression.len());
    let mut chars = expression.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.push_str(&go_escape(chars.next()?)?),
            '[' => out.push_str(&go_class(&mut chars)?),
            '*' | '?' | '(' | ')' | '.' | '^' | '$' => out.push(char),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    Some(out)
}

/// What `\c` means outside a class.
fn go_escape(char: char) -> Option<String> {
    Some(match char {
        'd' | 'D' | 's' | 'S' | 'w' | 'W' => format!("[{}]", perl_class(char)?),
        'b' | 'B' => format!("(?-u:\\{char})"),
        'A' | 'z' => format!("\\{char}"),
        'C' => "(?s:.)".to_owned(),
        _ => literal(escaped_literal(char)?),
    })
}

/// The character that `\c` stands for.
fn escaped_literal(char: char) -> Option<char> {
    match char {
        'a' => Some('\u{7}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        _ if char.is_ascii() && !char.is_ascii_alphanumeric() => Some(char),
        _ => None,
    }
}

/// Go's Perl classes, which are ASCII, as members of a class.
fn perl_class(char: char) -> Option<&'static str> {
    Some(match char {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => "\\t\\n\\x0C\\r\\x20",
        'S' => "[^\\t\\n\\x0C\\r\\x20]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

fn literal(char: char) -> String {
    format!("\\x{{{:X}}}", u32::from(char))
}

/// The rest of a class, after its `[`, as Go reads it: a `]` right at the start is a member, a `[` is one too
/// unless it opens `[:name:]`.
fn go_class(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut out = String::from("[");
    out.extend(chars.next_if_eq(&'^'));
    let mut first = true;
    while first || chars.next_if_eq(&']').is_none() {
        out.push_str(&go_class_item(chars, first)?);
        first = false;
    }
    out.push(']');
    Some(out)
}

fn go_class_item(chars: &mut Peekable<Chars<'_>>, first: bool) -> Option<String> {
    if let Some(name) = posix_name(chars) {
        return Some(name);
    }
    let dash_ends = |rest: &Peekable<Chars<'_>>| rest.clone().nth(1).is_none_or(|next| next == ']');
    if chars.peek() == Some(&'-') && !first && !dash_ends(chars) {
        return None;
    }
    if chars.peek() == Some(&'\\') {
        let perl = chars.clone().nth(1).and_then(perl_class);
        if let Some(class) = perl {
            chars.nth(1);
            return Some(class.to_owned());
        }
    }
    let low = go_class_char(chars)?;
    if chars.peek() != Some(&'-') || dash_ends(chars) {
        return Some(literal(low));
    }
    chars.next();
    let high = go_class_char(chars)?;
    (low <= high).then(|| format!("{}-{}", literal(low), literal(high)))
}

fn go_class_char(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '\\' => escaped_literal(chars.next()?),
        char => Some(char),
    }
}

/// `[:name:]`, which both syntaxes spell alike.
fn posix_name(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let rest: String = chars.clone().collect();
    let name = rest.strip_prefix("[:")?.split_once(":]")?.0;
    let text = format!("[:{name}:]");
    chars.nth(text.chars().count().checked_sub(1)?);
    Some(text)
}
