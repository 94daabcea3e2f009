//! Evaluating expressions: names are looked up in a scope, and what a scope does not know in the world.

use std::collections::BTreeMap;

use super::Error;
use super::limits;
use super::syntax::{Call, Expr, For, Kind, Operator, Part, Step};
use super::types::Type;
use super::value::Value;
use super::world::World;

/// The names that an expression sees before those of the world.
#[derive(Debug, Default, Clone)]
pub(super) struct Scope<'s> {
    names: BTreeMap<String, Value>,
    outer: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    pub(super) fn of(names: BTreeMap<String, Value>) -> Self {
        Self { names, outer: None }
    }

    fn inner(&'s self, key: Option<&str>, name: &str, pair: (Value, Value)) -> Self {
        let mut names = BTreeMap::from([(name.to_owned(), pair.1)]);
        names.extend(key.map(|key| (key.to_owned(), pair.0)));
        Self { names, outer: Some(self) }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.names.get(name).or_else(|| self.outer?.get(name))
    }
}

/// The value of an expression; an error is at the innermost expression that it is about.
pub(super) fn evaluate(world: &World<'_>, scope: &Scope<'_>, expression: &Expr) -> Result<Value, Error> {
    Evaluator { world, scope }.value(expression)
}

#[derive(Clone, Copy)]
struct Evaluator<'e, 'w> {
    world: &'e World<'w>,
    scope: &'e Scope<'e>,
}

impl Evaluator<'_, '_> {
    fn value(&self, expression: &Expr) -> Result<Value, Error> {
        let value = self.world.budget.deeper(|| self.bare(expression)).map_err(|error| error.at(expression.span))?;
        self.world.budget.spend(value.weight()).map_err(|error| error.at(expression.span))?;
        Ok(value)
    }

    fn bare(&self, expression: &Expr) -> Result<Value, Error> {
        match &expression.kind {
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Template(parts) => self.template(parts).map(Value::String),
            Kind::List(items) => items.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::List),
            Kind::Object(items) => self.object(items),
            Kind::Name(name) => self.name(name),
            Kind::Call(call) => self.call(call),
            Kind::Path(root, steps) => self.path(root, steps),
            Kind::Not(operand) => self.value(operand)?.bool().map(|yes| Value::Bool(!yes)),
            Kind::Negate(operand) => self.value(operand)?.number().map(|number| Value::Number(number.negate())),
            Kind::Binary(operator, operands) => self.binary(*operator, operands),
            Kind::If(parts) => self.choice(parts),
            Kind::For(each) => self.each(each),
        }
    }

    fn object(&self, items: &[(Expr, Expr)]) -> Result<Value, Error> {
        let pair = |(key, value): &(Expr, Expr)| {
            let name = self.value(key)?.text().map_err(|error| error.at(key.span))?;
            Ok((name, self.value(value)?))
        };
        items.iter().map(pair).collect::<Result<_, Error>>().map(Value::Object)
    }

    fn name(&self, name: &str) -> Result<Value, Error> {
        match self.scope.get(name) {
            Some(value) => Ok(value.clone()),
            None => self.world.variable(name),
        }
    }

    fn binary(&self, operator: Operator, operands: &[Expr; 2]) -> Result<Value, Error> {
        match operator {
            Operator::Or => return self.decided(operands, true),
            Operator::And => return self.decided(operands, false),
            _ => {}
        }
        let [left, right] = [self.value(&operands[0])?, self.value(&operands[1])?];
        match operator {
            Operator::Equal => return Ok(Value::Bool(left == right)),
            Operator::NotEqual => return Ok(Value::Bool(left != right)),
            _ => {}
        }
        let left = left.number().map_err(|error| error.at(operands[0].span))?;
        let right = right.number().map_err(|error| error.at(operands[1].span))?;
        Ok(match operator {
            Operator::Less => (left < right).into(),
            Operator::LessOrEqual => (left <= right).into(),
            Operator::Greater => (left > right).into(),
            Operator::GreaterOrEqual => (left >= right).into(),
            Operator::Add => left.add(&right)?.into(),
            Operator::Subtract => left.subtract(&right)?.into(),
            Operator::Multiply => left.multiply(&right)?.into(),
            Operator::Divide => left.divide(&right)?.into(),
            _ => left.modulo(&right)?.into(),
        })
    }

    /// `||` and `&&`: one side that says `decisive` decides, whatever is wrong with the other one.
    fn decided(&self, operands: &[Expr; 2], decisive: bool) -> Result<Value, Error> {
        let side = |operand: &Expr| self.value(operand)?.bool().map_err(|error| error.at(operand.span));
        let sides = [side(&operands[0]), side(&operands[1])];
        if let Some(error) = sides.iter().filter_map(|side| side.as_ref().err()).find(|error| error.is_limit()) {
            return Err(error.clone());
        }
        if sides.contains(&Ok(decisive)) {
            return Ok(Value::Bool(decisive));
        }
        sides.into_iter().collect::<Result<Vec<_>, _>>().map(|_| Value::Bool(!decisive))
    }

    /// Both sides have one type: `true ? 1 : "a"` is a text. A mistake on the side that is not chosen does not count.
    fn choice(&self, [condition, then, other]: &[Expr; 3]) -> Result<Value, Error> {
        let yes = self.value(condition)?;
        let yes = yes.bool().map_err(|error| error.at(condition.span))?;
        let (chosen, left) = if yes { (then, other) } else { (other, then) };
        let value = self.value(chosen)?;
        match self.value(left) {
            Ok(alternative) => unify(value, &alternative),
            Err(error) if error.is_limit() => Err(error),
            Err(_) => Ok(value),
        }
    }

    fn call(&self, call: &Call) -> Result<Value, Error> {
        match (call.name.text.as_str(), &call.arguments[..]) {
            ("try", arguments) => self.attempt(arguments),
            ("can", [argument]) => match self.value(argument) {
                Err(error) if error.is_limit() => Err(error),
                result => Ok(Value::Bool(result.is_ok())),
            },
            ("convert", [value, kind]) => {
                let value = self.value(value)?;
                Type::of(kind)?.convert(&value)
            }
            _ => {
                let arguments = self.arguments(call)?;
                self.world.call(&call.name, arguments)
            }
        }
    }

    fn attempt(&self, arguments: &[Expr]) -> Result<Value, Error> {
        for argument in arguments {
            match self.value(argument) {
                Ok(value) => return Ok(value),
                Err(error) if error.is_limit() => return Err(error),
                Err(_) => {}
            }
        }
        Err(Error::new("no argument of try could be evaluated"))
    }

    fn arguments(&self, call: &Call) -> Result<Vec<Value>, Error> {
        let mut arguments =
            call.arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
        if call.spread {
            let last = arguments.pop().unwrap_or(Value::Null);
            arguments.extend(last.list()?.iter().cloned());
        }
        Ok(arguments)
    }

    fn path(&self, root: &Expr, steps: &[Step]) -> Result<Value, Error> {
        let (value, steps) = match &root.kind {
            Kind::Name(name) if matches!(name.as_str(), "target" | "group") && self.scope.get(name).is_none() => {
                self.block(name, steps)?
            }
            _ => (self.value(root)?, steps),
        };
        self.steps(value, steps)
    }

    /// `target.NAME.ATTRIBUTE`: only this attribute is evaluated.
    fn block<'s>(&self, kind: &str, steps: &'s [Step]) -> Result<(Value, &'s [Step]), Error> {
        let Some((Step::Attribute(name), rest)) = steps.split_first() else {
            return Err(
                Error::new(format!("{kind} is no value by itself")).with_hint(format!("{kind}.NAME.ATTRIBUTE is one"))
            );
        };
        match rest.split_first() {
            Some((Step::Attribute(attribute), rest)) => Ok((self.world.attribute_of(kind, name, attribute)?, rest)),
            _ => Ok((self.world.block(kind, name)?, rest)),
        }
    }

    fn steps(&self, mut value: Value, steps: &[Step]) -> Result<Value, Error> {
        for (at, step) in steps.iter().enumerate() {
            let rest = steps.get(at + 1..).unwrap_or_default();
            value = match step {
                Step::Attribute(name) => value.attribute(&name.text).map_err(|error| error.at(name.span))?,
                Step::Index(index) => {
                    let chosen = self.value(index)?;
                    value.index(&chosen).map_err(|error| error.at(index.span))?
                }
                Step::Splat => return self.splat(value, rest),
                Step::AttributeSplat => {
                    let attributes = rest.iter().take_while(|step| matches!(step, Step::Attribute(_))).count();
                    let (each, rest) = rest.split_at(attributes);
                    let items = self.splat(value, each)?;
                    return self.steps(items, rest);
                }
            };
        }
        Ok(value)
    }

    /// The steps on every item; what is no list is a list of one, and null is an empty one.
    fn splat(&self, value: Value, steps: &[Step]) -> Result<Value, Error> {
        let items = match value {
            Value::Null => Vec::new(),
            Value::List(items) | Value::Set(items) => items,
            other => vec![other],
        };
        items.into_iter().map(|item| self.steps(item, steps)).collect::<Result<_, _>>().map(Value::List)
    }

    fn each(&self, each: &For) -> Result<Value, Error> {
        let list = self.value(&each.list)?;
        let (mut items, mut fields) = (Vec::new(), BTreeMap::new());
        for pair in pairs(&list).map_err(|error| error.at(each.list.span))? {
            let scope = self.scope.inner(each.key.as_deref(), &each.value, pair);
            let inner = Evaluator { world: self.world, scope: &scope };
            if !inner.wanted(each)? {
                continue;
            }
            let value = inner.value(&each.result)?;
            match &each.result_key {
                None => items.push(value),
                Some(key) => inner.field(key, value, each.grouped, &mut fields)?,
            }
        }
        Ok(if each.result_key.is_some() { Value::Object(fields) } else { Value::List(items) })
    }

    fn wanted(&self, each: &For) -> Result<bool, Error> {
        let Some(condition) = &each.condition else { return Ok(true) };
        self.value(condition)?.bool().map_err(|error| error.at(condition.span))
    }

    fn field(
        &self,
        key: &Expr,
        value: Value,
        grouped: bool,
        fields: &mut BTreeMap<String, Value>,
    ) -> Result<(), Error> {
        let name = self.value(key)?.text().map_err(|error| error.at(key.span))?;
        match (grouped, fields.get_mut(&name)) {
            (true, Some(Value::List(items))) => items.push(value),
            (true, _) => drop(fields.insert(name, Value::List(vec![value]))),
            (false, Some(_)) => {
                let hint = "\"...\" behind the value makes a list of all values of a key";
                return Err(Error::new(format!("the key {name:?} comes twice")).with_hint(hint).at(key.span));
            }
            (false, None) => drop(fields.insert(name, value)),
        }
        Ok(())
    }

    fn template(&self, parts: &[Part]) -> Result<String, Error> {
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Text(text) => out += text,
                Part::Value(value) => out += &self.value(value)?.text().map_err(|error| error.at(value.span))?,
                Part::If { condition, then, other } => {
                    let yes = self.value(condition)?.bool().map_err(|error| error.at(condition.span))?;
                    out += &self.template(if yes { then } else { other })?;
                }
                Part::For { key, value, list, parts } => {
                    let all = self.value(list)?;
                    for pair in pairs(&all).map_err(|error| error.at(list.span))? {
                        let scope = self.scope.inner(key.as_deref(), value, pair);
                        out += &Evaluator { world: self.world, scope: &scope }.template(parts)?;
                        self.world.budget.spend(1)?;
                    }
                }
            }
            limits::string(Some(out.len()))?;
        }
        Ok(out)
    }
}

/// Keys and values of what `for` goes over.
fn pairs(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    match value {
        Value::List(items) => Ok(items.iter().enumerate().map(|(at, item)| (at.into(), item.clone())).collect()),
        Value::Set(items) => Ok(items.iter().map(|item| (item.clone(), item.clone())).collect()),
        Value::Object(items) => Ok(items.iter().map(|(key, item)| (key.as_str().into(), item.clone())).collect()),
        other => Err(Error::new(format!("for goes over lists and objects, and this is a {}", other.kind()))),
    }
}

/// The value as the type that both have in common.
fn unify(value: Value, other: &Value) -> Result<Value, Error> {
    match (&value, other) {
        (Value::Null, _) | (_, Value::Null) => Ok(value),
        (Value::String(_), _) | (_, Value::String(_)) if value.is_plain() && other.is_plain() => {
            value.text().map(Value::String)
        }
        (Value::List(items), Value::List(others)) => unify_lists(items, others),
        (Value::Object(items), Value::Object(others)) => {
            let pair = |(key, item): (&String, &Value)| {
                let item = others.get(key).map_or(Ok(item.clone()), |other| unify(item.clone(), other))?;
                Ok((key.clone(), item))
            };
            items.iter().map(pair).collect::<Result<_, Error>>().map(Value::Object)
        }
        _ if value.kind() == other.kind() => Ok(value),
        (Value::List(_) | Value::Set(_), Value::List(_) | Value::Set(_)) => Ok(value),
        _ => {
            Err(Error::new(format!("both sides must have one type: one is {}, one is {}", value.kind(), other.kind())))
        }
    }
}

fn unify_lists(items: &[Value], others: &[Value]) -> Result<Value, Error> {
    let all = || items.iter().chain(others);
    if items.len() == others.len() {
        let pairs = items.iter().zip(others).map(|(item, other)| unify(item.clone(), other));
        return pairs.collect::<Result<_, _>>().map(Value::List);
    }
    let as_texts = all().all(Value::is_plain) && all().any(|item| matches!(item, Value::String(_)));
    match as_texts {
        true => items.iter().map(Value::text).collect::<Result<Vec<_>, _>>().map(Value::from_iter),
        false => Ok(Value::List(items.to_vec())),
    }
}
