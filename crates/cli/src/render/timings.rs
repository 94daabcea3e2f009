//! `--timings`: where the time went, as a table and as a trace that Perfetto opens.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use engine::{Event, EventSink, VertexId};
use serde_json::{Value, json};

use super::{clean, locked, of_job};

/// Hands events on and keeps what they say about time.
pub(crate) struct Timed {
    inner: Box<dyn EventSink>,
    vertices: Mutex<BTreeMap<VertexId, Vertex>>,
}

#[derive(Clone, Debug)]
struct Vertex {
    name: String,
    started: Duration,
    ended: Option<Duration>,
    cached: bool,
    /// Of each part: when it was first and last heard of, and its bytes.
    parts: BTreeMap<String, (Duration, Duration, u64)>,
    stages: Vec<Stage>,
}

/// A stage of the pipeline that makes a layer; several run side by side.
#[derive(Clone, Debug)]
struct Stage {
    name: &'static str,
    began: Duration,
    ended: Duration,
    /// Summed over threads.
    busy: Duration,
}

impl Timed {
    /// Listens on the way to `inner`.
    pub(crate) fn new(inner: Box<dyn EventSink>) -> Self {
        Self { inner, vertices: Mutex::new(BTreeMap::new()) }
    }

    /// The table: the longest first, those of no time last.
    pub(crate) fn table(&self) -> String {
        let vertices = locked(&self.vertices);
        let mut rows: Vec<_> =
            vertices.values().filter_map(|v| Some((v.ended?.saturating_sub(v.started), v))).collect();
        rows.sort_by(|(a, x), (b, y)| b.cmp(a).then(x.started.cmp(&y.started)));
        let mut table = String::from("   seconds     from  what\n");
        for (took, vertex) in rows {
            let cached = if vertex.cached { " (cached)" } else { "" };
            let (took, from) = (took.as_secs_f64(), vertex.started.as_secs_f64());
            table.push_str(&format!("{took:10.3} {from:8.3}  {}{cached}\n", clean(&vertex.name)));
            for stage in &vertex.stages {
                let (busy, from) = (stage.busy.as_secs_f64(), stage.began.as_secs_f64());
                table.push_str(&format!("{busy:10.3} {from:8.3}    {}\n", stage.name));
            }
        }
        table
    }

    /// The trace, in the JSON format of Chrome's trace viewer: times in microseconds, one row per
    /// vertex, its parts within it.
    pub(crate) fn trace(&self) -> Value {
        let vertices = locked(&self.vertices);
        let events: Vec<Value> = vertices.iter().flat_map(|(id, vertex)| vertex.slices(*id)).collect();
        json!({ "displayTimeUnit": "ms", "traceEvents": events })
    }
}

impl Vertex {
    fn slices(&self, VertexId(row): VertexId) -> Vec<Value> {
        let last_part = self.parts.values().map(|(_, last, _)| *last).max();
        let ended = self.ended.or(last_part).unwrap_or(self.started);
        let whole = slice(row, &self.name, self.started, ended, json!({ "cached": self.cached }));
        let parts = self.parts.iter();
        let parts =
            parts.map(|(name, (first, last, bytes))| slice(row, name, *first, *last, json!({ "bytes": bytes })));
        // Stages overlap, so each has a row of its own below its vertex.
        let stages = self.stages.iter().zip(1..).map(|(stage, below)| {
            let args = json!({ "busy_ms": stage.busy.as_secs_f64() * 1e3 });
            slice(1000 * row + below, stage.name, stage.began, stage.ended, args)
        });
        std::iter::once(whole).chain(parts).chain(stages).collect()
    }
}

fn slice(row: u32, name: &str, from: Duration, to: Duration, args: Value) -> Value {
    let (ts, dur) = (from.as_micros() as u64, to.saturating_sub(from).as_micros() as u64);
    json!({ "name": name, "ph": "X", "ts": ts, "dur": dur, "pid": 1, "tid": row, "args": args })
}

impl EventSink for Timed {
    fn event(&self, at: Duration, event: Event) {
        let mut vertices = locked(&self.vertices);
        match &event {
            Event::Started { id, name, job } => {
                let name = of_job(job.as_deref(), name.clone());
                let (parts, stages) = (BTreeMap::new(), Vec::new());
                let vertex = Vertex { name, started: at, ended: None, cached: false, parts, stages };
                vertices.insert(*id, vertex);
            }
            Event::Progress { id, what, done, .. } => {
                if let Some(vertex) = vertices.get_mut(id) {
                    let part = vertex.parts.entry(what.clone()).or_insert((at, at, 0));
                    (part.1, part.2) = (at, *done);
                }
            }
            Event::Finished { id, cached, .. } => {
                if let Some(vertex) = vertices.get_mut(id) {
                    (vertex.ended, vertex.cached) = (Some(at), *cached);
                }
            }
            Event::Stage { id, stage, began, ended, busy } => {
                if let Some(vertex) = vertices.get_mut(id) {
                    vertex.stages.push(Stage { name: stage, began: *began, ended: *ended, busy: *busy });
                }
            }
            Event::Log { .. } | Event::Job { .. } | Event::Warning { .. } => {}
        }
        drop(vertices);
        self.inner.event(at, event);
    }
}

#[cfg(test)]
mod tests {
    use engine::Silent;

    use super::*;

    fn timed() -> Timed {
        let timed = Timed::new(Box::new(Silent));
        let (a, b) = (VertexId(1), VertexId(2));
        let at = |millis, event| timed.event(Duration::from_millis(millis), event);
        at(0, Event::Started { id: a, name: "short".into(), job: None });
        at(5, Event::Started { id: b, name: "long".into(), job: None });
        at(10, Event::Finished { id: a, cached: true, error: None });
        at(15, Event::Progress { id: b, what: "layer".into(), done: 7, total: None });
        at(45, Event::Progress { id: b, what: "layer".into(), done: 9, total: None });
        let millis = Duration::from_millis;
        at(1000, Event::Stage { id: b, stage: "hash", began: millis(6), ended: millis(900), busy: millis(400) });
        at(1005, Event::Finished { id: b, cached: false, error: None });
        timed
    }

    #[test]
    fn the_longest_comes_first() {
        let expected = "   seconds     from  what\n     1.000    0.005  long\n     0.400    0.006    hash\n     0.010    0.000  short (cached)\n";
        assert_eq!(timed().table(), expected);
    }

    #[test]
    fn a_trace_has_vertices_and_their_parts_in_microseconds() {
        let trace = timed().trace();
        let events = trace["traceEvents"].as_array().unwrap();
        assert_eq!(events.len(), 4);
        assert_eq!((&events[1]["ts"], &events[1]["dur"]), (&json!(5000), &json!(1_000_000)));
        assert_eq!((&events[2]["name"], &events[2]["dur"]), (&json!("layer"), &json!(30_000)));
        assert_eq!(events[2]["args"]["bytes"], 9);
        let stage = &events[3];
        assert_eq!(
            (&stage["tid"], &stage["dur"], &stage["args"]["busy_ms"]),
            (&json!(2001), &json!(894_000), &json!(400.0))
        );
    }
}
