//! Programs we did not write, which tests use as witnesses.
//!
//! A missing program skips a test on a developer's machine, with one printed line, and fails it where `CI` is set:
//! what CI did not run, nobody ran.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where system programs live although an ordinary user's `PATH` often leaves them out.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A program found on this machine.
#[derive(Debug, Clone)]
pub struct Tool {
    name: String,
    path: PathBuf,
}

/// What a program that ended well has written.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Finds `name` on the `PATH` or among the system's programs.
///
/// `None` means: skip this test; the reason is already printed.
///
/// # Panics
/// When the program is missing and the environment has `CI` set.
#[expect(clippy::print_stderr, reason = "a skipped test says why, under the test runner's capture")]
pub fn require(name: &str) -> Option<Tool> {
    if let Some(tool) = find(name) {
        return Some(tool);
    }
    assert!(!in_ci(), "{name} is not installed, and CI must test everything");
    eprintln!("skipped: {name} is not installed");
    None
}

/// Finds `name` as [`require`] does, for questions whose answer "no" is fine everywhere.
#[must_use]
pub fn find(name: &str) -> Option<Tool> {
    find_all(name).into_iter().next()
}

/// Every `name` there is, in the order of the search, for when one version among several will do.
#[must_use]
pub fn find_all(name: &str) -> Vec<Tool> {
    let paths = search_path().map(|dir| dir.join(name)).filter(|path| is_executable(path));
    paths.map(|path| Tool { name: name.to_owned(), path }).collect()
}

/// Whether a missing program is a failure here.
#[must_use]
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Whether this test may do what only root may.
///
/// `false` means: skip what needs it; the reason is already printed.
///
/// # Panics
/// When the environment has `CI` set and this is not root.
#[expect(clippy::print_stderr, reason = "a skipped test says why, under the test runner's capture")]
#[must_use]
pub fn as_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || !in_ci(), "this needs root, and CI must test everything");
    if !root {
        eprintln!("skipped: this needs root");
    }
    root
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own: Vec<PathBuf> = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect();
    own.into_iter().chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

impl Tool {
    /// Where the program is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command for this program that reads nothing from the test's own input.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// When it cannot be started or fails; the message carries what it printed.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Captured {
        run(self.command().args(args))
    }

    /// Runs the program to its end, whichever way it ends.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn output<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        let mut command = self.command();
        command.args(args).output().unwrap_or_else(|error| panic!("cannot start {}: {error}", self.name))
    }
}

/// Runs `command` to its end with its output captured.
///
/// # Panics
/// When it cannot be started or fails; the message carries what it printed.
pub fn run(command: &mut Command) -> Captured {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed, {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Captured { stdout: output.stdout, stderr: output.stderr }
}

impl Captured {
    /// Standard output as text, without the line end that closes it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_a_found_program_and_keeps_what_it_says() {
        let shell = require("sh").expect("every system has sh");
        let said = shell.run(["-c", "echo out; echo err >&2"]);
        assert_eq!((said.text().as_str(), said.stderr.as_slice()), ("out", b"err\n".as_slice()));
    }

    #[test]
    #[should_panic(expected = "the reason")]
    fn a_failing_program_panics_with_its_words() {
        find("sh").expect("every system has sh").run(["-c", "echo the reason >&2; exit 3"]);
    }

    #[test]
    fn a_program_nobody_has_is_not_found() {
        assert!(find("shipsmith-no-such-program").is_none());
    }
}
