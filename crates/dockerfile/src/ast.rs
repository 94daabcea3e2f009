//! What a Dockerfile says, unexpanded: stages, instructions, words, each with its place in the source.

mod expanded;
mod instruction;
mod keyword;
mod run;
mod transfer;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use instruction::{ArgDecl, Assignment, CommandLine, Flag, Healthcheck, Instruction, Kind, OnbuildTrigger, Probe};
pub use keyword::Keyword;
pub use run::{Device, Mount, MountField, MountKind, Network, ResolvedMount, Run, Security, Sharing};
pub use transfer::{Heredoc, Transfer};

use crate::source::{Source, Span, Spanned};

/// A whole file: at least one stage, and the `ARG`s before the first `FROM`.
#[derive(Clone, Debug, Serialize)]
pub struct Dockerfile {
    /// The text all spans refer to. Serialized as its name.
    #[serde(serialize_with = "name_of")]
    pub source: Arc<Source>,
    /// The parser directives at the top.
    pub directives: Directives,
    /// The `ARG` instructions before the first `FROM`, which only `FROM` lines (and redeclarations) see.
    pub global_args: Vec<Instruction>,
    /// The stages, in order; never empty.
    pub stages: Vec<Stage>,
}

fn name_of<S: Serializer>(source: &Arc<Source>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&source.name)
}

/// The parser directives: comments of the form `# name=value` at the very top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Directives {
    /// The frontend asked for, as written up to the first space. Always one this crate stands for.
    pub syntax: Option<Spanned<String>>,
    /// The escape character, `\` or `` ` ``.
    pub escape: char,
    /// Options of the lint rules, as written: `skip=Rule,Rule;error=true`.
    pub check: Option<Spanned<String>>,
}

/// A `FROM` and what follows it, up to the next `FROM`.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// The `FROM` line itself.
    pub from: Instruction,
    /// The base as written: an image, `scratch` or an earlier stage. Expanded with the global arguments.
    pub base: Word,
    /// `--platform`, unless empty. Expanded with the global arguments.
    pub platform: Option<Word>,
    /// The name after `AS` in lower case, as names are compared. Its span covers the name as written.
    pub name: Option<Spanned<String>>,
    /// The word `AS` as written.
    pub as_word: Option<Word>,
    /// The rest of a comment line directly above that begins with the stage's name.
    pub description: Option<String>,
    /// The instructions after `FROM`.
    pub instructions: Vec<Instruction>,
}

/// A piece of text that may still have to be expanded.
///
/// `raw` is what the expander takes: continuation lines joined, flag quotes removed and JSON strings decoded, quotes
/// and variables otherwise left alone. It can thus differ from what stands at `span`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Word {
    /// The unexpanded text.
    pub raw: String,
    /// Where it was written.
    pub span: Span,
}

impl Word {
    /// A word at a place.
    pub fn new(raw: impl Into<String>, span: Span) -> Self {
        Self { raw: raw.into(), span }
    }

    /// Where the bytes `start..end` of `raw` were written. Exact where the word stands in the source unchanged, else
    /// the whole word.
    pub fn locate(&self, start: usize, end: usize) -> Span {
        if self.span.end - self.span.start == self.raw.len() {
            return Span::new(self.span.start + start.min(self.raw.len()), self.span.start + end.min(self.raw.len()));
        }
        self.span
    }
}

impl fmt::Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.raw)
    }
}

impl AsRef<str> for Word {
    fn as_ref(&self) -> &str {
        &self.raw
    }
}
