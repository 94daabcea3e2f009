//! `COPY` and `ADD`, and the heredocs they share with `RUN`.

use serde::Serialize;

use super::Word;
use crate::source::Span;

/// What `COPY` or `ADD` says.
///
/// Expanded are `sources`, `destination`, `chown`, `chmod` and `checksum`; not `excludes`, and `from` must not contain
/// anything that expansion would change. Heredoc contents are expanded where [`Heredoc::expand`] says so, with
/// [`crate::expand::heredoc`].
///
/// History: `COPY --parents --chown=… --chmod=… sources <<name destination # buildkit`, all expanded, no other flag
/// shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// The sources that are no heredocs, in order. They are copied before the heredocs.
    pub sources: Vec<Word>,
    /// The sources that are heredocs, in order.
    pub heredocs: Vec<Heredoc>,
    /// Where to.
    pub destination: Word,
    /// `--from`, unless empty (`COPY` only).
    pub from: Option<Word>,
    /// `--chown`, unless empty.
    pub chown: Option<Word>,
    /// `--chmod`, unless empty.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents` (`COPY` only).
    pub parents: bool,
    /// The `--exclude` patterns.
    pub excludes: Vec<Word>,
    /// `--checksum`, unless empty (`ADD` only).
    pub checksum: Option<Word>,
    /// `--keep-git-dir`, if given (`ADD` only).
    pub keep_git_dir: Option<bool>,
    /// `--unpack`, if given (`ADD` only).
    pub unpack: Option<bool>,
}

/// A heredoc: its name and what stands between its line and its terminator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heredoc {
    /// The terminator, and for `COPY` and `ADD` the file's name. Quotes removed.
    pub name: String,
    /// The lines as written, line ends included.
    pub content: String,
    /// Whether variables in it are expanded: not where a part of the name was quoted.
    pub expand: bool,
    /// `<<-`: tabs at the start of lines are removed from the content, see [`Heredoc::data`].
    pub chomp: bool,
    /// Where the body is written, terminator excluded.
    pub span: Span,
}

impl Heredoc {
    /// The content as it is used: without leading tabs where `chomp` says so.
    pub fn data(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}
