//! A package, understood.

use std::path::{Path, PathBuf};

use oci::{Platform, Reference};

use super::args::Line;
use super::{DockerImages, Error, Ingredient, Repository, tag};

/// A directory that becomes an image, and the name that its content gives it.
#[derive(Debug, Clone)]
pub struct Package {
    /// The directory.
    pub directory: PathBuf,
    /// Its build.yml.
    pub build_yml: PathBuf,
    /// The organisation, with or without a registry; may be empty.
    pub org: String,
    /// The name in it.
    pub image: String,
    /// The tag's template.
    pub template: String,
    /// The hash of its content.
    pub hash: String,
    /// Whether the content is not what is committed.
    pub dirty: bool,
    /// The commit that `hash` was taken from.
    pub commit: String,
    /// What went into `hash`.
    pub ingredients: Vec<Ingredient>,
    /// The Dockerfile, below the directory.
    pub dockerfile: String,
    /// Go's names of the architectures it is for.
    pub arches: Vec<String>,
    /// What the context is made of; the directory first.
    pub sources: Vec<Source>,
    /// Where the source is kept.
    pub gitrepo: Option<String>,
    /// Whether RUN reaches the network.
    pub network: bool,
    /// Whether steps are looked up in the cache.
    pub disable_cache: bool,
    /// The value of the label `org.mobyproject.config`.
    pub config: Option<String>,
    /// `buildArgs`.
    pub build_args: Vec<Line>,
    /// `depends.docker-images`.
    pub docker_images: Option<DockerImages>,
}

/// A part of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A directory or file of this machine.
    pub host: PathBuf,
    /// Where it is in the context; empty for its root.
    pub target: String,
}

impl Package {
    /// The image without a tag, as LinuxKit writes it.
    #[must_use]
    pub fn name(&self) -> String {
        match self.org.as_str() {
            "" => self.image.clone(),
            org => format!("{org}/{}", self.image),
        }
    }

    /// The image with its tag, as LinuxKit writes it.
    ///
    /// # Errors
    /// When the template cannot be filled.
    pub fn tag(&self) -> Result<String, Error> {
        let template = self.directory.join("build.yml");
        let tag = tag::fill(&self.template, &self.hash).map_err(|problem| {
            let hint = format!("write {{{{.Hash}}}} in --tag, or as tag in {}", template.display());
            Error::conflict(problem, hint)
        })?;
        Ok(format!("{}:{}", self.name(), if tag.is_empty() { "latest" } else { &tag }))
    }

    /// The image with its tag.
    ///
    /// # Errors
    /// As [`Package::tag`]; and when that is no name of an image.
    pub fn reference(&self) -> Result<Reference, Error> {
        reference(&self.tag()?, &self.build_yml)
    }

    /// The image under the tag of a release.
    ///
    /// # Errors
    /// When it is dirty, or `release` is no tag.
    pub fn release(&self, release: &str) -> Result<Reference, Error> {
        if self.dirty {
            let message =
                format!("{} cannot be released as {release}: it has changes that are not committed", self.name());
            return Err(Error::conflict(message, "commit them"));
        }
        reference(&format!("{}:{release}", self.name()), &self.build_yml)
    }

    /// The platforms it is for.
    ///
    /// # Errors
    /// When one of `arches` is no architecture.
    pub fn platforms(&self) -> Result<Vec<Platform>, Error> {
        let platform = |arch: &String| format!("linux/{arch}").parse();
        let parsed = self.arches.iter().map(platform).collect::<Result<_, oci::PlatformError>>();
        parsed.map_err(|error| {
            Error::conflict(
                format!("{}: {error}", self.build_yml.display()),
                "arches are Go's names, such as amd64 or arm64",
            )
        })
    }

    /// The repository it is in, if any.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn repository(&self) -> Result<Option<Repository>, Error> {
        Repository::find(&self.directory)
    }

    /// The Dockerfile that is used when `other` is not given: a path below the directory.
    ///
    /// # Errors
    /// When it leaves the directory, or is not there.
    pub fn dockerfile(&self, other: Option<&str>) -> Result<String, Error> {
        let name = other.unwrap_or(&self.dockerfile);
        if Path::new(name).components().any(|part| part == std::path::Component::ParentDir) || name.starts_with('/') {
            let message = format!("the Dockerfile {name} is not below {}", self.directory.display());
            return Err(Error::conflict(message, "give a path relative to the package's directory, without `..`"));
        }
        if !self.directory.join(name).is_file() {
            let message = format!("there is no Dockerfile {name} in {}", self.directory.display());
            return Err(Error::conflict(
                message,
                "write one, or name another with `dockerfile` in build.yml or --dockerfile",
            ));
        }
        Ok(name.to_owned())
    }
}

fn reference(text: &str, build_yml: &Path) -> Result<Reference, Error> {
    text.parse().map_err(|error: oci::ReferenceError| {
        Error::conflict(error.to_string(), format!("org, image and tag of {} make the name", build_yml.display()))
    })
}
