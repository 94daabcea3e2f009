//! Variants, and the names that images get.

use super::Error;
use super::profile::{Profile, Variant};
use super::values::whole;

/// A build of every image, and the variants that it is.
pub(crate) struct Build<'a> {
    /// The variant that is built.
    pub(crate) variant: &'a Variant,
    /// What it is called, as asked for: the variant itself last asked first.
    pub(crate) names: Vec<&'a Variant>,
}

/// The builds that the variants come to: variants that are another's second name share its build.
pub(crate) fn builds<'a>(profile: &'a Profile, asked: &[String]) -> Result<Vec<Build<'a>>, Error> {
    let mut builds: Vec<Build<'a>> = Vec::new();
    for name in asked {
        let named = find(profile, name)?;
        let variant = match &named.same_as {
            Some(other) => find(profile, other)?,
            None => named,
        };
        match builds.iter_mut().find(|build| build.variant.name == variant.name) {
            Some(build) if build.names.iter().any(|known| known.name == named.name) => {}
            Some(build) => build.names.push(named),
            None => builds.push(Build { variant, names: vec![named] }),
        }
    }
    Ok(builds)
}

fn find<'a>(profile: &'a Profile, name: &str) -> Result<&'a Variant, Error> {
    let found = profile.variants.iter().find(|variant| variant.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = profile.variants.iter().map(|variant| variant.name.as_str()).collect();
        Error::unknown("variant", name, known)
    })
}

impl Variant {
    /// What stands at the end of tags and of archives' names.
    pub(crate) fn ending(&self) -> String {
        self.suffix.clone().unwrap_or_else(|| format!("-{}", self.name))
    }

    /// Whether an image has this variant.
    pub(crate) fn is_of(&self, image: &str) -> Result<bool, Error> {
        for pattern in &self.without {
            if whole(pattern)?.is_match(image) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Every hub, tag and name of a build, each once.
pub(crate) fn references(image: &str, hubs: &[String], tags: &[String], endings: &[String]) -> Vec<String> {
    let mut references = Vec::new();
    for hub in hubs {
        for tag in tags {
            for ending in endings {
                let reference = format!("{}/{image}:{tag}{ending}", hub.trim_end_matches('/'));
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
        }
    }
    references
}
