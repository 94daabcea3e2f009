//! `--set TARGET.KEY=VALUE`.

use std::collections::BTreeMap;

use super::target::Target;
use super::value::{Value, go_bool};
use super::{Entry, Error};

/// What one target's key is set to.
#[derive(Debug, Clone, Default)]
pub(super) struct Override {
    values: Vec<String>,
    append: bool,
}

/// By target, then by key.
pub(super) type Overrides = BTreeMap<String, BTreeMap<String, Override>>;

const KEYS: [&str; 25] = [
    "annotations", "args", "attest", "cache-from", "cache-to", "call", "context", "contexts", "dockerfile",
    "entitlements", "extra-hosts", "labels", "load", "network", "no-cache", "no-cache-filter", "output", "platform",
    "pull", "push", "secrets", "shm-size", "ssh", "tags", "target",
];
const LISTS: [&str; 11] = [
    "output", "cache-to", "cache-from", "tags", "platform", "secrets", "ssh", "attest", "entitlements", "annotations",
    "ulimits",
];
const NAMED: [&str; 4] = ["args", "contexts", "labels", "extra-hosts"];

/// Reads all of them; a later one of a key that holds one value replaces an earlier one.
pub(super) fn read(
    texts: &[String],
    names: &[&str],
    environment: &BTreeMap<String, String>,
) -> Result<Overrides, Error> {
    let mut all = Overrides::new();
    for text in texts {
        let (left, value) = text.split_once('=').map_or((&text[..], None), |(left, value)| (left, Some(value)));
        let (left, append) = left.strip_suffix('+').map_or((left, false), |left| (left, true));
        let invalid = |why: String| Error::new(format!("--set {text}: {why}")).hint_of("--set TARGET.KEY=VALUE");
        let (pattern, key) = left.split_once('.').ok_or_else(|| invalid("there is no key".to_owned()))?;
        let (base, inner) = key.split_once('.').map_or((key, None), |(base, inner)| (base, Some(inner)));
        if !KEYS.contains(&base) && base != "ulimits" {
            return Err(Error::new(format!("--set {text}: there is no key {base}")).meant(base, KEYS));
        }
        if NAMED.contains(&base) && inner.is_none() {
            return Err(invalid(format!("{base} needs a name, as in {base}.NAME=VALUE")));
        }
        let value = match (value, base) {
            (Some(value), _) => value.to_owned(),
            (None, "args") => match environment.get(inner.unwrap_or_default()) {
                Some(value) => value.clone(),
                None => continue,
            },
            (None, _) => return Err(invalid("there is no value".to_owned())),
        };
        for name in matching(pattern, names)? {
            let slot = all.entry(name.to_owned()).or_default().entry(key.to_owned()).or_default();
            slot.append = append;
            if !LISTS.contains(&base) && !(base == "no-cache-filter") {
                slot.values.clear();
            }
            slot.values.push(value.clone());
        }
    }
    Ok(all)
}

fn matching<'n>(pattern: &str, names: &[&'n str]) -> Result<Vec<&'n str>, Error> {
    let exact = names.iter().find(|name| **name == pattern);
    let found: Vec<&str> = match exact {
        Some(name) => vec![*name],
        None => names.iter().copied().filter(|name| wildcard(pattern, name)).collect(),
    };
    match found.is_empty() {
        true => Err(Error::new(format!("could not find any target matching '{pattern}'")).meant(pattern, names.iter().copied())),
        false => Ok(found),
    }
}

/// Whether the whole name is what the pattern says: `*`, `?`, `[a-c]`.
pub(super) fn wildcard(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| {
            wildcard(rest.as_str(), name.get(at..).unwrap_or_default())
        }),
        Some(c) => {
            let mut letters = name.chars();
            let Some(letter) = letters.next() else { return false };
            let (hit, rest) = match (c, rest.as_str().split_once(']')) {
                ('?', _) => (true, rest.as_str()),
                ('[', Some((class, after))) => (in_class(class, letter), after),
                (c, _) => (c == letter, rest.as_str()),
            };
            hit && wildcard(rest, letters.as_str())
        }
    }
}

fn in_class(class: &str, letter: char) -> bool {
    let (class, negated) = class.strip_prefix('^').map_or((class, false), |class| (class, true));
    let letters: Vec<char> = class.chars().collect();
    let range = letters.windows(3).any(|w| matches!(w, [from, '-', to] if (*from..=*to).contains(&letter)));
    (range || letters.contains(&letter)) != negated
}

impl Target {
    /// Applies what was set: `push` and `load` last, as they look at the outputs.
    pub(super) fn apply(&mut self, overrides: &BTreeMap<String, Override>) -> Result<(), Error> {
        let late = |key: &str| matches!(key, "push" | "load");
        let (last, first): (Vec<_>, Vec<_>) = overrides.iter().partition(|(key, _)| late(key));
        for (key, set) in first.into_iter().chain(last) {
            self.apply_one(key, set).map_err(|error| match error.hint() {
                Some(_) => error,
                None => Error::new(format!("--set {key}: {error}")),
            })?;
        }
        Ok(())
    }

    fn apply_one(&mut self, key: &str, set: &Override) -> Result<(), Error> {
        let value = set.values.last().cloned().unwrap_or_default();
        let list = Value::List(set.values.iter().cloned().map(Value::String).collect());
        let (base, inner) = key.split_once('.').unwrap_or((key, ""));
        let mut said = Self::default();
        let flag = || go_bool(&value).ok_or_else(|| Error::new(format!("invalid value {value} for boolean key {base}")));
        match base {
            "args" => drop(self.args.insert(inner.to_owned(), value)),
            "labels" => drop(self.labels.insert(inner.to_owned(), value)),
            "contexts" => drop(self.contexts.insert(inner.to_owned(), value)),
            "extra-hosts" => drop(self.extra_hosts.insert(inner.to_owned(), value)),
            "push" => self.push(flag()?),
            "load" => self.load(flag()?),
            "pull" => self.pull = Some(flag()?),
            "no-cache" => self.no_cache = Some(flag()?),
            _ => {
                let attribute = match base {
                    "platform" => "platforms",
                    "secrets" => "secret",
                    other => other,
                };
                let whole = LISTS.contains(&base) || base == "no-cache-filter";
                said.set(attribute, &if whole { list } else { Value::String(value) })?;
                self.replace_or_add(attribute, said, set.append);
            }
        }
        Ok(())
    }

    fn replace_or_add(&mut self, attribute: &str, said: Self, append: bool) {
        fn join<T: Clone>(mine: &Option<Vec<T>>, more: Option<Vec<T>>) -> Option<Vec<T>> {
            Some([mine.clone().unwrap_or_default(), more.unwrap_or_default()].concat())
        }
        match (attribute, append) {
            ("tags", true) => self.tags = join(&self.tags, said.tags),
            ("platforms", true) => self.platforms = join(&self.platforms, said.platforms),
            ("output", true) => self.output = join(&self.output, said.output),
            ("cache-to", true) => self.cache_to = join(&self.cache_to, said.cache_to),
            ("cache-from", false) => self.cache_from = said.cache_from,
            ("secret", false) => self.secret = said.secret,
            ("ssh", false) => self.ssh = said.ssh,
            ("ulimits", false) => self.ulimits = said.ulimits,
            ("no-cache-filter", false) => self.no_cache_filter = said.no_cache_filter,
            _ => self.merge(&said),
        }
    }

    fn push(&mut self, wanted: bool) {
        let outputs = self.output.get_or_insert_default();
        if !wanted {
            outputs.retain(|output| output.kind() != "registry");
        }
        outputs.iter_mut().filter(|output| output.kind() == "image").for_each(|output| output.put("push", &wanted.to_string()));
        if wanted && outputs.iter().all(|output| output.kind() == "docker") {
            let mut image = Entry::new("image");
            image.put("push", "true");
            outputs.push(image);
        }
    }

    fn load(&mut self, wanted: bool) {
        let outputs = self.output.get_or_insert_default();
        if !wanted {
            outputs.retain(|output| output.kind() != "docker");
            return;
        }
        let plain = |output: &Entry| matches!(output.kind(), "image" | "registry" | "oci");
        if outputs.iter().all(plain) {
            outputs.push(Entry::new("docker"));
        }
    }
}
