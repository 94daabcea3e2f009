//! From a plan file to what is built, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use oci::Platform;

use super::mapping::{self, Mapping};
use super::profile::{List, Named, Profile};
use super::tags::{self, Build};
use super::values::{Values, whole};
use super::{Around, Ask, Error, File, Image, command};

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What makes files of contexts, one command for an architecture.
    pub makes: Vec<Make>,
    /// The builds, in the plan's order, variant by variant.
    pub images: Vec<PlannedImage>,
    /// What is left out.
    pub skipped: Vec<Skipped>,
}

/// A command that makes files for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Make {
    /// What it makes them for.
    pub platform: Platform,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What is added to the environment.
    pub environment: BTreeMap<String, String>,
    /// Where it is run.
    pub directory: PathBuf,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedImage {
    /// The image's name.
    pub name: String,
    /// The variants that it is, the one that is built first.
    pub variants: Vec<String>,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// The build arguments.
    pub arguments: BTreeMap<String, String>,
    /// The platforms, each with its context: where the Dockerfile finds a file, and where it lies.
    pub contexts: BTreeMap<Platform, BTreeMap<String, PathBuf>>,
    /// The platforms, in the order asked for.
    pub platforms: Vec<Platform>,
    /// Every name it gets.
    pub tags: Vec<String>,
    /// `--save`: its archives.
    pub archives: Vec<Archive>,
    /// The commands, by their place in [`Planned::makes`], that make its files.
    pub makes: BTreeSet<usize>,
}

/// An archive of one platform's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The platform.
    pub platform: Platform,
    /// The names in it.
    pub tags: Vec<String>,
    /// Where it goes: a gzipped tar.
    pub path: PathBuf,
    /// Further places for the same bytes.
    pub aliases: Vec<PathBuf>,
}

/// Something that was asked for and is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// What.
    pub what: String,
    /// Why.
    pub because: String,
}

impl PlannedImage {
    /// What the build is called: the image and the variant that is built.
    #[must_use]
    pub fn title(&self) -> String {
        self.variants.first().map_or_else(|| self.name.clone(), |variant| format!("{}-{variant}", self.name))
    }
}

/// Plans.
///
/// # Errors
/// When something is asked for that the plan or the profile does not know, a variable has no value, or two builds would
/// push the same tag.
pub fn plan(file: &File, profile: &Profile, ask: &Ask, around: &Around<'_>) -> Result<Planned, Error> {
    Planner::new(file, profile, ask, around)?.plan()
}

struct Planner<'a> {
    file: &'a File,
    profile: &'a Profile,
    ask: &'a Ask,
    around: &'a Around<'a>,
    hubs: Vec<String>,
    tags: Vec<String>,
    platforms: Vec<Platform>,
    images: Vec<&'a Image>,
    builds: Vec<Build<'a>>,
    qemu: bool,
    skipped: Vec<Skipped>,
}

impl<'a> Planner<'a> {
    fn new(file: &'a File, profile: &'a Profile, ask: &'a Ask, around: &'a Around<'a>) -> Result<Self, Error> {
        let defaults = &profile.defaults;
        let hubs = listed(&ask.hubs, &defaults.hubs, around);
        refuse_privileged(profile, &hubs, ask, around)?;
        let names = listed(&ask.architectures, &defaults.architectures, around);
        let qemu = defaults.qemu.as_deref().and_then(|name| around.variable(name));
        Ok(Self {
            tags: listed(&ask.tags, &defaults.tags, around),
            platforms: names.iter().map(|name| platform(name)).collect::<Result<_, _>>()?,
            images: images(file, &named(&ask.targets, defaults.targets.as_ref(), around))?,
            builds: tags::builds(profile, &variants(profile, ask, around))?,
            qemu: ask.qemu || qemu.is_some_and(|value| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")),
            skipped: Vec::new(),
            file,
            profile,
            ask,
            around,
            hubs,
        })
    }

    fn plan(mut self) -> Result<Planned, Error> {
        let (makes, by_platform) = self.makes()?;
        let mut images = Vec::new();
        for build in std::mem::take(&mut self.builds) {
            for image in self.images.clone() {
                images.extend(self.image(image, &build, &by_platform)?);
            }
        }
        refuse_shared_tags(&images)?;
        Ok(Planned { makes, images, skipped: self.skipped })
    }

    /// One command for each architecture that has targets.
    fn makes(&self) -> Result<(Vec<Make>, BTreeMap<Platform, usize>), Error> {
        let (mut makes, mut places) = (Vec::new(), BTreeMap::new());
        let Some(command) = &self.profile.command else { return Ok((makes, places)) };
        for platform in &self.platforms {
            let values = Values::of(self.profile, self.ask, self.around, platform);
            let images: Vec<&Image> =
                self.images.iter().filter(|image| self.builds_here(image, platform)).copied().collect();
            let dependencies = images.iter().flat_map(|image| &image.targets);
            let targets = mapping::targets(dependencies, &values)?;
            let names = self.images.iter().map(|image| image.name.value.as_str()).collect();
            let needed = !targets.is_empty();
            let make = command::make(command, &targets, &names, (&values, self.around, platform))?;
            if let Some(make) = make.filter(|_| needed) {
                places.insert(platform.clone(), makes.len());
                makes.push(make);
            }
        }
        Ok((makes, places))
    }

    /// Whether this machine can build the image for the platform.
    fn builds_here(&self, image: &Image, platform: &Platform) -> bool {
        !image.emulation_required || self.qemu || *platform == self.around.host
    }

    fn image(
        &mut self,
        image: &Image,
        build: &Build<'a>,
        makes: &BTreeMap<Platform, usize>,
    ) -> Result<Option<PlannedImage>, Error> {
        let name = &image.name.value;
        if !build.variant.is_of(name)? {
            self.skip(format!("{name}-{}", build.variant.name), "the image does not have this variant");
            return Ok(None);
        }
        let platforms = self.platforms_of(image);
        let Some(first) = platforms.first() else { return Ok(None) };
        let dockerfile = Values::of(self.profile, self.ask, self.around, first).expand(&image.dockerfile.value);
        let dockerfile = dockerfile.map_err(|error| error.of(&self.file.source, &image.dockerfile))?;
        let contexts = platforms.iter().map(|platform| Ok((platform.clone(), self.context(image, platform)?)));
        let endings: Vec<String> = build.names.iter().map(|variant| variant.ending()).collect();
        // Files may be made by the way, by what makes the targets of others.
        let needed = platforms.iter().filter(|_| !image.targets.is_empty() || !image.files.is_empty());
        Ok(Some(PlannedImage {
            variants: variant_names(build),
            dockerfile: self.around.root.join(dockerfile),
            arguments: self.arguments(image, build, &platforms)?,
            contexts: contexts.collect::<Result<_, Error>>()?,
            tags: tags::references(name, &self.hubs, &self.tags, &endings),
            archives: if self.ask.save { self.archives(name, &endings, &platforms)? } else { Vec::new() },
            makes: needed.filter_map(|platform| makes.get(platform).copied()).collect(),
            name: name.clone(),
            platforms,
        }))
    }

    fn platforms_of(&mut self, image: &Image) -> Vec<Platform> {
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            self.platforms.clone().into_iter().partition(|platform| self.builds_here(image, platform));
        for platform in elsewhere {
            self.skip(format!("{} for {platform}", image.name.value), "it needs emulation, and --qemu is not given");
        }
        here
    }

    fn skip(&mut self, what: String, because: &str) {
        let skipped = Skipped { what, because: because.to_owned() };
        if !self.skipped.contains(&skipped) {
            self.skipped.push(skipped);
        }
    }

    fn context(&self, image: &Image, platform: &Platform) -> Result<BTreeMap<String, PathBuf>, Error> {
        let values = Values::of(self.profile, self.ask, self.around, platform);
        let elsewhere =
            Values::of(self.profile, self.ask, self.around, &Platform::new("another-os", "another-arch", ""));
        let mut mapping = Mapping::new(&self.file.source, self.around);
        for dependency in image.files.iter().chain(&image.targets) {
            let path = &dependency.value.path;
            let differs = values.expand(path).ok() != elsewhere.expand(path).ok();
            mapping.add(dependency, &values, &platform.architecture, differs)?;
        }
        Ok(mapping.finish())
    }

    /// The arguments, which are the same for every platform: what differs, a Dockerfile takes from TARGETARCH.
    fn arguments(
        &self,
        image: &Image,
        build: &Build<'_>,
        platforms: &[Platform],
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut all: Vec<BTreeMap<String, String>> = Vec::new();
        for platform in platforms {
            let values = Values::of(self.profile, self.ask, self.around, platform)
                .with("variant", &build.variant.name)
                .with("target", &image.name.value);
            all.push(self.arguments_of(image, values)?);
        }
        let first = all.first().cloned().unwrap_or_default();
        match first.iter().find(|(name, value)| all.iter().any(|other| other.get(*name) != Some(*value))) {
            None => Ok(first),
            Some((name, _)) => Err(Error::new(format!("the build argument {name} differs between platforms"))
                .or_hint("let the Dockerfile make it of TARGETARCH, which every platform has")),
        }
    }

    fn arguments_of(&self, image: &Image, mut values: Values<'_>) -> Result<BTreeMap<String, String>, Error> {
        let mut arguments = BTreeMap::new();
        for argument in &self.profile.arguments {
            if arguments.contains_key(&argument.name) {
                continue;
            }
            if let Some(pattern) = &argument.targets {
                let pattern = whole(pattern)?;
                let Some(found) = pattern.captures(&image.name.value) else { continue };
                for name in pattern.capture_names().flatten() {
                    values = values.with(name, found.name(name).map_or("", |group| group.as_str()));
                }
            }
            arguments.insert(argument.name.clone(), values.expand(&argument.value)?);
        }
        Ok(arguments)
    }

    /// One archive for each platform; of several platforms, all but amd64 are named in it.
    fn archives(&self, image: &str, endings: &[String], platforms: &[Platform]) -> Result<Vec<Archive>, Error> {
        let template = self.profile.save.as_deref().ok_or_else(|| {
            Error::new("the profile does not say where --save puts archives").or_hint("add `save: DIRECTORY` to it")
        })?;
        let directory = Values::new(self.profile, self.ask, self.around).expand(template)?;
        let directory = self.around.root.join(directory);
        let several = self.platforms.len() > 1;
        let archive = |platform: &Platform| {
            let plain = !several || platform.architecture == "amd64";
            let end = if plain { String::new() } else { format!("-{}", platform.architecture) };
            let endings: Vec<String> = endings.iter().map(|ending| format!("{ending}{end}")).collect();
            let mut paths = endings.iter().map(|ending| directory.join(format!("{image}{ending}.tar.gz")));
            let path = paths.next()?;
            let tags = tags::references(image, &self.hubs, &self.tags, &endings);
            Some(Archive { platform: platform.clone(), tags, path, aliases: paths.collect() })
        };
        Ok(platforms.iter().filter_map(archive).collect())
    }
}

/// The variant that is built, then its other names.
fn variant_names(build: &Build<'_>) -> Vec<String> {
    let mut names: Vec<String> = build.names.iter().map(|variant| variant.name.clone()).collect();
    names.sort_by_key(|name| *name != build.variant.name);
    names
}

fn split(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What was asked for, else what the environment says, else the profile.
fn listed(asked: &[String], default: &List, around: &Around<'_>) -> Vec<String> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    let set = default.environment.iter().find_map(|name| around.variable(name));
    set.map_or_else(|| default.value.clone(), split)
}

fn named(asked: &[String], default: Option<&Named>, around: &Around<'_>) -> Vec<String> {
    let set = default.and_then(|default| Some((around.variable(&default.environment)?, &default.prefix)));
    match set {
        Some((text, prefix)) if asked.is_empty() => {
            split(text).into_iter().map(|name| name.strip_prefix(prefix.as_str()).unwrap_or(&name).to_owned()).collect()
        }
        _ => asked.to_vec(),
    }
}

fn variants(profile: &Profile, ask: &Ask, around: &Around<'_>) -> Vec<String> {
    let mut variants = named(&ask.variants, profile.defaults.variants.as_ref(), around);
    let first = profile.variants.first().map(|variant| variant.name.clone());
    let added = profile.defaults.add_first_variant.as_deref().is_some_and(|name| around.variable(name) == Some("true"));
    if variants.is_empty() || (added && ask.variants.is_empty()) {
        variants.extend(first);
    }
    variants
}

fn images<'a>(file: &'a File, asked: &[String]) -> Result<Vec<&'a Image>, Error> {
    let known = || file.images.iter().map(|image| image.name.value.as_str()).collect::<Vec<_>>();
    if let Some(unknown) = asked.iter().find(|name| !known().contains(&name.as_str())) {
        return Err(Error::unknown("target", unknown, known()));
    }
    let wanted = |image: &&Image| if asked.is_empty() { !image.base } else { asked.contains(&image.name.value) };
    Ok(file.images.iter().filter(wanted).collect())
}

fn platform(text: &str) -> Result<Platform, Error> {
    text.parse().map_err(|error: oci::PlatformError| {
        Error::new(format!("{text:?} is no architecture: {error}")).or_hint("such as linux/amd64,linux/arm64")
    })
}

fn refuse_privileged(profile: &Profile, hubs: &[String], ask: &Ask, around: &Around<'_>) -> Result<(), Error> {
    let Some(privileged) = profile.privileged.as_ref().filter(|_| ask.push) else { return Ok(()) };
    let within = around.environment.contains_key(&privileged.only_with);
    let bare = |hub: &str| hub.trim_end_matches('/').to_owned();
    match hubs.iter().find(|hub| privileged.hubs.contains(&bare(hub))) {
        Some(hub) if !within => Err(Error::new(format!("only CI pushes to {hub}")).or_hint(format!(
            "push to a hub of your own with --hub HUB, or set {} where this is CI",
            privileged.only_with
        ))),
        _ => Ok(()),
    }
}

fn refuse_shared_tags(images: &[PlannedImage]) -> Result<(), Error> {
    let mut owners: BTreeMap<&str, &PlannedImage> = BTreeMap::new();
    for image in images {
        for tag in &image.tags {
            if let Some(other) = owners.insert(tag, image) {
                let message = format!("{} and {} would both be pushed to {tag}", other.title(), image.title());
                return Err(Error::new(message).or_hint("choose other tags, or leave a variant out"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
