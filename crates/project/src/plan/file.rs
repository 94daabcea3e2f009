//! The file that lists a repository's images.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::Error;
use crate::{Input, yaml};

/// A plan file, as it is written: variables are not replaced yet.
#[derive(Debug)]
pub struct File {
    /// What was read.
    pub source: Input,
    /// The profile it asks for; the built-in one without.
    pub profile: Option<String>,
    /// The images, in the file's order.
    pub images: Vec<Image>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    profile: Option<String>,
    /// Istio shows here how an image is written.
    #[serde(default, rename = "example")]
    _example: Option<IgnoredAny>,
    images: Vec<Image>,
}

/// An image, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// What it is called: `HUB/NAME:TAG`.
    pub name: Spanned<String>,
    /// Its Dockerfile, from the project's root.
    pub dockerfile: Spanned<String>,
    /// Files and directories of its context that are there already.
    #[serde(default)]
    pub files: Vec<Spanned<Dependency>>,
    /// Files and directories of its context that the project's command makes.
    #[serde(default)]
    pub targets: Vec<Spanned<Dependency>>,
    /// Whether other images are built upon it; built only when asked for by name.
    #[serde(default)]
    pub base: bool,
    /// Whether its RUNs need a processor of its architecture, or an emulator.
    #[serde(default, rename = "emulationRequired")]
    pub emulation_required: bool,
}

/// Something of an image's context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Where the Dockerfile finds it; by the last component of its path without.
    pub context: Option<String>,
    /// Where it lies, from the project's root.
    pub path: String,
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DependencyVisitor)
    }
}

struct DependencyVisitor;

impl<'de> Visitor<'de> for DependencyVisitor {
    type Value = Dependency;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or one `context/path: real/path`")
    }

    fn visit_str<E>(self, path: &str) -> Result<Dependency, E> {
        Ok(Dependency { context: None, path: path.to_owned() })
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Dependency, M::Error> {
        let (context, path) = map.next_entry()?.ok_or_else(|| M::Error::custom("an empty entry"))?;
        match map.next_entry::<String, String>()? {
            None => Ok(Dependency { context: Some(context), path }),
            Some(_) => Err(M::Error::custom("an entry names one path: begin each with a dash")),
        }
    }
}

impl File {
    /// Understands the text of the file called `name`.
    ///
    /// # Errors
    /// When it is not YAML, says something that plans do not know, or names an image twice.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let source = Input { name: name.to_owned(), text: text.to_owned() };
        let written: Written = yaml::parse(&source)?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = written.images.iter().find(|image| !seen.insert(image.name.value.clone())) {
            let error = Error::new(format!("the image {:?} is there twice", twice.name.value));
            return Err(error.of(&source, &twice.name));
        }
        Ok(Self { source, profile: written.profile, images: written.images })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, Option<String>) {
        let error = File::parse("plan.yaml", text).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn a_path_is_written_alone_or_after_its_place_in_the_context() {
        let text = "images:\n- name: a\n  dockerfile: D\n  files:\n  - b/c\n  - etc/x: real/y\n";
        let image = &File::parse("plan.yaml", text).unwrap().images[0];
        assert_eq!(image.files[0].value, Dependency { context: None, path: "b/c".into() });
        assert_eq!(image.files[1].value, Dependency { context: Some("etc/x".into()), path: "real/y".into() });
    }

    #[test]
    fn a_wrong_key_has_its_place_and_what_was_meant() {
        let (message, hint) = refused("images:\n- name: a\n  dockerfile: D\n  target: [x]\n");
        assert!(message.starts_with("plan.yaml:4:3: unknown key \"target\""), "{message}");
        assert_eq!(hint.as_deref(), Some("did you mean \"targets\"?"));
    }

    #[test]
    fn an_image_is_there_once_and_has_a_dockerfile() {
        let (message, _) = refused("images:\n- name: a\n  dockerfile: D\n- name: a\n  dockerfile: D\n");
        assert_eq!(message, "plan.yaml:4:9: the image \"a\" is there twice");
        assert!(refused("images:\n- name: a\n").0.contains("\"dockerfile\" is missing"));
    }
}
