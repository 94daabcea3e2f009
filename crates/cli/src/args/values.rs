//! Values with few spellings, as clap's value parsers.

use clap::ValueEnum;

/// `--progress`: what is shown while work goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A live tree on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// One line per thing that happened, with the output of every step
    Plain,
    /// A live tree with bars and sizes
    Tty,
    /// One JSON object per line, in the shape of buildx's solve status
    Rawjson,
    /// Nothing but the image's id, on standard output, at the end
    Quiet,
    /// Nothing at all
    None,
}

/// `--pull`: when a base's tag is looked up again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum PullWhen {
    /// Fetch manifests and configurations anew
    #[default]
    #[value(alias = "true")]
    Always,
    /// Ask only for what the local store does not have (ours)
    Missing,
    /// Ask for each tag once per build, as without the flag
    #[value(name = "false")]
    Never,
}

/// `--run`: what becomes of RUN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum RunMode {
    /// RUN is executed in a sandbox
    #[default]
    Execute,
    /// RUN is left out, and every one left out is named in the log
    Skip,
    /// A RUN that would be executed is an error that names its line
    Refuse,
}

impl RunMode {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Skip => "skip",
            Self::Refuse => "refuse",
        }
    }
}

/// `--timestamp`: the times in the image.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum TimestampMode {
    /// The same for the same input, on any machine and at any time
    #[default]
    Fixed,
    /// The clock
    Now,
    /// The files' own modification times
    Source,
}

/// A boolean as Go's `strconv.ParseBool` spells it, which is what buildx's flags and keys take.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_gos() {
        assert_eq!(parse_bool("T"), Ok(true));
        assert_eq!(parse_bool("0"), Ok(false));
        assert!(parse_bool("yes").is_err());
    }
}
