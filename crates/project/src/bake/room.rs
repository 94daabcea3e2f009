//! Bake files and compose files: targets and groups, resolved.
//!
//! Everything that has an influence is in the [`Input`]: files, the environment, the clock. [`Definition::read`] takes the files
//! in, [`Definition::resolve`] says what is to be built, as `docker buildx bake --print` does.

mod clock;
mod compose;
mod document;
mod entry;
mod error;
mod expr;
mod functions;
mod json;
mod overrides;
mod resolve;
mod target;
mod text;
mod value;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub use entry::{Entry, Secret, Ssh};
pub use error::{Error, Place};
pub use target::Target;
use value::Value;

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

/// A file and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its name: the extension says how it is read.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// All that a definition is made of.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The files, later ones over earlier ones.
    pub files: Vec<File>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// `--var`: comes before the environment.
    pub variables: BTreeMap<String, String>,
    /// `BAKE_CMD_CONTEXT`.
    pub cmd_context: String,
    /// `BAKE_LOCAL_PLATFORM`.
    pub local_platform: String,
    /// Seconds since 1970.
    pub now: i64,
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

/// A variable, as `--list=variables` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its type, when it has one.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its value; none for null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Variable {
    fn new(name: &str, kind: Option<String>, value: &Value, description: Option<String>) -> Self {
        let value = match value {
            Value::Null => None,
            Value::List(_) | Value::Object(_) => Some(json::compact(&value.json())),
            plain => plain.text().ok(),
        };
        Self { name: name.to_owned(), description, kind, value }
    }
}

/// What the files say, nothing chosen yet.
#[derive(Debug, Clone, Default)]
pub struct Definition {
    /// Groups, in the order of the files.
    pub groups: Vec<(String, Group)>,
    /// Targets, in the order of the files; what they inherit is not in them yet.
    pub targets: Vec<(String, Target)>,
    /// Variables, by name.
    pub variables: Vec<Variable>,
}

/// What is to be built.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Resolved {
    /// The groups that were asked for; `default` is what the command line named.
    #[serde(rename = "group", skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// The targets, whole.
    #[serde(rename = "target")]
    pub targets: BTreeMap<String, Target>,
}

impl Resolved {
    /// As `docker buildx bake --print` prints it.
    #[must_use]
    pub fn print(&self) -> String {
        json::pretty(&serde_json::to_value(self).unwrap_or_default())
    }
}

impl Definition {
    /// Reads and evaluates the files.
    pub fn read(input: &Input) -> Result<Self, Error> {
        let (compose, bake): (Vec<_>, Vec<_>) = input.files.iter().enumerate().partition(|(_, file)| compose::is(file));
        let mut definition = Self::default();
        if !compose.is_empty() {
            let files: Vec<&File> = compose.into_iter().map(|(_, file)| file).collect();
            definition = compose::read(&files, input)?;
        }
        let read = |(at, file): (usize, &File)| document::read(file).map(|body| (at, body));
        let bodies = bake.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let files = world::Files::new(input, &bodies)?;
        definition.variables = files.variables()?;
        definition.take(files.groups()?, files.targets()?);
        Ok(definition)
    }

    /// Bake files come after compose files.
    fn take(&mut self, groups: Vec<(String, Group)>, targets: Vec<(String, Target)>) {
        for (name, group) in groups {
            match self.groups.iter_mut().find(|(other, _)| *other == name) {
                Some((_, earlier)) => *earlier = group,
                None => self.groups.push((name, group)),
            }
        }
        for (name, target) in targets {
            match self.targets.iter_mut().find(|(other, _)| *other == name) {
                Some((_, earlier)) => earlier.merge(&target),
                None => self.targets.push((name, target)),
            }
        }
        for (_, group) in &mut self.groups {
            let mut seen = Vec::new();
            group.targets.retain(|name| !seen.contains(name) && { seen.push(name.clone()); true });
        }
    }
}
