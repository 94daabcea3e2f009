//! Ignore patterns as moby's `patternmatcher` and `ignorefile` understand them.
//!
//! They decide which files of a build context exist for the build (`.dockerignore`) and which sources a
//! transfer leaves out (`--exclude`). A path is left out when the last pattern that matches it, or one of the
//! directories above it, is not an exception (`!pattern`).

mod glob;
mod path;
#[cfg(test)]
mod reference;

use thiserror::Error;

use glob::Glob;
pub use path::clean;

/// The longest line an ignore file may have, in bytes: the buffer of Go's line scanner.
pub const MAX_LINE: usize = 64 * 1024;

/// Why a list of patterns was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// An exception that names nothing.
    #[error("illegal exclusion pattern: \"!\"")]
    EmptyException,
    /// A pattern that breaks the rules of Go's `filepath.Match` or of moby's translation to a regular expression.
    #[error("syntax error in pattern {pattern:?}")]
    Syntax {
        /// The pattern as written, cleaned.
        pattern: String,
    },
    /// A line longer than [`MAX_LINE`].
    #[error("line {line} is longer than {MAX_LINE} bytes")]
    LineTooLong {
        /// Counted from one.
        line: usize,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::EmptyException => "write the path to keep after the `!`",
            Self::Syntax { .. } => {
                "close every `[`, order ranges from low to high, and put a character after every `\\`"
            }
            Self::LineTooLong { .. } => "put one pattern on each line",
        };
        Some(hint.to_owned())
    }
}

/// What one pattern says.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    exception: bool,
    glob: Glob,
}

impl Pattern {
    fn new(text: &str) -> Result<Self, Error> {
        let cleaned = clean(text);
        let (exception, body) = match cleaned.strip_prefix('!') {
            Some("") => return Err(Error::EmptyException),
            Some(body) => (true, body),
            None => (false, cleaned.as_str()),
        };
        let syntax = || Error::Syntax { pattern: body.to_owned() };
        Ok(Self { text: body.to_owned(), exception, glob: Glob::new(body).ok_or_else(syntax)? })
    }

    /// The pattern without one trailing `/**` and one trailing `/*`.
    fn stem(&self) -> &str {
        let stem = self.text.strip_suffix("/**").unwrap_or(&self.text);
        stem.strip_suffix("/*").unwrap_or(stem)
    }

    /// Whether everything the pattern can match lies at or below its [`stem`](Self::stem).
    fn is_prefix(&self) -> bool {
        !self.stem().contains(['*', '[', ']', '?', '^', '\\'])
    }

    /// Whether the pattern, being a prefix, could match something below `dir`.
    fn reaches_below(&self, dir: &str) -> bool {
        let (mut stem, mut dir) = (self.stem().to_owned(), dir.to_owned());
        stem.push('/');
        dir.push('/');
        stem.starts_with(&dir)
    }

    fn matches_or_parent(&self, path: &str) -> bool {
        self.glob.is_match(path) || parents(path).any(|parent| self.glob.is_match(parent))
    }
}

/// The directories above a relative path, outermost first.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// A list of ignore patterns.
///
/// Paths are relative to the context's root, separated by `/`, without `.` or `..`. A name that is not UTF-8 is
/// given with each bad byte replaced by U+FFFD, which is how Go's regular expressions see it.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

/// Which patterns matched a directory or one above it: carried down a walk so that they need not be asked again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched(Vec<bool>);

impl Patterns {
    /// Reads an ignore file: one pattern a line, `#` comments, a byte order mark skipped, leading slashes dropped.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (number, line) in text.split('\n').enumerate() {
            if line.len() >= MAX_LINE {
                return Err(Error::LineTooLong { line: number + 1 });
            }
            patterns.extend(file_line(line));
        }
        Self::new(patterns)
    }

    /// Takes patterns as they are, as `--exclude` does: no comments, leading slashes kept.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let mut list = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref().trim();
            if !pattern.is_empty() {
                list.push(Pattern::new(pattern)?);
            }
        }
        Ok(Self { patterns: list })
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether any pattern is an exception.
    pub fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.exception)
    }

    /// The patterns, cleaned, with `!` before exceptions.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.patterns.iter().map(|pattern| {
            let mark = if pattern.exception { "!" } else { "" };
            format!("{mark}{}", pattern.text)
        })
    }

    /// Whether `path` is matched, by itself or through a directory above it (moby's `MatchesOrParentMatches`).
    pub fn matches(&self, path: &str) -> bool {
        let mut matched = false;
        for pattern in &self.patterns {
            if pattern.exception == matched && pattern.matches_or_parent(path) {
                matched = !pattern.exception;
            }
        }
        matched
    }

    /// Whether `path` is matched, when the result for the directory that holds it is known
    /// (moby's `MatchesUsingParentResults`). `parent` is empty for the entries of the root.
    ///
    /// This is what BuildKit's walk of a context uses. It differs from [`matches`](Self::matches) where a pattern
    /// that follows an exception matches only a directory that an earlier pattern already matched.
    pub fn matches_below(&self, path: &str, parent: &Matched) -> (bool, Matched) {
        let mut matched = false;
        let mut results = Vec::with_capacity(self.patterns.len());
        for (index, pattern) in self.patterns.iter().enumerate() {
            let hit = parent.0.get(index).copied().unwrap_or(false)
                || (pattern.exception == matched && self.ask(pattern, path, parent));
            if hit {
                matched = !pattern.exception;
            }
            results.push(hit);
        }
        (matched, Matched(results))
    }

    fn ask(&self, pattern: &Pattern, path: &str, parent: &Matched) -> bool {
        if parent.0.is_empty() { pattern.matches_or_parent(path) } else { pattern.glob.is_match(path) }
    }

    /// Whether a walk must enter `dir` although it is left out, because an exception could bring back something
    /// below it.
    pub fn must_enter(&self, dir: &str) -> bool {
        let mut exceptions = self.patterns.iter().filter(|pattern| pattern.exception);
        if exceptions.clone().all(Pattern::is_prefix) {
            exceptions.any(|pattern| pattern.reaches_below(dir))
        } else {
            true
        }
    }
}

/// One line of an ignore file as a pattern, if it is one.
fn file_line(line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    match line.strip_prefix('!') {
        Some(rest) => Some(format!("!{}", relative(rest.trim()))),
        None if line.is_empty() => None,
        None => Some(relative(line)),
    }
}

/// Cleaned, and relative to the context's root.
fn relative(pattern: &str) -> String {
    if pattern.is_empty() {
        return String::new();
    }
    let cleaned = clean(pattern);
    match cleaned.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => cleaned,
    }
}

#[cfg(test)]
mod tests;
