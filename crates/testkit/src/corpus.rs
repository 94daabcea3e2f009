//! The corpus: small Dockerfiles with what BuildKit makes of them.
//!
//! A case is a directory with a `Dockerfile`, an optional `case.toml` and an expectation;
//! `corpus/README.md` describes the files. This module finds the cases, writes their contexts and
//! base images to disk, and loads the expectations. Running a builder is the caller's business:
//!
//! ```no_run
//! use shipsmith_testkit::corpus::{self, Expectation};
//!
//! let corpus = corpus::Corpus::open(&corpus::root())?;
//! for case in corpus.cases()? {
//!     let dir = tempfile::tempdir()?;
//!     let ready = corpus.materialize(&case, dir.path())?;
//!     // build `ready.dockerfile` with `ready.context_dir`, `ready.build_args`, the rest of
//!     // `case.request`, and bases from `ready.base_layouts`; then compare with the expectation:
//!     match &case.expectation {
//!         Expectation::Images(images) => { /* images["linux/amd64"].differences(&ready.canonical(&actual)) */ }
//!         Expectation::Error(error) => { /* error.line, error.message */ }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base;
mod case;
mod entry;
mod git;
mod judge;
mod lint;
mod materialize;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use base::{Base, BaseImage, BaseLayer};
pub use case::{Case, ContextSource, Expectation, ExpectedError, Request};
pub use entry::{Entry, EntryKind};
pub use git::{Commit, Repository};
pub use judge::{Verdict, date};
pub use lint::LintFinding;
pub use materialize::{MaterializedCase, NamedContext};
pub use server::{HttpAnswer, Server};

/// The platform a case is built for when it names none.
pub const DEFAULT_PLATFORM: &str = "linux/amd64";

/// Where the repository keeps its corpus.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

/// A directory of cases and of the base images they use.
#[derive(Clone, Debug)]
pub struct Corpus {
    root: PathBuf,
    bases: BTreeMap<String, Base>,
}

impl Corpus {
    /// Opens the corpus in `root` and reads its base images.
    ///
    /// # Errors
    /// When a file is missing or not valid.
    pub fn open(root: &Path) -> Result<Self, CorpusError> {
        let mut bases = BTreeMap::new();
        for path in list(&root.join("bases"))? {
            let name = file_name(&path);
            if let Some(name) = name.strip_suffix(".toml") {
                bases.insert(name.to_owned(), parse_toml(&path)?);
            }
        }
        let root = root.to_owned();
        Ok(Self { root, bases })
    }

    /// The base images, by the name a Dockerfile uses after FROM.
    #[must_use]
    pub fn bases(&self) -> &BTreeMap<String, Base> {
        &self.bases
    }

    /// Every case with its expectation, in the order of its name (`area/name`).
    ///
    /// # Errors
    /// When a case is incomplete or not valid.
    pub fn cases(&self) -> Result<Vec<Case>, CorpusError> {
        let dirs = self.case_dirs()?;
        dirs.iter().map(|dir| Case::load(dir)).collect()
    }

    /// What BuildKit's linter finds in the cases that build, by the case's name. What is absent was not observed.
    ///
    /// # Errors
    /// When `expected-lint.txt` is missing or not valid.
    pub fn lint_findings(&self) -> Result<BTreeMap<String, Vec<LintFinding>>, CorpusError> {
        let path = self.root.join("expected-lint.txt");
        let text = at(&path, fs::read_to_string(&path))?;
        lint::parse(&text).ok_or(CorpusError::Lint(path))
    }

    /// The directories of all cases, sorted.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub fn case_dirs(&self) -> Result<Vec<PathBuf>, CorpusError> {
        let mut dirs = Vec::new();
        for area in list(&self.root.join("cases"))? {
            dirs.extend(list(&area)?);
        }
        Ok(dirs)
    }

    /// Writes the context, the named contexts and the base images of a case below `dir`.
    ///
    /// # Errors
    /// When something cannot be written or the case names a base that the corpus does not have.
    pub fn materialize(&self, case: &Case, dir: &Path) -> Result<MaterializedCase, CorpusError> {
        materialize::materialize(&self.bases, case, dir)
    }
}

/// Why the corpus cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CorpusError {
    #[error("cannot access {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} is not valid: {source}", path.display())]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{} is not valid: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{} has neither expected.json nor expected-error.txt", .0.display())]
    NoExpectation(PathBuf),
    #[error("{} does not begin with `Dockerfile:LINE` or `Dockerfile`", .0.display())]
    ErrorPlace(PathBuf),
    #[error("{} has a line that is neither `AREA/NAME: LINES RULE DETAIL` nor `AREA/NAME: nothing`", .0.display())]
    Lint(PathBuf),
    #[error("{case} uses the base {base}, which corpus/bases does not have")]
    UnknownBase { case: String, base: String },
}

/// Attaches the path to an I/O error.
fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T, CorpusError> {
    result.map_err(|source| CorpusError::Io { path: path.to_owned(), source })
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let entries = at(dir, fs::read_dir(dir))?;
    let mut paths = entries.map(|entry| at(dir, entry).map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn parse_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, CorpusError> {
    let text = at(path, fs::read_to_string(path))?;
    toml::from_str(&text).map_err(|source| CorpusError::Toml { path: path.to_owned(), source: Box::new(source) })
}
