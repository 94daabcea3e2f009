//! Functions over lists and objects.

use std::collections::BTreeMap;

use super::{ANY, Arguments, Function, function};
use crate::bake::Error;
use crate::bake::limits;
use crate::bake::value::Value;

pub(super) const TABLE: &[Function] = &[
    function("chunklist", 2, 2, chunklist),
    function("coalesce", 1, ANY, |a| {
        let found = a.values.iter().find(|value| **value != Value::Null);
        found.cloned().ok_or_else(|| Error::new("all arguments are null"))
    }),
    function("coalescelist", 1, ANY, |a| {
        let found = a.values.iter().find(|value| value.list().is_ok_and(|items| !items.is_empty()));
        found.cloned().ok_or_else(|| Error::new("all lists are empty"))
    }),
    function("compact", 1, 1, |a| {
        let empty = |item: &Value| matches!(item, Value::Null) || *item == Value::from("");
        let full = a.list(0)?.iter().filter(|item| !empty(item)).map(Value::text);
        full.collect::<Result<Vec<_>, _>>().map(Value::from_iter)
    }),
    function("concat", 1, ANY, |a| {
        a.values.iter().map(Value::list).collect::<Result<Vec<_>, _>>().map(|all| Value::List(all.concat()))
    }),
    function("contains", 2, 2, |a| Ok(same(a.list(0)?, a.value(1)?).into())),
    function("distinct", 1, 1, |a| {
        let mut seen = Vec::new();
        for item in one_type(a.list(0)?)? {
            if !seen.contains(&item) {
                limits::items(Some(seen.len() * 16))?;
                seen.push(item);
            }
        }
        Ok(Value::List(seen))
    }),
    function("element", 2, 2, element),
    function("flatten", 1, 1, |a| {
        let mut all = Vec::new();
        flatten(a.list(0)?, &mut all);
        Ok(Value::List(all))
    }),
    function("hasindex", 2, 2, |a| Ok(a.value(0)?.index(a.value(1)?).is_ok().into())),
    function("index", 2, 2, |a| a.value(0)?.index(a.value(1)?)),
    function("indexof", 2, 2, |a| {
        let at = a.list(0)?.iter().position(|item| Ok(item) == a.value(1));
        at.map(Value::from).ok_or_else(|| Error::new("the item is not in the list"))
    }),
    function("keys", 1, 1, |a| Ok(a.value(0)?.object()?.keys().map(String::as_str).collect())),
    function("length", 1, 1, |a| match a.value(0)? {
        Value::Object(items) => Ok(items.len().into()),
        list => Ok(list.list()?.len().into()),
    }),
    function("lookup", 3, 3, |a| {
        let (items, key) = (a.value(0)?.object()?, a.text(1)?);
        items.get(&key).map_or_else(|| a.value(2), Ok).cloned()
    }),
    function("merge", 0, ANY, merge),
    function("reverselist", 1, 1, |a| Ok(Value::List(a.list(0)?.iter().rev().cloned().collect()))),
    function("slice", 3, 3, slice),
    function("sort", 1, 1, |a| {
        let mut texts = a.list(0)?.iter().map(Value::text).collect::<Result<Vec<_>, _>>()?;
        texts.sort();
        Ok(texts.into_iter().collect())
    }),
    function("values", 1, 1, |a| Ok(Value::List(a.value(0)?.object()?.values().cloned().collect()))),
    function("zipmap", 2, 2, zipmap),
];

/// Whether the list has the item; a number is found by its text, as lists have one type.
fn same(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| {
        item == wanted || item.is_plain() && wanted.is_plain() && item.text().is_ok() && item.text() == wanted.text()
    })
}

/// Plain items as texts, if one of them is a text.
pub(super) fn one_type(items: &[Value]) -> Result<Vec<Value>, Error> {
    let texts = items.iter().any(|item| matches!(item, Value::String(_))) && items.iter().all(Value::is_plain);
    match texts {
        true => items.iter().map(|item| item.text().map(Value::String)).collect(),
        false => Ok(items.to_vec()),
    }
}

fn chunklist(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (items, size) = (one_type(arguments.list(0)?)?, arguments.count(1)?);
    let size = if size == 0 { items.len().max(1) } else { size };
    Ok(Value::List(items.chunks(size).map(|chunk| Value::List(chunk.to_vec())).collect()))
}

/// Counts on from the beginning when the list ends, and from the end below zero.
fn element(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (items, at) = (arguments.list(0)?, arguments.whole(1)?);
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let at = at.checked_rem_euclid(count).and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| items.get(at)).cloned().ok_or_else(|| Error::new("the list is empty"))
}

fn flatten(items: &[Value], all: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(inner) | Value::Set(inner) => flatten(inner, all),
            other => all.push(other.clone()),
        }
    }
}

fn merge(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let mut merged = BTreeMap::new();
    for value in arguments.values.iter().filter(|value| **value != Value::Null) {
        merged.extend(value.object()?.clone());
    }
    Ok(Value::Object(merged))
}

fn slice(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (items, start, end) = (arguments.list(0)?, arguments.count(1)?, arguments.count(2)?);
    let part = items.get(start..end).map(|part| Value::List(part.to_vec()));
    part.ok_or_else(|| Error::new(format!("a list of {} items has nothing from {start} to {end}", items.len())))
}

fn zipmap(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (keys, values) = (arguments.list(0)?, arguments.list(1)?);
    if keys.len() != values.len() {
        return Err(Error::new(format!("these are {} keys and {} values", keys.len(), values.len())));
    }
    let pairs = keys.iter().zip(values).map(|(key, value)| Ok((key.text()?, value.clone())));
    pairs.collect::<Result<_, Error>>().map(Value::Object)
}
