//! A project's habits, as data.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Error;
use crate::{Input, yaml};

/// What a project does with every image: written down once, in a file of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// Names that plans and templates may use. Of several for one name, the first that has a value counts.
    #[serde(default)]
    pub(crate) variables: Vec<Variable>,
    /// Build arguments. Of several for one name, the first whose `targets` match counts.
    #[serde(default)]
    pub(crate) arguments: Vec<Argument>,
    /// The variants; the first is built when none is asked for.
    pub(crate) variants: Vec<Variant>,
    /// What makes the images' targets.
    pub(crate) command: Option<Command>,
    /// Where `--save` puts archives: a template.
    pub(crate) save: Option<String>,
    /// Where things are when nobody says.
    pub(crate) defaults: Defaults,
    /// Hubs that are not for everybody.
    pub(crate) privileged: Option<Privileged>,
    /// Whether RUN is left out, and said so, unless `--run` says otherwise.
    #[serde(default)]
    pub(crate) skip_run: bool,
    /// Whether files get mode 0755 or 0644 and belong to root, whatever they are here.
    #[serde(default)]
    pub(crate) normalize_modes: bool,
}

/// A name with a value: the flag's, else the environment's, else what the file says, else `value`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Without dashes.
    pub(crate) flag: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) file: Option<String>,
    /// A regular expression; its first group is the value.
    pub(crate) pattern: Option<String>,
    /// A template, also for what the file says: `${found}`.
    pub(crate) value: Option<String>,
    /// Only where the environment has this variable.
    pub(crate) when_set: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Argument {
    pub(crate) name: String,
    /// A regular expression over the whole name of the image; its groups are variables of `value`.
    pub(crate) targets: Option<String>,
    pub(crate) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Variant {
    pub(crate) name: String,
    /// The variant that this is another name of.
    pub(crate) same_as: Option<String>,
    /// What tags and archives get at their end; `-NAME` without.
    pub(crate) suffix: Option<String>,
    /// Regular expressions of whole names: images that do not have this variant.
    #[serde(default)]
    pub(crate) without: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Command {
    /// The program and its arguments, as templates; `${targets}` alone stands for all of them.
    pub(crate) run: Vec<String>,
    /// Targets that come before those of images.
    #[serde(default)]
    pub(crate) first: Vec<String>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// What is added when a single image is built.
    pub(crate) alone: Option<Alone>,
    /// The variable that, being `true`, says that all is made already.
    pub(crate) skip: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Alone {
    /// Images that do not count.
    #[serde(default)]
    pub(crate) besides: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Defaults {
    pub(crate) hubs: List,
    pub(crate) tags: List,
    pub(crate) architectures: List,
    pub(crate) targets: Option<Named>,
    pub(crate) variants: Option<Named>,
    /// The variable that, being `true`, adds the first variant.
    pub(crate) add_first_variant: Option<String>,
    /// The variable that, being true, is `--qemu`.
    pub(crate) qemu: Option<String>,
}

/// A list with values of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct List {
    /// Variables of the environment that hold the list; the first that is set counts.
    #[serde(default)]
    pub(crate) environment: Vec<String>,
    pub(crate) value: Vec<String>,
}

/// A list that is everything, or the first, where nobody says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Named {
    pub(crate) environment: String,
    /// Left off in front of names.
    #[serde(default)]
    pub(crate) prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Privileged {
    pub(crate) hubs: Vec<String>,
    /// The variable that says that this is the place to push from.
    pub(crate) only_with: String,
}

const ISTIO: &str = include_str!("profiles/istio.yaml");

impl Profile {
    /// The habits of Istio's repository: what a plan has that names no other.
    ///
    /// # Errors
    /// Never, as tests show.
    pub fn istio() -> Result<Self, Error> {
        Self::parse("istio.yaml", ISTIO)
    }

    /// Understands the text of the file called `name`.
    ///
    /// # Errors
    /// When it is not YAML or says something that profiles do not know.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let input = Input { name: name.to_owned(), text: text.to_owned() };
        let profile: Self = yaml::parse(&input)?;
        if profile.variants.is_empty() {
            return Err(Error::new("a profile has one variant at least").at(input.at(1, 1)));
        }
        let known: Vec<&str> = profile.variants.iter().map(|variant| variant.name.as_str()).collect();
        match profile.variants.iter().filter_map(|variant| variant.same_as.as_deref()).find(|n| !known.contains(n)) {
            Some(missing) => Err(Error::unknown("variant", missing, known).at(input.at(1, 1))),
            None => Ok(profile),
        }
    }

    /// The text of the built-in profile, to begin one's own with.
    #[must_use]
    pub fn istio_text() -> &'static str {
        ISTIO
    }

    /// Whether RUN is left out unless something else is asked for.
    #[must_use]
    pub fn skips_run(&self) -> bool {
        self.skip_run
    }

    /// Whether modes and owners of files are made the same everywhere.
    #[must_use]
    pub fn normalizes_modes(&self) -> bool {
        self.normalize_modes
    }

    /// The flags that give variables their values, without dashes.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter_map(|variable| variable.flag.as_deref())
    }
}
