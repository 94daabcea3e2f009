//! What can be wrong with a Dockerfile.

mod flag;
mod healthcheck;
mod mount;

use std::fmt;
use std::sync::Arc;

use crate::Keyword;
use crate::expand::ExpandError;
use crate::limits::{MAX_FILE, MAX_LINE};
use crate::source::{Excerpt, Source, Span};

pub use flag::FlagError;
pub use healthcheck::HealthcheckError;
pub use mount::MountError;

/// A refusal with its place. Its `Display` is one sentence; [`Error::excerpt`] shows where.
#[derive(Clone, Debug)]
pub struct Error {
    source: Arc<Source>,
    problem: Problem,
}

/// A refusal whose source is known to the caller, such as one from expanding a word of a known file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: ErrorKind,
}

impl Problem {
    /// A refusal at a place.
    pub fn new(span: Span, kind: impl Into<ErrorKind>) -> Self {
        Self { span, kind: kind.into() }
    }

    /// The same with the source it is about.
    pub fn within(self, source: &Arc<Source>) -> Error {
        Error { source: Arc::clone(source), problem: self }
    }
}

impl Error {
    /// The text the error is about.
    pub fn source_text(&self) -> &Arc<Source> {
        &self.source
    }

    /// Where in the text.
    pub fn span(&self) -> Span {
        self.problem.span
    }

    /// What is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.problem.kind
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(self.problem.kind.hint())
    }

    /// The line with the place marked.
    pub fn excerpt(&self) -> Excerpt<'_> {
        self.source.excerpt(self.problem.span)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.kind.fmt(out)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(out)
    }
}

impl std::error::Error for Problem {}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ErrorKind {
    #[error("the file is larger than {MAX_FILE} bytes")]
    FileTooLarge,
    #[error("the line is longer than {MAX_LINE} bytes")]
    LineTooLong,
    #[error("the file is empty")]
    Empty,
    #[error("the file has no instructions")]
    NoInstructions,
    #[error("the file has no FROM, so there is no stage to build")]
    NoStages,
    #[error("{0} stands before the first FROM")]
    BeforeFrom(Keyword),
    #[error("the directive {0} is given twice")]
    DuplicateDirective(String),
    #[error("{0:?} is no escape character")]
    InvalidEscape(String),
    #[error("the frontend {0:?} is not one this tool stands for")]
    ForeignFrontend(String),
    #[error("unknown instruction {name:?}")]
    UnknownInstruction { name: String, suggestion: Option<String> },
    #[error(transparent)]
    Flag(#[from] FlagError),
    #[error("a JSON array must hold strings only")]
    JsonNotStrings,
    #[error("{0} needs at least one argument")]
    AtLeastOneArgument(Keyword),
    #[error("{0} needs exactly one argument")]
    ExactlyOneArgument(Keyword),
    #[error("{0} needs a source and a destination")]
    NoDestination(Keyword),
    #[error("FROM takes one argument, or three: FROM image AS name")]
    FromArguments,
    #[error("{0:?} is no name for a stage")]
    InvalidStageName(String),
    #[error("{0:?} has no equals sign")]
    MissingEquals(String),
    #[error("{0} needs a name and a value")]
    MissingValue(Keyword),
    #[error("{0} has a blank name")]
    BlankName(Keyword),
    #[error("the heredoc {0:?} does not end")]
    UnterminatedHeredoc(String),
    #[error("a heredoc cannot be the destination of {0}")]
    HeredocDestination(Keyword),
    #[error("ONBUILD cannot be triggered by ONBUILD")]
    ChainedOnbuild,
    #[error("{0} cannot be triggered by ONBUILD")]
    ForbiddenTrigger(Keyword),
    #[error("a trigger must be one instruction, this one holds {0}")]
    TriggerCount(usize),
    #[error("a volume must not be empty")]
    EmptyVolume,
    #[error("SHELL needs a JSON array")]
    ShellNotJson,
    #[error(transparent)]
    Healthcheck(#[from] HealthcheckError),
    #[error("{0:?} is no network mode")]
    InvalidNetwork(String),
    #[error("{0:?} is no security mode")]
    InvalidSecurity(String),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Expand(#[from] ExpandError),
}

impl ErrorKind {
    /// What to do about it. There is no refusal without.
    pub fn hint(&self) -> String {
        let text = match self {
            ErrorKind::Flag(error) => return error.hint(),
            ErrorKind::Healthcheck(error) => return error.hint(),
            ErrorKind::Mount(error) => return error.hint(),
            ErrorKind::Expand(error) => return error.hint(),
            ErrorKind::UnknownInstruction { suggestion: Some(name), .. } => return format!("did you mean {name}?"),
            ErrorKind::UnknownInstruction { suggestion: None, .. } => return instructions(),
            ErrorKind::AtLeastOneArgument(keyword) | ErrorKind::ExactlyOneArgument(keyword) => {
                return format!("write {}", keyword.usage());
            }
            ErrorKind::FromArguments => {
                return format!("write {}; a comment needs a line of its own", Keyword::From.usage());
            }
            ErrorKind::FileTooLarge => "is this a Dockerfile? put large contents into files and COPY them",
            ErrorKind::LineTooLong => "split the line with a continuation, or put its content into a file and COPY it",
            ErrorKind::Empty | ErrorKind::NoInstructions | ErrorKind::NoStages => {
                "begin a stage with FROM, for example: FROM scratch"
            }
            ErrorKind::BeforeFrom(_) => "only ARG may stand before the first FROM",
            ErrorKind::DuplicateDirective(_) => "keep one of them",
            ErrorKind::InvalidEscape(_) => r"use # escape=\ or # escape=`",
            ErrorKind::ForeignFrontend(_) => {
                "frontends are never fetched; build with --builder to use a BuildKit that runs it, or remove the line"
            }
            ErrorKind::JsonNotStrings => "put every element in double quotes",
            ErrorKind::NoDestination(_) => "the last argument is the destination",
            ErrorKind::InvalidStageName(_) => {
                "a name starts with a letter and has only letters, digits, '-', '_' and '.'"
            }
            ErrorKind::MissingEquals(_) => "write name=value, with quotes around a value that has spaces",
            ErrorKind::MissingValue(_) => "write name=value",
            ErrorKind::BlankName(_) => "write the name before the equals sign, without a blank between them",
            ErrorKind::UnterminatedHeredoc(_) => "end it with a line that holds nothing but its name",
            ErrorKind::HeredocDestination(_) => "put the destination last",
            ErrorKind::ChainedOnbuild => "write ONBUILD once: a trigger runs in the build that follows, and no later",
            ErrorKind::ForbiddenTrigger(_) => "write it into the Dockerfile whose build is to be triggered",
            ErrorKind::TriggerCount(_) => "give each instruction an ONBUILD of its own",
            ErrorKind::EmptyVolume => "write a path, such as /data",
            ErrorKind::ShellNotJson => r#"write SHELL ["executable", "parameter"]"#,
            ErrorKind::InvalidNetwork(_) => "use default, none or host",
            ErrorKind::InvalidSecurity(_) => "use sandbox or insecure",
        };
        text.to_owned()
    }
}

fn instructions() -> String {
    format!("the instructions are {}", Keyword::ALL.map(Keyword::as_str).join(", "))
}
