//! What can go wrong between us and a registry, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use oci::Digest;

/// The longest text of a registry that is repeated in an error, in characters.
const MAX_QUOTE: usize = 300;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Asking whether a manifest exists.
    CheckManifest,
    /// Reading a manifest.
    PullManifest,
    /// Writing a manifest, under a tag or its digest.
    PushManifest,
    /// Asking whether a blob exists.
    CheckBlob,
    /// Reading a blob.
    PullBlob,
    /// Writing a blob.
    PushBlob,
    /// Listing the tags of a repository.
    ListTags,
    /// Checking and storing credentials.
    LogIn,
    /// Removing credentials.
    LogOut,
    /// Reading configuration.
    Configure,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CheckManifest => "look up",
            Self::PullManifest => "pull the manifest of",
            Self::PushManifest => "push the manifest of",
            Self::CheckBlob => "look up blob",
            Self::PullBlob => "pull blob",
            Self::PushBlob => "push blob",
            Self::ListTags => "list the tags of",
            Self::LogIn => "log in to",
            Self::LogOut => "log out of",
            Self::Configure => "use the configuration of",
        })
    }
}

/// The classes of failure, as exit codes tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The registry does not have what was asked for.
    NotFound,
    /// Credentials are missing or were refused.
    Auth,
    /// The credentials do not allow this, or the user's configuration forbids it.
    Denied,
    /// The registry could not be reached, or kept failing.
    Network,
    /// An answer that the distribution specification does not allow, or that is unsafe to act on.
    Protocol,
    /// Content that is not what its digest or size says.
    Integrity,
    /// A configuration file or credential helper that cannot be used.
    Config,
    /// The local bytes of an upload could not be read.
    Source,
}

/// A failed operation on a registry: what, on what, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {} {}: {}", .0.operation, .0.subject, .0.cause)]
pub struct Error(Box<Failure>);

#[derive(Debug)]
struct Failure {
    operation: Operation,
    subject: String,
    cause: Cause,
}

impl Error {
    pub(crate) fn new(operation: Operation, subject: impl fmt::Display, cause: Cause) -> Self {
        Self(Box::new(Failure { operation, subject: subject.to_string(), cause }))
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Why it failed.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// The class of the failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.cause.kind()
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match (self.operation(), self.cause()) {
            (Operation::LogIn, Cause::Unauthorized { .. }) => {
                Some("check the name and the password; many registries want an access token in its place".into())
            }
            (_, cause) => cause.hint(),
        }
    }
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The registry answered, and the answer was no.
    #[error("{0}")]
    Answer(Answer),
    /// The registry wants credentials and has none it accepts.
    #[error("{}{answer}", if *.had_credentials { "the credentials were refused: " } else { "" })]
    Unauthorized {
        /// The last answer.
        answer: Answer,
        /// Whether credentials were configured for the host.
        had_credentials: bool,
    },
    /// No connection came about.
    #[error("cannot connect to {host}: {problem}{}", detail(*problem, message))]
    Connect {
        /// The registry.
        host: String,
        /// What kind of trouble.
        problem: ConnectProblem,
        /// The lower layers' words.
        message: String,
    },
    /// A connection ended before its message did.
    #[error("the connection to {host} broke: {message}")]
    Interrupted {
        /// The registry.
        host: String,
        /// The lower layers' words.
        message: String,
    },
    /// Content whose hash is not the expected one.
    #[error("the content hashes to {actual}, not {expected}")]
    WrongDigest {
        /// What was asked for or sent.
        expected: Digest,
        /// What came.
        actual: String,
    },
    /// Content whose length is not the expected one, in bytes.
    #[error("the content has {actual} bytes, not {expected}")]
    WrongSize {
        /// What the descriptor says.
        expected: u64,
        /// What came, or was announced.
        actual: u64,
    },
    /// A page for people came where a registry's answer was expected.
    #[error("{host} answered with a web page, not as a registry")]
    WebPage {
        /// Who answered.
        host: String,
    },
    /// Credentials would have left for a place that must not have them.
    #[error("{host} names the token server {realm}, {reason}")]
    UntrustedRealm {
        /// The registry.
        host: String,
        /// The token server's address.
        realm: String,
        /// Why it is not asked.
        reason: &'static str,
    },
    /// An https address led to an http one.
    #[error("{from} sends us to {to}, which is not encrypted")]
    Downgrade {
        /// The host that was asked.
        from: String,
        /// Where it pointed to, without its query.
        to: String,
    },
    /// Any other answer that makes no sense or cannot be acted on safely.
    #[error("{host}: {problem}")]
    Protocol {
        /// Who answered.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// The user's configuration blocks the registry.
    #[error("{0} is blocked in registries.conf")]
    Blocked(String),
    /// A configuration file cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A credential helper failed.
    #[error("docker-credential-{helper}: {problem}")]
    Helper {
        /// The helper, without its prefix.
        helper: String,
        /// What went wrong.
        problem: String,
    },
    /// The bytes to upload cannot be read.
    #[error("cannot read the content to send: {0}")]
    Source(#[source] io::Error),
}

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectProblem {
    /// Nothing listens there.
    Refused,
    /// The name has no address.
    UnknownHost,
    /// The certificate is not trusted, or TLS failed otherwise.
    Tls,
    /// An http server answered an https client.
    PlainHttp,
    /// No answer in time.
    Timeout,
    /// Anything else.
    Other,
}

impl fmt::Display for ConnectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::UnknownHost => "the host name is not known",
            Self::Tls => "no trusted encrypted connection",
            Self::PlainHttp => "the server speaks plain http where https was expected",
            Self::Timeout => "no answer in time",
            Self::Other => "the connection failed",
        })
    }
}

/// A registry's refusal, cleaned for printing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who answered.
    pub host: String,
    /// The HTTP status.
    pub status: u16,
    /// The registry's own error code, such as `MANIFEST_UNKNOWN`.
    pub code: Option<String>,
    /// The registry's own words.
    pub message: Option<String>,
    /// How long it asks us to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        write!(f, "{} answered {}", self.host, self.status)?;
        if let Some(reason) = reason {
            write!(f, " {reason}")?;
        }
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " ({code}: {message})"),
            (Some(text), None) | (None, Some(text)) => write!(f, " ({text})"),
            (None, None) => Ok(()),
        }
    }
}

impl Answer {
    fn kind(&self) -> Kind {
        match (self.code.as_deref(), self.status) {
            (Some("DIGEST_INVALID" | "SIZE_INVALID"), _) => Kind::Integrity,
            (Some("DENIED"), _) | (_, 403) => Kind::Denied,
            (_, 401) => Kind::Auth,
            (_, 404) => Kind::NotFound,
            (_, 408 | 429 | 500..) => Kind::Network,
            _ => Kind::Protocol,
        }
    }

    fn hint(&self) -> Option<String> {
        match self.kind() {
            Kind::Denied => Some(format!(
                "the account used for {0} may not do this; `shipsmith login {0}` uses another one",
                self.host
            )),
            Kind::Auth => Some(format!("run `shipsmith login {}`", self.host)),
            Kind::NotFound => {
                Some("check the name; some registries say this of private repositories when not logged in".into())
            }
            _ if self.status == 405 || self.code.as_deref() == Some("UNSUPPORTED") => Some(format!(
                "{} does not allow this at all: it may be read-only, a mirror, or forbid to delete",
                self.host
            )),
            Kind::Network if self.status == 429 => {
                Some(format!("{} limits requests: wait, or log in with `shipsmith login {0}`", self.host))
            }
            _ => None,
        }
    }
}

impl Cause {
    pub(crate) fn about(self, operation: Operation, subject: impl fmt::Display) -> Error {
        Error::new(operation, subject, self)
    }

    pub(crate) fn protocol(host: &str, problem: impl Into<String>) -> Self {
        Self::Protocol { host: host.to_owned(), problem: problem.into() }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Answer(answer) => answer.kind(),
            Self::Unauthorized { .. } => Kind::Auth,
            Self::Connect { .. } | Self::Interrupted { .. } => Kind::Network,
            Self::WrongDigest { .. } | Self::WrongSize { .. } => Kind::Integrity,
            Self::Blocked(_) => Kind::Denied,
            Self::File { .. } | Self::Helper { .. } => Kind::Config,
            Self::Source(error) => nested(error).map_or(Kind::Source, Error::kind),
            Self::WebPage { .. } | Self::UntrustedRealm { .. } | Self::Downgrade { .. } | Self::Protocol { .. } => {
                Kind::Protocol
            }
        }
    }

    /// Whether the same request may well succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Answer(answer) => matches!(answer.status, 408 | 429 | 500 | 502..=504),
            Self::Connect { problem, .. } => {
                matches!(problem, ConnectProblem::Refused | ConnectProblem::Timeout | ConnectProblem::Other)
            }
            Self::Interrupted { .. } => true,
            _ => false,
        }
    }

    /// How long the registry asks us to wait, when it does.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer(answer) => answer.retry_after,
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Answer(answer) => answer.hint(),
            Self::Unauthorized { answer, .. } => Some(format!("run `shipsmith login {}`", answer.host)),
            Self::Connect { host, problem, .. } => problem.hint(host),
            Self::WebPage { host } => {
                Some(format!("is {host} a container registry? a proxy or a login page may have answered in its place"))
            }
            Self::Downgrade { from, .. } => Some(format!(
                "{from} seems to sit behind a proxy and not to know that it is reached over https; its operator should set X-Forwarded-Proto"
            )),
            Self::Blocked(_) => Some("remove `blocked = true` from its [[registry]] entry".into()),
            Self::WrongDigest { .. } | Self::WrongSize { .. } => {
                Some("the content was damaged or changed on its way; nothing of it was kept".into())
            }
            Self::Source(error) => nested(error)?.hint(),
            _ => None,
        }
    }
}

/// The registry's error inside of an upload's, when the bytes come from another registry.
fn nested(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

impl ConnectProblem {
    fn hint(self, host: &str) -> Option<String> {
        Some(match self {
            Self::Refused => format!("is the registry at {host} running, and is this its port?"),
            Self::UnknownHost => "check the spelling of the host, and the machine's name server".into(),
            Self::Tls => format!(
                "if {host} uses a private authority, put its certificate into /etc/docker/certs.d/{host}/ca.crt or ~/.config/containers/certs.d/{host}/ca.crt"
            ),
            Self::PlainHttp => format!(
                "if {host} is meant to be reached without encryption, say so in ~/.config/containers/registries.conf: [[registry]] location = \"{host}\", insecure = true"
            ),
            Self::Timeout | Self::Other => return None,
        })
    }
}

/// The lower layers' words, where they say more than the problem's name does.
fn detail(problem: ConnectProblem, message: &str) -> String {
    match problem {
        ConnectProblem::Refused | ConnectProblem::UnknownHost => String::new(),
        _ if message.is_empty() => String::new(),
        _ => format!(" ({message})"),
    }
}

/// Makes a stranger's text fit to print: no control characters, one line, bounded.
pub(crate) fn quote(text: &str) -> String {
    let mut clean: String = text.chars().filter(|c| !c.is_control()).take(MAX_QUOTE + 1).collect();
    if clean.chars().count() > MAX_QUOTE {
        clean.pop();
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: Option<&str>) -> Cause {
        let code = code.map(str::to_owned);
        Cause::Answer(Answer { host: "r.example".into(), status, code, message: None, retry_after: None })
    }

    #[test]
    fn answers_are_classed_by_code_then_status() {
        assert_eq!(answer(404, Some("MANIFEST_UNKNOWN")).kind(), Kind::NotFound);
        assert_eq!(answer(400, Some("DIGEST_INVALID")).kind(), Kind::Integrity);
        assert_eq!(answer(401, Some("DENIED")).kind(), Kind::Denied);
        assert_eq!(answer(401, None).kind(), Kind::Auth);
        assert_eq!(answer(503, None).kind(), Kind::Network);
        assert_eq!(answer(418, None).kind(), Kind::Protocol);
    }

    #[test]
    fn an_error_names_operation_subject_status_and_code() {
        let error = answer(404, Some("MANIFEST_UNKNOWN")).about(Operation::PullManifest, "r.example/a:b");
        assert_eq!(
            error.to_string(),
            "cannot pull the manifest of r.example/a:b: r.example answered 404 Not Found (MANIFEST_UNKNOWN)"
        );
    }

    #[test]
    fn a_strangers_text_is_bounded_and_has_no_control_characters() {
        assert_eq!(quote("a\x1b[31mb\r\nc"), "a[31mbc");
        assert_eq!(quote(&"x".repeat(10_000)).chars().count(), MAX_QUOTE + 1);
    }
}
