//! Words about a Dockerfile instead of an image of it: `--check` and `--call`, in the shapes of BuildKit's subrequests.

mod check;
mod outline;
mod targets;

use std::sync::Arc;

use ::dockerfile::{Source, Span};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{Engine, EventSink};
use serde_json::{Value, json};

use super::output::{print, print_json};
use super::runtime::block_on;
use super::{client, open_store};
use crate::args::GlobalArgs;
use crate::failure::{Exit, Failure};
use crate::render::progress;
use crate::request::{Build, Method};

/// Does what `--call` asks and prints it.
pub(super) fn run(build: &Build, global: &GlobalArgs) -> Result<Exit, Failure> {
    let store = open_store(global)?;
    let sink: Arc<dyn EventSink> = Arc::from(progress(build.display));
    let answer = block_on(async {
        let engine = Engine::new(store, client()?);
        answer(build, &engine, sink).await
    })?;
    match &answer.said {
        Said::Text(text) => print(text)?,
        Said::Json(value) => print_json(value)?,
    }
    Ok(answer.exit)
}

/// What is said of a Dockerfile.
pub(super) struct Answer {
    pub(super) said: Said,
    pub(super) exit: Exit,
}

/// In the form that was asked for.
pub(super) enum Said {
    Text(String),
    Json(Value),
}

/// What `--call` asks of a Dockerfile that is not built.
pub(super) async fn answer(build: &Build, engine: &Engine, sink: Arc<dyn EventSink>) -> Result<Answer, Failure> {
    let (call, request) = (&build.call, &build.request);
    let said = |text: String, value: &dyn Fn() -> Value| match call.json {
        true => Said::Json(value()),
        false => Said::Text(text),
    };
    let mut exit = Exit::Done;
    let said = match call.method {
        Method::Build => Said::Text(String::new()),
        Method::Outline => {
            let outlined = engine.outline(request, sink).await?;
            said(outline::text(&outlined.outline), &|| outline::json(&outlined))
        }
        Method::Targets => {
            let listed = engine.targets(request, sink).await?;
            said(targets::text(&listed.targets), &|| targets::json(&listed))
        }
        Method::Check => {
            let checked = engine.check(request, sink).await?;
            if !checked.findings.is_empty() && !call.ignore_status {
                exit = Exit::Build;
            }
            said(check::text(&checked), &|| check::json(&checked))
        }
    };
    Ok(Answer { said, exit })
}

/// A place as BuildKit's messages have it: a range for each line, without what is zero, as columns always are there.
fn location(source: &Source, span: Span) -> Value {
    let first = source.line_column(span.start).line;
    let last = source.line_column(span.end.saturating_sub(1).max(span.start)).line;
    let line = |line| json!({ "start": { "line": line }, "end": { "line": line } });
    json!({ "ranges": (first..=last).map(line).collect::<Vec<_>>() })
}

/// The text that places are in, as bytes are in JSON.
fn data(source: &Source) -> String {
    STANDARD.encode(&source.text)
}

/// An object of those members that say something.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let said = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && value != "" && value != &json!([]);
    members.into_iter().filter(|(_, value)| said(value)).map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_range_for_each_line() {
        let source = Source::new("Dockerfile", "FROM a\nENV a=1 \\\n b=2\nENV c=3\n");
        let lines = |start, end| {
            let value = location(&source, Span::new(start, end));
            let ranges = value["ranges"].as_array().unwrap().clone();
            ranges.iter().map(|range| range["start"]["line"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(lines(0, 6), [1]);
        assert_eq!(lines(7, 22), [2, 3]);
        assert_eq!(lines(7, 21), [2, 3]);
        assert_eq!(lines(31, 31), [5]);
    }

    #[test]
    fn members_that_say_nothing_are_left_out() {
        let some =
            object([("a", json!("")), ("b", json!(false)), ("c", json!([])), ("d", Value::Null), ("e", json!(1))]);
        assert_eq!(some, json!({ "e": 1 }));
    }
}
