//! What `--list` prints.

use serde::Serialize;

use super::definition::Definition;
use super::json;

/// A variable of the files, with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its type, when it has one.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its value; none for null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListFormat {
    /// Columns, for people.
    #[default]
    Table,
    /// For programs.
    Json,
}

#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    group: bool,
}

/// Targets and groups, except those whose name begins with `_`.
pub(super) fn targets(definition: &Definition, format: ListFormat) -> String {
    let targets = definition.targets.iter().map(|(name, target)| Row {
        name: name.clone(),
        description: target.description.clone(),
        group: false,
    });
    let groups = definition.groups.iter().map(|(name, group)| {
        let mut members = group.targets.clone();
        members.sort();
        let members = members.join(", ");
        let description = match (group.description.as_str(), members.as_str()) {
            ("", members) => members.to_owned(),
            (description, "") => description.to_owned(),
            (description, members) => format!("{description} ({members})"),
        };
        Row { name: name.clone(), description, group: true }
    });
    let mut rows: Vec<Row> = targets.chain(groups).filter(|row| !row.name.starts_with('_')).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    match format {
        ListFormat::Json => json::pretty(&rows),
        ListFormat::Table => {
            let rows = rows.iter().map(|row| vec![row.name.as_str(), &row.description]);
            table(&["TARGET", "DESCRIPTION"], rows)
        }
    }
}

/// Variables by name.
pub(super) fn variables(definition: &Definition, format: ListFormat) -> String {
    let all = &definition.variables;
    match format {
        ListFormat::Json => json::pretty(all),
        ListFormat::Table => {
            let rows = all.iter().map(|variable| {
                let value = variable.value.as_deref().unwrap_or("<null>");
                vec![variable.name.as_str(), &variable.kind, value, &variable.description]
            });
            table(&["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"], rows)
        }
    }
}

/// Columns that are filled with tabs, eight wide, as Go's `tabwriter` does for buildx.
fn table<'r>(header: &[&'r str], rows: impl Iterator<Item = Vec<&'r str>>) -> String {
    let rows: Vec<Vec<&str>> = std::iter::once(header.to_vec()).chain(rows).collect();
    let last = header.len() - 1;
    let width = |column: usize| {
        let most = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        if most == 0 { 0 } else { (most + 1).next_multiple_of(8) }
    };
    let widths: Vec<usize> = (0..last).map(width).collect();
    let line = |row: &Vec<&str>| {
        let cells = row.iter().enumerate().map(|(column, cell)| match widths.get(column) {
            Some(width) => format!("{cell}{}", "\t".repeat((width - cell.chars().count()).div_ceil(8))),
            None => (*cell).to_owned(),
        });
        cells.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}
