//! `--call=outline`.

use engine::{Outline, OutlineArg, OutlineSecret, Outlined};
use serde_json::{Value, json};

use super::super::output::table;
use super::{data, location, object};
use crate::render::clean;

/// The target, then a table for each kind of thing it takes.
pub(super) fn text(outline: &Outline) -> String {
    let mut tables = Vec::new();
    if outline.name.is_some() || outline.description.is_some() {
        let name = shown(outline.name.as_deref().unwrap_or("(default)"));
        tables.push(table(&["TARGET", "DESCRIPTION"], &[vec![name, shown_or_nothing(&outline.description)]]));
    }
    if !outline.args.is_empty() {
        let row =
            |arg: &OutlineArg| vec![shown(&arg.name), shown_or_nothing(&arg.value), shown_or_nothing(&arg.description)];
        let rows: Vec<_> = outline.args.iter().map(row).collect();
        tables.push(table(&["BUILD ARG", "VALUE", "DESCRIPTION"], &rows));
    }
    for (heading, list) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if !list.is_empty() {
            let required = |secret: &OutlineSecret| if secret.required { "true".to_owned() } else { String::new() };
            let rows: Vec<_> = list.iter().map(|secret| vec![shown(&secret.name), required(secret)]).collect();
            tables.push(table(&[heading, "REQUIRED"], &rows));
        }
    }
    tables.join("\n")
}

fn shown(text: &str) -> String {
    clean(text).into_owned()
}

fn shown_or_nothing(text: &Option<String>) -> String {
    shown(text.as_deref().unwrap_or_default())
}

/// In the shape of BuildKit's `outline` subrequest.
pub(super) fn json(outlined: &Outlined) -> Value {
    let Outlined { source, outline } = outlined;
    let arg = |arg: &OutlineArg| {
        object([
            ("name", json!(arg.name)),
            ("description", json!(arg.description)),
            ("value", json!(arg.value)),
            ("location", location(source, arg.span)),
        ])
    };
    let secret = |secret: &OutlineSecret| {
        object([
            ("name", json!(secret.name)),
            ("required", json!(secret.required)),
            ("location", location(source, secret.span)),
        ])
    };
    object([
        ("name", json!(outline.name)),
        ("description", json!(outline.description)),
        ("args", outline.args.iter().map(arg).collect()),
        ("secrets", outline.secrets.iter().map(secret).collect()),
        ("ssh", outline.ssh.iter().map(secret).collect()),
        ("sources", json!([data(source)])),
    ])
}

#[cfg(test)]
mod tests {
    use ::dockerfile::Span;

    use super::*;

    #[test]
    fn a_table_for_each_kind() {
        let span = Span::default();
        let arg = OutlineArg { name: "VERSION".into(), value: Some("1".into()), description: None, span };
        let secret = OutlineSecret { name: "key".into(), required: true, span };
        let outline = Outline {
            name: Some("app".into()),
            description: Some("the app".into()),
            args: vec![arg],
            secrets: vec![secret],
            ..Outline::default()
        };
        let tables = text(&outline);
        let lines: Vec<&str> = tables.lines().map(str::trim_end).collect();
        assert_eq!(lines[..2], ["TARGET   DESCRIPTION", "app      the app"]);
        assert_eq!(lines[3..5], ["BUILD ARG   VALUE   DESCRIPTION", "VERSION     1"]);
        assert_eq!(lines[6..], ["SECRET   REQUIRED", "key      true"]);
        assert_eq!(text(&Outline::default()), "");
    }
}
