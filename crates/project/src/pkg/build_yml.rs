//! build.yml, and the file at a repository's root that packages take defaults from.

use std::path::Path;

use dockerfile::did_you_mean;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use super::image_config::ImageConfig;
use super::{Error, Place};

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
    /// Understands the text of the file called `name`.
    ///
    /// # Errors
    /// When it is not YAML or says something that packages do not know.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        parse(name, text)
    }
}

impl Defaults {
    /// Understands the text of the file called `name`; nothing at all is fine.
    ///
    /// # Errors
    /// As [`BuildYml::parse`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        match text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            true => Ok(Self::default()),
            false => parse(name, text),
        }
    }

    /// Reads the defaults at `root`, where there are any.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(DEFAULTS_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path.display().to_string(), &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::read(&path)(error)),
        }
    }
}

fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or((1, 1), position);
        let (message, hint) = explain(error.without_snippet());
        written(name, text, place, message, hint)
    })
}

fn explain(error: &serde_saphyr::Error) -> (String, Option<String>) {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let hint = match did_you_mean(field, expected.iter().copied()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("known are {}", expected.join(", ")),
            };
            (format!("unknown key {field:?}"), Some(hint))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            (format!("the key {field:?} is missing"), Some(format!("add a line such as `{field}: NAME`")))
        }
        other => (without_place(&other.to_string()), None),
    }
}

/// The place is told apart from the message.
fn without_place(message: &str) -> String {
    let end = message.find(" at line ").or_else(|| message.find("\n")).unwrap_or(message.len());
    message[..end].to_owned()
}

fn position(location: serde_saphyr::Location) -> (usize, usize) {
    let number = |text: u64| usize::try_from(text).unwrap_or(usize::MAX);
    (number(location.line()), number(location.column()))
}

/// Something wrong with a value of `text`.
pub(crate) fn wrong_value<T>(
    name: &str,
    text: &str,
    value: &Spanned<T>,
    message: impl Into<String>,
    hint: Option<String>,
) -> Error {
    written(name, text, position(value.referenced), message.into(), hint)
}

fn written(name: &str, text: &str, (line, column): (usize, usize), message: String, hint: Option<String>) -> Error {
    let text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
    Error::Written { message, place: Box::new(Place { file: name.to_owned(), line, column, text }), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, Option<String>) {
        let error = BuildYml::parse("build.yml", text).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn all_keys_of_linuxkit_are_known() {
        let text = "image: a\norg: b\ntag: v-{{.Hash}}\ndockerfile: D\narches: [amd64]\nextra-sources:\n  - ../x:y\n\
                    gitrepo: g\nnetwork: true\ndisable-cache: true\nconfig:\n  binds: [/a:/b]\nbuildArgs:\n  - A=b\n\
                    depends:\n  docker-images:\n    target: t\n    list: [a@sha256:0]\n";
        let yml = BuildYml::parse("build.yml", text).unwrap();
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
        assert!(Defaults::parse("packages.yml", "# nothing\n\n").unwrap().org.is_none());
        assert_eq!(Defaults::parse("packages.yml", "org: a\n").unwrap().org.as_deref(), Some("a"));
        assert!(Defaults::parse("packages.yml", "image: a\n").is_err());
    }
}
