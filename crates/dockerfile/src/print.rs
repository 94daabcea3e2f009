//! A file printed back: the same meaning, one line for each instruction.

use std::fmt;

use crate::ast::{Directives, Dockerfile, Instruction, Kind};
use crate::limits::MAX_LINE;
use crate::parse::strip_continuation;
use crate::source::Source;

/// Directives first, an empty line before each stage, keywords in upper case, continuation lines joined, comments
/// inside instructions and unattached ones left out, heredocs as they are. Reading it again gives the same file but for
/// the places.
impl fmt::Display for Dockerfile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = Printer { source: &self.source, escape: self.directives.escape };
        let mut first = !write_directives(&self.directives, out)?;
        for instruction in &self.global_args {
            printer.instruction(instruction, out)?;
            first = false;
        }
        for stage in &self.stages {
            if !std::mem::take(&mut first) {
                writeln!(out)?;
            }
            printer.instruction(&stage.from, out)?;
            for instruction in &stage.instructions {
                printer.instruction(instruction, out)?;
            }
        }
        Ok(())
    }
}

/// Writes the directives; whether there are any.
fn write_directives(directives: &Directives, out: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
    if let Some(syntax) = &directives.syntax {
        writeln!(out, "# syntax={}", syntax.value)?;
    }
    if directives.escape != '\\' {
        writeln!(out, "# escape={}", directives.escape)?;
    }
    if let Some(check) = &directives.check {
        writeln!(out, "# check={}", check.value)?;
    }
    Ok(directives.syntax.is_some() || directives.escape != '\\' || directives.check.is_some())
}

struct Printer<'a> {
    source: &'a Source,
    escape: char,
}

impl Printer<'_> {
    fn instruction(&self, instruction: &Instruction, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.comments(&instruction.comments, out)?;
        let keyword = instruction.keyword.as_str();
        let rest = instruction.text.get(keyword.len()..).unwrap_or("");
        match &instruction.kind {
            // White space at the end of a trigger is part of it.
            Kind::Onbuild(trigger) => {
                let line = trigger.expression.split('\n').next().unwrap_or("");
                self.line(&format!("{keyword} {line}"), out)?;
            }
            _ => self.line(&format!("{keyword}{rest}"), out)?,
        }
        self.heredocs(instruction, out)
    }

    /// Comments after an empty one, which keeps them from being read as directives.
    fn comments(&self, comments: &[String], out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !comments.is_empty() {
            writeln!(out, "#")?;
        }
        comments.iter().try_for_each(|comment| writeln!(out, "# {comment}"))
    }

    /// A line, broken where it is longer than what is read again.
    fn line(&self, text: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = text;
        while let Some((head, tail)) = self.break_line(rest) {
            writeln!(out, "{head}{}", self.escape)?;
            rest = tail;
        }
        write!(out, "{rest}")?;
        // A form feed is trimmed when read, but keeps an escape character from continuing the line.
        if strip_continuation(rest, self.escape).is_some() { writeln!(out, "\u{c}") } else { writeln!(out) }
    }

    /// Breaks a line that is too long where neither half is read differently for it: not behind an escape character,
    /// and not before white space or a comment sign.
    fn break_line<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        if text.len() < MAX_LINE {
            return None;
        }
        let fits = |at: &usize| text.is_char_boundary(*at);
        (1..MAX_LINE).rev().filter(fits).filter_map(|at| text.split_at_checked(at)).find(|(head, tail)| {
            !head.ends_with(self.escape) && !tail.starts_with(|char: char| char == '#' || char.is_whitespace())
        })
    }

    /// What stands between the end of the line and the end of the instruction.
    fn heredocs(&self, instruction: &Instruction, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bodies = crate::Span::new(instruction.line.end, instruction.span.end);
        match self.source.slice(bodies).split_once('\n') {
            Some((_, bodies)) => writeln!(out, "{bodies}"),
            None => Ok(()),
        }
    }
}
