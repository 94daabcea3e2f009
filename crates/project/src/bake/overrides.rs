//! `--set TARGET.KEY=VALUE`.

use std::collections::BTreeMap;

use super::entry::{Attest, Entry, Secret, Ssh, flag};
use super::target::{Target, each};
use super::value::Value;
use super::{Error, Options};

/// What one key of one target is set to.
#[derive(Debug, Clone, Default)]
struct Override {
    values: Vec<String>,
    append: bool,
}

/// By target, then by key and name.
#[derive(Debug, Default)]
pub(super) struct Overrides(BTreeMap<String, BTreeMap<(String, String), Override>>);

/// Keys that hold one value, or none.
const SINGLE: [&str; 10] =
    ["call", "context", "dockerfile", "load", "network", "no-cache", "pull", "push", "shm-size", "target"];
/// Keys that hold lists: several values add up, and `+=` adds to what the files say.
const LISTS: [&str; 11] = [
    "annotations",
    "attest",
    "cache-from",
    "cache-to",
    "entitlements",
    "no-cache-filter",
    "output",
    "platform",
    "secrets",
    "ssh",
    "tags",
];
/// Keys that need a name.
const NAMED: [&str; 5] = ["args", "contexts", "extra-hosts", "labels", "secret"];
/// One more list, which is last as buildx takes only one value of it.
const ULIMITS: &str = "ulimits";

impl Overrides {
    /// Reads all of them; a later one of a key that holds one value replaces an earlier one.
    pub(super) fn read(options: &Options<'_>, names: &[&str]) -> Result<Self, Error> {
        let mut all = Self::default();
        for text in &options.sets {
            all.add(text, names, options).map_err(|error| error.within(format_args!("--set {text}")))?;
        }
        Ok(all)
    }

    fn add(&mut self, text: &str, names: &[&str], options: &Options<'_>) -> Result<(), Error> {
        let (left, value) = text.split_once('=').map_or((text, None), |(left, value)| (left, Some(value)));
        let (left, append) = left.strip_suffix('+').map_or((left, false), |left| (left, true));
        let usage = "--set TARGET.KEY=VALUE, where TARGET may have wildcards";
        let (pattern, key) = left.split_once('.').ok_or_else(|| Error::new("there is no key").with_hint(usage))?;
        let (key, name) = key.split_once('.').unwrap_or((key, ""));
        check(key, name, append)?;
        let value = match value {
            Some(value) => value.to_owned(),
            None if key == "args" => match options.variable_of_environment(name) {
                Some(value) => value,
                None => return matching(pattern, names).map(drop),
            },
            None => return Err(Error::new("there is no value").with_hint(usage)),
        };
        for target in matching(pattern, names)? {
            let keys = self.0.entry(target.to_owned()).or_default();
            let slot = keys.entry((key.to_owned(), name.to_owned())).or_default();
            slot.put(value.clone(), append, LISTS.contains(&key) || key == ULIMITS);
        }
        Ok(())
    }

    /// Applies what is set for the target; `push` and `load` come last, as they look at the outputs.
    pub(super) fn apply(&self, name: &str, target: &mut Target) -> Result<(), Error> {
        let Some(keys) = self.0.get(name) else { return Ok(()) };
        let late = |key: &str| matches!(key, "push" | "load" | "secret");
        let (last, first): (Vec<_>, Vec<_>) = keys.iter().rev().partition(|((key, _), _)| late(key));
        for ((key, inner), set) in first.into_iter().chain(last) {
            let applied = target.apply(key, inner, set);
            applied.map_err(|error| error.within(format_args!("--set {name}.{key}")))?;
        }
        Ok(())
    }
}

impl Override {
    fn put(&mut self, value: String, append: bool, list: bool) {
        self.append = append;
        if !list {
            self.values.clear();
        }
        self.values.push(value);
    }

    fn list(&self) -> Value {
        self.values.iter().map(String::as_str).collect()
    }
}

fn check(key: &str, name: &str, append: bool) -> Result<(), Error> {
    let all = || SINGLE.into_iter().chain(LISTS).chain(NAMED).chain([ULIMITS]);
    if !all().any(|known| known == key) {
        let hint = match key {
            "platforms" => Some("did you mean platform?"),
            "policy" | "resources" => Some("this attribute is not supported yet"),
            "inherits" | "description" => Some("this attribute cannot be set"),
            _ => None,
        };
        let error = Error::new(format!("there is no key {key}"));
        return Err(hint.map_or_else(|| error.clone().meant(key, all()), |hint| error.clone().with_hint(hint)));
    }
    match NAMED.contains(&key) {
        true if name.is_empty() => {
            Err(Error::new(format!("{key} needs a name")).with_hint(format!("--set TARGET.{key}.NAME=VALUE")))
        }
        true if append => Err(Error::new(format!("{key} takes one value, not +="))),
        false if !name.is_empty() => Err(Error::new(format!("{key} has no names in it, such as {name}"))),
        _ => Ok(()),
    }
}

fn matching<'n>(pattern: &str, names: &[&'n str]) -> Result<Vec<&'n str>, Error> {
    let exact = names.iter().find(|name| **name == pattern);
    let found = match exact {
        Some(name) => vec![*name],
        None => names.iter().copied().filter(|name| wildcard(pattern, name)).collect(),
    };
    match found.is_empty() {
        true => Err(Error::new(format!("no target matches {pattern:?}")).meant(pattern, names.iter().copied())),
        false => Ok(found),
    }
}

/// Whether the whole name is what the pattern says: `*`, `?`, `[a-c]`.
pub(super) fn wildcard(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // For every end of the name: whether the pattern so far matches up to there.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut rest = pattern.as_slice();
    while let Some((token, after)) = Glob::read(rest) {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match token {
                Glob::Any => reached[..=at].contains(&true),
                token => at > 0 && reached[at - 1] && token.matches(name[at - 1]),
            };
        }
        (reached, rest) = (next, after);
    }
    reached[name.len()]
}

/// A part of a pattern.
#[derive(Clone, Copy)]
enum Glob<'p> {
    Any,
    One,
    Class(&'p [char]),
    Letter(char),
}

impl<'p> Glob<'p> {
    fn read(pattern: &'p [char]) -> Option<(Self, &'p [char])> {
        let (first, rest) = pattern.split_first()?;
        match (first, rest.iter().position(|c| *c == ']')) {
            ('*', _) => Some((Self::Any, rest)),
            ('?', _) => Some((Self::One, rest)),
            ('[', Some(end)) => Some((Self::Class(&rest[..end]), &rest[end + 1..])),
            ('\\', _) if !rest.is_empty() => Some((Self::Letter(rest[0]), &rest[1..])),
            (letter, _) => Some((Self::Letter(*letter), rest)),
        }
    }

    fn matches(self, letter: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Letter(wanted) => wanted == letter,
            Self::Class(class) => {
                let (negated, class) = class.strip_prefix(&['^']).map_or((false, class), |class| (true, class));
                let range = class.windows(3).any(|w| w[1] == '-' && (w[0]..=w[2]).contains(&letter));
                (range || class.contains(&letter)) != negated
            }
        }
    }
}

impl Target {
    fn apply(&mut self, key: &str, name: &str, set: &Override) -> Result<(), Error> {
        let value = set.values.last().cloned().unwrap_or_default();
        match key {
            "args" => drop(self.args.insert(name.to_owned(), value)),
            "labels" => drop(self.labels.insert(name.to_owned(), value)),
            "contexts" => drop(self.contexts.insert(name.to_owned(), value)),
            "extra-hosts" => drop(self.extra_hosts.insert(name.to_owned(), value)),
            "secret" => return self.set_secret(name, &value),
            "call" => self.call = Some(value),
            "context" => self.context = Some(value),
            "dockerfile" => self.dockerfile = Some(value),
            "network" => self.network = Some(value),
            "shm-size" => self.shm_size = Some(value),
            "target" => self.target = Some(value),
            "pull" => self.pull = Some(flag(key, &value)?),
            "no-cache" => self.no_cache = Some(flag(key, &value)?),
            "push" => self.push(flag(key, &value)?),
            "load" if flag(key, &value)? => self.load(),
            "load" => {}
            _ => return self.apply_list(key, set),
        }
        Ok(())
    }

    fn apply_list(&mut self, key: &str, set: &Override) -> Result<(), Error> {
        let (texts, list) = (set.values.clone(), set.list());
        match key {
            "tags" => put(self.tags.get_or_insert_default(), texts, set.append),
            "platform" => put(self.platforms.get_or_insert_default(), texts, set.append),
            "no-cache-filter" => put(&mut self.no_cache_filter, texts, set.append),
            "ulimits" => put(&mut self.ulimits, texts, set.append),
            "annotations" => put(&mut self.annotations, texts, true),
            "entitlements" => put(&mut self.entitlements, texts, true),
            "attest" => put(&mut self.attest, each(&list, Attest::of)?, true),
            "cache-from" => put(&mut self.cache_from, each(&list, Entry::caches)?, set.append),
            "cache-to" => put(self.cache_to.get_or_insert_default(), each(&list, Entry::caches)?, set.append),
            "output" => put(self.output.get_or_insert_default(), each(&list, Entry::output)?, set.append),
            "secrets" => put(&mut self.secret, each(&list, Secret::of)?, set.append),
            _ => put(&mut self.ssh, each(&list, Ssh::of)?, set.append),
        }
        Ok(())
    }

    /// Another source for a secret that the files declare.
    fn set_secret(&mut self, id: &str, value: &str) -> Result<(), Error> {
        let ids = self.secret.iter().map(|secret| secret.id.as_str());
        let hint = "only a secret that the files declare can be set";
        let unknown = Error::new(format!("no secret {id} is declared")).with_hint(hint).meant(id, ids);
        let secret = self.secret.iter_mut().find(|secret| secret.id == id).ok_or(unknown)?;
        for next in Secret::of(&value.into())? {
            if !next.id.is_empty() && next.id != id {
                return Err(Error::new(format!("the id {} is not {id}", next.id)));
            }
            (secret.src, secret.env) = (next.src, next.env);
        }
        Ok(())
    }

    fn push(&mut self, wanted: bool) {
        let outputs = self.output.get_or_insert_default();
        while let Some(at) = outputs.iter().position(|output| !wanted && output.kind() == "registry") {
            outputs.swap_remove(at);
        }
        let images = outputs.iter_mut().filter(|output| output.kind() == "image");
        images.for_each(|output| output.put("push", if wanted { "true" } else { "false" }));
        if wanted && outputs.iter().all(|output| output.kind() == "docker") {
            outputs.push(Entry::of([("type", "image"), ("push", "true")]));
        }
    }

    /// Into the engine, unless something else than an image is asked for.
    fn load(&mut self) {
        let outputs = self.output.get_or_insert_default();
        let goes_on = |output: &Entry| match output.kind() {
            "docker" => output.get("dest").is_some(),
            kind => matches!(kind, "image" | "registry" | "oci"),
        };
        if outputs.iter().all(goes_on) {
            outputs.push(Entry::of([("type", "docker")]));
        }
    }
}

fn put<T>(into: &mut Vec<T>, values: Vec<T>, append: bool) {
    if !append {
        into.clear();
    }
    into.extend(values);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_whole_names() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[^a]x", "ax", false),
            ("a", "ab", false),
            ("*a*b*c*", "xaybzc", true),
            ("a\\*", "a*", true),
        ] {
            assert_eq!(wildcard(pattern, name), matches, "{pattern} {name}");
        }
    }
}
