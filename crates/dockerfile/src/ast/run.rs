//! `RUN` and its flags.

use serde::Serialize;

use super::{CommandLine, Heredoc, Word};
use crate::source::Span;

/// What `RUN` says. Only the mounts' values are expanded; the shell expands the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The command line without heredoc bodies.
    pub command: CommandLine,
    /// The heredocs of the line, in order.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, each.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// `--device`, each.
    pub devices: Vec<Device>,
}

/// Which network a command sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Network {
    #[default]
    Default,
    None,
    Host,
}

/// Whether a command runs with more privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Security {
    #[default]
    Sandbox,
    Insecure,
}

/// `--device`: a CDI device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Device {
    /// The device's name or class.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
}

/// `--mount` as written: its values may hold variables, so that it is checked when they are known,
/// by [`Mount::resolve`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// The options in order.
    pub fields: Vec<MountField>,
    /// `from`, unless empty: a stage, an image or a named context. Never has variables.
    pub from: Option<Word>,
    /// The flag's value.
    pub span: Span,
}

/// One option of a mount, `key=value` or `key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MountField {
    /// The key as written.
    pub key: String,
    /// The value, unexpanded.
    pub value: Option<Word>,
    /// The whole option.
    pub span: Span,
}

/// A mount with its values expanded and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResolvedMount {
    /// `type`.
    pub kind: MountKind,
    /// `from`; empty means the build context, for a cache an empty directory.
    pub from: String,
    /// `source`.
    pub source: String,
    /// `target`.
    pub target: String,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// `size` of a tmpfs in bytes; 0 means no limit.
    pub size: u64,
    /// `id` of a cache, secret or agent.
    pub id: String,
    /// `sharing` of a cache.
    pub sharing: Option<Sharing>,
    /// `required`, for a secret or agent.
    pub required: bool,
    /// `env`: the variable that takes a secret; empty means the default name.
    pub env: Option<String>,
    /// `mode`.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
}

/// What is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum MountKind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

impl MountKind {
    /// Every kind.
    pub const ALL: [MountKind; 5] =
        [MountKind::Bind, MountKind::Cache, MountKind::Tmpfs, MountKind::Secret, MountKind::Ssh];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            MountKind::Bind => "bind",
            MountKind::Cache => "cache",
            MountKind::Tmpfs => "tmpfs",
            MountKind::Secret => "secret",
            MountKind::Ssh => "ssh",
        }
    }
}

/// How several builds use one cache at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Sharing {
    Shared,
    Private,
    Locked,
}
