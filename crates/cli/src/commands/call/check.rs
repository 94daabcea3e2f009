//! `--call=check`.

use std::fmt::Write;

use engine::Checked;
use serde_json::{Value, json};

use super::{data, location};
use crate::render::clean;

/// Each finding with its rule, what the rule wants, what was found, and the line.
pub(super) fn text(checked: &Checked) -> String {
    let mut text = match checked.findings.len() {
        0 => "check complete, no warnings found\n".to_owned(),
        1 => "check complete, 1 warning has been found\n".to_owned(),
        count => format!("check complete, {count} warnings have been found\n"),
    };
    for finding in &checked.findings {
        let excerpt = checked.source.excerpt(finding.span).to_string();
        let excerpt: Vec<_> = excerpt.lines().map(clean).collect();
        let _ = writeln!(text, "\nwarning: {}: {}", finding.rule, finding.rule.summary());
        let _ = writeln!(text, "{}\n{}", clean(&finding.message), excerpt.join("\n"));
    }
    text
}

/// In the shape of BuildKit's `lint` subrequest.
pub(super) fn json(checked: &Checked) -> Value {
    let source = &checked.source;
    let warnings = checked.findings.iter().map(|finding| {
        json!({
            "ruleName": finding.rule.name(),
            "description": finding.rule.summary(),
            "detail": finding.message,
            "location": location(source, finding.span),
        })
    });
    let sources = json!([{ "filename": source.name, "language": "Dockerfile", "data": data(source) }]);
    json!({ "warnings": warnings.collect::<Vec<_>>(), "sources": sources })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::dockerfile::{Source, lint};

    use super::*;

    fn checked(dockerfile: &str) -> Checked {
        let file = ::dockerfile::parse(Source::new("Dockerfile", dockerfile)).unwrap();
        Checked { source: Arc::clone(&file.source), findings: lint::check(&file, &lint::Options::default()) }
    }

    #[test]
    fn findings_have_their_rule_and_place() {
        let checked = checked("FROM scratch AS build\nMAINTAINER me\n");
        let text = text(&checked);
        assert!(text.starts_with("check complete, 1 warning has been found\n"), "{text}");
        assert!(text.contains("warning: MaintainerDeprecated: "), "{text}");
        assert!(text.contains("Dockerfile:2:1\n2 | MAINTAINER me\n"), "{text}");
        let value = json(&checked);
        assert_eq!(value["warnings"][0]["ruleName"], "MaintainerDeprecated");
        assert_eq!(
            value["warnings"][0]["location"]["ranges"],
            json!([{ "start": { "line": 2 }, "end": { "line": 2 } }])
        );
        assert_eq!(value["sources"][0]["filename"], "Dockerfile");
    }

    #[test]
    fn nothing_found_is_said() {
        assert_eq!(text(&checked("FROM scratch\n")), "check complete, no warnings found\n");
    }
}
