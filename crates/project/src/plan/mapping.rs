//! Virtual contexts: where the Dockerfile finds a file, and where it lies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_saphyr::Spanned;

use super::values::Values;
use super::{Around, Dependency, Error};
use crate::Input;

/// An image's context for one architecture, as it is made.
pub(crate) struct Mapping<'a> {
    around: &'a Around<'a>,
    /// The plan file.
    file: &'a Input,
    paths: BTreeMap<String, PathBuf>,
}

impl<'a> Mapping<'a> {
    pub(crate) fn new(file: &'a Input, around: &'a Around<'a>) -> Self {
        Self { around, file, paths: BTreeMap::new() }
    }

    /// Adds what an image lists. `per_architecture` tells whether a path is another for another architecture: that is also
    /// found in the directory that is named for it, `arch`.
    pub(crate) fn add(
        &mut self,
        dependency: &Spanned<Dependency>,
        values: &Values<'_>,
        arch: &str,
        per_architecture: bool,
    ) -> Result<(), Error> {
        let located = |error: Error| error.of(self.file, dependency);
        let path = values.expand(&dependency.value.path).map_err(located)?;
        let explicit =
            dependency.value.context.as_ref().map(|text| values.expand(text)).transpose().map_err(located)?;
        let real = self.around.root.join(&path);
        let names = match explicit {
            Some(name) => vec![clean(&name).map_err(located)?],
            None => {
                let name = last_component(&path).map_err(located)?;
                let in_directory = per_architecture.then(|| format!("{arch}/{name}"));
                [Some(name), in_directory].into_iter().flatten().collect()
            }
        };
        names
            .into_iter()
            .try_for_each(|name| self.insert(name, real.clone()))
            .map_err(|error| error.of(self.file, dependency))
    }

    fn insert(&mut self, name: String, real: PathBuf) -> Result<(), Error> {
        match self.paths.get(&name) {
            Some(other) if *other != real => {
                let candidates = [self.shown(other), self.shown(&real)];
                Err(Error::new(format!("{name:?} could be {} or {}", candidates[0], candidates[1]))
                    .or_hint(format!("say which, in a place of its own: `- some/{name}: {}`", candidates[1])))
            }
            _ => {
                self.paths.insert(name, real);
                Ok(())
            }
        }
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.around.root).unwrap_or(path).display().to_string()
    }

    /// The whole of it.
    pub(crate) fn finish(self) -> BTreeMap<String, PathBuf> {
        self.paths
    }
}

/// The name by which a plain path is found in the context.
fn last_component(path: &str) -> Result<String, Error> {
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        Error::new(format!("{path:?} has no last component to be found by"))
            .or_hint("write `- context/path: real/path`")
    })
}

/// A place in the context, without what is no name.
fn clean(name: &str) -> Result<String, Error> {
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match parts.contains(&"..") {
        true => Err(Error::new(format!("{name:?} leads out of the context"))),
        false => Ok(parts.join("/")),
    }
}

/// The targets for the project's command, each once.
pub(crate) fn targets<'d>(
    dependencies: impl Iterator<Item = &'d Spanned<Dependency>>,
    values: &Values<'_>,
) -> Result<BTreeSet<String>, Error> {
    dependencies.map(|dependency| values.expand(&dependency.value.path)).collect()
}
