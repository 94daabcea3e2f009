//! `FROM`.

use super::flags::Flags;
use super::instruction::{description, fields};
use super::line::Line;
use crate::ast::{Kind, Stage, Word};
use crate::error::{ErrorKind, Problem};
use crate::source::Spanned;

/// Reads a `FROM` line into a stage without instructions.
pub(super) fn stage(line: Line) -> Result<Stage, Problem> {
    let mut words = fields(&line).into_iter();
    let (base, as_word, name) = match (words.next(), words.next(), words.next(), words.next()) {
        (Some(base), None, _, _) => (base, None, None),
        (Some(base), Some(word), Some(name), None) if word.raw.eq_ignore_ascii_case("as") => {
            (base, Some(word), Some(stage_name(name)?))
        }
        _ => return line.refuse(ErrorKind::FromArguments),
    };
    let platform = Flags::check(line.keyword, &line.flags)?.value("platform");
    let description = name.as_ref().and_then(|name| description(line.comments(), &name.value));
    let from = line.into_instruction(Kind::From);
    Ok(Stage { from, base, platform, name, as_word, description, instructions: Vec::new() })
}

fn stage_name(word: Word) -> Result<Spanned<String>, Problem> {
    let value = word.raw.to_lowercase();
    let allowed = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '-' | '_' | '.');
    if !value.starts_with(|char: char| char.is_ascii_lowercase()) || !value.chars().all(allowed) {
        return Err(Problem::new(word.span, ErrorKind::InvalidStageName(word.raw)));
    }
    Ok(Spanned { value, span: word.span })
}
