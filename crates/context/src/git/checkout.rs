//! Fetching one commit and laying its files out.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use layer::{SourceTree, Timestamp, TreeError};
use rootfs::TreePath;
use tempfile::TempDir;

use super::command::Git;
use super::resolve::{Resolved, is_commit, resolve};
use super::{Error, GitSource};
use crate::Directory;

/// A commit's files, in a temporary directory that goes when this goes.
pub struct Checkout {
    /// The commit.
    pub commit: String,
    /// The commit's time, which all files carry.
    pub time: Timestamp,
    tree: Directory,
    _files: TempDir,
}

impl Checkout {
    /// The files, owned by root.
    #[must_use]
    pub fn tree(&self) -> &Directory {
        &self.tree
    }
}

/// Fetches what `remote` names, without history, into a temporary directory in `scratch`.
///
/// BuildKit gives files the time of the checkout unless asked for the commit's; that would make each build differ, so the
/// commit's time it is, always.
///
/// # Errors
/// When git is missing or fails, the name is unknown, the commit is not the promised one, or the directory is not there.
pub fn checkout(remote: &GitSource, scratch: &Path) -> Result<Checkout, crate::Error> {
    let resolved = resolve(remote, scratch)?;
    let files = TempDir::with_prefix_in("git-", scratch).map_err(|source| crate::Error::scratch(scratch, source))?;
    // Without effect when only a directory is wanted, as in BuildKit.
    let keep = remote.keep_git_dir == Some(true) && remote.subdirectory.is_none();
    let git = prepare(remote, files.path(), keep)?;
    let (commit, time) = fill(&git, remote, &resolved)?;
    if keep {
        tidy(&git)?;
    }
    let tree = open(&git, remote)?.with_mtime(time);
    Ok(Checkout { commit, time, tree, _files: files })
}

fn prepare(remote: &GitSource, files: &Path, keep: bool) -> Result<Git, crate::Error> {
    let work_tree = files.join("tree");
    let git_dir = if keep { work_tree.join(".git") } else { files.join("git") };
    fs::create_dir(&work_tree).map_err(|source| crate::Error::scratch(&work_tree, source))?;
    set_mode(&work_tree, 0o755)?;
    Ok(Git { work_tree, git_dir, scratch: files.to_owned(), shown: remote.shown() })
}

fn set_mode(directory: &Path, mode: u32) -> Result<(), crate::Error> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(directory, mode).map_err(|source| crate::Error::scratch(directory, source))
}

/// Fetches, checks out, and says which commit it is and of when.
fn fill(git: &Git, remote: &GitSource, resolved: &Resolved) -> Result<(String, Timestamp), Error> {
    let format = if resolved.object.len() == 64 { "sha256" } else { "sha1" };
    git.run(&[
        "-c",
        "init.defaultBranch=master",
        "init",
        "--quiet",
        "--template=",
        &format!("--object-format={format}"),
    ])?;
    git.run(&["remote", "add", "--", "origin", &remote.remote])?;
    fetch(git, resolved)?;
    let commit = commit_of(git, &resolved.object)?;
    git.run(&["checkout", "--quiet", "--detach", &commit])?;
    if remote.submodules != Some(false) && git.work_tree.join(".gitmodules").symlink_metadata().is_ok() {
        git.run(&["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"])?;
    }
    let time = git.run(&["log", "-1", "--format=%ct", &commit])?;
    let seconds = time.trim().parse().map_err(|_| git.answered("a commit without a time"))?;
    Ok((commit, Timestamp::from_seconds(seconds)))
}

fn fetch(git: &Git, resolved: &Resolved) -> Result<(), Error> {
    let shallow = ["fetch", "--quiet", "--update-head-ok", "--depth=1", "--no-tags", "--", "origin"];
    let keep = format!("+{}:{}", resolved.object, resolved.name);
    let wanted = if is_commit(&resolved.name) { &resolved.object } else { &keep };
    let all = ["fetch", "--quiet", "--update-head-ok", "--tags", "--", "origin", "+refs/heads/*:refs/remotes/origin/*"];
    match git.run(&[&shallow[..], &[wanted.as_str()]].concat()) {
        // Not every server hands out a commit by its name, and dumb ones know no depth: then everything is fetched.
        Err(Error::Failed { words, .. }) if refuses(&words) => git.run(&all).map(drop),
        done => done.map(drop),
    }
}

fn refuses(words: &str) -> bool {
    ["not our ref", "unadvertised object", "shallow", "--depth"].iter().any(|sign| words.contains(sign))
}

fn commit_of(git: &Git, object: &str) -> Result<String, Error> {
    let missing = || Error::NoSuchRef { remote: git.shown.clone(), name: object.to_owned() };
    let commit =
        git.run(&["rev-parse", "--verify", "--quiet", &format!("{object}^{{commit}}")]).map_err(|_| missing())?;
    let commit = commit.trim();
    if is_commit(commit) { Ok(commit.to_owned()) } else { Err(missing()) }
}

/// Leaves in `.git` neither credentials nor traces of how it was fetched.
fn tidy(git: &Git) -> Result<(), crate::Error> {
    git.run(&["remote", "set-url", "origin", &git.shown])?;
    git.run(&["reflog", "expire", "--all", "--expire=now"])?;
    let trace = git.git_dir.join("FETCH_HEAD");
    match fs::remove_file(&trace) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(crate::Error::scratch(&trace, error)),
        _ => Ok(()),
    }
}

/// The wanted directory, which must be one by its own: a link in a repository leads nowhere.
fn open(git: &Git, remote: &GitSource) -> Result<Directory, crate::Error> {
    let whole = Directory::open(&git.work_tree, None)?;
    let directory = TreePath::clean(remote.subdirectory.as_deref().unwrap_or_default()).map_err(TreeError::from)?;
    let mut below = PathBuf::from(&git.work_tree);
    let mut path = TreePath::root();
    for name in directory.components() {
        path = path.join(name)?;
        below.push(OsStr::from_bytes(name));
        let is_directory = whole.entry(&path)?.is_some_and(|entry| entry.is_dir());
        if !is_directory || path.as_bytes().starts_with(b".git/") || path.as_bytes() == b".git" {
            let directory = remote.subdirectory.clone().unwrap_or_default();
            return Err(Error::NoSuchDirectory { remote: remote.shown(), directory }.into());
        }
    }
    if directory.is_root() { Ok(whole) } else { Directory::open(&below, None) }
}

impl Git {
    fn answered(&self, what: &str) -> Error {
        Error::Answer { remote: self.shown.clone(), what: what.to_owned() }
    }
}
