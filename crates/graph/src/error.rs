//! What can be wrong with a build that is not wrong with the Dockerfile's syntax.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use dockerfile::lint::Finding;
use dockerfile::{Excerpt, Source, Span};
use oci::{PlatformError, ReferenceError};

use crate::ModeError;

/// A refusal, with its place where it has one. Its `Display` is one sentence.
#[derive(Debug, Clone)]
pub struct Error {
    source: Arc<Source>,
    problem: Problem,
}

/// A refusal whose source is known to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) span: Option<Span>,
    pub(crate) kind: ErrorKind,
}

impl Error {
    /// The text the error is about.
    pub fn source_text(&self) -> &Arc<Source> {
        &self.source
    }

    /// Where in the text; `None` when it is about the request.
    pub fn span(&self) -> Option<Span> {
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
    pub fn excerpt(&self) -> Option<Excerpt<'_>> {
        self.problem.span.map(|span| self.source.excerpt(span))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.kind.fmt(out)
    }
}

impl std::error::Error for Error {}

impl Problem {
    pub(crate) fn new(span: Span, kind: impl Into<ErrorKind>) -> Self {
        Self { span: Some(span), kind: kind.into() }
    }

    pub(crate) fn within(self, source: &Arc<Source>) -> Error {
        Error { source: Arc::clone(source), problem: self }
    }

    /// The same at another place: a trigger's text is not in the file, the FROM that brought it is.
    pub(crate) fn at(self, span: Span) -> Self {
        Self { span: Some(span), ..self }
    }
}

/// About the request, not about a place in the file.
impl From<ErrorKind> for Problem {
    fn from(kind: ErrorKind) -> Self {
        Self { span: None, kind }
    }
}

impl From<dockerfile::Problem> for Problem {
    fn from(problem: dockerfile::Problem) -> Self {
        Self { span: Some(problem.span), kind: problem.kind.into() }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ErrorKind {
    #[error(transparent)]
    Dockerfile(#[from] dockerfile::ErrorKind),
    #[error("target stage {name:?} could not be found")]
    UnknownTarget { name: String, suggestion: Option<String> },
    #[error("there is no stage number {0}")]
    StageNumber(String),
    #[error("stages depend on each other in a circle: {}", .0.join(" -> "))]
    Circular(Vec<String>),
    #[error("the base {0:?} is blank")]
    BlankBase(String),
    #[error("{0}")]
    Reference(String),
    #[error("the platform {0:?} is blank")]
    BlankPlatform(String),
    #[error("{0}")]
    Platform(String),
    #[error("stage {from:?} is needed before it is built")]
    LaterStage { from: String },
    #[error("--from does not expand variables: {0:?}")]
    VariableInFrom(String),
    #[error("the target needs a RUN, and RUN is refused")]
    RunRefused,
    #[error("{0} is no platform this tool builds for")]
    UnsupportedPlatform(String),
    #[error(transparent)]
    Mode(#[from] ModeError),
    #[error("--checksum needs exactly one source")]
    ChecksumSources,
    #[error("--checksum needs an HTTP(S) or git source")]
    ChecksumLocal,
    #[error("{0:?} is no checksum")]
    Checksum(String),
    #[error("checksums differ: {0:?} and {1:?}")]
    ChecksumConflict(String, String),
    #[error("COPY cannot fetch {0:?}")]
    RemoteCopy(String),
    #[error("git source {source_text:?}: {reason}")]
    Git { source_text: String, reason: String },
    #[error("--keep-git-dir and the source's own keep-git-dir differ")]
    KeepGitDirConflict,
    #[error("invalid port {port:?}: {reason}")]
    Port { port: String, reason: &'static str },
    #[error("a volume must not be empty")]
    EmptyVolume,
    #[error("invalid signal {0:?}")]
    Signal(String),
    #[error("a mount cannot replace the root")]
    MountTarget,
    #[error("an ssh mount has no source")]
    SshSource,
    #[error("the ONBUILD trigger {trigger:?} of the base: {cause}")]
    Trigger { trigger: String, cause: Box<dockerfile::ErrorKind> },
    #[error("SOURCE_DATE_EPOCH {0:?} is no number of seconds")]
    Epoch(String),
    #[error("the frontend {0:?} is not one this tool stands for")]
    ForeignFrontend(String),
    #[error("invalid lint options: {0}")]
    LintOptions(String),
    #[error("lint violations count as errors: {}", rules(.0))]
    Lint(Vec<Finding>),
}

fn rules(findings: &[Finding]) -> String {
    let rules: BTreeSet<_> = findings.iter().map(|finding| finding.rule.name()).collect();
    rules.into_iter().collect::<Vec<_>>().join(", ")
}

impl From<ReferenceError> for ErrorKind {
    fn from(error: ReferenceError) -> Self {
        Self::Reference(error.to_string())
    }
}

impl From<PlatformError> for ErrorKind {
    fn from(error: PlatformError) -> Self {
        Self::Platform(error.to_string())
    }
}

impl From<dockerfile::expand::ExpandError> for ErrorKind {
    fn from(error: dockerfile::expand::ExpandError) -> Self {
        Self::Dockerfile(error.into())
    }
}

impl ErrorKind {
    /// What to do about it. There is no refusal without.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Dockerfile(kind) => return kind.hint(),
            Self::Trigger { cause, .. } => return cause.hint(),
            Self::UnknownTarget { suggestion: Some(name), .. } => return format!("did you mean {name}?"),
            Self::UnknownTarget { suggestion: None, .. } => "--target takes the name after AS",
            Self::StageNumber(_) => "stages count from zero",
            Self::Circular(_) => "let one of them start from something else",
            Self::BlankBase(_) | Self::BlankPlatform(_) => "give the argument in it a default before the first FROM",
            Self::Reference(_) => "write [registry/]name[:tag][@digest] in lower case",
            Self::Platform(_) => "write os/architecture, such as linux/arm64",
            Self::LaterStage { .. } => "move that stage in front of this one",
            Self::VariableInFrom(_) => "name a stage with FROM and an ARG before the first FROM, and use its name",
            Self::RunRefused => "--run=execute runs it, --run=skip leaves it out and says so",
            Self::UnsupportedPlatform(_) => "Windows images need a Windows builder: build with --builder",
            Self::Mode(_) => "write an octal number such as 0755, or changes such as u=rwX,go=rX",
            Self::ChecksumSources => "give each source an ADD of its own",
            Self::ChecksumLocal => "take the flag away: files of a context are read as they are",
            Self::Checksum(_) => "write algorithm:hex, such as sha256:...",
            Self::ChecksumConflict(..) | Self::KeepGitDirConflict => "keep one of them",
            Self::RemoteCopy(_) => "use ADD",
            Self::Git { .. } => "write https://host/repository.git#branch-or-commit:directory",
            Self::Port { .. } => "write port[/protocol] or first-last[/protocol], the protocol being tcp, udp or sctp",
            Self::EmptyVolume => "write a path, such as /data; a variable in it may be empty",
            Self::Signal(_) => "write a signal's name, such as SIGTERM, or its number",
            Self::MountTarget => "mount at a directory below it",
            Self::SshSource => "name the agent with id=",
            Self::Epoch(_) => "give seconds since 1970; contexts and stages as its source need a BuildKit builder",
            Self::ForeignFrontend(_) => {
                "frontends are never fetched; build with --builder to use a BuildKit that runs it"
            }
            Self::LintOptions(_) => "use skip=Rule,Rule or skip=all, experimental=Rule, error=true, separated by `;`",
            Self::Lint(_) => "fix them, or take error=true away",
        };
        text.to_owned()
    }
}
