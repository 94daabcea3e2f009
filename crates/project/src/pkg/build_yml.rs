//! build.yml, and the file at a repository's root that packages take defaults from.

use std::path::Path;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Error;
use super::image_config::ImageConfig;
use crate::{Input, yaml};

/// The name of the file with defaults, at the repository's root (ours).
pub const DEFAULTS_FILE: &str = "packages.yml";

/// A package as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildYml {
    /// `image`: the name in the organisation.
    pub image: Spanned<String>,
    /// `org`: the organisation, with a registry in front or without.
    pub org: Option<String>,
    /// `tag`: a template.
    pub tag: Option<Spanned<String>>,
    /// `dockerfile`: below the package's directory.
    pub dockerfile: Option<Spanned<String>>,
    /// `arches`, as Go names them.
    pub arches: Option<Vec<Spanned<String>>>,
    /// `extra-sources`: `src:dst`.
    #[serde(rename = "extra-sources", default)]
    pub extra_sources: Vec<Spanned<String>>,
    /// `gitrepo`: where the source is kept.
    pub gitrepo: Option<String>,
    /// `network`: whether RUN reaches it.
    pub network: Option<bool>,
    /// `disable-cache`.
    #[serde(rename = "disable-cache")]
    pub disable_cache: Option<bool>,
    /// `config`: goes into the label `org.mobyproject.config`.
    pub config: Option<ImageConfig>,
    /// `buildArgs`: `NAME=VALUE`.
    #[serde(rename = "buildArgs", default)]
    pub build_args: Vec<Spanned<String>>,
    /// `depends`.
    pub depends: Option<Depends>,
}

/// `depends`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depends {
    /// `docker-images`: images that are put into the context as archives.
    #[serde(rename = "docker-images")]
    pub docker_images: Option<Spanned<ListedImages>>,
}

/// `depends.docker-images`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedImages {
    /// The images.
    #[serde(default)]
    pub list: Vec<Spanned<String>>,
    /// A file with an image in each line.
    #[serde(rename = "from-file")]
    pub from_file: Option<Spanned<String>>,
    /// One archive for all.
    pub target: Option<Spanned<String>>,
    /// A directory with an archive for each.
    #[serde(rename = "target-dir")]
    pub target_dir: Option<Spanned<String>>,
}

/// What packages of a repository take when they do not say it themselves.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// As [`BuildYml::org`].
    pub org: Option<String>,
    /// As [`BuildYml::tag`].
    pub tag: Option<String>,
    /// As [`BuildYml::dockerfile`].
    pub dockerfile: Option<String>,
    /// As [`BuildYml::arches`].
    pub arches: Option<Vec<String>>,
    /// As [`BuildYml::gitrepo`].
    pub gitrepo: Option<String>,
    /// As [`BuildYml::network`].
    pub network: Option<bool>,
    /// As [`BuildYml::disable_cache`].
    #[serde(rename = "disable-cache")]
    pub disable_cache: Option<bool>,
}

impl BuildYml {
    /// Understands a file.
    ///
    /// # Errors
    /// When it is not YAML or says something that packages do not know.
    pub fn parse(input: &Input) -> Result<Self, Error> {
        Ok(yaml::parse(input)?)
    }
}

impl Defaults {
    /// Understands a file; nothing at all is fine.
    ///
    /// # Errors
    /// As [`BuildYml::parse`].
    pub fn parse(input: &Input) -> Result<Self, Error> {
        match input.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            true => Ok(Self::default()),
            false => Ok(yaml::parse(input)?),
        }
    }

    /// Reads the defaults at `root`, where there are any.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(DEFAULTS_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&Input { name: path.display().to_string(), text }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::read(&path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, text: &str) -> Input {
        Input { name: name.into(), text: text.into() }
    }

    fn refused(text: &str) -> (String, Option<String>) {
        let error = BuildYml::parse(&input("build.yml", text)).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn all_keys_of_linuxkit_are_known() {
        let text = "image: a\norg: b\ntag: v-{{.Hash}}\ndockerfile: D\narches: [amd64]\nextra-sources:\n  - ../x:y\n\
                    gitrepo: g\nnetwork: true\ndisable-cache: true\nconfig:\n  binds: [/a:/b]\nbuildArgs:\n  - A=b\n\
                    depends:\n  docker-images:\n    target: t\n    list: [a@sha256:0]\n";
        let yml = BuildYml::parse(&input("build.yml", text)).unwrap();
        assert_eq!((yml.image.value.as_str(), yml.network, yml.build_args.len()), ("a", Some(true), 1));
        assert_eq!(yml.extra_sources[0].referenced.line(), 7);
    }

    #[test]
    fn an_unknown_key_has_a_place_and_what_was_meant() {
        let (message, hint) = refused("image: a\narhces: [amd64]\n");
        assert_eq!(message, "build.yml:2:1: unknown key \"arhces\"");
        assert_eq!(hint.as_deref(), Some("did you mean \"arches\"?"));
        let (message, _) = refused("image: a\ndepends:\n  docker-images:\n    lists: []\n");
        assert!(message.starts_with("build.yml:4:5: unknown key \"lists\""), "{message}");
    }

    #[test]
    fn what_is_no_yaml_of_this_kind_has_a_place() {
        assert!(refused("image: [a\n").0.starts_with("build.yml:"));
        assert!(refused("image: a\nnetwork: perhaps\n").0.starts_with("build.yml:2:10: "));
        assert!(refused("image: a\nimage: b\n").0.starts_with("build.yml:2:1: "));
        assert!(refused("org: a\n").0.contains("\"image\" is missing"));
        assert!(refused("").0.starts_with("build.yml:1:1: "));
    }

    #[test]
    fn defaults_may_be_empty_and_know_no_image() {
        assert!(Defaults::parse(&input("packages.yml", "# nothing\n\n")).unwrap().org.is_none());
        assert_eq!(Defaults::parse(&input("packages.yml", "org: a\n")).unwrap().org.as_deref(), Some("a"));
        assert!(Defaults::parse(&input("packages.yml", "image: a\n")).is_err());
    }
}
