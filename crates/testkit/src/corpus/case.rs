//! One case: what is typed, and what BuildKit answered.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CorpusError, DEFAULT_PLATFORM, Entry, HttpAnswer, Repository, at, file_name, parse_toml};
use crate::canonical::{CanonicalImage, images_from_json};

/// A Dockerfile, how it is built, and what must come out.
#[derive(Clone, Debug)]
pub struct Case {
    /// `area/name`.
    pub name: String,
    /// The directory of the case.
    pub dir: PathBuf,
    /// The Dockerfile's bytes, exactly as stored.
    pub dockerfile: Vec<u8>,
    /// How it is built: the content of `case.toml`.
    pub request: Request,
    /// What BuildKit made of it.
    pub expectation: Expectation,
}

/// How a case is built: the content of `case.toml`, every field optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Request {
    /// `--file`: where the Dockerfile lies in the context; `Dockerfile` if nothing is said.
    pub dockerfile: Option<String>,
    /// Whether the Dockerfile lies in a directory of its own, outside of the context.
    #[serde(default)]
    pub dockerfile_outside: bool,
    /// `--target`.
    pub target: Option<String>,
    /// `--platform`; [`DEFAULT_PLATFORM`] if nothing is said.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// `--build-arg`.
    #[serde(default)]
    pub build_args: BTreeMap<String, String>,
    /// `--label`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--secret`: what each id holds.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// `--allow`.
    #[serde(default)]
    pub allow: Vec<String>,
    /// `--network`.
    pub network: Option<String>,
    /// `--add-host`: names and addresses.
    #[serde(default)]
    pub add_hosts: BTreeMap<String, String>,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`: soft and hard limit by name.
    #[serde(default)]
    pub ulimits: BTreeMap<String, (i64, i64)>,
    /// The files of the build context.
    #[serde(default)]
    pub context: Vec<Entry>,
    /// The context is what the case's server has at this path (an archive, a Dockerfile, or a repository with `#` and what
    /// may follow), the Dockerfile in it included. `context` is of no use then.
    pub context_url: Option<String>,
    /// What a server answers while the case is built; its address is the build argument `SERVER`.
    #[serde(default)]
    pub http: Vec<HttpAnswer>,
    /// Repositories that the same server offers.
    #[serde(default)]
    pub git: Vec<Repository>,
    /// `--build-context`, by name.
    #[serde(default)]
    pub named_contexts: BTreeMap<String, ContextSource>,
}

/// What a named context is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ContextSource {
    /// A directory with these files.
    Directory(Vec<Entry>),
    /// `docker-image://BASE`.
    DockerImage(String),
    /// `oci-layout://` of a base.
    OciLayout(String),
}

/// What BuildKit made of a case.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// An image for each platform.
    Images(BTreeMap<String, CanonicalImage>),
    /// A refusal.
    Error(ExpectedError),
}

/// BuildKit's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedError {
    /// The first line it marks in the Dockerfile, from one; `None` if it marks no line.
    pub line: Option<u32>,
    /// What it says.
    pub message: String,
}

impl Case {
    /// Loads the case in `dir` with its expectation.
    ///
    /// # Errors
    /// When a file is missing or not valid.
    pub fn load(dir: &Path) -> Result<Self, CorpusError> {
        let mut case = Self::load_request(dir)?;
        case.expectation = Expectation::load(dir)?;
        Ok(case)
    }

    /// Loads the case in `dir` while nobody knows yet what must come out.
    ///
    /// # Errors
    /// When the Dockerfile is missing or `case.toml` is not valid.
    pub fn load_request(dir: &Path) -> Result<Self, CorpusError> {
        let dockerfile = dir.join("Dockerfile");
        let options = dir.join("case.toml");
        let area = dir.parent().map(file_name).unwrap_or_default();
        Ok(Self {
            name: format!("{area}/{}", file_name(dir)),
            dir: dir.to_owned(),
            dockerfile: at(&dockerfile, fs::read(&dockerfile))?,
            request: if options.exists() { parse_toml(&options)? } else { Request::default() },
            expectation: Expectation::Images(BTreeMap::new()),
        })
    }

    /// The platforms to build for, never none.
    #[must_use]
    pub fn platforms(&self) -> Vec<String> {
        match self.request.platforms.as_slice() {
            [] => vec![DEFAULT_PLATFORM.to_owned()],
            platforms => platforms.to_vec(),
        }
    }
}

impl Expectation {
    fn load(dir: &Path) -> Result<Self, CorpusError> {
        let images = dir.join("expected.json");
        let error = dir.join("expected-error.txt");
        if images.exists() {
            let text = at(&images, fs::read_to_string(&images))?;
            let parsed = images_from_json(&text);
            let invalid = |source| CorpusError::Json { path: images, source };
            return Ok(Self::Images(parsed.map_err(invalid)?));
        }
        if !error.exists() {
            return Err(CorpusError::NoExpectation(dir.to_owned()));
        }
        let text = at(&error, fs::read_to_string(&error))?;
        let parsed = ExpectedError::parse(&text);
        Ok(Self::Error(parsed.ok_or(CorpusError::ErrorPlace(error))?))
    }
}

impl ExpectedError {
    /// Reads the form `Dockerfile:LINE` (or `Dockerfile`), newline, message.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (place, message) = text.split_once('\n')?;
        let line = match place.strip_prefix("Dockerfile")? {
            "" => None,
            line => Some(line.strip_prefix(':')?.parse().ok()?),
        };
        let message = message.trim_end().to_owned();
        Some(Self { line, message })
    }
}
