//! Evaluating expressions: names are looked up in a scope, and what a scope does not know in the world.

use std::collections::BTreeMap;

use hcl_edit::Span;
use hcl_edit::expr::{
    BinaryOperator, Expression, ForExpr, FuncCall, ObjectKey, Traversal, TraversalOperator, UnaryOperator,
};
use hcl_edit::template::{Directive, Element, Strip, Template};

use super::value::Value;
use super::{Error, functions};

/// What an evaluator does not know by itself.
pub(super) trait World {
    /// A variable or attribute at the top of the files.
    fn variable(&self, name: &str) -> Result<Value, Error>;
    /// `target.NAME.ATTRIBUTE`, `group.NAME.ATTRIBUTE`; the whole block without an attribute.
    fn block(&self, kind: &str, name: &str, attribute: Option<&str>) -> Result<Value, Error>;
    /// A function of the files, or of the library.
    fn call(&self, name: &str, args: Vec<Value>) -> Result<Value, Error>;
    /// Adds the place to an error.
    fn locate(&self, file: usize, span: Option<std::ops::Range<usize>>, error: Error) -> Error;
}

/// The names that an expression sees before those of the world.
#[derive(Default, Clone, Debug)]
pub(super) struct Scope {
    pub(super) file: usize,
    pub(super) names: BTreeMap<String, Value>,
}

impl Scope {
    pub(super) fn of(file: usize) -> Self {
        Self { file, names: BTreeMap::new() }
    }

    fn with(&self, pairs: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut scope = self.clone();
        scope.names.extend(pairs);
        scope
    }
}

/// The value of an expression; an error is at the innermost expression that it is about.
pub(super) fn evaluate(expression: &Expression, scope: &Scope, world: &dyn World) -> Result<Value, Error> {
    Evaluator { scope, world }.value(expression)
}

struct Evaluator<'e> {
    scope: &'e Scope,
    world: &'e dyn World,
}

impl Evaluator<'_> {
    fn value(&self, expression: &Expression) -> Result<Value, Error> {
        self.bare(expression).map_err(|error| self.world.locate(self.scope.file, expression.span(), error))
    }

    fn bare(&self, expression: &Expression) -> Result<Value, Error> {
        match expression {
            Expression::Null(_) => Ok(Value::Null),
            Expression::Bool(yes) => Ok(Value::Bool(*yes.value())),
            Expression::Number(number) => Ok(Value::Number(number.value().as_f64().unwrap_or_default())),
            Expression::String(text) => Ok(Value::String(text.value().clone())),
            Expression::Array(items) => items.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::List),
            Expression::Object(items) => {
                let pairs = items.iter().map(|(key, value)| Ok((self.key(key)?, self.value(value.expr())?)));
                pairs.collect::<Result<_, Error>>().map(Value::Object)
            }
            Expression::StringTemplate(template) => self.template(&template.iter().cloned().collect()),
            Expression::HeredocTemplate(heredoc) => {
                let mut heredoc = heredoc.clone();
                heredoc.dedent();
                self.template(&heredoc.template)
            }
            Expression::Parenthesis(inner) => self.value(inner.inner()),
            Expression::Variable(name) => self.name(name.as_str()),
            Expression::Conditional(choice) => match self.value(&choice.cond_expr)?.bool()? {
                true => self.value(&choice.true_expr),
                false => self.value(&choice.false_expr),
            },
            Expression::FuncCall(call) => self.call(call),
            Expression::Traversal(path) => self.traverse(path),
            Expression::UnaryOp(operation) => match (operation.operator.value(), self.value(&operation.expr)?) {
                (UnaryOperator::Neg, value) => Ok(Value::Number(-value.number()?)),
                (UnaryOperator::Not, value) => Ok(Value::Bool(!value.bool()?)),
            },
            Expression::BinaryOp(operation) => {
                let operator = *operation.operator.value();
                binary(operator, &self.value(&operation.lhs_expr)?, &self.value(&operation.rhs_expr)?)
            }
            Expression::ForExpr(each) => self.each(each),
        }
    }

    fn key(&self, key: &ObjectKey) -> Result<String, Error> {
        match key {
            ObjectKey::Ident(name) => Ok(name.as_str().to_owned()),
            ObjectKey::Expression(Expression::Variable(name)) => Ok(name.as_str().to_owned()),
            ObjectKey::Expression(expression) => self.value(expression)?.text(),
        }
    }

    fn name(&self, name: &str) -> Result<Value, Error> {
        match self.scope.names.get(name) {
            Some(value) => Ok(value.clone()),
            None => self.world.variable(name),
        }
    }

    fn call(&self, call: &FuncCall) -> Result<Value, Error> {
        let name = call.name.name.as_str();
        match name {
            "try" => return self.attempt(call).ok_or_else(|| Error::new("no argument of try could be evaluated")),
            "can" => return Ok(Value::Bool(self.attempt(call).is_some())),
            "convert" => {
                let [Some(value), Some(kind)] = [call.args.get(0), call.args.get(1)] else {
                    return Err(Error::new("convert takes a value and a type"));
                };
                return super::value::Type::of(kind)?.convert(self.value(value)?);
            }
            _ => {}
        }
        let mut args = call.args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>, _>>()?;
        if call.args.expand_final() {
            let last = args.pop().unwrap_or(Value::Null);
            args.extend(last.list()?.iter().cloned());
        }
        self.world.call(name, args)
    }

    fn attempt(&self, call: &FuncCall) -> Option<Value> {
        call.args.iter().find_map(|arg| self.value(arg).ok())
    }

    fn traverse(&self, path: &Traversal) -> Result<Value, Error> {
        let mut operators = &path.operators[..];
        let mut value = match &path.expr {
            Expression::Variable(name) if matches!(name.as_str(), "target" | "group") => {
                let kind = name.as_str();
                let (block, rest) = self.step_name(operators, kind)?;
                let attribute = match rest.first().map(|step| step.value()) {
                    Some(TraversalOperator::GetAttr(name)) => Some(name.as_str()),
                    _ => None,
                };
                operators = rest.get(usize::from(attribute.is_some())..).unwrap_or_default();
                self.world.block(kind, &block, attribute)?
            }
            expression => self.value(expression)?,
        };
        while let Some((step, rest)) = operators.split_first() {
            operators = rest;
            value = match step.value() {
                TraversalOperator::GetAttr(name) => attribute(&value, name.as_str())?,
                TraversalOperator::LegacyIndex(index) => element(&value, &Value::Number(*index.value() as f64))?,
                TraversalOperator::Index(index) => element(&value, &self.value(index)?)?,
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => return self.splat(&value, rest),
            };
        }
        Ok(value)
    }

    fn step_name<'o>(
        &self,
        operators: &'o [hcl_edit::Decorated<TraversalOperator>],
        kind: &str,
    ) -> Result<(String, &'o [hcl_edit::Decorated<TraversalOperator>]), Error> {
        let (first, rest) =
            operators.split_first().ok_or_else(|| Error::new(format!("cannot access {kind} as a variable")))?;
        match first.value() {
            TraversalOperator::GetAttr(name) => Ok((name.as_str().to_owned(), rest)),
            TraversalOperator::Index(index) => Ok((self.value(index)?.text()?, rest)),
            _ => Err(Error::new(format!("{kind} needs the name of a {kind} here"))),
        }
    }

    fn splat(&self, value: &Value, rest: &[hcl_edit::Decorated<TraversalOperator>]) -> Result<Value, Error> {
        let items = match value {
            Value::Null => Vec::new(),
            Value::List(items) => items.clone(),
            other => vec![other.clone()],
        };
        let follow = |item: Value| {
            rest.iter().try_fold(item, |value, step| match step.value() {
                TraversalOperator::GetAttr(name) => attribute(&value, name.as_str()),
                TraversalOperator::Index(index) => element(&value, &self.value(index)?),
                TraversalOperator::LegacyIndex(index) => element(&value, &Value::Number(*index.value() as f64)),
                _ => Err(Error::new("a splat within a splat is not supported")),
            })
        };
        items.into_iter().map(follow).collect::<Result<_, _>>().map(Value::List)
    }

    fn each(&self, each: &ForExpr) -> Result<Value, Error> {
        let (intro, collection) = (&each.intro, self.value(&each.intro.collection_expr)?);
        let (mut list, mut object) = (Vec::new(), BTreeMap::<String, Value>::new());
        for (key, value) in pairs(&collection)? {
            let names = bind(intro.key_var.as_ref().map(|name| name.as_str()), intro.value_var.as_str(), key, value);
            let scope = self.scope.with(names);
            let inner = Evaluator { scope: &scope, world: self.world };
            if let Some(condition) = &each.cond && !inner.value(&condition.expr)?.bool()? {
                continue;
            }
            let value = inner.value(&each.value_expr)?;
            let Some(key) = &each.key_expr else {
                list.push(value);
                continue;
            };
            let key = inner.value(key)?.text()?;
            match (each.grouping, object.get_mut(&key)) {
                (true, Some(Value::List(items))) => items.push(value),
                (true, _) => drop(object.insert(key, Value::List(vec![value]))),
                (false, None) => drop(object.insert(key, value)),
                (false, Some(_)) => return Err(Error::new(format!("key {key:?} is there twice"))),
            }
        }
        Ok(if each.key_expr.is_some() { Value::Object(object) } else { Value::List(list) })
    }

    /// A template; one that is nothing but one interpolation is that value, whatever its type.
    fn template(&self, template: &Template) -> Result<Value, Error> {
        if template.len() == 1 && let Some(Element::Interpolation(only)) = template.get(0) {
            return self.value(&only.expr);
        }
        self.rendered(template).map(Value::String)
    }

    fn rendered(&self, template: &Template) -> Result<String, Error> {
        let (mut text, mut strip_next) = (String::new(), false);
        for element in template.iter() {
            match element {
                Element::Literal(literal) => {
                    let literal = literal.value().as_str();
                    text.push_str(if strip_next { literal.trim_start() } else { literal });
                    strip_next = false;
                }
                Element::Interpolation(inner) => {
                    let (before, after) = sides(inner.strip);
                    trim_if(&mut text, before);
                    let value = self.value(&inner.expr)?;
                    let shown = value.text().map_err(|_| {
                        Error::new(format!("{} cannot be part of a string", value.kind()))
                            .hint_of("jsonencode and join make strings of lists and objects")
                    });
                    text += &shown.map_err(|error| self.world.locate(self.scope.file, inner.expr.span(), error))?;
                    strip_next = after;
                }
                Element::Directive(directive) => strip_next = self.directive(directive, &mut text)?,
            }
        }
        Ok(text)
    }

    /// Whether what follows loses its leading space.
    fn directive(&self, directive: &Directive, text: &mut String) -> Result<bool, Error> {
        match directive {
            Directive::If(choice) => {
                let (before, mut inner_start) = sides(choice.if_expr.strip);
                trim_if(text, before);
                let (end_before, after) = sides(choice.endif_expr.strip);
                let mut trim_end = end_before;
                let chosen = match (self.value(&choice.if_expr.cond_expr)?.bool()?, &choice.else_expr) {
                    (true, other) => {
                        trim_end = other.as_ref().map_or(end_before, |other| sides(other.strip).0);
                        Some(&choice.if_expr.template)
                    }
                    (false, Some(other)) => {
                        inner_start = sides(other.strip).1;
                        Some(&other.template)
                    }
                    (false, None) => None,
                };
                let body = chosen.map(|template| self.rendered(template)).transpose()?.unwrap_or_default();
                *text += stripped(&body, inner_start, trim_end);
                Ok(after)
            }
            Directive::For(each) => {
                let intro = &each.for_expr;
                let ((before, start), (end, after)) = (sides(intro.strip), sides(each.endfor_expr.strip));
                trim_if(text, before);
                for (key, value) in pairs(&self.value(&intro.collection_expr)?)? {
                    let names =
                        bind(intro.key_var.as_ref().map(|name| name.as_str()), intro.value_var.as_str(), key, value);
                    let scope = self.scope.with(names);
                    let body = Evaluator { scope: &scope, world: self.world }.rendered(&intro.template)?;
                    *text += stripped(&body, start, end);
                }
                Ok(after)
            }
        }
    }
}

fn sides(strip: Strip) -> (bool, bool) {
    (matches!(strip, Strip::Start | Strip::Both), matches!(strip, Strip::End | Strip::Both))
}

fn trim_if(text: &mut String, wanted: bool) {
    if wanted {
        text.truncate(text.trim_end().len());
    }
}

fn stripped(text: &str, start: bool, end: bool) -> &str {
    let text = if start { text.trim_start() } else { text };
    if end { text.trim_end() } else { text }
}

fn bind(key_name: Option<&str>, value_name: &str, key: Value, value: Value) -> Vec<(String, Value)> {
    let key = key_name.map(|name| (name.to_owned(), key));
    key.into_iter().chain([(value_name.to_owned(), value)]).collect()
}

/// Keys and values of what a `for` goes over.
fn pairs(collection: &Value) -> Result<Vec<(Value, Value)>, Error> {
    match collection {
        Value::List(items) => {
            Ok(items.iter().enumerate().map(|(at, item)| (Value::Number(at as f64), item.clone())).collect())
        }
        Value::Object(items) => Ok(items.iter().map(|(key, item)| (Value::String(key.clone()), item.clone())).collect()),
        other => Err(Error::new(format!("for needs a list or an object, this is {}", other.kind()))),
    }
}

pub(super) fn attribute(value: &Value, name: &str) -> Result<Value, Error> {
    let items = value.object()?;
    items.get(name).cloned().ok_or_else(|| {
        Error::new(format!("there is no attribute {name} here")).meant(name, items.keys().map(String::as_str))
    })
}

pub(super) fn element(value: &Value, index: &Value) -> Result<Value, Error> {
    match value {
        Value::Object(_) => attribute(value, &index.text()?),
        _ => {
            let (items, at) = (value.list()?, index.number()?);
            let whole = at >= 0.0 && at.fract() == 0.0;
            let item = if whole { items.get(at as usize) } else { None };
            item.cloned().ok_or_else(|| Error::new(format!("there is no element {at}: the list has {}", items.len())))
        }
    }
}

fn binary(operator: BinaryOperator, left: &Value, right: &Value) -> Result<Value, Error> {
    let numbers = |apply: fn(f64, f64) -> f64| Ok(Value::Number(apply(left.number()?, right.number()?)));
    let compare = |apply: fn(&f64, &f64) -> bool| Ok(Value::Bool(apply(&left.number()?, &right.number()?)));
    match operator {
        BinaryOperator::Eq => Ok(Value::Bool(left == right)),
        BinaryOperator::NotEq => Ok(Value::Bool(left != right)),
        BinaryOperator::And => Ok(Value::Bool(left.bool()? && right.bool()?)),
        BinaryOperator::Or => Ok(Value::Bool(left.bool()? || right.bool()?)),
        BinaryOperator::Less => compare(f64::lt),
        BinaryOperator::LessEq => compare(f64::le),
        BinaryOperator::Greater => compare(f64::gt),
        BinaryOperator::GreaterEq => compare(f64::ge),
        BinaryOperator::Plus => numbers(|a, b| a + b),
        BinaryOperator::Minus => numbers(|a, b| a - b),
        BinaryOperator::Mul => numbers(|a, b| a * b),
        BinaryOperator::Div => functions::divide(left.number()?, right.number()?),
        BinaryOperator::Mod => functions::modulo(left.number()?, right.number()?),
    }
}
