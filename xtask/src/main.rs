//! The repository's own commands: `cargo xtask dist|demo|test|bench|guard|deps|deny`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program of this repository")]

mod bench;
mod demo;
mod deny;
mod deps;
mod dist;
mod elf;
mod guard;
mod process;
mod test;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  demo    build the static binary, and with it this repository's own image
  test    format, lints, documentation and every test
  dist    build the static binary and its CA certificates into dist/
  bench   measure against the floor and the installed peers, into docs/performance.md
          (--quick, --rounds N, --only CASE,.., --work DIR)
  guard   count the instructions of the hot paths, and refuse more or less than bench/instructions.txt says
          (--write: count them anew)
  deps    print the Debian packages that the tests want
  deny    check licences, bans and sources of dependencies, as deny.toml says
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        Some("demo") => demo::run(),
        Some("test") => test::run(),
        Some("dist") => dist::run(),
        Some("bench") => bench::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("guard") => guard::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("deps") => deps::run(),
        Some("deny") => deny::run(),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
