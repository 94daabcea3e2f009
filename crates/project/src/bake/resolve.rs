//! From what the files say to what is to be built: groups, inheritance, overrides, contexts that are targets.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::Definition;
use super::overrides::{Overrides, wildcard};
use super::target::Target;
use super::{Bake, Entry, Error, Group, Options};

/// Chooses and completes what is asked for.
pub(super) fn resolve(options: &Options<'_>, definition: &Definition) -> Result<Bake, Error> {
    let names: Vec<&str> = definition.targets.iter().map(|(name, _)| name.as_str()).collect();
    let overrides = Overrides::read(options, &names)?;
    let mut resolver = Resolver { options, definition, overrides, known: BTreeMap::new(), targets: BTreeMap::new() };
    let mut groups = BTreeMap::new();
    let chosen = chosen(options, definition)?;
    for name in &chosen {
        for (member, group) in definition.members(name, &mut Vec::new(), &mut groups)? {
            let at = |error| group.map_or_else(|| Error::clone(&error), |group| definition.at(&group, error.clone()));
            resolver.add(&member).map_err(at)?;
        }
    }
    put_default(&chosen, &mut groups);
    let wanted: Vec<String> = resolver.targets.keys().cloned().collect();
    let mut linked = BTreeSet::new();
    wanted.iter().try_for_each(|name| resolver.link(name, &mut Vec::new(), &mut linked))?;
    Ok(Bake { groups, targets: resolver.targets, wanted })
}

/// The names that are asked for, wildcards replaced by what they match.
fn chosen(options: &Options<'_>, definition: &Definition) -> Result<Vec<String>, Error> {
    let default = ["default".to_owned()];
    let asked = if options.targets.is_empty() { &default[..] } else { &options.targets };
    let mut chosen = Vec::new();
    for name in asked {
        if is_remote(name) {
            return Err(elsewhere(name));
        }
        let name = name.replace('.', "_");
        if !name.contains(['*', '?', '[', ']']) {
            chosen.push(name);
            continue;
        }
        let found: Vec<String> = definition.names().filter(|known| wildcard(&name, known)).map(str::to_owned).collect();
        if found.is_empty() {
            return Err(Error::new(format!("no target matches {name:?}")).meant(&name, definition.names()));
        }
        chosen.extend(found);
    }
    let mut seen = BTreeSet::new();
    chosen.retain(|name| seen.insert(name.clone()));
    Ok(chosen)
}

/// What was asked for is the group `default`.
fn put_default(chosen: &[String], groups: &mut BTreeMap<String, Group>) {
    for name in chosen {
        if name == "default" && groups.contains_key(name) {
            continue;
        }
        let group = groups.entry("default".to_owned()).or_default();
        if !group.targets.contains(name) {
            group.targets.push(name.clone());
        }
    }
    if let Some(group) = groups.get_mut("default") {
        group.targets.sort();
    }
}

impl Definition {
    fn names(&self) -> impl Iterator<Item = &str> {
        let groups = self.groups.iter().map(|(name, _)| name.as_str());
        groups.chain(self.targets.iter().map(|(name, _)| name.as_str()))
    }

    fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|(other, _)| other == name).map(|(_, target)| target)
    }

    /// The targets of a group, of its groups too, or the target itself; each with the group that names it.
    fn members(
        &self,
        name: &str,
        path: &mut Vec<String>,
        groups: &mut BTreeMap<String, Group>,
    ) -> Result<Vec<(String, Option<String>)>, Error> {
        deep(path)?;
        let group = self.groups.iter().find(|(other, _)| other == name).map(|(_, group)| group);
        let is_open = path.iter().any(|open| open == name);
        let Some(group) = group.filter(|_| !(is_open && self.target(name).is_some())) else {
            return Ok(vec![(name.to_owned(), path.last().cloned())]);
        };
        if is_open {
            return Err(
                self.at(name, Error::new(format!("groups contain each other: {} -> {name}", path.join(" -> "))))
            );
        }
        if groups.insert(name.to_owned(), group.clone()).is_some() {
            return Ok(Vec::new());
        }
        path.push(name.to_owned());
        let mut all = Vec::new();
        for member in &group.targets {
            all.extend(self.members(member, path, groups).map_err(|error| self.at(name, error))?);
        }
        path.pop();
        Ok(all)
    }

    /// The error at the block of that name.
    fn at(&self, name: &str, error: Error) -> Error {
        match self.places.get(name) {
            Some(span) => error.at(*span),
            None => error,
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::new(format!("there is no target {name}"));
        match self.targets.is_empty() {
            true => error.with_hint("the files define no targets"),
            false => error.meant(name, self.names()),
        }
    }
}

struct Resolver<'r> {
    options: &'r Options<'r>,
    definition: &'r Definition,
    overrides: Overrides,
    /// Targets with all that they inherit.
    known: BTreeMap<String, Target>,
    /// What is to be built.
    targets: BTreeMap<String, Target>,
}

impl Resolver<'_> {
    fn add(&mut self, name: &str) -> Result<(), Error> {
        if self.targets.contains_key(name) {
            return Ok(());
        }
        let mut target = self.whole(name, &mut Vec::new())?;
        self.complete(&mut target).map_err(|error| self.definition.at(name, error.within(name)))?;
        self.targets.insert(name.to_owned(), target);
        Ok(())
    }

    /// Fills in what every target has.
    fn complete(&self, target: &mut Target) -> Result<(), Error> {
        let context = target.context.take().unwrap_or_else(|| ".".to_owned());
        if context == "-" || target.dockerfile.as_deref() == Some("-") {
            let error = Error::new("standard input is no context and no Dockerfile of a bake file");
            return Err(error.with_hint("name a directory or a file: several targets cannot all read what comes once"));
        }
        target.context = Some(clean_context(&context));
        if target.dockerfile.as_ref().is_none_or(String::is_empty) {
            target.dockerfile = Some("Dockerfile".to_owned());
        }
        let epoch = "SOURCE_DATE_EPOCH";
        if let Some(time) = (self.options.environment)(epoch).filter(|time| !time.is_empty()) {
            target.args.entry(epoch.to_owned()).or_insert(time);
        }
        Ok(())
    }

    /// With all that it inherits, from left to right.
    fn whole(&mut self, name: &str, path: &mut Vec<String>) -> Result<Target, Error> {
        if let Some(target) = self.known.get(name) {
            return Ok(target.clone());
        }
        deep(path)?;
        let definition = self.definition;
        if path.iter().any(|open| open == name) {
            let error = Error::new(format!("targets inherit from each other: {} -> {name}", path.join(" -> ")));
            return Err(definition.at(name, error));
        }
        let own = definition.target(name).ok_or_else(|| definition.unknown(name))?;
        path.push(name.to_owned());
        let mut target = Target::default();
        for parent in &own.inherits {
            target.merge(self.whole(parent, path).map_err(|error| definition.at(name, error))?);
        }
        path.pop();
        target.merge(own.clone());
        self.overrides.apply(name, &mut target)?;
        target.normalize();
        target.inherits.clear();
        self.known.insert(name.to_owned(), target.clone());
        Ok(target)
    }

    /// Adds the targets that are contexts of this one; `done` are those that were here before.
    fn link(&mut self, name: &str, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> Result<(), Error> {
        if done.contains(name) {
            return Ok(());
        }
        deep(path)?;
        path.push(name.to_owned());
        let contexts = self.targets.get(name).map(|target| target.contexts.clone()).unwrap_or_default();
        for linked in contexts.values().filter_map(|context| context.strip_prefix("target:")) {
            if path.iter().any(|open| open == linked) {
                let error =
                    Error::new(format!("targets are contexts of each other: {} -> {linked}", path.join(" -> ")));
                return Err(self.definition.at(name, error));
            }
            if !self.targets.contains_key(linked) {
                self.add(linked).map_err(|error| self.definition.at(name, error))?;
                if let Some(target) = self.targets.get_mut(linked) {
                    target.output = Some(vec![Entry::of([("type", "cacheonly")])]);
                }
            }
            self.link(linked, path, done)?;
            self.take_from_link(name, linked)?;
        }
        path.pop();
        done.insert(name.to_owned());
        Ok(())
    }

    /// Entitlements go to who needs the target; platforms must be there.
    fn take_from_link(&mut self, name: &str, linked: &str) -> Result<(), Error> {
        let other = self.targets.get(linked).cloned().unwrap_or_default();
        let Some(target) = self.targets.get_mut(name) else { return Ok(()) };
        for entitlement in other.entitlements {
            if !target.entitlements.contains(&entitlement) {
                target.entitlements.push(entitlement);
            }
        }
        let (mine, theirs) = (target.platforms.clone().unwrap_or_default(), other.platforms.unwrap_or_default());
        let all_there = mine.iter().all(|platform| theirs.contains(platform));
        if mine.len() < 2 || theirs.len() < 2 || all_there {
            return Ok(());
        }
        let (mine, theirs) = (mine.join(", "), theirs.join(", "));
        let error = Error::new(format!("{name} is for {mine}, and its context {linked} is for {theirs}"));
        Err(self.definition.at(name, error))
    }
}

/// Targets and groups lead from one to the next; not forever.
fn deep(path: &[String]) -> Result<(), Error> {
    match path.len() > 200 {
        true => Err(Error::limit("targets or groups need each other more than 200 deep")),
        false => Ok(()),
    }
}

/// A local path without `.`, `..` and doubled `/` where they can go; anything else as it is.
fn clean_context(context: &str) -> String {
    if let Some(local) = context.strip_prefix("cwd://") {
        return clean(local);
    }
    if is_remote(context) { context.to_owned() } else { clean(context) }
}

/// Why a definition that has to be fetched is refused.
fn elsewhere(name: &str) -> Error {
    let error = Error::new(format!("{name}: a bake definition from elsewhere is not supported"));
    error.with_hint("check it out and name its file with -f")
}

/// A file's name, unless it has to be fetched.
///
/// # Errors
/// When it is a URL or a repository.
pub fn local(name: &str) -> Result<&str, Error> {
    if is_remote(name) { Err(elsewhere(name)) } else { Ok(name) }
}

fn is_remote(text: &str) -> bool {
    ["http://", "https://", "git://", "ssh://", "git@", "github.com/"].iter().any(|prefix| text.starts_with(prefix))
}

/// Without `.`, `..` and doubled `/` where they can go.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, parts.last()) {
            ("..", None) if rooted => {}
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}
