//! Bake files and compose files: targets and groups, resolved.
//!
//! [`resolve`] reads the texts in [`Options`] and says what is to be built, as `docker buildx bake --print` does. Everything
//! that has an influence is in the options: texts, the environment, the clock. The way of the data, file by file:
//!
//! 1. `syntax`: HCL or JSON as blocks, attributes and expressions, each with its place;
//! 2. `definition`: which block defines what; `world` evaluates it when somebody asks (`eval`, `functions`, `types`);
//! 3. `compose`: compose files as the same targets;
//! 4. `resolve`: groups, inheritance, `--set` (`overrides`), contexts that are targets.

mod clock;
mod compose;
mod csv;
mod definition;
mod entry;
mod error;
mod eval;
mod functions;
mod json;
mod limits;
mod list;
mod matrix;
mod number;
mod overrides;
mod resolve;
mod syntax;
mod target;
mod types;
mod value;
mod world;

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use crate::Input;
use definition::{Blocks, Definition};
pub use entry::{Attest, Entry, Secret, Ssh};
pub use error::Error;
pub use list::{ListFormat, Variable};
pub use resolve::local;
pub use target::Target;

/// The names that are looked for when no file is named, in this order; all that are there count.
pub const DEFAULT_FILES: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// All that has an influence on what is built.
pub struct Options<'a> {
    /// The files, later ones over earlier ones.
    pub inputs: Vec<Input>,
    /// What is asked for: targets, groups, wildcards; nothing is `default`.
    pub targets: Vec<String>,
    /// `--set`.
    pub sets: Vec<String>,
    /// `--var`: comes before the environment.
    pub vars: Vec<String>,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file that a compose file needs: `.env` beside the caller, and what `env_file` names. None if there is none.
    pub read: &'a dyn Fn(&str) -> Option<String>,
    /// `BAKE_LOCAL_PLATFORM`.
    pub local_platform: String,
    /// `BAKE_CMD_CONTEXT`; the working directory if there is none.
    pub command_context: Option<String>,
    /// The clock.
    pub now: SystemTime,
}

/// Targets under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Targets and groups.
    pub targets: Vec<String>,
}

/// What is to be built.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bake {
    /// The groups that were asked for; `default` is what was named.
    #[serde(rename = "group", skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// The targets, whole; those that are only contexts of others, too.
    #[serde(rename = "target")]
    pub targets: BTreeMap<String, Target>,
    #[serde(skip)]
    wanted: Vec<String>,
}

impl Bake {
    /// What `docker buildx bake --print` writes to standard output.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::pretty(self)
    }

    /// The targets that were asked for; all others are only contexts of these.
    #[must_use]
    pub fn wanted(&self) -> &[String] {
        &self.wanted
    }
}

impl Options<'_> {
    /// A variable of the environment, unless looking there was switched off.
    fn variable_of_environment(&self, name: &str) -> Option<String> {
        let off = (self.environment)("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP").and_then(|text| types::go_bool(&text));
        if off == Some(true) { None } else { (self.environment)(name) }
    }

    /// Seconds since 1970.
    fn unix_time(&self) -> i64 {
        let since = self.now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        i64::try_from(since).unwrap_or(i64::MAX)
    }

    /// `--var`, by name.
    fn overrides(&self) -> Result<BTreeMap<String, String>, Error> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(Error::new(format!("{text:?} sets no variable")).with_hint("--var NAME=VALUE")),
        };
        self.vars.iter().filter(|text| !text.is_empty()).map(pair).collect()
    }

    fn define(&self) -> Result<Definition, Error> {
        let (composes, bakes): (Vec<_>, Vec<_>) = self.inputs.iter().enumerate().partition(|(_, it)| compose::is(it));
        let compose = compose::read(&composes, self)?;
        let bodies = bakes.iter().map(|(file, input)| syntax::parse(*file, input)).collect::<Result<_, _>>()?;
        Definition::read(self, &Blocks::of(bodies)?, compose)
    }
}

/// Reads the files and says what is to be built.
///
/// # Errors
/// When a file cannot be understood, or what is asked for is not in it.
pub fn resolve(options: &Options<'_>) -> Result<Bake, Error> {
    let resolved = options.define().and_then(|definition| resolve::resolve(options, &definition));
    resolved.map_err(|error| error.located(&options.inputs))
}

/// What `--list=targets` prints.
///
/// # Errors
/// As [`resolve`].
pub fn list_targets(options: &Options<'_>, format: ListFormat) -> Result<String, Error> {
    let listed = options.define().map(|definition| list::targets(&definition, format));
    listed.map_err(|error| error.located(&options.inputs))
}

/// What `--list=variables` prints.
///
/// # Errors
/// As [`resolve`].
pub fn list_variables(options: &Options<'_>, format: ListFormat) -> Result<String, Error> {
    let listed = options.define().map(|definition| list::variables(&definition, format));
    listed.map_err(|error| error.located(&options.inputs))
}

/// Whether the file is a bake file or a compose file, and no plan: a plan is a mapping in YAML with a list of `images`.
#[must_use]
pub fn is_bake(input: &Input) -> bool {
    !compose::is_plan(input)
}
