//! One instruction: its place, its text, and what it says.

use serde::Serialize;

use super::{Heredoc, Keyword, Run, Transfer, Word};
use crate::duration::GoDuration;
use crate::source::Span;

/// One instruction.
///
/// # Use of `text`
/// BuildKit shows `text` (with its keyword in upper case and variables expanded) as the name of a step. The
/// `created_by` of a history entry is *not* `text`: it is put together from the expanded parts, as each [`Kind`] says.
#[derive(Clone, Debug, Serialize)]
pub struct Instruction {
    /// From the keyword to the end of the last line, heredoc bodies included.
    pub span: Span,
    /// From the keyword to the end of the (continued) line, without heredoc bodies.
    pub line: Span,
    /// Which instruction it is.
    pub keyword: Keyword,
    /// Where the keyword is written.
    pub keyword_span: Span,
    /// The line as BuildKit keeps it: continuation lines joined, comments inside dropped, white space trimmed, the
    /// keyword as written, heredoc bodies left out.
    pub text: String,
    /// The flags, in order. What they mean is in `kind`; a few instructions ignore theirs, as in BuildKit.
    pub flags: Vec<Flag>,
    /// The comment lines above, since the last instruction or empty comment.
    pub comments: Vec<String>,
    /// Empty lines inside the continued line, which BuildKit deprecates.
    pub empty_continuations: Vec<Span>,
    /// What it says.
    pub kind: Kind,
    /// Whether it is a trigger from a base image's configuration.
    pub onbuild: bool,
}

/// A flag as written, `--name` or `--name=value`, with quotes and escapes removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// The name without dashes.
    pub name: String,
    /// What follows the equals sign, if there is one.
    pub value: Option<Word>,
    /// The whole flag.
    pub span: Span,
}

/// What an instruction says. Each variant tells which words are expanded (see [`crate::expand`]) before use and how
/// BuildKit writes the `created_by` of its history entry; `*` marks the entries that have a layer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Kind {
    /// `ARG`. Default values are expanded, and only where no value was given; names are not.
    /// History: `ARG name=value name`, values expanded.
    Arg(Vec<ArgDecl>),
    /// `ENV`. Names and values are expanded. History: `ENV name=value …`, expanded.
    Env(Vec<Assignment>),
    /// `LABEL`. Names and values are expanded. History: `LABEL name=value …`, expanded.
    Label(Vec<Assignment>),
    /// `COPY`. History*: see [`Transfer`].
    Copy(Transfer),
    /// `ADD`. History*: see [`Transfer`].
    Add(Transfer),
    /// `RUN`. History*: `RUN |n name=value … args # buildkit`, where the `|n` part lists the stage's build arguments
    /// (left out where there are none) and `args` are the command's words, shell included, joined by blanks.
    Run(Run),
    /// `CMD`. Nothing is expanded. History: `CMD ["word" "word"]`, the words, shell included, quoted as Go's `%q` does.
    Cmd(CommandLine),
    /// `ENTRYPOINT`. Nothing is expanded. History: as `CMD`.
    Entrypoint(CommandLine),
    /// `EXPOSE`: ports sorted by their raw text, as BuildKit does. Each is expanded into words.
    /// History: `EXPOSE [80/tcp 443/tcp]`, the resulting ports.
    Expose(Vec<Word>),
    /// `USER`. Expanded. History: `USER name`.
    User(Word),
    /// `WORKDIR`. Expanded. History: `WORKDIR /absolute`, with a layer* unless the directory is `/`.
    Workdir(Word),
    /// `VOLUME`. Expanded. History: `VOLUME [/a /b]`.
    Volume(Vec<Word>),
    /// `SHELL`. Nothing is expanded. History: `SHELL [word word]`.
    Shell(Vec<Word>),
    /// `STOPSIGNAL`. Expanded. History: `STOPSIGNAL signal`.
    StopSignal(Word),
    /// `HEALTHCHECK`. Nothing is expanded. History: `HEALTHCHECK` and the configuration as Go's `%+v` prints it, see
    /// [`Healthcheck`].
    Healthcheck(Healthcheck),
    /// `ONBUILD`. Nothing is expanded, and there is no history entry.
    Onbuild(OnbuildTrigger),
    /// `MAINTAINER`. Nothing is expanded. History: `MAINTAINER text`; it also sets the image's author.
    Maintainer(Word),
    /// `FROM`; what it says is in its [`super::Stage`].
    From,
}

/// One declaration of an `ARG`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArgDecl {
    /// The variable's name.
    pub name: Word,
    /// The default: `None` without an equals sign, empty for `name=`.
    pub value: Option<Word>,
    /// The rest of a comment line above that begins with the name.
    pub description: Option<String>,
}

/// One `name=value` of `ENV` or `LABEL`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// The name.
    pub name: Word,
    /// The value, quotes and escapes included.
    pub value: Word,
    /// Whether it was written in the old form, `ENV name value`.
    pub legacy: bool,
}

/// A command in one of its two forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandLine {
    /// Text for a shell; empty where nothing followed the keyword.
    Shell(Word),
    /// A JSON array: run as it is. May be empty.
    Exec(Vec<Word>),
}

impl CommandLine {
    /// Whether the shell is put in front.
    pub fn is_shell(&self) -> bool {
        matches!(self, CommandLine::Shell(_))
    }

    /// The words: all of the exec form, or the shell form's text as the one word.
    pub fn words(&self) -> &[Word] {
        match self {
            CommandLine::Shell(word) => std::slice::from_ref(word),
            CommandLine::Exec(words) => words,
        }
    }
}

/// What `HEALTHCHECK` says.
///
/// The image's `Test` is `["NONE"]`, `["CMD-SHELL", text]` or `["CMD", words…]`. BuildKit's history text is
/// `HEALTHCHECK {Test:[CMD-SHELL text] Interval:30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`: the base's check is switched off.
    None,
    /// `HEALTHCHECK CMD`.
    Cmd(Probe),
}

/// A health check's command and times; zero means the runtime's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What to run.
    pub command: CommandLine,
    /// `--interval`.
    pub interval: GoDuration,
    /// `--timeout`.
    pub timeout: GoDuration,
    /// `--start-period`.
    pub start_period: GoDuration,
    /// `--start-interval`.
    pub start_interval: GoDuration,
    /// `--retries`.
    pub retries: u32,
}

/// An instruction kept for the builds that use this image as their base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnbuildTrigger {
    /// The trigger's keyword as written. Like BuildKit, nothing but the forbidden ones is refused before it runs.
    pub keyword: Word,
    /// What is stored in the image's `OnBuild`: the text after `ONBUILD`, heredoc bodies appended.
    pub expression: String,
    /// The heredocs, already part of `expression`.
    pub heredocs: Vec<Heredoc>,
}
