//! Running `git` so that nothing of the host, and nothing in a repository, decides what it does.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;

/// The most we take of git's answers: they are a few lines.
const MAX_ANSWER: u64 = 1 << 20;
/// How much of git's complaints an error repeats.
const MAX_WORDS: u64 = 2048;
/// The shell's status for a program that it cannot find.
const NOT_FOUND: i32 = 127;
/// Modes of checked out files must not depend on our umask; only a process of its own can change it safely.
const SHELL: &str = "umask 022 && exec git \"$@\"";

/// What of our environment git gets to see. Everything else stays out: `GIT_*` most of all.
const KEPT: [&str; 10] = [
    "PATH",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

const SET: [(&str, &str); 8] = [
    ("HOME", "/dev/null"),
    ("XDG_CONFIG_HOME", "/dev/null"),
    ("LC_ALL", "C"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // Above all not file: a submodule could name a repository of this host.
    ("GIT_ALLOW_PROTOCOL", "http:https:ssh:git"),
    ("GIT_SSH_COMMAND", "ssh -F /dev/null -o BatchMode=yes"),
];

const CONFIGURED: [&str; 5] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.symlinks=true",
    "credential.helper=",
];

/// A repository's files and its administration, and for messages, where it came from.
pub(super) struct Git {
    pub(super) work_tree: PathBuf,
    pub(super) git_dir: PathBuf,
    pub(super) scratch: PathBuf,
    pub(super) shown: String,
}

impl Git {
    /// Runs `git ARGS` and returns what it printed.
    pub(super) fn run(&self, args: &[&str]) -> Result<String, Error> {
        let mut complaints = tempfile::tempfile_in(&self.scratch).map_err(Error::Start)?;
        let mut child = self.command(args, &complaints)?.spawn().map_err(Error::Start)?;
        let answer = child.stdout.take().map(|out| take(out, MAX_ANSWER)).transpose();
        // Reading has ended, or the pipe is closed: a git that wants to say more ends by itself.
        let status = child.wait().map_err(Error::Start)?;
        if status.code() == Some(NOT_FOUND) {
            return Err(Error::Missing);
        }
        if !status.success() {
            return Err(self.failed(args, &mut complaints));
        }
        let answer = answer.map_err(Error::Start)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn command(&self, args: &[&str], complaints: &File) -> Result<Command, Error> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SHELL, "git"]);
        command.args(CONFIGURED.iter().flat_map(|setting| ["-c", setting]));
        command.arg("--git-dir").arg(&self.git_dir).arg("--work-tree").arg(&self.work_tree).args(args);
        command.current_dir(&self.work_tree).env_clear().envs(SET);
        command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(complaints.try_clone().map_err(Error::Start)?);
        Ok(command)
    }

    fn failed(&self, args: &[&str], complaints: &mut File) -> Error {
        let words = tail(complaints).unwrap_or_default();
        let words = words.replace(&*self.scratch.to_string_lossy(), "").trim().to_owned();
        Error::Failed {
            command: args.first().copied().unwrap_or_default().to_owned(),
            remote: self.shown.clone(),
            words,
        }
    }

    /// For commands that need no repository.
    pub(super) fn nowhere(scratch: &Path, shown: String) -> Self {
        let scratch = scratch.to_owned();
        Self { work_tree: scratch.clone(), git_dir: scratch.join(".git"), scratch, shown }
    }
}

fn take(from: impl Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn tail(file: &mut File) -> std::io::Result<String> {
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(size.saturating_sub(MAX_WORDS)))?;
    Ok(String::from_utf8_lossy(&take(file, MAX_WORDS)?).into_owned())
}
