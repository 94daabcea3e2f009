//! The lexer: one pass over a word, from left to right.

use std::collections::BTreeSet;

use super::environment::Environment;
use super::error::ExpandError;
use super::pattern;
use super::words::Words;
use crate::error::Problem;
use crate::limits::{MAX_EXPANSION, MAX_NESTING};
use crate::source::Span;

/// What is kept and what is dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) escape: char,
    /// Quotes stay in the result.
    pub(super) keep_quotes: bool,
    /// Escape characters stay in the result.
    pub(super) keep_escapes: bool,
    /// References to unset variables stay in the result.
    pub(super) keep_unset: bool,
    /// Quotes are characters like any other.
    pub(super) ignore_quotes: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { escape: '\\', keep_quotes: false, keep_escapes: false, keep_unset: false, ignore_quotes: false }
    }
}

/// A word and what it took to expand it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) text: String,
    pub(super) words: Vec<String>,
    pub(super) used: BTreeSet<String>,
    pub(super) unset: BTreeSet<String>,
}

/// What is wrong, and at which bytes of the word.
#[derive(Debug)]
pub(super) struct Failure {
    start: usize,
    end: usize,
    pub(super) error: ExpandError,
}

impl Failure {
    pub(super) fn into_problem(self, locate: impl FnOnce(usize, usize) -> Span) -> Problem {
        Problem::new(locate(self.start, self.end), self.error)
    }
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    rules: Rules,
    env: &'a dyn Environment,
    keep_escapes: bool,
    /// The unfinished word. Shared by all levels: like BuildKit's, a nested word clears what its outer word had
    /// collected so far (this matters to words only, that is to `EXPOSE 80${name:-90}`).
    pending: String,
    depth: usize,
    /// How many more bytes values may add.
    budget: usize,
    used: BTreeSet<String>,
    unset: BTreeSet<String>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, rules: Rules, env: &'a dyn Environment) -> Self {
        // A byte-order mark at the start of a word is skipped by the scanner BuildKit uses.
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self {
            text,
            at,
            rules,
            env,
            keep_escapes: rules.keep_escapes,
            pending: String::new(),
            depth: 0,
            budget: MAX_EXPANSION,
            used: BTreeSet::new(),
            unset: BTreeSet::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Outcome, Failure> {
        let (text, words) = self.until(None)?;
        Ok(Outcome { text, words, used: self.used, unset: self.unset })
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn fail<T>(&self, start: usize, error: ExpandError) -> Result<T, Failure> {
        Err(Failure { start, end: self.at, error })
    }

    /// Everything up to `stop` (which is consumed), or up to the end of the text.
    fn until(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), Failure> {
        self.pending.clear();
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(char) = self.peek() {
            if Some(char) == stop {
                self.next();
                return Ok((text, words.finish(&mut self.pending)));
            }
            self.piece(char, &mut text, &mut words)?;
        }
        match stop {
            None => Ok((text, words.finish(&mut self.pending))),
            Some('/') => self.fail(self.at, ExpandError::UnclosedPattern),
            Some(_) => self.fail(self.at, ExpandError::UnclosedBrace),
        }
    }

    /// The next piece, which begins with `char`: a variable, a quoted text or a single character.
    fn piece(&mut self, char: char, text: &mut String, words: &mut Words) -> Result<(), Failure> {
        let quotes = !self.rules.ignore_quotes;
        let piece = match char {
            '$' => {
                let value = self.dollar()?;
                words.split_text(&mut self.pending, &value);
                text.push_str(&value);
                return Ok(());
            }
            '<' => self.heredoc_operator(),
            '\'' if quotes => self.single_quoted()?,
            '"' if quotes => self.double_quoted()?,
            _ => {
                self.character(text, words);
                return Ok(());
            }
        };
        words.text(&mut self.pending, &piece);
        text.push_str(&piece);
        Ok(())
    }

    fn character(&mut self, text: &mut String, words: &mut Words) {
        let Some(char) = self.next() else { return };
        if char != self.rules.escape {
            words.split_char(&mut self.pending, char);
            return text.push(char);
        }
        if self.keep_escapes {
            words.char(&mut self.pending, char);
            text.push(char);
        }
        if let Some(escaped) = self.next() {
            words.char(&mut self.pending, escaped);
            text.push(escaped);
        }
    }

    /// `<<` with the blanks after it, which thus stay in the word with the name that follows; or a single `<`.
    fn heredoc_operator(&mut self) -> String {
        self.next();
        let mut text = String::from("<");
        if self.peek() == Some('<') {
            text.extend(self.next());
            while let Some('\t' | '\r' | ' ') = self.peek() {
                text.extend(self.next());
            }
        }
        text
    }

    fn single_quoted(&mut self) -> Result<String, Failure> {
        let start = self.at;
        let mut text = String::new();
        let quote = self.next().filter(|_| self.rules.keep_quotes);
        text.extend(quote);
        while let Some(char) = self.next() {
            if char == '\'' {
                text.extend(quote);
                return Ok(text);
            }
            text.push(char);
        }
        self.fail(start, ExpandError::UnclosedSingleQuote)
    }

    fn double_quoted(&mut self) -> Result<String, Failure> {
        let start = self.at;
        let mut text = String::new();
        let quote = self.next().filter(|_| self.rules.keep_quotes);
        text.extend(quote);
        while let Some(char) = self.peek() {
            match char {
                '"' => {
                    self.next();
                    text.extend(quote);
                    return Ok(text);
                }
                '$' => text.push_str(&self.dollar()?),
                _ => self.double_quoted_character(&mut text),
            }
        }
        self.fail(start, ExpandError::UnclosedDoubleQuote)
    }

    /// Inside double quotes the escape character escapes `"`, `$` and itself, and stays before anything else.
    fn double_quoted_character(&mut self, text: &mut String) {
        let Some(char) = self.next() else { return };
        if char != self.rules.escape {
            return text.push(char);
        }
        if self.keep_escapes {
            text.push(char);
        }
        match self.peek() {
            None => {}
            Some(escaped) if escaped == '"' || escaped == '$' || escaped == self.rules.escape => {
                text.extend(self.next());
            }
            Some(_) => text.push(char),
        }
    }

    /// A `$` and what belongs to it.
    fn dollar(&mut self) -> Result<String, Failure> {
        let start = self.at;
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            return if name.is_empty() { Ok("$".into()) } else { self.plain(start, &name) };
        }
        self.next();
        match self.peek() {
            None => self.fail(start, ExpandError::UnclosedBrace),
            Some('{' | '}' | ':') => self.fail(start, ExpandError::BadSubstitution),
            Some(_) => self.substitution(start),
        }
    }

    /// `${name…}` after its brace.
    fn substitution(&mut self, start: usize) -> Result<String, Failure> {
        let name = self.name();
        let modifier_start = self.at;
        match self.next() {
            None => self.fail(start, ExpandError::UnclosedBrace),
            Some('}') => self.plain(start, &name),
            Some('/') => self.replacement(start, &name),
            Some(':') => match self.next() {
                None => self.fail(start, ExpandError::UnclosedBrace),
                Some(modifier) => self.modified(start, &name, true, modifier),
            },
            Some(modifier @ ('+' | '-' | '?' | '#' | '%')) => self.modified(start, &name, false, modifier),
            Some(other) => self.fail(modifier_start, ExpandError::UnknownModifier(other.to_string())),
        }
    }

    /// `$name` or `${name}`, whichever stands there since `start`.
    fn plain(&mut self, start: usize, name: &str) -> Result<String, Failure> {
        match self.lookup(start, name)? {
            Some(value) => Ok(value),
            None if self.rules.keep_unset => Ok(self.text.get(start..self.at).unwrap_or("").to_owned()),
            None => Ok(String::new()),
        }
    }

    /// `${name:-word}` and its like, after the modifier.
    fn modified(&mut self, start: usize, name: &str, colon: bool, modifier: char) -> Result<String, Failure> {
        let trims = matches!(modifier, '#' | '%');
        let spelt = if colon { format!(":{modifier}") } else { modifier.to_string() };
        if colon && trims {
            return self.fail(start, ExpandError::UnknownModifier(spelt));
        }
        let word = self.nested('}', trims)?;
        let value = self.lookup(start, name)?;
        if value.is_none() && self.rules.keep_unset {
            return Ok(format!("${{{name}{spelt}{word}}}"));
        }
        let present = value.as_ref().is_some_and(|value| !(colon && value.is_empty()));
        match modifier {
            '-' => Ok(value.filter(|_| present).unwrap_or(word)),
            '+' => Ok(if present { word } else { String::new() }),
            '?' if present => Ok(value.unwrap_or_default()),
            '?' => self.fail(start, refusal(name, word, value.is_some())),
            '#' | '%' => self.trimmed(start, modifier, &word, &value.unwrap_or_default()),
            _ => self.fail(start, ExpandError::UnknownModifier(spelt)),
        }
    }

    fn trimmed(&mut self, start: usize, modifier: char, word: &str, value: &str) -> Result<String, Failure> {
        let (pattern, greedy) = word.strip_prefix(modifier).map_or((word, false), |rest| (rest, true));
        let trim = if modifier == '#' { pattern::trim_start } else { pattern::trim_end };
        trim(pattern, value, greedy).or_else(|error| self.fail(start, error))
    }

    /// `${name/pattern/text}` after the first slash.
    fn replacement(&mut self, start: usize, name: &str) -> Result<String, Failure> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = self.nested('/', true)?;
        let text = self.nested('}', true)?;
        let value = self.lookup(start, name)?;
        if value.is_none() && self.rules.keep_unset {
            // The second slash of `//` is lost here, as it is in BuildKit.
            return Ok(format!("${{{name}/{pattern}/{text}}}"));
        }
        let replaced = pattern::replace(&pattern, &value.unwrap_or_default(), &text, all, self.budget);
        let replaced = replaced.or_else(|error| self.fail(start, error))?;
        self.spend(start, replaced.len())?;
        Ok(replaced)
    }

    /// The text up to `stop`, itself expanded.
    fn nested(&mut self, stop: char, keep_escapes: bool) -> Result<String, Failure> {
        if self.depth == MAX_NESTING {
            return self.fail(self.at, ExpandError::TooDeep);
        }
        let outer = std::mem::replace(&mut self.keep_escapes, keep_escapes);
        self.depth += 1;
        let (text, _) = self.until(Some(stop))?;
        self.depth -= 1;
        self.keep_escapes = outer;
        Ok(text)
    }

    /// A name: letters, digits and underscores; or digits alone; or one special character.
    fn name(&mut self) -> String {
        let rest = self.text.get(self.at..).unwrap_or("");
        let length = match rest.chars().next() {
            Some('0'..='9') => rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => rest.find(|char| !in_name(char)).unwrap_or(rest.len()),
        };
        let name = rest.get(..length).unwrap_or("");
        self.at += name.len();
        name.to_owned()
    }

    fn lookup(&mut self, start: usize, name: &str) -> Result<Option<String>, Failure> {
        let Some(value) = self.env.get(name) else {
            self.unset.insert(name.to_owned());
            return Ok(None);
        };
        let value = value.to_owned();
        self.used.insert(name.to_owned());
        self.spend(start, value.len())?;
        Ok(Some(value))
    }

    fn spend(&mut self, start: usize, bytes: usize) -> Result<(), Failure> {
        match self.budget.checked_sub(bytes) {
            Some(left) => self.budget = left,
            None => return self.fail(start, ExpandError::TooLong(MAX_EXPANSION)),
        }
        Ok(())
    }
}

fn in_name(char: char) -> bool {
    char == '_' || char.is_ascii_digit() || char.is_alphabetic()
}

/// The message of `${name?word}`.
fn refusal(name: &str, word: String, set: bool) -> ExpandError {
    let default = if set { "must not be empty" } else { "must be set" };
    let message = if word.is_empty() { default.into() } else { word };
    ExpandError::Refused { name: name.to_owned(), message }
}
