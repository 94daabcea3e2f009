//! Blocks and their names: a block with a matrix is a target for every row of it.

use std::collections::BTreeMap;

use super::Error;
use super::eval::{Scope, evaluate};
use super::limits::MAX_MATRIX;
use super::syntax::{Attribute, Block, Expr, Word};
use super::value::Value;
use super::world::World;

/// A target or a group, once for every row of its matrix.
pub(super) struct Instance<'a> {
    pub(super) block: &'a Block,
    pub(super) label: &'a Word,
    pub(super) name: String,
    pub(super) scope: Scope<'a>,
}

/// The targets or groups that a block makes.
pub(super) fn instances<'a>(world: &World<'_>, block: &'a Block, label: &'a Word) -> Result<Vec<Instance<'a>>, Error> {
    valid_name(&label.text).map_err(|error| error.at(label.span))?;
    let (matrix, named) = (block.body.attribute("matrix"), block.body.attribute("name"));
    if let Some(attribute) = matrix.or(named).filter(|_| block.kind.text == "group") {
        return Err(Error::new(format!("a group has no {}", attribute.name.text)).at(attribute.name.span));
    }
    if let (None, Some(named)) = (matrix, named) {
        let error = Error::new("this name needs a matrix").at(named.name.span);
        return Err(error.with_hint("without a matrix, a target is named by its block"));
    }
    let rows = matrix.map_or_else(|| Ok(vec![BTreeMap::new()]), |matrix| rows(world, matrix))?;
    let mut instances: Vec<Instance<'a>> = Vec::with_capacity(rows.len());
    let mut seen = std::collections::BTreeSet::new();
    for row in rows {
        let scope = Scope::of(row);
        let name = named.map_or_else(|| Ok(label.text.clone()), |named| name(world, &scope, &named.value))?;
        if !seen.insert(name.clone()) {
            let error = Error::new(format!("two rows of the matrix are named {name:?}")).at(label.span);
            return Err(error.with_hint("name = \"NAME-${VALUE}\" tells the targets apart"));
        }
        instances.push(Instance { block, label, name, scope });
    }
    Ok(instances)
}

fn name(world: &World<'_>, scope: &Scope<'_>, expression: &Expr) -> Result<String, Error> {
    let name = evaluate(world, scope, expression)?.text();
    name.and_then(|name| valid_name(&name).map(|()| name)).map_err(|error| error.at(expression.span))
}

/// Every combination of the matrix's values, its axes in the order of their names.
fn rows(world: &World<'_>, matrix: &Attribute) -> Result<Vec<BTreeMap<String, Value>>, Error> {
    let value = world.value(&matrix.value)?;
    let at = |error: Error| error.at(matrix.value.span);
    let mut rows = vec![BTreeMap::new()];
    for (name, values) in value.object().map_err(at)? {
        let values = match values {
            Value::Object(values) => values.values().cloned().collect(),
            list => list.list().map_err(at)?.to_vec(),
        };
        if rows.len().saturating_mul(values.len()) > MAX_MATRIX {
            return Err(at(Error::limit(format!("this matrix has more than {MAX_MATRIX} rows"))));
        }
        let longer = |value: &Value| {
            let with = |row: &BTreeMap<String, Value>| {
                let mut row = row.clone();
                row.insert(name.clone(), value.clone());
                row
            };
            rows.iter().map(with).collect::<Vec<_>>()
        };
        rows = values.iter().flat_map(longer).collect();
    }
    Ok(rows)
}

/// Whether targets may have this name.
pub(super) fn valid_name(name: &str) -> Result<(), Error> {
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match good {
        true => Ok(()),
        false => Err(Error::new(format!("{name:?} is no name of a target"))
            .with_hint("letters, digits, _ and - are allowed; sanitize() makes a name of any text")),
    }
}
