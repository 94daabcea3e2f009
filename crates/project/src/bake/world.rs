//! What the files define, evaluated when it is asked for: variables, attributes, functions and blocks in any order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::{Attribute, Block, Body};

use super::expr::{Scope, World, evaluate};
use super::functions::{self, Around};
use super::target::{ATTRIBUTES, Target};
use super::value::{Type, Value};
use super::{Error, Group, Input, Variable};

const BUILT_IN: [&str; 2] = ["BAKE_CMD_CONTEXT", "BAKE_LOCAL_PLATFORM"];
const VARIABLE: [&str; 4] = ["default", "description", "type", "validation"];
const GROUP: [&str; 5] = ["description", "matrix", "name", "targets", "inherits"];

/// A block in the file of that number.
#[derive(Clone, Copy)]
struct Placed<'a, T> {
    file: usize,
    it: &'a T,
}

/// A target's or group's block, once for every row of its matrix.
struct Instance<'a> {
    kind: &'a str,
    label: &'a str,
    name: String,
    block: &'a Block,
    scope: Scope,
}

pub(super) struct Files<'a> {
    input: &'a Input,
    names: Vec<(&'a str, &'a str)>,
    variables: BTreeMap<&'a str, Placed<'a, Block>>,
    attributes: BTreeMap<&'a str, Placed<'a, Attribute>>,
    functions: BTreeMap<&'a str, Placed<'a, Block>>,
    instances: RefCell<Vec<Instance<'a>>>,
    known: RefCell<BTreeMap<String, Value>>,
    /// What is being evaluated, for cycles.
    open: RefCell<Vec<String>>,
}

impl<'a> Files<'a> {
    /// Takes in the files; a later file's definition replaces an earlier one's.
    pub(super) fn new(input: &'a Input, bodies: &'a [(usize, Body)]) -> Result<Self, Error> {
        let mut files = Self {
            input,
            names: input.files.iter().map(|file| (&file.name[..], &file.text[..])).collect(),
            variables: BTreeMap::new(),
            attributes: BTreeMap::new(),
            functions: BTreeMap::new(),
            instances: RefCell::default(),
            known: RefCell::default(),
            open: RefCell::default(),
        };
        let mut blocks = Vec::new();
        for (file, body) in bodies {
            for attribute in body.attributes() {
                files.attributes.insert(attribute.key.as_str(), Placed { file: *file, it: attribute });
            }
            for block in body.blocks() {
                blocks.extend(files.sort(Placed { file: *file, it: block })?);
            }
        }
        for block in blocks {
            let instances = files.instances_of(block)?;
            files.instances.borrow_mut().extend(instances);
        }
        Ok(files)
    }

    fn sort(&mut self, block: Placed<'a, Block>) -> Result<Option<Placed<'a, Block>>, Error> {
        let kind = block.it.ident.as_str();
        let at = |error: Error| self.locate(block.file, block.it.ident.span(), error);
        let [label] = &block.it.labels[..] else {
            return Err(at(Error::new(format!("{kind} needs one name")).hint_of(format!("{kind} \"name\" {{ ... }}"))));
        };
        match kind {
            "variable" => {
                self.check(block, &VARIABLE)?;
                self.variables.insert(label.as_str(), block);
            }
            "function" => {
                self.check(block, &["params", "result", "variadic_params"])?;
                self.functions.insert(label.as_str(), block);
            }
            "target" => return self.check(block, &ATTRIBUTES).map(|()| Some(block)),
            "group" => return self.check(block, &GROUP).map(|()| Some(block)),
            other => {
                let known = ["target", "group", "variable", "function"];
                return Err(at(Error::new(format!("{other} is no block of a bake file")).meant(other, known)));
            }
        }
        Ok(None)
    }

    /// Unknown attributes are refused.
    fn check(&self, block: Placed<'a, Block>, known: &[&str]) -> Result<(), Error> {
        let kind = block.it.ident.as_str();
        for structure in block.it.body.iter() {
            let (name, span) = match (structure.as_attribute(), structure.as_block()) {
                (Some(attribute), _) => (attribute.key.as_str(), attribute.key.span()),
                (_, Some(inner)) if kind == "variable" => (inner.ident.as_str(), inner.ident.span()),
                (_, Some(inner)) => {
                    let name = inner.ident.as_str();
                    let error = Error::new(format!("a {kind} has no block {name}")).hint_of(format!("{name} = {{ ... }}"));
                    return Err(self.locate(block.file, inner.ident.span(), error));
                }
                _ => continue,
            };
            if !known.contains(&name) {
                let error = Error::new(format!("a {kind} has no attribute {name}")).meant(name, known.iter().copied());
                return Err(self.locate(block.file, span, error));
            }
        }
        Ok(())
    }

    fn instances_of(&self, block: Placed<'a, Block>) -> Result<Vec<Instance<'a>>, Error> {
        let (kind, label) = (block.it.ident.as_str(), block.it.labels.first().map_or("", |label| label.as_str()));
        let body = &block.it.body;
        let (matrix, named) = (body.get_attribute("matrix"), body.get_attribute("name"));
        let scopes = match matrix {
            Some(matrix) => self.rows(block.file, &matrix.value)?,
            None => vec![Scope::of(block.file)],
        };
        let at = |error| self.locate(block.file, block.it.labels.first().and_then(Span::span), error);
        let mut instances: Vec<Instance<'a>> = Vec::new();
        for scope in scopes {
            let name = match named {
                Some(name) if matrix.is_some() => evaluate(&name.value, &scope, self)?.text()?,
                Some(_) => return Err(at(Error::new(format!("{kind} {label} has a name but no matrix")))),
                None if matrix.is_some() => {
                    let error = Error::new(format!("{kind} {label} has a matrix but no name"));
                    return Err(at(error.hint_of("name = \"NAME-${VALUE}\" tells the targets apart")));
                }
                None => label.to_owned(),
            };
            valid_name(&name).map_err(&at)?;
            if instances.iter().any(|other| other.name == name) {
                return Err(at(Error::new(format!("duplicate name {name:?}"))));
            }
            instances.push(Instance { kind, label, name, block: block.it, scope });
        }
        Ok(instances)
    }

    /// The rows of a matrix, its first axis changing last.
    fn rows(&self, file: usize, matrix: &Expression) -> Result<Vec<Scope>, Error> {
        let base = Scope::of(file);
        let axes: Vec<(String, Value)> = match matrix {
            Expression::Object(items) => {
                let axis = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
                    let name = match key {
                        ObjectKey::Ident(name) => name.as_str().to_owned(),
                        ObjectKey::Expression(Expression::Variable(name)) => name.as_str().to_owned(),
                        ObjectKey::Expression(key) => evaluate(key, &base, self)?.text()?,
                    };
                    Ok((name, evaluate(value.expr(), &base, self)?))
                };
                items.iter().map(axis).collect::<Result<_, Error>>()?
            }
            other => evaluate(other, &base, self)?.object()?.clone().into_iter().collect(),
        };
        let located = |error| self.locate(file, matrix.span(), error);
        let mut rows = vec![base.clone()];
        for (name, values) in &axes {
            let mut longer = Vec::new();
            for row in &rows {
                for value in values.list().map_err(located)? {
                    let mut row = row.clone();
                    row.names.insert(name.clone(), value.clone());
                    longer.push(row);
                }
            }
            rows = longer;
        }
        Ok(rows)
    }

    /// One at a time, and never within itself.
    fn once(&self, key: String, make: impl FnOnce() -> Result<Value, Error>) -> Result<Value, Error> {
        if let Some(value) = self.known.borrow().get(&key) {
            return Ok(value.clone());
        }
        if let Some(at) = self.open.borrow().iter().position(|open| *open == key) {
            let path = self.open.borrow().get(at..).unwrap_or_default().join(" -> ");
            return Err(Error::new(format!("{key} depends on itself: {path} -> {key}")));
        }
        self.open.borrow_mut().push(key.clone());
        let made = make();
        self.open.borrow_mut().pop();
        let value = made?;
        self.known.borrow_mut().insert(key, value.clone());
        Ok(value)
    }

    fn evaluate_variable(&self, name: &str, block: Placed<'a, Block>) -> Result<Value, Error> {
        let body = &block.it.body;
        let kind = self.type_of(block)?;
        let default = body.get_attribute("default").map(|attribute| {
            let value = evaluate(&attribute.value, &Scope::of(block.file), self)?;
            let converted = kind.as_ref().unwrap_or(&Type::Any).convert(value);
            converted.map_err(|error| self.locate(block.file, attribute.value.span(), error))
        });
        let default = default.transpose()?;
        let at = |error| self.locate(block.file, block.it.ident.span(), error);
        match self.override_of(name, kind.is_some()) {
            None => Ok(default.unwrap_or_else(|| if kind.is_some() { Value::Null } else { Value::String(String::new()) })),
            Some((text, is_json)) => self.overridden(name, &text, is_json, kind.as_ref(), default.as_ref()).map_err(at),
        }
    }

    fn overridden(
        &self,
        name: &str,
        text: &str,
        is_json: bool,
        kind: Option<&Type>,
        default: Option<&Value>,
    ) -> Result<Value, Error> {
        match (kind, default) {
            (Some(kind), _) if is_json => {
                let json = serde_json::from_str(text)
                    .map_err(|error| Error::new(format!("{name}_JSON is no JSON: {error}")))?;
                kind.convert(Value::of_json(&json))
            }
            (Some(kind), _) => kind.parse(name, text),
            (None, Some(Value::Number(_))) => Type::Number.parse(name, text),
            (None, Some(Value::Bool(_))) => Type::Bool.parse(name, text),
            (None, Some(other @ (Value::List(_) | Value::Object(_)))) => {
                let error = Error::new(format!("variable {name} is of type {} and cannot be overridden", other.kind()));
                Err(error.hint_of("give it a type, such as type = list(string)"))
            }
            (None, _) => Ok(Value::String(text.to_owned())),
        }
    }

    fn type_of(&self, block: Placed<'a, Block>) -> Result<Option<Type>, Error> {
        let attribute = block.it.body.get_attribute("type");
        let read = |attribute: &Attribute| {
            Type::of(&attribute.value).map_err(|error| self.locate(block.file, attribute.value.span(), error))
        };
        attribute.map(read).transpose()
    }

    /// `--var`, then the environment; `NAME_JSON` comes first for what has a type.
    fn override_of(&self, name: &str, typed: bool) -> Option<(String, bool)> {
        let find = |name: &str| self.input.variables.get(name).or_else(|| self.input.environment.get(name)).cloned();
        let plain = find(name);
        if plain.is_some() && !typed {
            return plain.map(|text| (text, false));
        }
        let json = format!("{name}_JSON");
        let declared = self.variables.contains_key(&json[..]);
        let found = if declared { None } else { find(&json) };
        found.map(|text| (text, true)).or(plain.map(|text| (text, false)))
    }

    /// Evaluates everything that is not part of a target, so that mistakes in it are found.
    pub(super) fn variables(&self) -> Result<Vec<Variable>, Error> {
        let mut all = Vec::new();
        for (name, block) in self.variables.iter().filter(|(name, _)| !BUILT_IN.contains(name)) {
            let value = self.variable(name)?;
            let kind = self.type_of(*block)?.map(|kind| kind.name());
            let description = block.it.body.get_attribute("description");
            let description = description.map(|text| evaluate(&text.value, &Scope::of(block.file), self)?.text());
            all.push(Variable::new(name, kind, &value, description.transpose()?));
        }
        self.variables.values().try_for_each(|block| self.validate(*block))?;
        Ok(all)
    }

    fn validate(&self, block: Placed<'a, Block>) -> Result<(), Error> {
        let scope = Scope::of(block.file);
        for rule in block.it.body.get_blocks("validation") {
            let at = |span, error| self.locate(block.file, span, error);
            let Some(condition) = rule.body.get_attribute("condition") else {
                return Err(at(rule.ident.span(), Error::new("a validation needs a condition")));
            };
            let value = evaluate(&condition.value, &scope, self)?;
            if value.bool().map_err(|error| at(condition.value.span(), error))? {
                continue;
            }
            let message = match rule.body.get_attribute("error_message") {
                Some(message) => evaluate(&message.value, &scope, self)?.text()?,
                None => "this check failed".to_owned(),
            };
            return Err(at(condition.value.span(), Error::new(format!("validation failed: {message}"))));
        }
        Ok(())
    }

    /// The targets in order, blocks of one name merged.
    pub(super) fn targets(&self) -> Result<Vec<(String, Target)>, Error> {
        let mut targets: Vec<(String, Target)> = Vec::new();
        for instance in self.instances.borrow().iter().filter(|instance| instance.kind == "target") {
            let mut target = Target::default();
            for attribute in instance.block.body.attributes() {
                if matches!(attribute.key.as_str(), "matrix" | "name") {
                    continue;
                }
                let value = evaluate(&attribute.value, &instance.scope, self)?;
                let set = target.set(attribute.key.as_str(), &value);
                set.map_err(|error| self.locate(instance.scope.file, attribute.value.span(), error))?;
            }
            match targets.iter_mut().find(|(name, _)| *name == instance.name) {
                Some((_, earlier)) => earlier.merge(&target),
                None => targets.push((instance.name.clone(), target)),
            }
        }
        Ok(targets)
    }

    /// The groups in order, and one for every matrix that is named by its block's name.
    pub(super) fn groups(&self) -> Result<Vec<(String, Group)>, Error> {
        let mut groups: Vec<(String, Group)> = Vec::new();
        let instances = self.instances.borrow();
        for instance in instances.iter().filter(|instance| instance.kind == "group") {
            let get = |name| instance.block.body.get_attribute(name);
            let value = |name| get(name).map(|it: &Attribute| evaluate(&it.value, &instance.scope, self)).transpose();
            let targets = value("targets")?.map_or(Ok(Vec::new()), |value| super::target::texts(&value));
            let span = get("targets").and_then(|it| it.value.span());
            let targets = targets.map_err(|error| self.locate(instance.scope.file, span, error))?;
            let description = value("description")?.map_or(Ok(String::new()), |value| value.text())?;
            let group = Group { description, targets };
            match groups.iter_mut().find(|(name, _)| *name == instance.name) {
                Some((_, earlier)) => *earlier = group,
                None => groups.push((instance.name.clone(), group)),
            }
        }
        for instance in instances.iter().filter(|instance| instance.label != instance.name) {
            match groups.iter_mut().find(|(name, _)| name == instance.label) {
                Some((_, group)) if group.targets.contains(&instance.name) => {}
                Some((_, group)) => group.targets.push(instance.name.clone()),
                None => {
                    let group = Group { description: String::new(), targets: vec![instance.name.clone()] };
                    groups.push((instance.label.to_owned(), group));
                }
            }
        }
        Ok(groups)
    }

    fn user_function(&self, name: &str, block: Placed<'a, Block>, args: Vec<Value>) -> Result<Value, Error> {
        let body = &block.it.body;
        let params = match body.get_attribute("params").map(|it| &it.value) {
            Some(Expression::Array(names)) => names.iter().filter_map(Expression::as_variable_name).collect(),
            _ => Vec::new(),
        };
        let variadic = body.get_attribute("variadic_params").and_then(|it| it.value.as_variable_name());
        if args.len() < params.len() || variadic.is_none() && args.len() > params.len() {
            return Err(Error::new(format!("{name} takes {} arguments, these are {}", params.len(), args.len())));
        }
        let mut scope = Scope::of(block.file);
        let mut args = args.into_iter();
        scope.names.extend(params.into_iter().map(str::to_owned).zip(args.by_ref()));
        scope.names.extend(variadic.map(|name| (name.to_owned(), Value::List(args.collect()))));
        let result = body.get_attribute("result").ok_or_else(|| Error::new(format!("function {name} has no result")))?;
        evaluate(&result.value, &scope, self)
    }
}

trait AsName {
    fn as_variable_name(&self) -> Option<&str>;
}

impl AsName for Expression {
    fn as_variable_name(&self) -> Option<&str> {
        match self {
            Self::Variable(name) => Some(name.as_str()),
            _ => None,
        }
    }
}

impl World for Files<'_> {
    fn variable(&self, name: &str) -> Result<Value, Error> {
        match name {
            "BAKE_CMD_CONTEXT" => return Ok(Value::String(self.input.cmd_context.clone())),
            "BAKE_LOCAL_PLATFORM" => return Ok(Value::String(self.input.local_platform.clone())),
            _ => {}
        }
        match (self.attributes.get(name), self.variables.get(name)) {
            (Some(attribute), _) => self.once(name.to_owned(), || {
                evaluate(&attribute.it.value, &Scope::of(attribute.file), self)
            }),
            (None, Some(block)) => self.once(name.to_owned(), || self.evaluate_variable(name, *block)),
            (None, None) => {
                let names = self.attributes.keys().chain(self.variables.keys()).copied();
                Err(Error::new(format!("there is no variable {name}")).meant(name, names.chain(BUILT_IN)))
            }
        }
    }

    fn block(&self, kind: &str, name: &str, attribute: Option<&str>) -> Result<Value, Error> {
        let instances = self.instances.borrow();
        let ours: Vec<&Instance<'_>> = instances.iter().filter(|it| it.kind == kind && it.name == name).collect();
        if ours.is_empty() {
            let names = instances.iter().filter(|it| it.kind == kind).map(|it| &it.name[..]);
            return Err(Error::new(format!("there is no {kind} {name}")).meant(name, names));
        }
        let one = |wanted: &str| {
            let found = ours.iter().rev().find_map(|it| it.block.body.get_attribute(wanted).map(|found| (it, found)));
            match (found, wanted) {
                (_, "name") => Ok(Value::String(name.to_owned())),
                (None, _) if !ATTRIBUTES.contains(&wanted) && !GROUP.contains(&wanted) => {
                    Err(Error::new(format!("a {kind} has no attribute {wanted}")).meant(wanted, ATTRIBUTES))
                }
                (None, _) => Ok(Value::Null),
                (Some((it, found)), _) => {
                    self.once(format!("{kind}.{name}.{wanted}"), || evaluate(&found.value, &it.scope, self))
                }
            }
        };
        match attribute {
            Some(attribute) => one(attribute),
            None => {
                let names = ours.iter().flat_map(|it| it.block.body.attributes()).map(|it| it.key.as_str());
                let pairs = names.map(|name| Ok((name.to_owned(), one(name)?)));
                pairs.collect::<Result<_, Error>>().map(Value::Object)
            }
        }
    }

    fn call(&self, name: &str, args: Vec<Value>) -> Result<Value, Error> {
        let Some(block) = self.functions.get(name) else {
            let around = Around { now: self.input.now, home: self.input.environment.get("HOME").map(String::as_str) };
            return functions::call(name, &args, &around).map_err(|error| match error.hint() {
                None => error.meant(name, self.functions.keys().copied()),
                Some(_) => error,
            });
        };
        let key = format!("{name}()");
        if self.open.borrow().contains(&key) {
            return Err(Error::new(format!("function {name} calls itself")));
        }
        self.open.borrow_mut().push(key);
        let result = self.user_function(name, *block, args);
        self.open.borrow_mut().pop();
        result
    }

    fn locate(&self, file: usize, span: Option<Range<usize>>, error: Error) -> Error {
        let (name, text) = self.names.get(file).copied().unwrap_or_default();
        error.at(name, text, span)
    }
}

pub(super) fn valid_name(name: &str) -> Result<(), Error> {
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match good {
        true => Ok(()),
        false => Err(Error::new(format!("invalid name {name:?}: letters, digits, _ and - only"))
            .hint_of("sanitize() makes a name of any text")),
    }
}
