//! `HEALTHCHECK`.

use super::flags::Flags;
use super::instruction::command_line;
use super::line::Line;
use super::words::Piece;
use crate::ast::{CommandLine, Healthcheck, Probe, Word};
use crate::duration::GoDuration;
use crate::error::{ErrorKind, HealthcheckError, Problem};

pub(super) fn healthcheck(line: &Line) -> Result<Healthcheck, Problem> {
    let (kind, rest) = split(line.args());
    if kind.text.is_empty() {
        return line.refuse(ErrorKind::AtLeastOneArgument(line.keyword));
    }
    let command = command_line(line, rest)?;
    let empty = command.words().iter().all(|word| !is_argument(&command, word));
    if kind.text.eq_ignore_ascii_case("none") {
        return if empty { Ok(Healthcheck::None) } else { line.refuse(HealthcheckError::NoneWithArguments) };
    }
    let flags = Flags::check(line.keyword, &line.flags)?;
    if !kind.text.eq_ignore_ascii_case("cmd") {
        let error = HealthcheckError::UnknownKind(kind.text.to_owned());
        return Err(Problem::new(line.span(kind.range()), error));
    }
    if empty {
        return line.refuse(HealthcheckError::NoCommand);
    }
    probe(command, &flags).map(Healthcheck::Cmd)
}

/// An element of the exec form always counts, the text of the shell form if there is any.
fn is_argument(command: &CommandLine, word: &Word) -> bool {
    !command.is_shell() || !word.raw.is_empty()
}

/// The first word and the rest.
pub(super) fn split(args: Piece<'_>) -> (Piece<'_>, Piece<'_>) {
    let end = args.text.find(char::is_whitespace).unwrap_or(args.text.len());
    (args.before(end), args.after(end).trim())
}

fn probe(command: CommandLine, flags: &Flags<'_>) -> Result<Probe, Problem> {
    Ok(Probe {
        command,
        interval: interval(flags, "interval")?,
        timeout: interval(flags, "timeout")?,
        start_period: interval(flags, "start-period")?,
        start_interval: interval(flags, "start-interval")?,
        retries: flags.value("retries").map_or(Ok(0), |word| retries(&word))?,
    })
}

/// A duration of at least a millisecond, or zero.
fn interval(flags: &Flags<'_>, name: &str) -> Result<GoDuration, Problem> {
    const SHORTEST: i64 = 1_000_000;
    let Some(word) = flags.value(name) else { return Ok(GoDuration::default()) };
    let invalid = || Problem::new(word.span, HealthcheckError::InvalidDuration(word.raw.clone()));
    let duration = GoDuration::parse(&word.raw).ok_or_else(invalid)?;
    if duration.as_nanos() != 0 && duration.as_nanos() < SHORTEST {
        return Err(Problem::new(word.span, HealthcheckError::TooShort(name.into())));
    }
    Ok(duration)
}

fn retries(word: &Word) -> Result<u32, Problem> {
    let number = word.raw.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| Problem::new(word.span, HealthcheckError::InvalidRetries(word.raw.clone())))
}
