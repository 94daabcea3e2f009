//! Functions over sets; lists are taken as sets, too.

use super::lists::one_type;
use super::{ANY, Arguments, Function, function};
use crate::bake::Error;
use crate::bake::limits;
use crate::bake::value::Value;

pub(super) const TABLE: &[Function] = &[
    function("sethaselement", 2, 2, |a| {
        let wanted = a.value(1)?;
        Ok(a.list(0)?.contains(wanted).into())
    }),
    function("setintersection", 1, ANY, |a| {
        folded(a, |left, right| left.into_iter().filter(|item| right.contains(item)).collect())
    }),
    function("setproduct", 1, ANY, product),
    function("setsubtract", 2, 2, |a| {
        folded(a, |left, right| left.into_iter().filter(|item| !right.contains(item)).collect())
    }),
    function("setsymmetricdifference", 1, ANY, |a| {
        folded(a, |left, right| {
            let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
                these.iter().filter(|item| !those.contains(item)).cloned().collect()
            };
            [only(&left, &right), only(&right, &left)].concat()
        })
    }),
    function("setunion", 1, ANY, |a| folded(a, |left, right| [left, right].concat())),
];

type Step = fn(Vec<Value>, Vec<Value>) -> Vec<Value>;

/// From the first set on, one set after the other.
fn folded(arguments: &Arguments<'_>, step: Step) -> Result<Value, Error> {
    let lists = arguments.values.iter().map(Value::list).collect::<Result<Vec<_>, _>>()?;
    limits::items(lists.iter().map(|list| list.len()).max().map(|most| most.saturating_mul(16)))?;
    let all = one_type(&lists.concat())?;
    let mut rest = all.as_slice();
    let mut sets = lists.iter().map(|list| {
        let (items, after) = rest.split_at(list.len());
        rest = after;
        items.to_vec()
    });
    let first = sets.next().unwrap_or_default();
    Ok(Value::set(sets.fold(first, step)))
}

/// Every combination, in order; of sets it is a set.
fn product(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let lists = arguments.values.iter().map(|list| one_type(list.list()?)).collect::<Result<Vec<_>, _>>()?;
    let count = lists.iter().try_fold(lists.len(), |count, list| count.checked_mul(list.len()));
    limits::items(count)?;
    let mut rows = vec![Vec::new()];
    for list in lists {
        let longer = |row: &Vec<Value>| -> Vec<Vec<Value>> {
            list.iter().map(|item| [row.as_slice(), std::slice::from_ref(item)].concat()).collect()
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    let rows = rows.into_iter().map(Value::List).collect();
    match arguments.values.iter().all(|value| matches!(value, Value::Set(_))) {
        true => Ok(Value::set(rows)),
        false => Ok(Value::List(rows)),
    }
}
