//! From what the files define to what is to be built: names, groups, inheritance, overrides, links.

use std::collections::{BTreeMap, BTreeSet};

use super::overrides::{self, Overrides, wildcard};
use super::{Definition, Entry, Error, Group, Input, Resolved, Target};

impl Definition {
    /// Resolves the targets and groups of these names (`default` without any), with `--set`'s texts applied.
    pub fn resolve(&self, wanted: &[String], set: &[String], input: &Input) -> Result<Resolved, Error> {
        let default = ["default".to_owned()];
        let wanted = self.wanted(if wanted.is_empty() { &default } else { wanted })?;
        let names: Vec<&str> = self.targets.iter().map(|(name, _)| &name[..]).collect();
        let mut resolver = Resolver {
            definition: self,
            overrides: overrides::read(set, &names, &input.environment)?,
            targets: BTreeMap::new(),
        };
        let mut groups = BTreeMap::new();
        for name in &wanted {
            for target in self.members(name, &mut Vec::new(), &mut groups)? {
                resolver.add(&target)?;
            }
        }
        let chosen = groups.entry("default".to_owned()).or_default();
        chosen.targets.extend(wanted.iter().filter(|name| *name != "default").cloned());
        chosen.targets = std::mem::take(&mut chosen.targets).into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let roots: Vec<String> = resolver.targets.keys().cloned().collect();
        roots.iter().try_for_each(|name| resolver.link(name, &mut Vec::new()))?;
        if wanted.iter().all(|name| name == "default") && !self.groups.iter().any(|(name, _)| name == "default") {
            chosen_default(&mut groups);
        }
        Ok(Resolved { groups, targets: resolver.targets })
    }

    fn wanted(&self, names: &[String]) -> Result<Vec<String>, Error> {
        let mut all: Vec<String> = Vec::new();
        for name in names {
            let name = name.replace('.', "_");
            let known = self.groups.iter().map(|(name, _)| name).chain(self.targets.iter().map(|(name, _)| name));
            let found: Vec<String> = match name.contains(['*', '?', '[', ']']) {
                true => known.filter(|known| wildcard(&name, known)).cloned().collect(),
                false => vec![name.clone()],
            };
            if found.is_empty() {
                return Err(Error::new(format!("could not find any target matching {name:?}")));
            }
            all.extend(found);
        }
        let mut seen = BTreeSet::new();
        all.retain(|name| seen.insert(name.clone()));
        Ok(all)
    }

    /// The targets of a group, of its groups too, or the target itself.
    fn members(
        &self,
        name: &str,
        path: &mut Vec<String>,
        groups: &mut BTreeMap<String, Group>,
    ) -> Result<Vec<String>, Error> {
        let Some((_, group)) = self.groups.iter().find(|(other, _)| other == name) else {
            return Ok(vec![name.to_owned()]);
        };
        if self.targets.iter().any(|(target, _)| target == name) && path.last().is_some_and(|last| last == name) {
            return Ok(vec![name.to_owned()]);
        }
        if path.iter().any(|open| open == name) {
            return Err(Error::new(format!("groups contain each other: {} -> {name}", path.join(" -> "))));
        }
        groups.insert(name.to_owned(), group.clone());
        path.push(name.to_owned());
        let mut all: Vec<String> = Vec::new();
        for member in &group.targets {
            all.extend(self.members(member, path, groups)?);
        }
        path.pop();
        Ok(all)
    }

    fn unknown(&self, name: &str) -> Error {
        let names = self.targets.iter().map(|(name, _)| &name[..]).chain(self.groups.iter().map(|(name, _)| &name[..]));
        let error = Error::new(format!("failed to find target {name}"));
        match error.clone().meant(name, names) {
            better if better.hint().is_some() => better,
            _ => error.hint_of("--list=targets shows what there is"),
        }
    }
}

/// Without a group of that name, `default` is the target that was found under it.
fn chosen_default(groups: &mut BTreeMap<String, Group>) {
    groups.entry("default".to_owned()).or_default().targets = vec!["default".to_owned()];
}

struct Resolver<'d> {
    definition: &'d Definition,
    overrides: Overrides,
    targets: BTreeMap<String, Target>,
}

impl Resolver<'_> {
    fn add(&mut self, name: &str) -> Result<(), Error> {
        if self.targets.contains_key(name) {
            return Ok(());
        }
        let mut target = self.whole(name, &mut Vec::new())?;
        target.inherits.clear();
        target.context.get_or_insert_with(|| ".".to_owned());
        if target.dockerfile.as_ref().is_none_or(String::is_empty) {
            target.dockerfile = Some("Dockerfile".to_owned());
        }
        self.targets.insert(name.to_owned(), target);
        Ok(())
    }

    /// With all that it inherits, from left to right.
    fn whole(&self, name: &str, path: &mut Vec<String>) -> Result<Target, Error> {
        if path.iter().any(|open| open == name) {
            return Err(Error::new(format!("targets inherit from each other: {} -> {name}", path.join(" -> "))));
        }
        let found = self.definition.targets.iter().find(|(other, _)| other == name);
        let (_, own) = found.ok_or_else(|| self.definition.unknown(name))?;
        path.push(name.to_owned());
        let mut target = Target::default();
        for parent in &own.inherits {
            target.merge(&self.whole(parent, path)?);
        }
        path.pop();
        target.merge(own);
        if let Some(overrides) = self.overrides.get(name) {
            target.apply(overrides)?;
        }
        target.normalize();
        Ok(target)
    }

    /// Adds the targets that are contexts of this one.
    fn link(&mut self, name: &str, path: &mut Vec<String>) -> Result<(), Error> {
        path.push(name.to_owned());
        let contexts = self.targets.get(name).map(|target| target.contexts.clone()).unwrap_or_default();
        for linked in contexts.values().filter_map(|context| context.strip_prefix("target:")) {
            if path.iter().any(|open| open == linked) {
                return Err(Error::new(format!("targets are contexts of each other: {} -> {linked}", path.join(" -> "))));
            }
            if !self.targets.contains_key(linked) {
                self.add(linked)?;
                if let Some(target) = self.targets.get_mut(linked) {
                    target.output = Some(vec![Entry::new("cacheonly")]);
                }
            }
            self.link(linked, path)?;
            self.inherit_from_link(name, linked)?;
        }
        path.pop();
        Ok(())
    }

    fn inherit_from_link(&mut self, name: &str, linked: &str) -> Result<(), Error> {
        let other = self.targets.get(linked).cloned().unwrap_or_default();
        let Some(target) = self.targets.get_mut(name) else { return Ok(()) };
        for entitlement in other.entitlements {
            if !target.entitlements.contains(&entitlement) {
                target.entitlements.push(entitlement);
            }
        }
        let (mine, theirs) = (target.platforms.clone().unwrap_or_default(), other.platforms.unwrap_or_default());
        match mine.len() > 1 && theirs.len() > 1 && !mine.iter().all(|platform| theirs.contains(platform)) {
            true => Err(Error::new(format!(
                "target {linked} can't be used by {name}: {} are not all of {}",
                mine.join(", "),
                theirs.join(", ")
            ))),
            false => Ok(()),
        }
    }
}
