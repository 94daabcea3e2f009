//! Measures shipsmith: against a floor program that does only what must be done, and against whichever peers are
//! installed. `cargo xtask bench` builds and runs it; the results go into docs/performance.md.
//!
//! `fixture` makes the inputs, `registry` runs Debian's registry, `aside` takes away what a run left, `contender` says how
//! each program is called, `cases` holds what is measured, `measure` runs programs in turns, `report` and `plot` write down
//! what came out.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program of this repository")]

mod aside;
mod cases;
mod codecs;
mod contender;
mod fixture;
mod floor;
mod growth;
mod http;
mod many;
mod measure;
mod options;
mod plot;
mod registry;
mod report;
mod run;
mod workspace;

use std::process::ExitCode;

use options::Options;
use workspace::Workspace;

/// What goes wrong here is told once and ends the run.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "floor" => floor::run(rest),
        _ => Options::parse(&arguments).and_then(|options| bench(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> Result<(), Failure> {
    let workspace = Workspace::new(options)?;
    let mut report = report::Report::new(options);
    for case in cases::all().into_iter().filter(|case| options.wants(case.name)) {
        eprintln!("== {}", case.name);
        (case.run)(&workspace, &mut report)?;
    }
    report.write(options)
}
