//! What the files say: blocks by what they define, then groups, targets and variables.

use std::collections::BTreeMap;

use super::eval::evaluate;
use super::matrix::{Instance, instances};
use super::syntax::{Attribute, Block, Body, Span};
use super::target::{ATTRIBUTES, REFUSED, Target, texts};
use super::value::Value;
use super::world::{Signature, World};
use super::{Error, Group, Options, Variable};

/// Variables that are always there.
pub(super) const BUILT_IN: [&str; 2] = ["BAKE_CMD_CONTEXT", "BAKE_LOCAL_PLATFORM"];
/// The attributes of a group.
pub(super) const GROUP_ATTRIBUTES: [&str; 2] = ["description", "targets"];
/// The attributes of a variable.
const VARIABLE: [&str; 5] = ["default", "description", "sensitive", "type", "validation"];
const FUNCTION: [&str; 3] = ["params", "result", "variadic_params"];

/// The blocks of all files; of variables, functions and attributes the last one counts.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) attributes: BTreeMap<String, Attribute>,
    pub(super) variables: BTreeMap<String, Block>,
    pub(super) functions: BTreeMap<String, Block>,
    /// Targets and groups, in the order of the files.
    instances: Vec<Block>,
}

/// Groups and targets, nothing chosen yet; what targets inherit is not in them yet.
#[derive(Debug, Default)]
pub(super) struct Definition {
    pub(super) groups: Vec<(String, Group)>,
    pub(super) targets: Vec<(String, Target)>,
    pub(super) variables: Vec<Variable>,
    /// Where targets and groups are written.
    pub(super) places: BTreeMap<String, Span>,
}

impl Blocks {
    /// Takes in the files.
    pub(super) fn of(bodies: Vec<Body>) -> Result<Self, Error> {
        let mut blocks = Self::default();
        for body in bodies {
            for attribute in body.attributes {
                blocks.attribute(attribute)?;
            }
            body.blocks.into_iter().try_for_each(|block| blocks.block(block))?;
        }
        Ok(blocks)
    }

    fn attribute(&mut self, attribute: Attribute) -> Result<(), Error> {
        let name = attribute.name.text.as_str();
        if let "target" | "group" | "variable" | "function" = name {
            let error = Error::new(format!("{name} is a block, not an attribute")).at(attribute.name.span);
            return Err(error.with_hint(format!("{name} \"NAME\" {{ ... }}")));
        }
        if !BUILT_IN.contains(&name) {
            self.attributes.insert(name.to_owned(), attribute);
        }
        Ok(())
    }

    fn block(&mut self, block: Block) -> Result<(), Error> {
        let kind = block.kind.text.as_str();
        if !["target", "group", "variable", "function"].contains(&kind) {
            let error = Error::new(format!("{kind} is no block of a bake file")).at(block.kind.span);
            return Err(error.meant(kind, ["target", "group", "variable", "function"]));
        }
        let [label] = &block.labels[..] else {
            let error = Error::new(format!("{kind} has one name")).at(block.kind.span);
            return Err(error.with_hint(format!("{kind} \"NAME\" {{ ... }}")));
        };
        let label = label.text.clone();
        check(&block)?;
        match block.kind.text.as_str() {
            "variable" if BUILT_IN.contains(&label.as_str()) => {}
            "variable" => drop(self.variables.insert(label, block)),
            "function" => drop(self.functions.insert(label, block)),
            _ => self.instances.push(block),
        }
        Ok(())
    }
}

/// Refuses attributes that nobody knows.
fn check(block: &Block) -> Result<(), Error> {
    let kind = block.kind.text.as_str();
    let known = match kind {
        "variable" => &VARIABLE[..],
        "function" => &FUNCTION,
        "group" => &GROUP_ATTRIBUTES,
        _ => &ATTRIBUTES,
    };
    for inner in &block.body.blocks {
        let name = inner.kind.text.as_str();
        if kind != "variable" || name != "validation" {
            let error = Error::new(format!("a {kind} has no block {name}")).at(inner.kind.span);
            let hint = format!("{name} = {{ ... }} is an attribute");
            return Err(if known.contains(&name) {
                error.with_hint(hint)
            } else {
                error.meant(name, known.iter().copied())
            });
        }
        check_validation(inner)?;
    }
    for attribute in &block.body.attributes {
        let name = attribute.name.text.as_str();
        let special = matches!(kind, "target" | "group") && matches!(name, "matrix" | "name");
        if known.contains(&name) || special {
            continue;
        }
        if let Some((_, hint)) = REFUSED.iter().find(|(refused, _)| kind == "target" && *refused == name) {
            return Err(Error::new(format!("{name} is not supported yet")).with_hint(*hint).at(attribute.name.span));
        }
        let error = Error::new(format!("a {kind} has no attribute {name}")).at(attribute.name.span);
        return Err(error.meant(name, known.iter().copied()));
    }
    Ok(())
}

fn check_validation(rule: &Block) -> Result<(), Error> {
    for name in ["condition", "error_message"] {
        if rule.body.attribute(name).is_none() {
            return Err(Error::new(format!("this validation has no {name}")).at(rule.kind.span));
        }
    }
    let known = |attribute: &&Attribute| !matches!(attribute.name.text.as_str(), "condition" | "error_message");
    match rule.body.attributes.iter().find(known) {
        None => Ok(()),
        Some(attribute) => {
            let error = Error::new(format!("a validation has no attribute {}", attribute.name.text));
            Err(error.meant(&attribute.name.text, ["condition", "error_message"]).at(attribute.name.span))
        }
    }
}

impl Definition {
    /// Evaluates everything.
    pub(super) fn read(options: &Options<'_>, blocks: &Blocks, mut compose: Self) -> Result<Self, Error> {
        let world = World::new(options, blocks)?;
        compose.variables = variables(&world)?;
        for block in blocks.functions.values() {
            Signature::of(block)?;
        }
        let mut all = Vec::new();
        for block in &blocks.instances {
            for label in &block.labels {
                all.extend(instances(&world, block, label)?);
            }
        }
        world.set_instances(all);
        let instances = world.instances();
        for instance in instances.iter() {
            compose.take(&world, instance)?;
        }
        compose.groups_of_matrices(&instances);
        for name in blocks.attributes.keys() {
            world.variable(name)?;
        }
        Ok(compose)
    }

    fn take(&mut self, world: &World<'_>, instance: &Instance<'_>) -> Result<(), Error> {
        self.places.insert(instance.name.clone(), instance.label.span);
        match instance.block.kind.text.as_str() {
            "group" => self.put_group(&instance.name, group(world, instance)?),
            _ => self.put_target(&instance.name, target(world, instance)?),
        }
        Ok(())
    }

    /// A later group takes the place of an earlier one.
    pub(super) fn put_group(&mut self, name: &str, group: Group) {
        match self.groups.iter_mut().find(|(other, _)| other == name) {
            Some((_, earlier)) => *earlier = group,
            None => self.groups.push((name.to_owned(), group)),
        }
    }

    /// A later target is merged into an earlier one.
    pub(super) fn put_target(&mut self, name: &str, target: Target) {
        match self.targets.iter_mut().find(|(other, _)| other == name) {
            Some((_, earlier)) => earlier.merge(target),
            None => self.targets.push((name.to_owned(), target)),
        }
    }

    /// The targets of a matrix are a group by the name of its block.
    fn groups_of_matrices(&mut self, instances: &[Instance<'_>]) {
        let mut made: Vec<(String, Group)> = Vec::new();
        for instance in instances.iter().filter(|instance| instance.block.kind.text == "target") {
            let label = &instance.label.text;
            match made.iter_mut().find(|(name, _)| name == label) {
                Some((_, group)) if group.targets.contains(&instance.name) => {}
                Some((_, group)) => group.targets.push(instance.name.clone()),
                None => made.push((label.clone(), Group { targets: vec![instance.name.clone()], ..Group::default() })),
            }
        }
        for (name, group) in made.into_iter().filter(|(name, group)| group.targets != [name.as_str()]) {
            if self.groups.iter().all(|(other, _)| *other != name) {
                self.groups.push((name, group));
            }
        }
    }
}

fn group(world: &World<'_>, instance: &Instance<'_>) -> Result<Group, Error> {
    let body = &instance.block.body;
    let mut group = Group::default();
    if let Some(description) = body.attribute("description") {
        group.description =
            world.value(&description.value)?.text().map_err(|error| error.at(description.value.span))?;
    }
    let Some(targets) = body.attribute("targets") else {
        return Err(Error::new("this group has no targets").at(instance.label.span));
    };
    let names = texts(&world.value(&targets.value)?).map_err(|error| error.at(targets.value.span))?;
    for name in names {
        if !group.targets.contains(&name) {
            group.targets.push(name);
        }
    }
    Ok(group)
}

fn target(world: &World<'_>, instance: &Instance<'_>) -> Result<Target, Error> {
    let mut target = Target::default();
    for attribute in &instance.block.body.attributes {
        let name = attribute.name.text.as_str();
        if matches!(name, "matrix" | "name") {
            continue;
        }
        let value = evaluate(world, &instance.scope, &attribute.value)?;
        target.set(name, &value).map_err(|error| error.within(name).at(attribute.value.span))?;
    }
    Ok(target)
}

/// All variables, each checked.
fn variables(world: &World<'_>) -> Result<Vec<Variable>, Error> {
    let mut all = Vec::new();
    for (name, block) in &world.blocks.variables {
        let value = world.variable(name)?;
        let kind = world.type_of(block)?;
        let said = |attribute: &str| block.body.attribute(attribute).map(|it| world.value(&it.value)).transpose();
        let description = said("description")?.map_or(Ok(String::new()), |text| text.text())?;
        let sensitive = said("sensitive")?.map_or(Ok(false), |yes| yes.bool())?;
        let value = match &value {
            Value::Null => None,
            _ if sensitive => Some("<sensitive>".to_owned()),
            plain if plain.is_plain() => Some(plain.text()?),
            other => Some(other.compact()),
        };
        all.push(Variable {
            name: name.clone(),
            description,
            kind: kind.map(|kind| kind.name()).unwrap_or_default(),
            value,
        });
    }
    world.blocks.variables.values().try_for_each(|block| validate(world, block))?;
    Ok(all)
}

fn validate(world: &World<'_>, block: &Block) -> Result<(), Error> {
    for rule in &block.body.blocks {
        let (Some(condition), Some(message)) = (rule.body.attribute("condition"), rule.body.attribute("error_message"))
        else {
            continue;
        };
        let holds = world.value(&condition.value)?.bool().map_err(|error| error.at(condition.value.span))?;
        if !holds {
            let message = world.value(&message.value)?.text().map_err(|error| error.at(message.value.span))?;
            return Err(Error::new(message).at(condition.value.span));
        }
    }
    Ok(())
}
