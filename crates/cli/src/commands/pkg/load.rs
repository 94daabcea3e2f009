//! Packages with all that their builds need: arguments, Dockerfiles, what comes first, and the full hash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use engine::Engine;
use oci::{Digest, Reference};
use project::pkg::args::{self, Resolved};
use project::pkg::{Error, Ingredient, Options, Package};

use super::super::runtime::block_on;
use crate::args::HashScheme;
use crate::failure::Failure;

/// A package, ready to be built.
pub(super) struct Loaded {
    pub(super) package: Package,
    /// The Dockerfile, below the package's directory.
    pub(super) dockerfile: String,
    /// Build arguments, later ones over earlier ones.
    pub(super) args: Vec<(String, String)>,
    /// The names of images that have to be there first.
    needs: BTreeSet<Reference>,
}

/// How packages are loaded.
pub(super) struct Loader<'a> {
    pub(super) options: Options,
    pub(super) scheme: HashScheme,
    pub(super) dockerfile: Option<String>,
    pub(super) arg_files: Vec<PathBuf>,
    /// Where bases are looked up, for the full hash.
    pub(super) engine: Option<&'a Engine>,
    known: BTreeMap<PathBuf, Loaded>,
    /// Those being loaded, each because of the one before.
    under_way: Vec<PathBuf>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(options: Options, scheme: HashScheme, engine: Option<&'a Engine>) -> Self {
        let (known, under_way) = (BTreeMap::new(), Vec::new());
        Self { options, scheme, dockerfile: None, arg_files: Vec::new(), engine, known, under_way }
    }

    /// The packages in `paths`, in an order in which each comes after those it needs, with the places of these.
    pub(super) fn all(mut self, paths: &[PathBuf]) -> Result<Vec<(Loaded, BTreeSet<usize>)>, Failure> {
        let mut directories: Vec<PathBuf> = Vec::new();
        for path in paths {
            let directory = self.load(path)?;
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
        let mut loaded = Vec::new();
        for directory in directories {
            loaded.extend(self.known.remove(&directory));
        }
        sorted(loaded)
    }

    /// Loads a package, unless it is known; returns its directory.
    fn load(&mut self, path: &Path) -> Result<PathBuf, Failure> {
        let directory = fs::canonicalize(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        if self.known.contains_key(&directory) {
            return Ok(directory);
        }
        if let Some(at) = self.under_way.iter().position(|one| *one == directory) {
            let way: Vec<String> = self.under_way[at..].iter().map(|one| one.display().to_string()).collect();
            let message = format!("packages need each other: {} -> {}", way.join(" -> "), directory.display());
            return Err(Error::Conflict { message, hint: "break the circle".into() }.into());
        }
        self.under_way.push(directory.clone());
        let loaded = self.one(&directory)?;
        self.under_way.pop();
        self.known.insert(directory.clone(), loaded);
        Ok(directory)
    }

    fn one(&mut self, directory: &Path) -> Result<Loaded, Failure> {
        let mut package = project::pkg::load(directory, &self.options)?;
        let mut resolved = self.resolve(&package.build_args)?;
        for file in self.arg_files.clone() {
            let more = self.resolve(&args::read(&file)?)?;
            resolved.values.extend(more.values);
            resolved.packages.extend(more.packages);
        }
        let dockerfile = package.dockerfile(self.dockerfile.as_deref())?;
        let path = directory.join(&dockerfile);
        let text = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let bases = project::pkg::bases(&path.display().to_string(), &text, &resolved.values)?;
        if self.scheme == HashScheme::Full {
            self.full_hash(&mut package, &text, &resolved, &bases)?;
        }
        let mut needs = bases;
        for needed in &resolved.packages {
            needs.insert(self.package(needed)?.reference()?);
        }
        Ok(Loaded { package, dockerfile, args: resolved.values, needs })
    }

    fn resolve(&mut self, lines: &[args::Line]) -> Result<Resolved, Failure> {
        let mut failed = None;
        let resolved = args::resolve(lines, &mut |path| match self.package(path) {
            Ok(package) => Ok(package.clone()),
            Err(failure) => {
                let message = failure.message().to_owned();
                failed = Some(failure);
                Err(Error::Conflict { message, hint: String::new() })
            }
        });
        match (resolved, failed) {
            (Err(_), Some(failure)) => Err(failure),
            (resolved, _) => Ok(resolved?),
        }
    }

    fn package(&mut self, path: &Path) -> Result<&Package, Failure> {
        let directory = self.load(path)?;
        Ok(&self.known[&directory].package)
    }

    /// Replaces the hash by one that covers all that can change the result.
    fn full_hash(
        &mut self,
        package: &mut Package,
        dockerfile: &[u8],
        resolved: &Resolved,
        bases: &BTreeSet<Reference>,
    ) -> Result<(), Failure> {
        let mut needed = BTreeSet::new();
        for path in &resolved.packages {
            let other = self.package(path)?;
            needed.insert(other.reference()?);
            package.ingredients.push(Ingredient::new("package", other.name(), &other.hash));
        }
        for base in bases.difference(&needed) {
            package.ingredients.push(Ingredient::new("base", base.to_string(), self.digest(base)?.to_string()));
        }
        // The last one given is the one that counts.
        let values: BTreeMap<_, _> = resolved.values.iter().cloned().collect();
        package.ingredients.extend(values.iter().map(|(name, value)| Ingredient::new("arg", name, value)));
        package.ingredients.push(Ingredient::new(
            "dockerfile",
            &package.dockerfile,
            Digest::of(dockerfile).to_string(),
        ));
        package.ingredients.push(Ingredient::new("network", "", package.network.to_string()));
        let config = package.config.clone().unwrap_or_default();
        package.ingredients.push(Ingredient::new("config", "", config));
        if let Some(images) = &package.docker_images {
            let images = images.images.iter();
            package.ingredients.extend(images.map(|image| Ingredient::new("image", image.to_string(), "")));
        }
        let dirty = if package.dirty { "-dirty" } else { "" };
        package.hash = format!("{}{dirty}", Ingredient::hash(&package.ingredients).hex());
        Ok(())
    }

    fn digest(&self, base: &Reference) -> Result<Digest, Failure> {
        let Some(engine) = self.engine else {
            return Err(Failure::new(crate::failure::Exit::Internal, "bases cannot be looked up"));
        };
        block_on(async { Ok(engine.digest_of(base).await?) })
    }
}

/// Puts each package after those it needs.
fn sorted(loaded: Vec<Loaded>) -> Result<Vec<(Loaded, BTreeSet<usize>)>, Failure> {
    let names = loaded.iter().map(|one| one.package.reference()).collect::<Result<Vec<_>, _>>()?;
    let at = |need: &Reference| names.iter().position(|name| name == need);
    let needs: Vec<BTreeSet<usize>> = loaded.iter().map(|one| one.needs.iter().filter_map(at).collect()).collect();
    let shown: Vec<String> = names.iter().map(Reference::familiar).collect();
    let order = project::pkg::order(&shown, &needs)?;
    let place = |old: &usize| order.iter().position(|at| at == old);
    let mut all: Vec<Option<Loaded>> = loaded.into_iter().map(Some).collect();
    let take = |old: &usize| Some((all[*old].take()?, needs[*old].iter().filter_map(place).collect()));
    Ok(order.iter().filter_map(take).collect())
}
