//! JSON lines in the shape of BuildKit's solve status (`client.SolveStatus`), which tools that
//! read `docker buildx build --progress=rawjson` know.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{Event, EventSink, VertexId};
use oci::Digest;
use serde_json::{Map, Value, json};

use super::time::rfc3339;
use super::{Lines, locked, of_job};

/// Shows events as JSON lines.
pub(super) struct RawJson<W> {
    began: SystemTime,
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    vertices: BTreeMap<VertexId, Vertex>,
}

struct Vertex {
    digest: String,
    name: String,
    started: String,
    parts: BTreeMap<String, String>,
}

impl<W: Write + Send> RawJson<W> {
    /// `began` is when the build began: events tell the time since.
    pub(super) fn new(out: W, began: SystemTime) -> Self {
        Self { began, state: Mutex::new(State { out, vertices: BTreeMap::new() }) }
    }
}

impl<W: Write + Send> EventSink for RawJson<W> {
    fn event(&self, at: Duration, event: Event) {
        let now = rfc3339(self.began + at);
        let mut state = locked(&self.state);
        let (kind, object) = match event {
            Event::Started { id, name, job } => ("vertexes", Some(state.start(now, id, of_job(job.as_deref(), name)))),
            Event::Progress { id, what, done, total } => ("statuses", state.progress(now, id, &what, done, total)),
            Event::Stage { .. } | Event::Job { .. } => return,
            Event::Log { id, line } => ("logs", state.log(&now, id, &line)),
            Event::Finished { id, cached, error } => ("vertexes", state.finish(&now, id, cached, error)),
            Event::Warning { message, location } => ("warnings", Some(warning(&message, location))),
        };
        if let Some(object) = object {
            state.out.line(&json!({ kind: [object] }).to_string());
        }
    }
}

/// A warning's texts are bytes there, so base64 in JSON; its place is a detail.
fn warning(message: &str, location: Option<String>) -> Value {
    let mut warning = Map::from_iter([("short".into(), STANDARD.encode(message).into())]);
    if let Some(location) = location {
        warning.insert("detail".into(), vec![STANDARD.encode(location)].into());
    }
    warning.into()
}

impl<W> State<W> {
    /// A vertex is named by a digest there; ours has its number and its name for one.
    fn start(&mut self, now: String, id: VertexId, name: String) -> Value {
        let digest = Digest::of(format!("{} {name}", id.0).as_bytes()).to_string();
        let value = json!({ "digest": digest, "name": name, "started": now });
        self.vertices.insert(id, Vertex { digest, name, started: now, parts: BTreeMap::new() });
        value
    }

    fn progress(&mut self, now: String, id: VertexId, what: &str, done: u64, total: Option<u64>) -> Option<Value> {
        let vertex = self.vertices.get_mut(&id)?;
        let started = vertex.parts.entry(what.to_owned()).or_insert_with(|| now.clone()).clone();
        let mut status = json!({
            "id": what, "vertex": vertex.digest, "current": done, "timestamp": now, "started": started,
        });
        if let Some(total) = total {
            status["total"] = total.into();
        }
        if total == Some(done) {
            status["completed"] = now.into();
        }
        Some(status)
    }

    fn log(&mut self, now: &str, id: VertexId, line: &str) -> Option<Value> {
        let vertex = self.vertices.get(&id)?;
        let data = STANDARD.encode(format!("{line}\n"));
        Some(json!({ "vertex": vertex.digest, "stream": 1, "data": data, "timestamp": now }))
    }

    fn finish(&mut self, now: &str, id: VertexId, cached: bool, error: Option<String>) -> Option<Value> {
        let Vertex { digest, name, started, .. } = self.vertices.remove(&id)?;
        let mut value = json!({ "digest": digest, "name": name, "started": started, "completed": now });
        if cached {
            value["cached"] = true.into();
        }
        if let Some(error) = error {
            value["error"] = error.into();
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn shown(events: Vec<Event>) -> Vec<Value> {
        let sink = RawJson::new(Vec::new(), UNIX_EPOCH);
        for (second, event) in events.into_iter().enumerate() {
            sink.event(Duration::from_secs(second as u64), event);
        }
        let text = String::from_utf8(sink.state.into_inner().unwrap().out).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_vertex_keeps_its_digest_from_start_to_end() {
        let id = VertexId(1);
        let lines = shown(vec![
            Event::Started { id, name: "a".into(), job: None },
            Event::Progress { id, what: "layer".into(), done: 1, total: Some(2) },
            Event::Progress { id, what: "layer".into(), done: 2, total: Some(2) },
            Event::Log { id, line: "hello".into() },
            Event::Finished { id, cached: true, error: None },
        ]);
        let start = &lines[0]["vertexes"][0];
        assert_eq!(start["started"], "1970-01-01T00:00:00.000000000Z");
        assert_eq!(lines[1]["statuses"][0]["total"], 2);
        assert!(lines[1]["statuses"][0].get("completed").is_none());
        assert_eq!(lines[2]["statuses"][0]["started"], "1970-01-01T00:00:01.000000000Z");
        assert_eq!(lines[2]["statuses"][0]["completed"], "1970-01-01T00:00:02.000000000Z");
        assert_eq!(lines[3]["logs"][0]["data"], "aGVsbG8K");
        let end = &lines[4]["vertexes"][0];
        assert_eq!((&end["digest"], &end["cached"]), (&start["digest"], &Value::Bool(true)));
        assert_eq!(end["completed"], "1970-01-01T00:00:04.000000000Z");
    }

    #[test]
    fn errors_and_warnings() {
        let id = VertexId(1);
        let lines = shown(vec![
            Event::Started { id, name: "a".into(), job: None },
            Event::Finished { id, cached: false, error: Some("no".into()) },
            Event::Warning { message: "hm".into(), location: Some("Dockerfile:1".into()) },
            Event::Log { id: VertexId(9), line: "of nobody".into() },
        ]);
        assert_eq!(lines[1]["vertexes"][0]["error"], "no");
        assert_eq!(lines[2]["warnings"][0]["short"], "aG0=");
        assert_eq!(lines.len(), 3);
    }
}
