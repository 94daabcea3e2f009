//! Several compose files as one: mappings merge, lists add up, everything else is replaced.

use super::Error;
use super::yaml::{Node, Yaml};
use crate::bake::syntax::Word;

/// Sections of `build` that may be written as lists or as mappings.
const EITHER: [&str; 4] = ["additional_contexts", "args", "extra_hosts", "labels"];

/// Writes as mappings what may be lists, so that they merge by name.
pub(super) fn normalize(file: &mut Node) -> Result<(), Error> {
    let Some(Yaml::Map(services)) = file.get_mut("services").map(|node| &mut node.kind) else { return Ok(()) };
    for (_, service) in services {
        if let Some(environment) = service.get_mut("environment") {
            mapping(environment, "environment")?;
        }
        if let Some(build) = service.get_mut("build") {
            normalize_build(build)?;
        }
    }
    Ok(())
}

/// `build: DIR` is `build: {context: DIR}`.
fn normalize_build(build: &mut Node) -> Result<(), Error> {
    if let Yaml::Text(_) | Yaml::Plain(_) = build.kind {
        let context = Word { text: "context".to_owned(), span: build.span };
        build.kind = Yaml::Map(vec![(context, build.clone())]);
    }
    let Yaml::Map(fields) = &mut build.kind else { return Ok(()) };
    for (key, value) in fields.iter_mut().filter(|(key, _)| EITHER.contains(&key.text.as_str())) {
        mapping(value, &key.text)?;
    }
    Ok(())
}

/// `[NAME=VALUE]` as `{NAME: VALUE}`; hosts may have a colon instead.
fn mapping(node: &mut Node, section: &str) -> Result<(), Error> {
    let Yaml::List(items) = &node.kind else { return Ok(()) };
    let mut fields: Vec<(Word, Node)> = Vec::new();
    for item in items {
        let text = item.text()?;
        let pair = text.split_once('=').or_else(|| text.split_once(':').filter(|_| section == "extra_hosts"));
        let (name, kind) = match pair {
            Some((name, value)) => (name, Yaml::Text(value.to_owned())),
            None if matches!(section, "args" | "environment") => (text, Yaml::Null),
            None if section == "labels" => (text, Yaml::Text(String::new())),
            None => return Err(item.error(format!("{text:?} is no NAME=VALUE"))),
        };
        let known = fields.iter_mut().find(|(key, _)| section == "extra_hosts" && key.text == name);
        if let (Some((_, Node { kind: Yaml::Text(addresses), .. })), Yaml::Text(more)) = (known, &kind) {
            *addresses += &format!(",{more}");
            continue;
        }
        fields.push((Word { text: name.to_owned(), span: item.span }, Node { kind, span: item.span }));
    }
    node.kind = Yaml::Map(fields);
    Ok(())
}

/// Takes `from` into `into`.
pub(super) fn merge(into: &mut Node, from: Node) {
    let span = from.span;
    match (&mut into.kind, from.kind) {
        (Yaml::Map(_) | Yaml::List(_), Yaml::Null) => {}
        (Yaml::Map(into), Yaml::Map(from)) => {
            for (key, value) in from {
                match into.iter_mut().find(|(name, _)| name.text == key.text) {
                    Some((_, slot)) => merge(slot, value),
                    None => into.push((key, value)),
                }
            }
        }
        (Yaml::List(into), Yaml::List(from)) => {
            for item in from {
                if !into.iter().any(|known| same(known, &item)) {
                    into.push(item);
                }
            }
        }
        (_, kind) => *into = Node { kind, span },
    }
}

fn same(one: &Node, other: &Node) -> bool {
    matches!((one.text(), other.text()), (Ok(one), Ok(other)) if one == other)
}

impl Node {
    fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.kind {
            Yaml::Map(fields) => fields.iter_mut().find(|(name, _)| name.text == key).map(|(_, value)| value),
            _ => None,
        }
    }
}
