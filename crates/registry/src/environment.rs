//! The user's environment, as a value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variables and the system's root directory that configuration is looked up with.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    root: PathBuf,
}

impl Environment {
    /// This process's environment.
    #[must_use]
    pub fn current() -> Self {
        Self { variables: std::env::vars_os().collect(), root: PathBuf::from("/") }
    }

    /// An environment of these variables, with `/etc` looked for below `root`.
    pub fn new<K: Into<OsString>, V: Into<OsString>>(
        root: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, root: root.into() }
    }

    /// A variable that is set and not empty.
    pub(crate) fn var(&self, name: &str) -> Option<&OsString> {
        self.variables.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty())
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.var(name).map(PathBuf::from)
    }

    /// `relative` below the user's home directory, when there is one.
    pub(crate) fn home(&self, relative: &str) -> Option<PathBuf> {
        Some(self.path("HOME")?.join(relative))
    }

    /// `relative` below the user's configuration directory: `$XDG_CONFIG_HOME`, else `~/.config`.
    pub(crate) fn user_config(&self, relative: &str) -> Option<PathBuf> {
        let base = self.path("XDG_CONFIG_HOME").or_else(|| self.home(".config"))?;
        Some(base.join(relative))
    }

    /// Docker's configuration directory: `$DOCKER_CONFIG`, else `~/.docker`.
    pub(crate) fn docker(&self, relative: &str) -> Option<PathBuf> {
        let base = self.path("DOCKER_CONFIG").or_else(|| self.home(".docker"))?;
        Some(base.join(relative))
    }

    /// A file of the system, `relative` to its root directory.
    pub(crate) fn system(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }
}
