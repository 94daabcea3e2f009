//! Where a remote's names stand, asked without fetching anything.

use std::path::Path;

use super::command::Git;
use super::{Error, GitSource};

/// A name of a remote and what it stands for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// In full (`refs/heads/main`), or the commit itself.
    pub name: String,
    /// The object that the name stands for: a commit, or an annotated tag.
    pub object: String,
    /// The commit that an annotated tag points at.
    pub tagged: Option<String>,
}

/// Asks the remote for what the build would fetch. A whole commit needs no asking.
///
/// # Errors
/// When the remote cannot be asked, has no such name, or stands elsewhere than the reference's checksum says.
pub fn resolve(remote: &GitSource, scratch: &Path) -> Result<Resolved, Error> {
    let resolved = match named_commit(remote)? {
        Some(resolved) => resolved,
        None => ask(remote, &Git::nowhere(scratch, remote.shown()))?,
    };
    match &remote.checksum {
        Some(expected) if !resolved.is(expected) => Err(Error::Checksum {
            remote: remote.shown(),
            expected: expected.clone(),
            actual: resolved.tagged.unwrap_or(resolved.object),
        }),
        _ => Ok(resolved),
    }
}

/// What is known without asking.
fn named_commit(remote: &GitSource) -> Result<Option<Resolved>, Error> {
    let direct = |name: String, object: String| Some(Resolved { name, object, tagged: None });
    if let Some(name) = remote.reference.as_ref().filter(|name| is_commit(name)) {
        return Ok(direct(name.clone(), name.clone()));
    }
    if !remote.fetch_by_commit {
        return Ok(None);
    }
    let Some(commit) = remote.checksum.as_ref().filter(|checksum| is_commit(checksum)) else {
        return Err(Error::Reference {
            reference: remote.shown(),
            reason: "fetch-by-commit needs the whole commit as its checksum".to_owned(),
        });
    };
    let name = remote.reference.as_ref().map_or_else(|| commit.clone(), |name| in_full(name));
    Ok(direct(name, commit.clone()))
}

fn in_full(name: &str) -> String {
    if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") }
}

fn ask(remote: &GitSource, git: &Git) -> Result<Resolved, Error> {
    let name = match &remote.reference {
        Some(name) => name.clone(),
        None => default_branch(remote, git)?,
    };
    let answer = git.run(&["ls-remote", "--", &remote.remote, &name, &format!("{name}^{{}}")])?;
    pick(&answer, &name).ok_or_else(|| Error::NoSuchRef { remote: remote.shown(), name })
}

fn default_branch(remote: &GitSource, git: &Git) -> Result<String, Error> {
    let answer = git.run(&["ls-remote", "--symref", "--", &remote.remote, "HEAD"])?;
    let branch = answer.lines().find_map(|line| line.strip_prefix("ref: ")?.strip_suffix("\tHEAD"));
    let branch = branch.filter(|name| name.starts_with("refs/heads/"));
    branch.map(str::to_owned).ok_or_else(|| Error::NoSuchRef { remote: remote.shown(), name: "HEAD".to_owned() })
}

/// The one reference that is meant: in full, else a branch, else a tag, as `git checkout` prefers them.
fn pick(answer: &str, name: &str) -> Option<Resolved> {
    let object = |wanted: &str| {
        let mut lines = answer.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(object, found)| *found == wanted && is_commit(object)).map(|(object, _)| object.to_owned())
    };
    let under = |prefix: &str| format!("{prefix}{}", name.strip_prefix(prefix).unwrap_or(name));
    [under("refs/"), under("refs/heads/"), under("refs/tags/")].into_iter().find_map(|name| {
        let tagged = if name.starts_with("refs/tags/") { object(&format!("{name}^{{}}")) } else { None };
        Some(Resolved { object: object(&name)?, tagged, name })
    })
}

/// Whether `name` is a whole SHA-1 or SHA-256 object name.
pub(super) fn is_commit(name: &str) -> bool {
    matches!(name.len(), 40 | 64) && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Resolved {
    /// The commit, as far as asking tells.
    #[must_use]
    pub fn commit(&self) -> &str {
        self.tagged.as_deref().unwrap_or(&self.object)
    }

    fn is(&self, checksum: &str) -> bool {
        self.object.starts_with(checksum) || self.tagged.as_deref().is_some_and(|commit| commit.starts_with(checksum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(letter: char) -> String {
        letter.to_string().repeat(40)
    }

    #[test]
    fn a_branch_goes_before_a_tag_of_the_same_name() {
        let answer = format!("{}\trefs/tags/x\n{}\trefs/heads/x\n", object('a'), object('b'));
        assert_eq!(pick(&answer, "x").expect("found").object, object('b'));
        assert_eq!(pick(&answer, "tags/x").expect("found").object, object('a'));
        assert_eq!(pick(&answer, "y"), None);
    }

    #[test]
    fn an_annotated_tag_names_its_commit() {
        let answer = format!("{}\trefs/tags/x\n{}\trefs/tags/x^{{}}\n", object('a'), object('b'));
        let resolved = pick(&answer, "x").expect("found");
        assert_eq!(resolved.commit(), object('b'));
        assert!(resolved.is("aaa") && resolved.is("bbb") && !resolved.is("ccc"));
    }

    #[test]
    fn what_is_no_object_name_is_not_believed() {
        assert_eq!(pick("--upload-pack=x\trefs/heads/x\n", "x"), None);
    }
}
