//! `shipsmith dockerfile parse`: the syntax tree as JSON.

use std::io::{self, Read};
use std::path::Path;

use ::dockerfile::Source;
use serde_json::json;

use super::output::print_json;
use crate::args::ParseArgs;
use crate::failure::{Exit, Failure};

/// Prints the syntax tree.
pub(super) fn parse(args: &ParseArgs) -> Result<(), Failure> {
    let source = match args.file.as_os_str() == "-" {
        true => limited("Dockerfile", io::stdin().lock())?,
        false => read(&args.file)?,
    };
    let file = ::dockerfile::parse(source)?;
    print_json(&json!(file))
}

fn read(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| cannot_read(&name, &error))?;
    limited(&name, file)
}

/// A byte more than the parser takes, so that it is the parser that refuses what is too large.
fn limited(name: &str, reader: impl Read) -> Result<Source, Failure> {
    let mut bytes = Vec::new();
    let limit = ::dockerfile::limits::MAX_FILE as u64 + 1;
    reader.take(limit).read_to_end(&mut bytes).map_err(|error| cannot_read(name, &error))?;
    Ok(Source::from_bytes(name, &bytes))
}

fn cannot_read(name: &str, error: &io::Error) -> Failure {
    let hint = "name the file, or - for standard input";
    Failure::new(Exit::Build, format!("cannot read the Dockerfile {name}: {error}")).with_hint(Some(hint.into()))
}
