//! From text to a [`Dockerfile`].
//!
//! Lines are joined ([`lines`]), cut into keyword, flags and arguments ([`line`]), and read by what each instruction
//! expects ([`instruction`], [`flags`], [`run`], [`transfer`], [`healthcheck`]).

mod directives;
mod flags;
mod healthcheck;
mod heredoc;
mod instruction;
mod json;
mod line;
mod lines;
mod mount;
mod run;
mod stage;
#[cfg(test)]
mod tests;
mod transfer;
mod words;

use std::sync::Arc;

use crate::ast::{Dockerfile, Instruction, Keyword, Stage};
use crate::error::{Error, ErrorKind, Problem};
use crate::limits::MAX_FILE;
use crate::source::{Source, Span};
use line::Line;
use lines::Lines;

pub(crate) use lines::strip_continuation;

/// Reads a Dockerfile.
///
/// # Errors
/// Whatever BuildKit's frontend refuses without knowing build arguments or bases, with its place; also a `# syntax=`
/// that asks for another frontend than Docker's, and the limits of [`crate::limits`].
pub fn parse(source: Source) -> Result<Dockerfile, Error> {
    let source = Arc::new(source);
    read(&source).map_err(|problem| problem.within(&source))
}

/// Reads a trigger that a base image's configuration holds. It is a file of its own with one instruction: the spans of
/// the result are places in `trigger`, and its escape character is the backslash unless it says otherwise.
///
/// # Errors
/// As [`parse`], and if there is not exactly one instruction or it is `FROM`.
pub fn parse_onbuild(trigger: Source) -> Result<Instruction, Error> {
    let source = Arc::new(trigger);
    read_trigger(&source).map_err(|problem| problem.within(&source))
}

fn read(source: &Arc<Source>) -> Result<Dockerfile, Problem> {
    let text = source.text.as_str();
    let end = Span::new(text.len(), text.len());
    if text.is_empty() {
        return Err(Problem::new(end, ErrorKind::Empty));
    }
    let (syntax, check) = directives::detect(text)?;
    let mut lines = Lines::new(text)?;
    let mut global_args = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    let mut any = false;
    while let Some(line) = Line::read(&mut lines)? {
        any = true;
        match (line.keyword, stages.last_mut()) {
            (Keyword::From, _) => stages.push(stage::stage(line)?),
            (Keyword::Arg, None) => global_args.push(instruction::instruction(line)?),
            (_, Some(stage)) => stage.instructions.push(instruction::instruction(line)?),
            (keyword, None) => return Err(Problem::new(line.keyword_span(), ErrorKind::BeforeFrom(keyword))),
        }
    }
    if stages.is_empty() {
        return Err(Problem::new(end, if any { ErrorKind::NoStages } else { ErrorKind::NoInstructions }));
    }
    let directives = crate::ast::Directives { syntax, escape: lines.escape(), check };
    Ok(Dockerfile { source: Arc::clone(source), directives, global_args, stages })
}

fn read_trigger(source: &Source) -> Result<Instruction, Problem> {
    let mut lines = Lines::new(&source.text)?;
    let mut found = Vec::new();
    while let Some(line) = Line::read(&mut lines)? {
        found.push(line);
    }
    let count = found.len();
    match found.pop().filter(|_| count == 1) {
        None => Err(Problem::new(Span::new(0, source.text.len()), ErrorKind::TriggerCount(count))),
        Some(line) if line.keyword == Keyword::From => {
            Err(Problem::new(line.keyword_span(), ErrorKind::ForbiddenTrigger(Keyword::From)))
        }
        Some(line) => Ok(Instruction { onbuild: true, ..instruction::instruction(line)? }),
    }
}

/// Refuses a text that is too large to be a Dockerfile.
fn check_size(text: &str) -> Result<(), Problem> {
    if text.len() > MAX_FILE {
        return Err(Problem::new(Span::new(0, 0), ErrorKind::FileTooLarge));
    }
    Ok(())
}
