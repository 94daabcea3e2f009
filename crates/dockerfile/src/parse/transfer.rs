//! `COPY` and `ADD`.

use super::flags::Flags;
use super::heredoc::Opening;
use super::instruction::list;
use super::line::Line;
use crate::ast::{Heredoc, Transfer, Word};
use crate::error::{ErrorKind, Problem};

/// Reads a `COPY` or `ADD` line. A flag the instruction does not have was refused before, so all are asked for here.
pub(super) fn transfer(line: &Line, flags: &Flags<'_>) -> Result<Transfer, Problem> {
    let mut words = list(line)?;
    let Some(destination) = words.pop().filter(|_| !words.is_empty()) else {
        return line.refuse(ErrorKind::NoDestination(line.keyword));
    };
    if opening(&destination).is_some() {
        return Err(Problem::new(destination.span, ErrorKind::HeredocDestination(line.keyword)));
    }
    let (heredocs, sources): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| opening(word).is_some());
    Ok(Transfer {
        sources,
        heredocs: heredocs.iter().filter_map(|word| heredoc(line, word)).collect(),
        destination,
        from: flags.value("from"),
        chown: flags.value("chown"),
        chmod: flags.value("chmod"),
        link: flags.boolean("link").unwrap_or(false),
        parents: flags.boolean("parents").unwrap_or(false),
        excludes: flags.values("exclude"),
        checksum: flags.value("checksum"),
        keep_git_dir: flags.boolean("keep-git-dir"),
        unpack: flags.boolean("unpack"),
    })
}

/// What a word says if it begins a heredoc. As in BuildKit, one that cannot be read is a path like any other.
fn opening(word: &Word) -> Option<Opening> {
    Opening::parse(&word.raw).ok().flatten()
}

/// The heredoc a source names: of several with the same name the last. In JSON form there is no body, and the file is
/// empty.
fn heredoc(line: &Line, word: &Word) -> Option<Heredoc> {
    let Opening { name, expand, chomp } = opening(word)?;
    let body = line.heredocs.iter().rev().find(|heredoc| heredoc.name == name);
    let (content, span) = body.map_or((String::new(), word.span), |body| (body.content.clone(), body.span));
    Some(Heredoc { name, content, expand, chomp, span })
}
