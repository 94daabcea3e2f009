//! `--progress` and `--quiet`.

use clap::ValueEnum;

use super::{RequestError, Surroundings};
use crate::args::{ProgressArgs, ProgressMode};

/// How progress is shown, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Display {
    /// Lines.
    Plain,
    /// A live tree.
    Tty,
    /// JSON lines.
    RawJson,
    /// Nothing, and the image's id on standard output at the end.
    Quiet,
    /// Nothing.
    None,
}

/// The flag, else `BUILDKIT_PROGRESS`, else what standard error is.
pub(crate) fn display(args: ProgressArgs, quiet: bool, around: &dyn Surroundings) -> Result<Display, RequestError> {
    if quiet {
        return match args.progress {
            None | Some(ProgressMode::Auto | ProgressMode::Quiet) => Ok(Display::Quiet),
            Some(_) => Err(RequestError::conflict(
                "--quiet shows no progress, and --progress asks for some",
                "leave one of them out",
            )),
        };
    }
    let mode = match args.progress {
        None | Some(ProgressMode::Auto) => from_environment(around)?,
        Some(mode) => mode,
    };
    Ok(match mode {
        ProgressMode::Tty if !around.stderr_is_terminal() => {
            let hint = "leave it out: lines are shown where there is no terminal";
            return Err(RequestError::conflict("--progress=tty needs a terminal on standard error", hint));
        }
        ProgressMode::Auto if is_live(around) => Display::Tty,
        ProgressMode::Auto | ProgressMode::Plain => Display::Plain,
        ProgressMode::Tty => Display::Tty,
        ProgressMode::Rawjson => Display::RawJson,
        ProgressMode::Quiet => Display::Quiet,
        ProgressMode::None => Display::None,
    })
}

fn from_environment(around: &dyn Surroundings) -> Result<ProgressMode, RequestError> {
    const NAME: &str = "BUILDKIT_PROGRESS";
    match around.variable(NAME).filter(|value| !value.is_empty()) {
        None => Ok(ProgressMode::Auto),
        Some(value) => ProgressMode::from_str(&value, false)
            .map_err(|_| RequestError::invalid(NAME, &value, "it names no way to show progress")),
    }
}

fn is_live(around: &dyn Surroundings) -> bool {
    around.stderr_is_terminal() && around.variable("TERM").as_deref() != Some("dumb")
}
