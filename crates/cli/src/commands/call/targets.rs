//! `--call=targets`.

use engine::{Target, Targets};
use serde_json::{Value, json};

use super::super::output::table;
use super::{data, location, object};
use crate::render::clean;

/// The stages that can be asked for, and the default one.
pub(super) fn text(targets: &[Target]) -> String {
    let row = |target: &Target| {
        let name = target.name.as_deref().unwrap_or_default();
        let name = if target.default { format!("{name} (default)") } else { name.to_owned() };
        let description = target.description.as_deref().unwrap_or_default();
        vec![clean(name.trim_start()).into_owned(), clean(description).into_owned()]
    };
    let rows: Vec<_> = targets.iter().filter(|target| target.default || target.name.is_some()).map(row).collect();
    table(&["TARGET", "DESCRIPTION"], &rows)
}

/// In the shape of BuildKit's `targets` subrequest.
pub(super) fn json(listed: &Targets) -> Value {
    let target = |target: &Target| {
        object([
            ("name", json!(target.name)),
            ("default", json!(target.default)),
            ("description", json!(target.description)),
            ("base", json!(target.base)),
            ("platform", json!(target.platform)),
            ("location", location(&listed.source, target.span)),
        ])
    };
    let targets: Vec<Value> = listed.targets.iter().map(target).collect();
    json!({ "targets": targets, "sources": [data(&listed.source)] })
}
