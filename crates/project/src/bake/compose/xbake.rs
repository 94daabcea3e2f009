//! `x-bake`: what bake has and compose has not.

use super::Error;
use super::service::{contexts, entries};
use super::yaml::{Node, Yaml};
use crate::bake::entry::{Entry, Secret, Ssh};
use crate::bake::target::Target;
use crate::bake::value::Value;

const KEYS: [&str; 11] = [
    "cache-from",
    "cache-to",
    "contexts",
    "no-cache",
    "no-cache-filter",
    "output",
    "platforms",
    "pull",
    "secret",
    "ssh",
    "tags",
];

/// Adds what the section says.
pub(super) fn extend(target: &mut Target, extension: &Node) -> Result<(), Error> {
    for (key, value) in extension.map()? {
        if matches!(value.kind, Yaml::Null) {
            continue;
        }
        match key.text.as_str() {
            "tags" => add(target.tags.get_or_insert_default(), texts(value)?),
            "platforms" => add(target.platforms.get_or_insert_default(), texts(value)?),
            "no-cache-filter" => add(&mut target.no_cache_filter, texts(value)?),
            "cache-from" => target.cache_from.extend(split(value, Entry::caches)?),
            "cache-to" => target.cache_to.get_or_insert_default().extend(split(value, Entry::caches)?),
            "output" => target.output.get_or_insert_default().extend(split(value, Entry::output)?),
            "secret" => target.secret.extend(split(value, Secret::of)?),
            "ssh" => {
                target.ssh.extend(split(value, Ssh::of)?);
                target.ssh.sort();
            }
            "pull" => target.pull = Some(value.bool()?),
            "no-cache" => target.no_cache = Some(value.bool()?),
            "contexts" => {
                for (name, context) in contexts(value, str::to_owned)? {
                    target.contexts.entry(name).or_insert(context);
                }
            }
            other => return Err(Error::new(format!("x-bake has no {other}")).meant(other, KEYS).at(key.span)),
        }
    }
    Ok(())
}

/// A list, or words.
fn texts(value: &Node) -> Result<Vec<String>, Error> {
    match value.kind {
        Yaml::List(_) => value.texts(),
        _ => Ok(value.text()?.split_whitespace().map(str::to_owned).collect()),
    }
}

fn split<T>(value: &Node, read: fn(&Value) -> Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    if let Yaml::List(_) = value.kind {
        return entries(value, read);
    }
    let mut all = Vec::new();
    for text in texts(value)? {
        all.extend(read(&text.into()).map_err(|error| error.at(value.span))?);
    }
    Ok(all)
}

fn add(into: &mut Vec<String>, texts: Vec<String>) {
    for text in texts {
        if !into.contains(&text) {
            into.push(text);
        }
    }
}
