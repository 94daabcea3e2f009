//! What git says: the only module of this room that reads a repository. No git program is needed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gix::bstr::{BString, ByteSlice};
use gix::dir::walk::EmissionMode;
use gix::status::{Submodule, UntrackedFiles};
use oci::calendar::Utc;

use super::Error;

/// The repository that holds a directory.
pub struct Repository {
    repository: gix::Repository,
    /// The root of the working tree, without links in it.
    root: PathBuf,
}

/// A version as Go's modules know them: `v1.2.3`, with or without more behind it.
const VERSION: &str = "v[0-9].[0-9].[0-9]*";

impl Repository {
    /// The repository that `path` is in, if any. A submodule is a repository of its own.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn find(path: &Path) -> Result<Option<Self>, Error> {
        let path = path.canonicalize().map_err(Error::read(path))?;
        if !path.ancestors().any(|above| above.join(".git").exists()) {
            return Ok(None);
        }
        let start = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(&path) };
        let repository = gix::discover(start).map_err(|error| Error::git(&path, error))?;
        let Some(root) = repository.workdir() else { return Ok(None) };
        let root = root.canonicalize().map_err(Error::read(root))?;
        Ok(Some(Self { repository, root }))
    }

    /// The root of the working tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The hash of what `commit` has at `path`: of a directory's tree, of a file's content, of a submodule's commit.
    ///
    /// # Errors
    /// When the commit is not there, or has nothing at `path`.
    pub fn tree_hash(&self, path: &Path, commit: &str) -> Result<String, Error> {
        let below = self.below(path)?;
        let failed = |error: gix::Error| Error::git(path, error);
        let tree = self.commit(path, commit)?.tree().map_err(failed)?;
        if below.as_os_str().is_empty() {
            return Ok(tree.id().to_string());
        }
        let entry = tree.lookup_entry_by_path(&below).map_err(failed)?;
        let missing = || Error::NotCommitted { path: path.to_owned(), commit: commit.to_owned() };
        Ok(entry.ok_or_else(missing)?.object_id().to_string())
    }

    /// The full hash of the commit that is checked out.
    ///
    /// # Errors
    /// When nothing was ever committed.
    pub fn head(&self) -> Result<String, Error> {
        Ok(self.commit(&self.root, "HEAD")?.id().to_string())
    }

    /// Whether files at `path` differ from the commit that is checked out, or are unknown to git and not ignored.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn is_dirty(&self, path: &Path) -> Result<bool, Error> {
        let failed = |error: gix::Error| Error::git(path, error);
        let status = self.repository.status(gix::progress::Discard).map_err(failed)?;
        let submodules = Submodule::AsConfigured { check_dirty: false };
        let status = status.untracked_files(UntrackedFiles::Files).index_worktree_submodules(submodules);
        let mut changes = status.into_iter(self.pattern(path)?).map_err(failed)?;
        changes.next().transpose().map(|change| change.is_some()).map_err(failed)
    }

    /// The files at `path` that git tracks, and those that it would if asked to: not what is ignored. Relative to the root.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(crate) fn files(&self, path: &Path) -> Result<BTreeSet<PathBuf>, Error> {
        let failed = |error: gix::Error| Error::git(path, error);
        let below = self.below(path)?;
        let index = self.repository.index_or_empty().map_err(failed)?;
        let mut files = BTreeSet::new();
        for entry in index.entries() {
            let file = native(entry.path(&index));
            if file.starts_with(&below) {
                files.insert(file);
            }
        }
        let options = self.repository.dirwalk_options().map_err(failed)?.emit_untracked(EmissionMode::Matching);
        let mut found = gix::dir::walk::delegate::Collect::default();
        let stop = AtomicBool::new(false);
        self.repository.dirwalk(&index, self.pattern(path)?, &stop, options, &mut found).map_err(failed)?;
        files.extend(found.into_entries_by_path().iter().map(|(entry, _)| native(entry.rela_path.as_bstr())));
        Ok(files)
    }

    /// The tags that name the commit that is checked out, sorted.
    ///
    /// # Errors
    /// When tags cannot be read.
    pub fn tags(&self) -> Result<Vec<String>, Error> {
        let head = self.commit(&self.root, "HEAD")?.id().detach();
        let mut tags = self.tags_by(|id| id == head)?;
        tags.sort();
        Ok(tags)
    }

    /// GOPKGVERSION: the version tag of the commit, else the nearest one before it with the commit's time, in UTC, and
    /// hash. `None` when the history was cut before one was found.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn go_version(&self) -> Result<Option<String>, Error> {
        let failed = |error: gix::Error| Error::git(&self.root, error);
        let head = self.commit(&self.root, "HEAD")?;
        let versions = self.version_tags()?;
        let version = |id: gix::ObjectId| versions.iter().rfind(|(at, _)| *at == id).map(|(_, name)| name.clone());
        if let Some(version) = version(head.id().detach()) {
            return Ok(Some(version));
        }
        let mut base = None;
        if !versions.is_empty() {
            let newest = gix::traverse::commit::simple::CommitTimeOrder::NewestFirst;
            let sorting = gix::revision::walk::Sorting::ByCommitTime(newest);
            for commit in self.repository.rev_walk([head.id()]).sorting(sorting).all().map_err(failed)? {
                base = version(commit.map_err(failed)?.id);
                if base.is_some() {
                    break;
                }
            }
        }
        if base.is_none() && self.repository.is_shallow().map_err(failed)? {
            return Ok(None);
        }
        let time = utc(head.time().map_err(failed)?.seconds);
        let hash = head.id().to_string();
        Ok(Some(format!("{}-{time}-{}", base.as_deref().unwrap_or("v0.0.0"), &hash[..12])))
    }

    /// Commits with version tags; of one commit's, the last is the highest.
    fn version_tags(&self) -> Result<Vec<(gix::ObjectId, String)>, Error> {
        let mut found = Vec::new();
        let mut names = self.tags_by(|_| true)?;
        names.retain(|name| is_version(name));
        names.sort_by_key(|name| numbers(name));
        for name in names {
            found.push((self.commit(&self.root, &format!("refs/tags/{name}"))?.id().detach(), name));
        }
        Ok(found)
    }

    fn tags_by(&self, wanted: impl Fn(gix::ObjectId) -> bool) -> Result<Vec<String>, Error> {
        let failed = |error: gix::Error| Error::git(&self.root, error);
        let references = self.repository.references().map_err(failed)?;
        let mut names = Vec::new();
        for tag in references.tags().map_err(failed)? {
            let mut tag = tag.map_err(|error| Error::git(&self.root, error))?;
            let name = tag.name().shorten().to_string();
            // A tag of something else than a commit names no version.
            if tag.peel_to_commit().is_ok_and(|commit| wanted(commit.id().detach())) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn commit(&self, path: &Path, spec: &str) -> Result<gix::Commit<'_>, Error> {
        let found = self.repository.rev_parse_single(spec).and_then(|id| id.object()?.peel_to_commit());
        found.map_err(|error| Error::NoCommit {
            commit: spec.to_owned(),
            path: path.to_owned(),
            reason: error.to_string(),
            shallow: self.repository.is_shallow().unwrap_or(false),
        })
    }

    /// `path` relative to the root of the working tree.
    pub(crate) fn below(&self, path: &Path) -> Result<PathBuf, Error> {
        let absolute = path.canonicalize().map_err(Error::read(path))?;
        let below = absolute.strip_prefix(&self.root);
        below.map(Path::to_owned).map_err(|_| Error::NoRepository(path.to_owned()))
    }

    /// What git is asked about: all, or just what `path` is.
    fn pattern(&self, path: &Path) -> Result<Option<BString>, Error> {
        let below = self.below(path)?;
        let mut pattern = BString::from(":(top,literal)");
        pattern.extend_from_slice(below.as_os_str().as_bytes());
        Ok((!below.as_os_str().is_empty()).then_some(pattern))
    }
}

fn native(path: &gix::bstr::BStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path))
}

fn is_version(name: &str) -> bool {
    gix::glob::wildmatch(VERSION.into(), name.into(), gix::glob::wildmatch::Mode::empty())
}

/// The numbers of a version, for its place among others.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// `yyyymmddhhmmss`, whatever the machine's time zone.
fn utc(seconds: i64) -> String {
    let Utc { year, month, day, hour, minute, second } = Utc::of_unix(seconds);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(utc(0), "19700101000000");
        assert_eq!(utc(951_827_696), "20000229123456");
        assert_eq!(utc(-1), "19691231235959");
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(is_version("v1.2.3") && is_version("v1.2.3-rc1") && is_version("v1.2.30"));
        assert!(!is_version("pkg-v1.2.3") && !is_version("v1.2") && !is_version("1.2.3"));
        assert!(numbers("v1.2.10") > numbers("v1.2.9"));
    }
}
