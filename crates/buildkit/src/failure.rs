//! What a builder's refusal means.

use bollard_buildkit_proto::google::rpc;
use prost::Message;
use tonic::{Code, Status};

use crate::error::is_foreign;
use crate::transport::reason;
use crate::{Builder, Error};

/// A place in a file that was built from, among a failure's details.
const PLACE: &str = "errdefs.Source+json";
/// What comes before the reason, again and again.
const PREFIXES: [&str; 2] = ["failed to solve: ", "rpc error: code = Unknown desc = "];

#[derive(serde::Deserialize)]
struct Place {
    #[serde(default)]
    ranges: Vec<Range>,
}

#[derive(serde::Deserialize)]
struct Range {
    start: Position,
}

#[derive(serde::Deserialize)]
struct Position {
    #[serde(default)]
    line: u32,
}

impl Builder {
    pub(crate) fn lost(&self, reason: &str) -> Error {
        Error::Lost { builder: self.address().to_string(), reason: reason.to_owned() }
    }

    /// A connection that broke has its cause below the status; a builder that answers says why.
    pub(crate) fn failure(&self, status: &Status) -> Error {
        let broken = std::error::Error::source(status).is_some() || status.code() == Code::Unavailable;
        if broken {
            return self.lost(&reason(status));
        }
        let mut reason = status.message();
        while let Some(rest) = PREFIXES.iter().find_map(|prefix| reason.strip_prefix(prefix)) {
            reason = rest;
        }
        let reason = reason.to_owned();
        let (line, foreign) = (line(status.details()), is_foreign(&reason));
        Error::Solve { builder: self.address().to_string(), reason, line, foreign }
    }
}

/// The line of the Dockerfile that failed: the innermost place that is told.
fn line(details: &[u8]) -> Option<u32> {
    let details = rpc::Status::decode(details).ok()?.details;
    let places = details.iter().filter(|detail| detail.type_url.ends_with(PLACE));
    let mut lines = places.filter_map(|detail| {
        let place: Place = serde_json::from_slice(&detail.value).ok()?;
        place.ranges.first().map(|range| range.start.line)
    });
    lines.rfind(|line| *line > 0)
}

#[cfg(test)]
mod tests {
    use bollard_buildkit_proto::google::protobuf::Any;

    use super::*;

    fn detail(kind: &str, json: &str) -> Any {
        Any { type_url: format!("github.com/moby/buildkit/{kind}"), value: json.as_bytes().to_vec() }
    }

    #[test]
    fn the_innermost_place_is_told_and_what_is_no_place_is_passed_over() {
        let details = vec![
            detail("stack.Stack+json", "{}"),
            detail(PLACE, r#"{"ranges":[{"start":{"line":2},"end":{"line":2}}]}"#),
            detail(
                PLACE,
                r#"{"info":{"filename":"Dockerfile"},"ranges":[{"start":{"line":5,"character":3},"end":{}}]}"#,
            ),
            detail(PLACE, "nonsense"),
        ];
        let status = rpc::Status { details, ..rpc::Status::default() };
        assert_eq!(line(&status.encode_to_vec()), Some(5));
        assert_eq!(line(b"\xff\xff"), None);
    }
}
