//! A place to run a program in that shares nothing with this machine's user: its own home, store, credentials and working
//! directory, and none of the caller's environment.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Enough to find the system's programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A hermetic environment for one program; everything in it goes when it is dropped.
pub struct Environment {
    program: PathBuf,
    root: TempDir,
    variables: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output, byte for byte.
    pub bytes: Vec<u8>,
    /// Standard output as text, without the line end that closes it.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Environment {
    /// An empty environment for `program`, usually `env!("CARGO_BIN_EXE_shipsmith")`.
    ///
    /// # Panics
    /// When there is no room for temporary files.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let environment = Self { program: program.into(), root, variables: Vec::new() };
        for part in ["home", "docker", "run", "work"] {
            fs::create_dir(environment.root.path().join(part)).expect("the directory is ours");
        }
        environment
    }

    /// The same with a variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().display().to_string()));
        self
    }

    /// `HOME`.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// `SHIPSMITH_STORE`; made by the first run that needs it.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }

    /// `DOCKER_CONFIG`'s `config.json`.
    #[must_use]
    pub fn docker_config(&self) -> PathBuf {
        self.root.path().join("docker/config.json")
    }

    /// The working directory of every run.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// A path below the working directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.work().join(name)
    }

    /// Writes a file below the working directory, with the directories above it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is below the working directory")).expect("the directory is ours");
        fs::write(&path, content).expect("the directory is ours");
        path
    }

    /// What is in a file below the working directory.
    ///
    /// # Panics
    /// When it cannot be read as text.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// The program with these arguments, ready to start.
    #[must_use]
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        self.confine(&mut command);
        command
    }

    /// Puts any other command into this environment.
    pub fn confine(&self, command: &mut Command) {
        let root = self.root.path();
        command.env_clear().current_dir(self.work()).stdin(Stdio::null());
        command.env("PATH", PATH).env("HOME", self.home()).env("SHIPSMITH_STORE", self.store());
        command.env("DOCKER_CONFIG", root.join("docker")).env("XDG_RUNTIME_DIR", root.join("run"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// Runs the program to its end, whichever way it ends.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// What the program printed, having ended well.
    ///
    /// # Panics
    /// When it did not; the message carries what it said.
    pub fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let mut command = self.command(arguments);
        let ended = ended(&mut command);
        assert_eq!(ended.code, Some(0), "{command:?}\n{}", ended.stderr);
        ended.stdout
    }

    /// What the program said on standard error, having ended with `code`.
    ///
    /// # Panics
    /// When it ended otherwise.
    pub fn fails<A: AsRef<OsStr>>(&self, code: i32, arguments: impl IntoIterator<Item = A>) -> String {
        let mut command = self.command(arguments);
        let ended = ended(&mut command);
        assert_eq!(ended.code, Some(code), "{command:?}\n{}", ended.stderr);
        ended.stderr
    }

    /// Runs the program with `input` as its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn feed<A: AsRef<OsStr>>(&self, input: &[u8], arguments: impl IntoIterator<Item = A>) -> Ended {
        let file = self.root.path().join("input");
        fs::write(&file, input).expect("the directory is ours");
        ended(self.command(arguments).stdin(fs::File::open(&file).expect("it was just written")))
    }
}

/// Runs `command` to its end, whichever way it ends.
///
/// # Panics
/// When it cannot be started.
pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    Ended::from(output)
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stdout = text(&output.stdout).trim_end_matches('\n').to_owned();
        Self { code: output.status.code(), stdout, stderr: text(&output.stderr), bytes: output.stdout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_sees_nothing_of_the_user() {
        let environment = Environment::new("/usr/bin/env").with("EXTRA", "1");
        let said = environment.ok::<&str>([]);
        let mut names: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        assert_eq!(names, ["DOCKER_CONFIG", "EXTRA", "HOME", "PATH", "SHIPSMITH_STORE", "XDG_RUNTIME_DIR"]);
    }

    #[test]
    fn input_output_and_code_are_told_apart() {
        let environment = Environment::new("/bin/sh");
        let ended = environment.feed(b"in", ["-c", "cat; echo err >&2; exit 3"]);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(3), "in", "err\n"));
        assert_eq!(environment.fails(4, ["-c", "echo why >&2; exit 4"]), "why\n");
    }
}
