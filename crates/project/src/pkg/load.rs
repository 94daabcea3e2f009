//! From a directory to a package: its build.yml, its hash.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_saphyr::Spanned;

use super::args::Line;
use super::{BuildYml, Defaults, Error, Ingredient, Package, Repository, Source, depends, digest};
use crate::{Input, yaml};

/// What the command line says of all packages.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--build-yml`: the file's name.
    pub build_yml: String,
    /// `--org`.
    pub org: Option<String>,
    /// `--hash`: instead of git's.
    pub hash: Option<String>,
    /// `--hash-commit`.
    pub hash_commit: String,
    /// `--hash-path`: a directory above the package's, to be hashed instead.
    pub hash_path: Option<PathBuf>,
    /// `--force-dirty`.
    pub force_dirty: bool,
    /// `--dev`: the user's name, which is the organisation; the hash is `dev`.
    pub dev: Option<String>,
    /// `--tag`: a template.
    pub tag: Option<String>,
    /// `--disable-cache` and `--enable-cache`.
    pub disable_cache: Option<bool>,
    /// `--network` and `--nonetwork`.
    pub network: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            build_yml: "build.yml".into(),
            org: None,
            hash: None,
            hash_commit: "HEAD".into(),
            hash_path: None,
            force_dirty: false,
            dev: None,
            tag: None,
            disable_cache: None,
            network: None,
        }
    }
}

/// LinuxKit's defaults, so that its tags are ours.
const ORG: &str = "linuxkit";
const ARCHES: [&str; 3] = ["amd64", "arm64", "riscv64"];

/// Understands the package in `directory`.
///
/// # Errors
/// When its build.yml is wrong, or git does not know it.
pub fn load(directory: &Path, options: &Options) -> Result<Package, Error> {
    let directory = directory.canonicalize().map_err(Error::read(directory))?;
    let build_yml = directory.join(&options.build_yml);
    let text = fs::read_to_string(&build_yml).map_err(Error::read(&build_yml))?;
    let input = Input { name: build_yml.display().to_string(), text };
    let yml = BuildYml::parse(&input)?;
    let repository = Repository::find(&directory)?;
    let defaults = repository.as_ref().map_or_else(|| Ok(Defaults::default()), |found| Defaults::read(found.root()))?;
    if yml.image.value.trim().is_empty() {
        let hint = "the name that the image has in the organisation";
        return Err(Error::written(&input, &yml.image, "image is empty", hint));
    }
    let sources = sources(&input, &directory, &yml.extra_sources)?;
    let hashed = hashed(repository.as_ref(), &directory, &sources, options)?;
    let listed = yml.depends.and_then(|depends| depends.docker_images);
    let docker_images = match &listed {
        Some(listed) => depends::docker_images(&input, &directory, listed)?,
        None => None,
    };
    let arches = yml.arches.map(|arches| arches.into_iter().map(|arch| arch.value).collect());
    let line = |arg: Spanned<String>| Line { place: yaml::place(&input, arg.referenced), text: arg.value };
    let config = yml.config.map(|config| config.label()).transpose();
    Ok(Package {
        org: options.org.clone().or(options.dev.clone()).or(yml.org).or(defaults.org).unwrap_or_else(|| ORG.into()),
        image: yml.image.value.clone(),
        template: options.tag.clone().or(yml.tag.map(|tag| tag.value)).or(defaults.tag).unwrap_or("{{.Hash}}".into()),
        hash: hashed.hash,
        dirty: hashed.dirty,
        commit: options.hash_commit.clone(),
        ingredients: hashed.ingredients,
        dockerfile: yml.dockerfile.map(|file| file.value).or(defaults.dockerfile).unwrap_or("Dockerfile".into()),
        arches: arches.or(defaults.arches).unwrap_or_else(|| ARCHES.map(str::to_owned).to_vec()),
        sources,
        gitrepo: yml.gitrepo.or(defaults.gitrepo),
        network: options.network.or(yml.network).or(defaults.network).unwrap_or(false),
        disable_cache: options.disable_cache.or(yml.disable_cache).or(defaults.disable_cache).unwrap_or(false),
        config: config
            .map_err(|error| Error::conflict(format!("{}: config: {error}", input.name), "it becomes JSON"))?,
        build_args: yml.build_args.into_iter().map(line).collect(),
        docker_images,
        directory,
        build_yml,
    })
}

/// The directory itself, and what `extra-sources` adds.
fn sources(input: &Input, directory: &Path, extra: &[Spanned<String>]) -> Result<Vec<Source>, Error> {
    let mut sources = vec![Source { host: directory.to_owned(), target: String::new() }];
    for value in extra {
        let wrong = |message: String, hint: &str| Error::written(input, value, message, hint);
        let Some((source, target)) = value.value.split_once(':').filter(|(_, target)| !target.contains(':')) else {
            let message = format!("{:?} is not SOURCE:DESTINATION", value.value);
            return Err(wrong(message, "such as ../shared:vendor/shared"));
        };
        let host = directory.join(source);
        let found = host.canonicalize();
        let host =
            found.map_err(|error| wrong(format!("cannot find {}: {error}", host.display()), "is it checked out?"))?;
        if Path::new(target).components().any(|part| part == Component::ParentDir) {
            return Err(wrong(format!("{target:?} leaves the build context"), "leave `..` out"));
        }
        sources.push(Source { host, target: target.trim_matches('/').to_owned() });
    }
    Ok(sources)
}

struct Hashed {
    hash: String,
    dirty: bool,
    ingredients: Vec<Ingredient>,
}

/// LinuxKit's hash: of git's tree; with extra sources the SHA-1 over all hashes; with the content's where it is dirty.
fn hashed(
    repository: Option<&Repository>,
    directory: &Path,
    sources: &[Source],
    options: &Options,
) -> Result<Hashed, Error> {
    let given = options.hash.clone().or(options.dev.is_some().then(|| "dev".into()));
    if repository.is_none() {
        let hash = given.ok_or_else(|| Error::NoRepository(directory.to_owned()))?;
        let ingredients = vec![Ingredient::new("given", "--hash", &hash)];
        return Ok(Hashed { hash, dirty: options.force_dirty, ingredients });
    }
    let path = hash_path(directory, options)?;
    let extra = sources.iter().skip(1).map(|source| source.host.as_path());
    let paths: Vec<&Path> = std::iter::once(path.as_path()).chain(extra).collect();
    let dirty = options.force_dirty || (options.hash_commit == "HEAD" && any_dirty(&paths)?);
    if let Some(hash) = given {
        return Ok(Hashed { ingredients: vec![Ingredient::new("given", "--hash", &hash)], hash, dirty });
    }
    let mut ingredients = Vec::new();
    for path in &paths {
        let holder = Repository::find(path)?.ok_or_else(|| Error::NoRepository((*path).to_owned()))?;
        let shown = holder.below(path)?.display().to_string();
        let shown = if shown.is_empty() { ".".to_owned() } else { shown };
        ingredients.push(Ingredient::new("tree", shown, holder.tree_hash(path, &options.hash_commit)?));
    }
    let mut hash = concatenated(&ingredients);
    if dirty {
        let digest = digest::of(&paths)?;
        hash = format!("{hash}-dirty-{}", &digest.hex()[..7]);
        ingredients.push(Ingredient::new("content", "uncommitted", digest.hex()));
    }
    Ok(Hashed { hash, dirty, ingredients })
}

fn any_dirty(paths: &[&Path]) -> Result<bool, Error> {
    for path in paths {
        let holder = Repository::find(path)?.ok_or_else(|| Error::NoRepository((*path).to_owned()))?;
        if holder.is_dirty(path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One hash as it is; several as the SHA-1 of their concatenation.
fn concatenated(ingredients: &[Ingredient]) -> String {
    if let [one] = ingredients {
        return one.value.clone();
    }
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    ingredients.iter().for_each(|ingredient| hasher.update(ingredient.value.as_bytes()));
    hasher.try_finalize().map_or_else(|_| String::new(), |hash| hash.to_string())
}

fn hash_path(directory: &Path, options: &Options) -> Result<PathBuf, Error> {
    let Some(path) = &options.hash_path else { return Ok(directory.to_owned()) };
    let path = path.canonicalize().map_err(Error::read(path))?;
    if !directory.starts_with(&path) {
        let message = format!("--hash-path {} is not above the package {}", path.display(), directory.display());
        return Err(Error::conflict(message, "name a directory that the package is in"));
    }
    Ok(path)
}
