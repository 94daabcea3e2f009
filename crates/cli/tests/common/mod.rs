//! The program, run as a script runs it.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in `directory`, with a store and a home of its own.
pub(crate) fn shipsmith(directory: &Path, arguments: &[&str]) -> Output {
    let store = directory.join("store");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipsmith"));
    command.args(arguments).current_dir(directory).env_clear();
    command.env("HOME", directory).env("SHIPSMITH_STORE", store).env("PATH", "/usr/bin:/bin");
    command.output().expect("the program runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
