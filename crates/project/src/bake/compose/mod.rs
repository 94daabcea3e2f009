//! Compose files: the `build` sections of services are targets.

mod dotenv;
mod interpolate;
mod merge;
mod service;
mod xbake;
mod yaml;

use std::collections::BTreeMap;

use super::definition::Definition;
use super::matrix::valid_name;
use super::{Error, Group, Input, Options};
use interpolate::Variables;
use service::Project;
use yaml::{Node, Yaml};

/// Whether the file is one: by its name, or, without an extension that says so, by what is in it.
pub(super) fn is(input: &Input) -> bool {
    let name = input.name.to_lowercase();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "yml" | "yaml" => true,
        "json" | "hcl" => false,
        _ => {
            !input.text.trim_start().starts_with('{')
                && yaml::parse(0, input)
                    .is_ok_and(|node| matches!(node.get("services"), Some(Node { kind: Yaml::Map(_), .. })))
        }
    }
}

/// Whether the file is a plan: a mapping with a list of `images`.
pub(super) fn is_plan(input: &Input) -> bool {
    let name = input.name.to_lowercase();
    !name.ends_with(".hcl")
        && !name.ends_with(".json")
        && yaml::parse(0, input).is_ok_and(|node| {
            node.get("services").is_none() && matches!(node.get("images"), Some(Node { kind: Yaml::List(_), .. }))
        })
}

/// Reads the files, later ones over earlier ones.
pub(super) fn read(files: &[(usize, &Input)], options: &Options<'_>) -> Result<Definition, Error> {
    let mut definition = Definition::default();
    if files.is_empty() {
        return Ok(definition);
    }
    let mut variables = Variables::of(options)?;
    let mut project: Option<Node> = None;
    for (number, input) in files {
        let file = document(*number, input, &mut variables)?;
        match &mut project {
            None => project = Some(file),
            Some(project) => merge::merge(project, file),
        }
    }
    if let Some(project) = project {
        take(&mut definition, &Project::of(&project, &variables, options)?)?;
    }
    Ok(definition)
}

fn document(number: usize, input: &Input, variables: &mut Variables<'_>) -> Result<Node, Error> {
    let mut file = yaml::parse(number, input)?;
    if let Some(name) = file.get("name") {
        variables.name_project(name)?;
    }
    refuse_tags(&file, input)?;
    if let Some(include) = file.get("include") {
        return Err(Error::new("include is not supported").with_hint("name every file with -f").at(include.span));
    }
    if file.get("services").is_none() && file.get("secrets").is_none() {
        let error = Error::new(format!("{} has no services", input.name)).at(file.span);
        return Err(error.with_hint("services: NAME: build: ... makes targets"));
    }
    interpolate::node(&mut file, variables)?;
    merge::normalize(&mut file)?;
    Ok(file)
}

/// `!reset` and `!override` change how files are merged, which nobody would notice.
fn refuse_tags(file: &Node, input: &Input) -> Result<(), Error> {
    for tag in ["!reset", "!override"] {
        if let Some(at) = input.text.find(&format!(" {tag}")) {
            let span = super::syntax::Span { file: file.span.file, start: at + 1, end: at + 1 + tag.len() };
            return Err(Error::new(format!("{tag} is not supported")).with_hint("leave the earlier file out").at(span));
        }
    }
    Ok(())
}

fn take(definition: &mut Definition, project: &Project<'_>) -> Result<(), Error> {
    let Some(services) = project.services() else { return Ok(()) };
    let mut group = Group::default();
    for (key, service) in services {
        let Some(target) = project.target(&key.text, service)? else { continue };
        let name = key.text.replace('.', "_");
        valid_name(&name).map_err(|error| error.at(key.span))?;
        definition.places.insert(name.clone(), key.span);
        definition.put_target(&name, target);
        group.targets.push(name);
    }
    definition.put_group("default", group);
    Ok(())
}

/// Variables by name.
type Environment = BTreeMap<String, String>;
