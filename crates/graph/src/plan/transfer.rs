//! COPY and ADD.

use dockerfile::ignore::{self, Patterns};
use dockerfile::lint::Rule;
use dockerfile::{Span, Transfer, expand};
use oci::Digest;

use super::stage::StageBuild;
use super::stages::Command;
use super::{Planner, paths};
use crate::error::Problem;
use crate::op::has_wildcards;
use crate::{Below, Copy, CopySource, ErrorKind, GitSource, HttpSource, InlineFile, Input, ModeSpec, Op, OwnerSpec};

/// A transfer with its words expanded.
struct Expanded<'t> {
    written: &'t Transfer,
    add: bool,
    sources: Vec<(String, Span)>,
    destination: String,
    chown: Option<String>,
    chmod: Option<String>,
    checksum: Option<String>,
    inline: Vec<(String, String, Span)>,
    /// Where sources that are mere paths lie.
    files: Input,
}

impl StageBuild<'_, '_> {
    pub(super) fn copy(&mut self, command: &Command<'_>, transfer: &Transfer, add: bool) -> Result<(), Problem> {
        let transfer = self.expand_transfer(command, transfer, add)?;
        let op = self.copy_op(&transfer)?;
        let text = self.planner.expander.label(&command.instruction.text, &self.state.variables);
        let id = self.step(Op::Copy(op), &text);
        self.commit(transfer.created_by(), Some(id));
        Ok(())
    }

    fn expand_transfer<'t>(
        &mut self,
        command: &Command<'_>,
        transfer: &'t Transfer,
        add: bool,
    ) -> Result<Expanded<'t>, Problem> {
        let chown = self.expand_some(transfer.chown.as_ref())?;
        let chmod = self.expand_some(transfer.chmod.as_ref())?;
        let checksum = self.expand_some(transfer.checksum.as_ref())?;
        let mut sources = Vec::new();
        for word in &transfer.sources {
            sources.push((self.expand(word)?, self.place(word.span)));
        }
        let destination = self.expand(&transfer.destination)?;
        let mut inline = Vec::new();
        for heredoc in &transfer.heredocs {
            let content = expand::heredoc(heredoc, &self.state.variables)?;
            self.check_unset(&content.unset);
            inline.push((heredoc.name.clone(), content.value, self.place(transfer.destination.span)));
        }
        let files = match command.sources.first().copied().flatten() {
            None => self.planner.request.main_context(),
            Some(index) => files_of(self.planner, index, self.line)?,
        };
        Ok(Expanded { written: transfer, add, sources, destination, chown, chmod, checksum, inline, files })
    }

    fn copy_op(&mut self, transfer: &Expanded<'_>) -> Result<Copy, Problem> {
        let place = |word: Option<&dockerfile::Word>| word.map_or(self.line, |word| word.span);
        let mode = transfer.chmod.as_deref().map(ModeSpec::parse).transpose();
        let mode = mode.map_err(|error| Problem::new(place(transfer.written.chmod.as_ref()), error))?;
        transfer.refuse_checksum().map_err(|kind| Problem::new(place(transfer.written.checksum.as_ref()), kind))?;
        let mut sources = Vec::new();
        for (text, span) in &transfer.sources {
            let source = transfer.source(text, *span).map_err(|kind| Problem::new(*span, kind))?;
            if source.input == self.planner.request.main_context() {
                self.check_ignored(text, transfer.add);
            }
            sources.push(source);
        }
        sources.extend(transfer.inline.iter().map(inline_source));
        Ok(Copy {
            parent: self.parent(),
            sources,
            destination: paths::destination(&self.state.directory, &transfer.destination),
            destination_span: Some(self.place(transfer.written.destination.span)),
            owner: transfer.chown.as_deref().map(OwnerSpec::parse),
            link: transfer.written.link && mode.is_none(),
            mode,
            excludes: transfer.written.excludes.iter().map(|word| word.raw.clone()).collect(),
        })
    }
}

impl StageBuild<'_, '_> {
    /// As BuildKit, by the source's name alone.
    fn check_ignored(&mut self, source: &str, add: bool) {
        let path = ignore::clean(source);
        if self.planner.request.ignored.as_ref().is_some_and(|patterns| leaves_out(patterns, &path)) {
            let verb = if add { "add" } else { "copy" };
            self.report(Rule::CopyIgnoredFile, format!("attempt to {verb} {path:?}, which the ignore file leaves out"));
        }
    }
}

/// Whether nothing of `path` can be left. Exceptions may bring back something below it; the context itself is left out
/// only by what leaves out all there is.
fn leaves_out(patterns: &Patterns, path: &str) -> bool {
    let whole = path == "." || path == "/";
    let everything = || patterns.texts().any(|pattern| matches!(pattern.as_str(), "*" | "**" | "**/*"));
    !patterns.has_exceptions() && (!whole || everything()) && patterns.matches(path)
}

/// The files of another node, which must come earlier.
pub(super) fn files_of(planner: &Planner<'_>, index: usize, place: Span) -> Result<Input, Problem> {
    let node = &planner.nodes[index];
    let later = || Problem::new(place, ErrorKind::LaterStage { from: node.title.clone() });
    let state = node.state.as_ref().filter(|_| node.done).ok_or_else(later)?;
    Ok(state.input())
}

impl Expanded<'_> {
    /// As the history shows it: no flags but these.
    fn created_by(&self) -> String {
        let mut text = String::from(if self.add { "ADD" } else { "COPY" });
        if self.written.parents {
            text.push_str(" --parents");
        }
        for (flag, value) in [("chown", &self.chown), ("chmod", &self.chmod)] {
            if let Some(value) = value {
                text.push_str(&format!(" --{flag}={value}"));
            }
        }
        for (source, _) in &self.sources {
            text.push_str(&format!(" {source}"));
        }
        for (name, ..) in &self.inline {
            text.push_str(&format!(" <<{name}"));
        }
        format!("{text} {} # buildkit", self.destination)
    }

    fn refuse_checksum(&self) -> Result<(), ErrorKind> {
        if self.checksum.is_none() {
            return Ok(());
        }
        let [(source, _)] = self.sources.as_slice() else { return Err(ErrorKind::ChecksumSources) };
        if is_http(source) || GitSource::parse(source).is_some_and(|git| git.is_ok()) {
            return Ok(());
        }
        Err(ErrorKind::ChecksumLocal)
    }

    fn source(&self, text: &str, span: Span) -> Result<CopySource, ErrorKind> {
        if let Some(git) = GitSource::parse(text) {
            let git = git.map_err(|reason| ErrorKind::Git { source_text: text.to_owned(), reason })?;
            return self.git_source(text, git, span);
        }
        if is_http(text) { self.http_source(text, span) } else { Ok(self.file_source(text, span)) }
    }

    fn git_source(&self, text: &str, mut git: GitSource, span: Span) -> Result<CopySource, ErrorKind> {
        if !self.add {
            return Err(ErrorKind::RemoteCopy(text.to_owned()));
        }
        match (self.written.keep_git_dir, git.keep_git_dir) {
            (Some(flag), Some(query)) if flag != query => return Err(ErrorKind::KeepGitDirConflict),
            (flag, query) => git.keep_git_dir = query.or(flag),
        }
        match (&self.checksum, &git.checksum) {
            (Some(flag), Some(query)) if flag != query => {
                return Err(ErrorKind::ChecksumConflict(flag.clone(), query.clone()));
            }
            (flag, None) => git.checksum.clone_from(flag),
            _ => {}
        }
        Ok(CopySource { input: Input::Git(git), path: "/".to_owned(), below: None, unpack: false, span: Some(span) })
    }

    fn http_source(&self, url: &str, span: Span) -> Result<CopySource, ErrorKind> {
        if !self.add {
            return Err(ErrorKind::RemoteCopy(url.to_owned()));
        }
        let checksum =
            self.checksum.as_ref().map(|text| Digest::parse(text).map_err(|_| ErrorKind::Checksum(text.clone())));
        let name = http_name(url);
        Ok(CopySource {
            path: format!("/{name}"),
            input: Input::Http(HttpSource { url: url.to_owned(), name, checksum: checksum.transpose()? }),
            below: None,
            unpack: self.written.unpack.unwrap_or(false),
            span: Some(span),
        })
    }

    fn file_source(&self, text: &str, span: Span) -> CopySource {
        let (path, below) = if self.written.parents { pivot(text) } else { (text, None) };
        CopySource {
            input: self.files.clone(),
            path: paths::absolute("/", path),
            below,
            unpack: self.written.unpack.unwrap_or(self.add),
            span: Some(span),
        }
    }
}

/// `--parents`: what stands before the first `/./` is left out of the destination.
fn pivot(text: &str) -> (&str, Option<Below>) {
    let (parent, pattern) = text.split_once("/./").unwrap_or(("/", text));
    let rooted = paths::resolve("/", pattern);
    let literal = !has_wildcards(parent) && !has_wildcards(&rooted);
    let below = Below {
        pattern: rooted.trim_start_matches('/').to_owned(),
        required: literal.then(|| paths::absolute("/", &format!("{parent}/{rooted}"))),
    };
    (parent, Some(below))
}

fn inline_source((name, content, span): &(String, String, Span)) -> CopySource {
    let file = InlineFile { name: name.clone(), content: content.clone(), mode: 0o644 };
    CopySource { path: format!("/{name}"), input: Input::Inline(file), below: None, unpack: false, span: Some(*span) }
}

fn is_http(text: &str) -> bool {
    (text.starts_with("http://") || text.starts_with("https://")) && GitSource::parse(text).is_none()
}

/// What a download is called: the last component of the URL's path.
fn http_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['#', '?']).next().unwrap_or("");
    let path = dockerfile::git::decode_path(rest.find('/').map_or("", |at| &rest[at..]));
    match paths::base_name(&path) {
        "." | "/" => "__unnamed__".to_owned(),
        name => name.to_owned(),
    }
}
