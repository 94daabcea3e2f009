//! What was asked for, and what is around.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci::Platform;

/// What the command line says. Where a list is empty, the environment and the profile decide.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// `--hub`.
    pub hubs: Vec<String>,
    /// `--tag`.
    pub tags: Vec<String>,
    /// `--targets`.
    pub targets: Vec<String>,
    /// `--variants`.
    pub variants: Vec<String>,
    /// `--architectures`, such as linux/amd64.
    pub architectures: Vec<String>,
    /// `--push`.
    pub push: bool,
    /// `--save`.
    pub save: bool,
    /// `--qemu`: images that need emulation are built for other architectures too.
    pub qemu: bool,
    /// Values of the profile's variables, by the variable's name or by its flag's, without dashes.
    pub values: BTreeMap<String, String>,
}

/// What is read elsewhere, as values.
pub struct Around<'a> {
    /// The environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The project's root, that paths are relative to.
    pub root: PathBuf,
    /// This machine's platform.
    pub host: Platform,
    /// The text of a file, by its path from the root; nothing where there is none.
    pub read: &'a dyn Fn(&str) -> Option<String>,
}

impl Around<'_> {
    /// A variable of the environment that says something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
