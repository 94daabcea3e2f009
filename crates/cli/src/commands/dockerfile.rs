//! Words about a Dockerfile: `dockerfile parse`, `--check` and `--call=targets`.

use std::io::{self, Read};
use std::path::Path;

use ::dockerfile::lint::{self, Finding, Options};
use ::dockerfile::{Dockerfile, Source, Span, Stage};
use engine::{BuildRequest, ContextSource, DockerfileSource};
use serde_json::{Value, json};

use super::output::{print, print_line, print_table};
use crate::args::ParseArgs;
use crate::failure::{Exit, Failure};
use crate::render::clean;
use crate::request::{Call, Method};

/// `shipsmith dockerfile parse`: the syntax tree as JSON.
pub(super) fn parse(args: &ParseArgs) -> Result<(), Failure> {
    let source = match args.file.as_os_str() == "-" {
        true => from_stdin()?,
        false => read(&args.file)?,
    };
    let file = ::dockerfile::parse(source)?;
    print_json(&json!(file))
}

/// `--call=check` and `--call=targets`.
pub(super) fn call(call: &Call, request: &BuildRequest) -> Result<Exit, Failure> {
    let file = ::dockerfile::parse(source(request)?)?;
    match call.method {
        Method::Targets => targets(&file, request, call.json)?,
        Method::Check => return check(&file, request, call),
        Method::Build => {}
    }
    Ok(Exit::Done)
}

fn source(request: &BuildRequest) -> Result<Source, Failure> {
    match (&request.dockerfile, &request.context) {
        (DockerfileSource::Text(text), _) => Ok(Source::new("Dockerfile", text)),
        (DockerfileSource::Path(path), ContextSource::Directory(_)) => read(path),
        (DockerfileSource::Default, ContextSource::Directory(directory)) => read(&directory.join("Dockerfile")),
        _ => {
            let hint = "fetch the context first, or send the Dockerfile with -f -";
            Err(Failure::new(Exit::Usage, "only Dockerfiles of directories are checked so far")
                .with_hint(Some(hint.into())))
        }
    }
}

fn read(path: &Path) -> Result<Source, Failure> {
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| cannot_read(&path.display().to_string(), &error))?;
    limited(&path.display().to_string(), file)
}

fn from_stdin() -> Result<Source, Failure> {
    limited("Dockerfile", io::stdin().lock())
}

/// A byte more than the parser takes, so that it is the parser that refuses what is too large.
fn limited(name: &str, reader: impl Read) -> Result<Source, Failure> {
    let mut bytes = Vec::new();
    let limit = ::dockerfile::limits::MAX_FILE as u64 + 1;
    reader.take(limit).read_to_end(&mut bytes).map_err(|error| cannot_read(name, &error))?;
    Ok(Source::from_bytes(name, &bytes))
}

fn cannot_read(name: &str, error: &io::Error) -> Failure {
    let hint = "name it with --file, or check the context's path";
    Failure::new(Exit::Build, format!("cannot read the Dockerfile {name}: {error}")).with_hint(Some(hint.into()))
}

/// The stages that can be built, in the shape of BuildKit's `targets` subrequest.
fn targets(file: &Dockerfile, request: &BuildRequest, as_json: bool) -> Result<(), Failure> {
    let last = file.stages.len().saturating_sub(1);
    let default = |index: usize, stage: &Stage| match &request.target {
        Some(target) => stage.name.as_ref().is_some_and(|name| name.value.eq_ignore_ascii_case(target)),
        None => index == last,
    };
    let stages = file.stages.iter().enumerate().map(|(index, stage)| (default(index, stage), stage));
    if as_json {
        let targets = stages.map(|(default, stage)| target_json(file, default, stage));
        return print_json(&json!({ "targets": targets.collect::<Vec<_>>(), "sources": [file.source.name] }));
    }
    let rows = stages.filter(|(default, stage)| *default || stage.name.is_some()).map(|(default, stage)| {
        let name = stage.name.as_ref().map_or("", |name| &name.value);
        let name = if default { format!("{name} (default)").trim_start().to_owned() } else { name.to_owned() };
        vec![clean(&name).into_owned(), clean(stage.description.as_deref().unwrap_or_default()).into_owned()]
    });
    print_table(&["TARGET", "DESCRIPTION"], &rows.collect::<Vec<_>>())
}

fn target_json(file: &Dockerfile, default: bool, stage: &Stage) -> Value {
    json!({
        "name": stage.name.as_ref().map(|name| &name.value),
        "default": default,
        "description": stage.description,
        "base": stage.base.raw,
        "location": location(&file.source, stage.from.span),
    })
}

/// The findings of the rules that need nothing but the file.
fn check(file: &Dockerfile, request: &BuildRequest, call: &Call) -> Result<Exit, Failure> {
    let argument = request.build_args.get("BUILDKIT_DOCKERFILE_CHECK").map(String::as_str);
    let directive = file.directives.check.as_ref().map(|check| check.value.as_str());
    let options = Options::parse(argument.or(directive).unwrap_or_default());
    let options = options.map_err(|error| Failure::new(Exit::Build, error.to_string()).with_hint(error.hint()))?;
    let findings = lint::check(file, &options);
    match call.json {
        true => print_json(&findings_json(file, &findings))?,
        false => print(findings_text(file, &findings))?,
    }
    Ok(if findings.is_empty() || call.ignore_status { Exit::Done } else { Exit::Build })
}

fn findings_text(file: &Dockerfile, findings: &[Finding]) -> String {
    let mut text = match findings.len() {
        0 => "check complete, no warnings found\n".to_owned(),
        1 => "check complete, 1 warning has been found\n".to_owned(),
        count => format!("check complete, {count} warnings have been found\n"),
    };
    for finding in findings {
        let excerpt = file.source.excerpt(finding.span).to_string();
        let excerpt: Vec<_> = excerpt.lines().map(clean).collect();
        text.push_str(&format!("\nwarning: {}: {}\n", finding.rule.name(), finding.rule.summary()));
        text.push_str(&format!("{}\n{}\n", clean(&finding.message), excerpt.join("\n")));
    }
    text
}

/// In the shape of BuildKit's `lint` subrequest.
fn findings_json(file: &Dockerfile, findings: &[Finding]) -> Value {
    let warnings = findings.iter().map(|finding| {
        json!({
            "ruleName": finding.rule.name(),
            "description": finding.rule.summary(),
            "detail": finding.message,
            "location": location(&file.source, finding.span),
        })
    });
    json!({ "warnings": warnings.collect::<Vec<_>>(), "sources": [{ "filename": file.source.name, "language": "Dockerfile" }] })
}

/// Lines from 1 and characters from 0, as BuildKit counts them.
fn location(source: &Source, span: Span) -> Value {
    let position = |offset| {
        let place = source.line_column(offset);
        json!({ "line": place.line, "character": place.column - 1 })
    };
    json!({ "sourceIndex": 0, "ranges": [{ "start": position(span.start), "end": position(span.end) }] })
}

fn print_json(value: &Value) -> Result<(), Failure> {
    print_line(&format!("{value:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Dockerfile {
        ::dockerfile::parse(Source::new("Dockerfile", text)).unwrap()
    }

    #[test]
    fn findings_have_their_rule_and_place() {
        let file = file("FROM scratch AS build\nMAINTAINER me\n");
        let findings = lint::check(&file, &Options::default());
        let text = findings_text(&file, &findings);
        assert!(text.starts_with("check complete, 1 warning has been found\n"), "{text}");
        assert!(text.contains("warning: MaintainerDeprecated: "), "{text}");
        assert!(text.contains("Dockerfile:2:1\n2 | MAINTAINER me\n"), "{text}");
        let value = findings_json(&file, &findings);
        let start = &value["warnings"][0]["location"]["ranges"][0]["start"];
        assert_eq!((&start["line"], &start["character"]), (&json!(2), &json!(0)));
        assert_eq!(findings_text(&file, &[]), "check complete, no warnings found\n");
    }

    #[test]
    fn a_targets_default_is_the_last_stage() {
        let file = file("FROM scratch AS a\nFROM a AS b\n");
        assert_eq!(target_json(&file, true, &file.stages[1])["base"], "a");
        assert_eq!(target_json(&file, true, &file.stages[1])["location"]["ranges"][0]["start"]["line"], 2);
    }
}
