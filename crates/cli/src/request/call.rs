//! `--call` and `--check`: words about a Dockerfile instead of an image of it.

use super::{RequestError, csv, suggest};
use crate::args::{BuildArgs, parse_bool};

/// What is wanted of a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// What to do.
    pub(crate) method: Method,
    /// `format=json`.
    pub(crate) json: bool,
    /// `ignorestatus=true`: findings do not change the exit code.
    pub(crate) ignore_status: bool,
}

/// What to do with a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Build it.
    Build,
    /// Check it against the rules.
    Check,
    /// Say what the target takes.
    Outline,
    /// List the stages that can be built.
    Targets,
}

impl Method {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Check => "check",
            Self::Outline => "outline",
            Self::Targets => "targets",
        }
    }
}

const FLAG: &str = "--call";
const METHODS: &[&str] = &["build", "check", "outline", "targets"];

/// `--call METHOD[,format=json][,ignorestatus=true]`, or `--check`.
pub(crate) fn call(args: &BuildArgs) -> Result<Call, RequestError> {
    match args.call.as_deref() {
        _ if args.check => parse("check"),
        None | Some("") => parse("build"),
        Some(text) => parse(text),
    }
}

fn parse(text: &str) -> Result<Call, RequestError> {
    let mut call = Call { method: Method::Build, json: false, ignore_status: false };
    for (position, field) in csv::fields(FLAG, text)?.iter().enumerate() {
        match field.split_once('=') {
            None if position == 0 => call.method = method(text, field)?,
            None => return Err(RequestError::invalid(FLAG, text, format!("a second method, {field:?}"))),
            Some(("format", "json")) => call.json = true,
            Some(("format", "text" | "")) => call.json = false,
            Some(("ignorestatus", value)) => {
                call.ignore_status = parse_bool(value).map_err(|reason| RequestError::invalid(FLAG, text, reason))?;
            }
            Some(_) => {
                let reason = format!("unknown {field:?}");
                return Err(RequestError::invalid(FLAG, text, reason).or_hint("format=json or ignorestatus=true"));
            }
        }
    }
    Ok(call)
}

fn method(text: &str, name: &str) -> Result<Method, RequestError> {
    match name {
        "build" => Ok(Method::Build),
        "check" | "lint" => Ok(Method::Check),
        "outline" => Ok(Method::Outline),
        "targets" => Ok(Method::Targets),
        _ => {
            Err(RequestError::invalid(FLAG, text, format!("unknown method {name:?}"))
                .or_hint(suggest::hint(name, METHODS)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_their_options() {
        let call = parse("check,format=json,ignorestatus=true").unwrap();
        assert_eq!(call, Call { method: Method::Check, json: true, ignore_status: true });
        assert_eq!(parse("lint").unwrap().method, Method::Check);
        assert_eq!(parse("targets").unwrap().method, Method::Targets);
        assert_eq!(parse("outline").unwrap().method, Method::Outline);
        assert_eq!(parse("outlin").unwrap_err().hint().as_deref(), Some("did you mean \"outline\"?"));
        for wrong in ["check,build", "check,format=yaml", "check,ignorestatus=maybe", "check,x=y"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
