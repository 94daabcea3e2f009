//! Functions over numbers and bools.

use super::{ANY, Arguments, Function, function};
use crate::bake::Error;
use crate::bake::value::{Number, Value};

pub(super) const TABLE: &[Function] = &[
    function("absolute", 1, 1, |a| Ok(a.number(0)?.absolute().into())),
    function("add", 2, 2, |a| Ok(a.number(0)?.add(&a.number(1)?)?.into())),
    function("and", 2, 2, |a| Ok((a.bool(0)? && a.bool(1)?).into())),
    function("ceil", 1, 1, |a| Ok(a.number(0)?.ceil().into())),
    function("divide", 2, 2, |a| Ok(a.number(0)?.divide(&a.number(1)?)?.into())),
    function("equal", 2, 2, |a| Ok((a.value(0)? == a.value(1)?).into())),
    function("floor", 1, 1, |a| Ok(a.number(0)?.floor().into())),
    function("greaterthan", 2, 2, |a| Ok((a.number(0)? > a.number(1)?).into())),
    function("greaterthanorequalto", 2, 2, |a| Ok((a.number(0)? >= a.number(1)?).into())),
    function("int", 1, 1, |a| Ok(a.number(0)?.truncate().into())),
    function("lessthan", 2, 2, |a| Ok((a.number(0)? < a.number(1)?).into())),
    function("lessthanorequalto", 2, 2, |a| Ok((a.number(0)? <= a.number(1)?).into())),
    function("log", 2, 2, |a| float(a.number(0)?.float().ln() / a.number(1)?.float().ln())),
    function("max", 1, ANY, |a| Ok(numbers(a)?.into_iter().max().map_or(Value::Null, Value::Number))),
    function("min", 1, ANY, |a| Ok(numbers(a)?.into_iter().min().map_or(Value::Null, Value::Number))),
    function("modulo", 2, 2, |a| Ok(a.number(0)?.modulo(&a.number(1)?)?.into())),
    function("multiply", 2, 2, |a| Ok(a.number(0)?.multiply(&a.number(1)?)?.into())),
    function("negate", 1, 1, |a| Ok(a.number(0)?.negate().into())),
    function("not", 1, 1, |a| Ok((!a.bool(0)?).into())),
    function("notequal", 2, 2, |a| Ok((a.value(0)? != a.value(1)?).into())),
    function("or", 2, 2, |a| Ok((a.bool(0)? || a.bool(1)?).into())),
    function("parseint", 2, 2, parseint),
    function("pow", 2, 2, |a| float(a.number(0)?.float().powf(a.number(1)?.float()))),
    function("range", 1, 3, range),
    function("signum", 1, 1, |a| Ok(a.number(0)?.signum().into())),
    function("subtract", 2, 2, |a| Ok(a.number(0)?.subtract(&a.number(1)?)?.into())),
];

fn numbers(arguments: &Arguments<'_>) -> Result<Vec<Number>, Error> {
    arguments.values.iter().map(Value::number).collect()
}

fn float(number: f64) -> Result<Value, Error> {
    Number::of_float(number).map(Value::Number).ok_or_else(|| Error::new("the result is no number"))
}

fn parseint(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (text, base) = (arguments.text(0)?, arguments.count(1)?);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| Error::new("the base is from 2 to 36"))?;
    let number = Number::of_radix(&text, base);
    number.map(Value::Number).ok_or_else(|| Error::new(format!("{text:?} is no whole number of base {base}")))
}

/// The most that HCL makes.
const RANGE: usize = 1024;

fn range(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (zero, one) = (Number::from(0_usize), Number::from(1_usize));
    let toward = |start: &Number, end: &Number| if end < start { one.negate() } else { one.clone() };
    let (start, end, step) = match &numbers(arguments)?[..] {
        [end] => (zero.clone(), end.clone(), toward(&zero, end)),
        [start, end] => (start.clone(), end.clone(), toward(start, end)),
        [start, end, step] => (start.clone(), end.clone(), step.clone()),
        _ => return Err(Error::new("one to three numbers are needed")),
    };
    if start != end && (step == zero || (step > zero) != (end > start)) {
        return Err(Error::new(format!("steps of {step} never lead from {start} to {end}")));
    }
    let (mut all, mut next) = (Vec::new(), start);
    while if step > zero { next < end } else { next > end } {
        if all.len() == RANGE {
            return Err(Error::limit(format!("this makes more than {RANGE} numbers")));
        }
        all.push(Value::Number(next.clone()));
        next = next.add(&step)?;
    }
    Ok(Value::List(all))
}
