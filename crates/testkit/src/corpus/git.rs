//! Repositories as text, and the answers a git client gets when it fetches from them over HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use super::Entry;
use super::entry::{make_directory, to_directory};

/// The time of every commit, so that its id is the same everywhere.
const COMMITTED: &str = "1700000000 +0000";

/// A repository that the server of a case offers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The path of its address.
    pub url: String,
    /// The commits on `main`, oldest first.
    pub commits: Vec<Commit>,
}

/// One commit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The files it adds or replaces.
    pub entries: Vec<Entry>,
    /// Submodules that it adds: the path, and the address of a repository that was written before, as its `url` says.
    #[serde(default)]
    pub submodules: BTreeMap<String, String>,
    /// A branch that stays here.
    pub branch: Option<String>,
    /// A lightweight tag put here.
    pub tag: Option<String>,
    /// An annotated tag put here.
    pub annotated_tag: Option<String>,
}

impl Repository {
    /// Makes the repository in `dir`: the same text gives the same commit ids. `others` are those made before, by their
    /// addresses.
    pub(super) fn create(&self, dir: &Path, others: &BTreeMap<String, PathBuf>) -> io::Result<()> {
        make_directory(dir)?;
        git(dir, &["init", "--quiet", "--initial-branch=main"])?;
        git(dir, &["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        for (number, commit) in self.commits.iter().enumerate() {
            commit.entries.iter().try_for_each(|entry| remove(&dir.join(&entry.path)))?;
            to_directory(&commit.entries, dir)?;
            git(dir, &["add", "--all", "--force"])?;
            commit.submodules.iter().try_for_each(|(path, url)| add_submodule(dir, path, url, others))?;
            git(dir, &["commit", "--quiet", "--allow-empty", "--message", &format!("commit {number}")])?;
            commit.name(dir)?;
        }
        Ok(())
    }
}

/// Records the newest commit of another repository under `path`, with an address relative to this one.
fn add_submodule(dir: &Path, path: &str, url: &str, others: &BTreeMap<String, PathBuf>) -> io::Result<()> {
    let other = others.get(url).ok_or_else(|| io::Error::other(format!("no repository {url} was made before")))?;
    let head = fs::read_to_string(other.join(".git/refs/heads/main"))?;
    make_directory(&dir.join(path))?;
    let relative = format!("..{url}");
    git(dir, &["config", "--file", ".gitmodules", &format!("submodule.{path}.path"), path])?;
    git(dir, &["config", "--file", ".gitmodules", &format!("submodule.{path}.url"), &relative])?;
    git(dir, &["update-index", "--add", "--cacheinfo", &format!("160000,{},{path}", head.trim())])?;
    git(dir, &["add", ".gitmodules"])
}

impl Commit {
    fn name(&self, dir: &Path) -> io::Result<()> {
        if let Some(branch) = &self.branch {
            git(dir, &["branch", branch])?;
        }
        if let Some(tag) = &self.tag {
            git(dir, &["tag", tag])?;
        }
        if let Some(tag) = &self.annotated_tag {
            git(dir, &["tag", "--annotate", "--message", tag, tag])?;
        }
        Ok(())
    }
}

/// The body of the answer that lists the references of the repository in `dir`.
pub(super) fn advertise(dir: &Path, protocol: &str) -> io::Result<Vec<u8>> {
    let refs = upload_pack(dir, protocol, &["--http-backend-info-refs"], &[])?;
    let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
    body.extend(refs);
    Ok(body)
}

/// The body of the answer to a request for objects of the repository in `dir`. A refusal is an answer too.
pub(super) fn pack(dir: &Path, protocol: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    upload_pack(dir, protocol, &[], request)
}

fn upload_pack(dir: &Path, protocol: &str, options: &[&str], request: &[u8]) -> io::Result<Vec<u8>> {
    let mut command = clean(dir);
    command.env("GIT_PROTOCOL", protocol);
    command.arg("upload-pack").arg("--stateless-rpc").args(options).arg(".");
    Ok(run(command, request)?.stdout)
}

fn git(dir: &Path, arguments: &[&str]) -> io::Result<()> {
    let mut command = clean(dir);
    command.args(arguments);
    let Output { status, stderr, .. } = run(command, &[])?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("git {arguments:?} failed: {}", String::from_utf8_lossy(&stderr))))
}

/// A git that knows no configuration and no repository but ours.
fn clean(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for variable in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
        command.env_remove(variable);
    }
    for (role, date) in [("AUTHOR", "GIT_AUTHOR_DATE"), ("COMMITTER", "GIT_COMMITTER_DATE")] {
        command.env(date, COMMITTED);
        command.env(format!("GIT_{role}_NAME"), "corpus").env(format!("GIT_{role}_EMAIL"), "corpus@example.org");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command, input: &[u8]) -> io::Result<Output> {
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    child.wait_with_output()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
