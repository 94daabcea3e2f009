//! `RUN`.

use super::flags::Flags;
use super::instruction::command_line;
use super::line::Line;
use super::mount;
use crate::ast::{Network, Run, Security, Word};
use crate::error::{ErrorKind, Problem};

/// Reads a `RUN` line. It may be empty: then the shell is run with an empty text.
pub(super) fn run(line: &Line, flags: &Flags<'_>) -> Result<Run, Problem> {
    Ok(Run {
        command: command_line(line, line.args())?,
        heredocs: line.heredocs.clone(),
        mounts: flags.values("mount").iter().map(mount::mount).collect::<Result<_, _>>()?,
        network: flags.given("network").map_or(Ok(Network::default()), network)?,
        security: flags.given("security").map_or(Ok(Security::default()), security)?,
        devices: flags.values("device").iter().map(mount::device).collect::<Result<_, _>>()?,
    })
}

fn network(word: Word) -> Result<Network, Problem> {
    match word.raw.as_str() {
        "default" => Ok(Network::Default),
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        _ => Err(Problem::new(word.span, ErrorKind::InvalidNetwork(word.raw))),
    }
}

fn security(word: Word) -> Result<Security, Problem> {
    match word.raw.as_str() {
        "sandbox" => Ok(Security::Sandbox),
        "insecure" => Ok(Security::Insecure),
        _ => Err(Problem::new(word.span, ErrorKind::InvalidSecurity(word.raw))),
    }
}
