//! Plain lines, laid out as buildx lays them out: `#3 [2/4] COPY a b`, then what happens to it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use engine::{Event, EventSink, VertexId};

use super::text::{amount, seconds};
use super::{Lines, clean, locked};

/// A part that goes on for long is shown this often.
const EVERY: Duration = Duration::from_secs(5);

/// Shows events as lines.
pub(super) struct Plain<W> {
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    vertices: BTreeMap<VertexId, Vertex>,
    /// Whose lines are being shown; a line of another one is preceded by its name.
    current: Option<VertexId>,
    began: bool,
}

struct Vertex {
    name: String,
    started: Duration,
    /// When each unfinished part began and was last shown.
    parts: BTreeMap<String, (Duration, Duration)>,
}

impl<W: Write + Send> Plain<W> {
    pub(super) fn new(out: W) -> Self {
        let state = State { out, vertices: BTreeMap::new(), current: None, began: false };
        Self { state: Mutex::new(state) }
    }
}

impl<W: Write + Send> EventSink for Plain<W> {
    fn event(&self, at: Duration, event: Event) {
        let mut state = locked(&self.state);
        match event {
            Event::Started { id, name, .. } => state.start(at, id, name),
            Event::Progress { id, what, done, total } => state.progress(at, id, &what, done, total),
            Event::Stage { .. } | Event::Job { .. } => {}
            Event::Log { id, line } => state.say(id, &clean(&line)),
            Event::Finished { id, cached, error } => state.finish(at, id, cached, error),
            Event::Warning { message, location } => state.warn(&message, location.as_deref()),
        }
    }
}

impl<W: Write + Send> State<W> {
    fn start(&mut self, at: Duration, id: VertexId, name: String) {
        let name = clean(&name).into_owned();
        self.vertices.insert(id, Vertex { name, started: at, parts: BTreeMap::new() });
        self.turn_to(id);
    }

    /// Makes a vertex the one whose lines are shown.
    fn turn_to(&mut self, id: VertexId) {
        if self.current == Some(id) {
            return;
        }
        if let Some(VertexId(other)) = self.current {
            self.out.line(&format!("#{other} ..."));
        }
        if std::mem::replace(&mut self.began, true) {
            self.out.line("");
        }
        let name = self.vertices.get(&id).map_or("", |vertex| &vertex.name);
        self.out.line(&format!("#{} {name}", id.0));
        self.current = Some(id);
    }

    fn say(&mut self, id: VertexId, what: &str) {
        self.turn_to(id);
        self.out.line(&format!("#{} {what}", id.0));
    }

    /// A part is shown when it is complete, and every few seconds before.
    fn progress(&mut self, at: Duration, id: VertexId, what: &str, done: u64, total: Option<u64>) {
        let Some(vertex) = self.vertices.get_mut(&id) else { return };
        let complete = total == Some(done);
        let (began, shown) = *vertex.parts.entry(what.to_owned()).or_insert((at, at));
        if !complete && at.saturating_sub(shown) < EVERY {
            return;
        }
        if complete {
            vertex.parts.remove(what);
        } else {
            vertex.parts.insert(what.to_owned(), (began, at));
        }
        let end = if complete { " done" } else { "" };
        let (what, amount) = (clean(what), amount(done, total));
        self.say(id, &format!("{what} {amount} {}{end}", seconds(at.saturating_sub(began))));
    }

    fn finish(&mut self, at: Duration, id: VertexId, cached: bool, error: Option<String>) {
        let Some(started) = self.vertices.get(&id).map(|vertex| vertex.started) else { return };
        match error {
            Some(error) if error == "cancelled" => self.say(id, "CANCELED"),
            Some(error) => self.say(id, &format!("ERROR: {}", clean(&error))),
            None if cached => self.say(id, "CACHED"),
            None => self.say(id, &format!("DONE {}", seconds(at.saturating_sub(started)))),
        }
        self.vertices.remove(&id);
        self.current = None;
    }

    fn warn(&mut self, message: &str, location: Option<&str>) {
        let location = location.map(|location| format!(" ({})", clean(location)));
        self.out.line(&format!("warning: {}{}", clean(message), location.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(events: Vec<(u64, Event)>) -> String {
        let plain = Plain::new(Vec::new());
        for (millis, event) in events {
            plain.event(Duration::from_millis(millis), event);
        }
        String::from_utf8(plain.state.into_inner().unwrap().out).unwrap()
    }

    fn started(id: u32, name: &str) -> Event {
        Event::Started { id: VertexId(id), name: name.into(), job: None }
    }

    fn finished(id: u32, cached: bool, error: Option<&str>) -> Event {
        Event::Finished { id: VertexId(id), cached, error: error.map(Into::into) }
    }

    fn progress(id: u32, done: u64, total: Option<u64>) -> Event {
        Event::Progress { id: VertexId(id), what: "layer".into(), done, total }
    }

    #[test]
    fn one_after_the_other() {
        let text = shown(vec![
            (0, started(1, "[1/2] FROM scratch")),
            (0, finished(1, true, None)),
            (10, started(2, "[2/2] COPY a b")),
            (20, Event::Log { id: VertexId(2), line: "two\u{1b}[0m".into() }),
            (210, finished(2, false, None)),
        ]);
        let expected = "#1 [1/2] FROM scratch\n#1 CACHED\n\n#2 [2/2] COPY a b\n#2 two\\u{1b}[0m\n#2 DONE 0.2s\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn side_by_side_each_line_stands_below_its_name() {
        let text = shown(vec![
            (0, started(1, "a")),
            (0, started(2, "b")),
            (1000, finished(1, false, None)),
            (2000, finished(2, false, Some("it broke"))),
        ]);
        let expected = "#1 a\n#1 ...\n\n#2 b\n#2 ...\n\n#1 a\n#1 DONE 1.0s\n\n#2 b\n#2 ERROR: it broke\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn parts_are_shown_now_and_then_and_at_their_end() {
        let text = shown(vec![
            (0, started(1, "push")),
            (0, progress(1, 0, Some(3000))),
            (4000, progress(1, 1000, Some(3000))),
            (6000, progress(1, 2000, Some(3000))),
            (7000, progress(1, 2500, Some(3000))),
            (8000, progress(1, 3000, Some(3000))),
        ]);
        let expected = "#1 push\n#1 layer 2.00kB / 3.00kB 6.0s\n#1 layer 3.00kB / 3.00kB 8.0s done\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn cancelled_work_and_warnings() {
        let warning = Event::Warning { message: "RUN is left out".into(), location: Some("Dockerfile:3".into()) };
        let text = shown(vec![(0, started(1, "a")), (1, warning), (2, finished(1, false, Some("cancelled")))]);
        assert_eq!(text, "#1 a\nwarning: RUN is left out (Dockerfile:3)\n#1 CANCELED\n");
    }
}
