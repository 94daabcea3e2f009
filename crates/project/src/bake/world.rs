//! What the files define, evaluated when it is asked for: variables, attributes, functions and blocks in any order.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;

use super::definition::{BUILT_IN, Blocks, GROUP_ATTRIBUTES};
use super::eval::{Scope, evaluate};
use super::functions;
use super::limits::Budget;
use super::matrix::Instance;
use super::syntax::{Attribute, Block, Expr, Kind, Word};
use super::target::{ATTRIBUTES, Target, texts};
use super::types::Type;
use super::value::Value;
use super::{Error, Options};

/// All definitions, and what is known of them so far.
pub(super) struct World<'a> {
    pub(super) options: &'a Options<'a>,
    pub(super) blocks: &'a Blocks,
    pub(super) budget: Budget,
    /// `--var`.
    overrides: BTreeMap<String, String>,
    instances: RefCell<Vec<Instance<'a>>>,
    known: RefCell<BTreeMap<String, Value>>,
    /// What is being evaluated, for cycles.
    open: RefCell<Vec<String>>,
}

impl<'a> World<'a> {
    pub(super) fn new(options: &'a Options<'a>, blocks: &'a Blocks) -> Result<Self, Error> {
        Ok(Self {
            options,
            blocks,
            budget: Budget::default(),
            overrides: options.overrides()?,
            instances: RefCell::default(),
            known: RefCell::default(),
            open: RefCell::default(),
        })
    }

    pub(super) fn set_instances(&self, instances: Vec<Instance<'a>>) {
        *self.instances.borrow_mut() = instances;
    }

    pub(super) fn instances(&self) -> Ref<'_, [Instance<'a>]> {
        Ref::map(self.instances.borrow(), Vec::as_slice)
    }

    pub(super) fn value(&self, expression: &Expr) -> Result<Value, Error> {
        evaluate(self, &Scope::default(), expression)
    }

    /// One at a time, and never within itself.
    fn once(&self, key: String, make: impl FnOnce() -> Result<Value, Error>) -> Result<Value, Error> {
        if let Some(value) = self.known.borrow().get(&key) {
            return Ok(value.clone());
        }
        let value = self.opened(key.clone(), make)?;
        self.known.borrow_mut().insert(key, value.clone());
        Ok(value)
    }

    fn opened<T>(&self, key: String, make: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if let Some(at) = self.open.borrow().iter().position(|open| *open == key) {
            let path = self.open.borrow().get(at..).unwrap_or_default().join(" -> ");
            return Err(Error::new(format!("{key} depends on itself: {path} -> {key}")));
        }
        self.open.borrow_mut().push(key);
        let made = make();
        self.open.borrow_mut().pop();
        made
    }

    /// A variable, or an attribute at the top of the files.
    pub(super) fn variable(&self, name: &str) -> Result<Value, Error> {
        match name {
            "BAKE_CMD_CONTEXT" => return Ok(self.options.command_context.as_deref().unwrap_or("cwd://").into()),
            "BAKE_LOCAL_PLATFORM" => return Ok(self.options.local_platform.as_str().into()),
            "target" | "group" => {
                let hint = format!("{name}.NAME.ATTRIBUTE is one");
                return Err(Error::new(format!("{name} is no value by itself")).with_hint(hint));
            }
            _ => {}
        }
        let (attribute, block) = (self.blocks.attributes.get(name), self.blocks.variables.get(name));
        match (attribute, block) {
            (None, None) => {
                let names = self.blocks.attributes.keys().chain(self.blocks.variables.keys()).map(String::as_str);
                let error = Error::new(format!("there is no variable {name}"));
                Err(error.meant(name, names.chain(BUILT_IN)))
            }
            (attribute, block) => self.once(name.to_owned(), || self.evaluate_variable(name, attribute, block)),
        }
    }

    fn evaluate_variable(
        &self,
        name: &str,
        attribute: Option<&Attribute>,
        block: Option<&Block>,
    ) -> Result<Value, Error> {
        let default = attribute.or_else(|| block?.body.attribute("default"));
        let kind = match (attribute, block) {
            (None, Some(block)) => self.type_of(block)?,
            _ => None,
        };
        let default = default.map(|default| {
            let value = self.value(&default.value)?;
            kind.as_ref()
                .map_or(Ok(value.clone()), |kind| kind.convert(&value))
                .map_err(|error| error.at(default.value.span))
        });
        let default = default.transpose()?;
        let Some((block, (text, is_json))) = block.zip(self.override_of(name, kind.is_some())) else {
            return Ok(default.unwrap_or_else(|| if kind.is_some() { Value::Null } else { "".into() }));
        };
        let value = match (&kind, &default) {
            (Some(kind), _) if is_json => kind.parse_json(name, &text),
            (Some(kind), _) => kind.parse(name, &text),
            (None, Some(Value::Number(_))) => Type::Number.parse(name, &text),
            (None, Some(Value::Bool(_))) => Type::Bool.parse(name, &text),
            (None, Some(other @ (Value::List(_) | Value::Set(_) | Value::Object(_)))) => {
                let error = Error::new(format!("variable {name} is a {} and cannot be overridden", other.kind()));
                Err(error.with_hint("give it a type, such as type = list(string)"))
            }
            (None, _) => Ok(text.into()),
        };
        value.map_err(|error| error.at(block.kind.span))
    }

    pub(super) fn type_of(&self, block: &Block) -> Result<Option<Type>, Error> {
        match block.body.attribute("type").map(|attribute| &attribute.value) {
            None => Ok(None),
            Some(Expr { kind: Kind::Literal(Value::Null), .. }) => Ok(None),
            Some(kind) => Type::of(kind).map(Some),
        }
    }

    /// `--var`, then the environment; `NAME_JSON` comes first for what has a type.
    fn override_of(&self, name: &str, typed: bool) -> Option<(String, bool)> {
        let find =
            |name: &str| self.overrides.get(name).cloned().or_else(|| self.options.variable_of_environment(name));
        let plain = find(name);
        if plain.is_some() && !typed {
            return plain.map(|text| (text, false));
        }
        let json = format!("{name}_JSON");
        let taken = self.blocks.variables.contains_key(&json) || BUILT_IN.contains(&json.as_str());
        let found = if taken { None } else { find(&json) };
        found.map(|text| (text, true)).or(plain.map(|text| (text, false)))
    }

    /// `KIND.NAME` as a whole.
    pub(super) fn block(&self, kind: &str, name: &Word) -> Result<Value, Error> {
        let names = if kind == "target" { &ATTRIBUTES[..] } else { &GROUP_ATTRIBUTES };
        let all = names.iter().map(|attribute| {
            let word = Word { text: (*attribute).to_owned(), span: name.span };
            Ok(((*attribute).to_owned(), self.attribute_of(kind, name, &word)?))
        });
        all.collect::<Result<_, Error>>().map(Value::Object)
    }

    /// `KIND.NAME.ATTRIBUTE`, as the block says it, without what it inherits.
    pub(super) fn attribute_of(&self, kind: &str, name: &Word, attribute: &Word) -> Result<Value, Error> {
        let instances = self.instances.borrow();
        let ours = instances.iter().rev().find(|it| it.block.kind.text == kind && it.name == name.text);
        let Some(instance) = ours else {
            let names = instances.iter().filter(|it| it.block.kind.text == kind).map(|it| it.name.as_str());
            return Err(Error::new(format!("there is no {kind} {}", name.text)).meant(&name.text, names).at(name.span));
        };
        let known = if kind == "target" { &ATTRIBUTES[..] } else { &GROUP_ATTRIBUTES };
        match attribute.text.as_str() {
            "name" => Ok(name.text.as_str().into()),
            text if known.contains(&text) => {
                self.once(format!("{kind}.{}.{text}", name.text), || self.evaluate_attribute(instance, text))
            }
            text => {
                let error = Error::new(format!("a {kind} has no attribute {text}"));
                Err(error.meant(text, known.iter().copied()).at(attribute.span))
            }
        }
    }

    /// The value as targets hold it: what is written as a number is a text there.
    fn evaluate_attribute(&self, instance: &Instance<'_>, name: &str) -> Result<Value, Error> {
        let mut target = Target::default();
        if let Some(attribute) = instance.block.body.attribute(name) {
            let value = evaluate(self, &instance.scope, &attribute.value)?;
            if instance.block.kind.text == "group" && name == "targets" {
                return Ok(texts(&value)?.into_iter().collect());
            }
            target.set(name, &value).map_err(|error| error.at(attribute.value.span))?;
        }
        Ok(target.get(name))
    }

    /// Calls a function of the library, or one of the files.
    pub(super) fn call(&self, name: &Word, arguments: Vec<Value>) -> Result<Value, Error> {
        if let Some(function) = functions::find(&name.text) {
            return function.call(&arguments, self.options);
        }
        match self.blocks.functions.get(&name.text) {
            Some(block) => self.opened(format!("{}()", name.text), || self.call_block(block, arguments)),
            None => {
                let own = self.blocks.functions.keys().map(String::as_str);
                Err(functions::unknown(&name.text, own).at(name.span))
            }
        }
    }

    fn call_block(&self, block: &Block, arguments: Vec<Value>) -> Result<Value, Error> {
        let signature = Signature::of(block)?;
        signature.check(block, arguments.len())?;
        let mut arguments = arguments.into_iter();
        let mut names: BTreeMap<String, Value> =
            signature.parameters.iter().map(|name| (*name).to_owned()).zip(arguments.by_ref()).collect();
        names.extend(signature.rest.map(|name| (name.to_owned(), Value::List(arguments.collect()))));
        evaluate(self, &Scope::of(names), signature.result)
    }
}

/// What a function block takes and gives.
pub(super) struct Signature<'b> {
    parameters: Vec<&'b str>,
    rest: Option<&'b str>,
    result: &'b Expr,
}

impl<'b> Signature<'b> {
    pub(super) fn of(block: &'b Block) -> Result<Self, Error> {
        let needed = |name: &str| {
            let missing = || Error::new(format!("this function has no {name}")).at(block.kind.span);
            block.body.attribute(name).ok_or_else(missing)
        };
        let parameters = match &needed("params")?.value {
            Expr { kind: Kind::List(names), .. } => names.iter().map(parameter).collect::<Result<_, _>>()?,
            other => return Err(Error::new("params is a list of names").at(other.span)),
        };
        let rest = block.body.attribute("variadic_params").map(|it| parameter(&it.value)).transpose()?;
        Ok(Self { parameters, rest, result: &needed("result")?.value })
    }

    fn check(&self, block: &Block, count: usize) -> Result<(), Error> {
        let takes = self.parameters.len();
        if count < takes || self.rest.is_none() && count > takes {
            let name = block.labels.first().map_or("it", |label| label.text.as_str());
            let more = if self.rest.is_some() { " or more" } else { "" };
            return Err(Error::new(format!("{name} takes {takes}{more} arguments, these are {count}")));
        }
        Ok(())
    }
}

fn parameter(expression: &Expr) -> Result<&str, Error> {
    match &expression.kind {
        Kind::Name(name) => Ok(name),
        _ => Err(Error::new("a parameter is a plain name").at(expression.span)),
    }
}
