//! A live tree: what is being done with its bars below, what is done scrolls up and stays.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use engine::{Event, EventSink, VertexId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::text::{amount, seconds};
use super::{clean, locked};

/// Often enough to look alive.
const TICK: Duration = Duration::from_millis(120);
const VERTEX: &str = " {spinner:.cyan} {msg} {elapsed:.dim}";
const PART: &str = "     {prefix:.dim} {bar:24.cyan/dim} {msg}";
const UNSIZED_PART: &str = "     {prefix:.dim} {msg}";

/// Shows events on a terminal.
pub(super) struct Tty {
    screen: MultiProgress,
    vertices: Mutex<BTreeMap<VertexId, Vertex>>,
}

struct Vertex {
    name: String,
    started: Duration,
    bar: ProgressBar,
    parts: BTreeMap<String, ProgressBar>,
}

impl Tty {
    pub(super) fn new() -> Self {
        Self { screen: MultiProgress::new(), vertices: Mutex::new(BTreeMap::new()) }
    }

    fn start(&self, at: Duration, id: VertexId, name: &str) {
        let name = clean(name).into_owned();
        let bar = self.screen.add(ProgressBar::new_spinner().with_style(style(VERTEX)));
        bar.set_message(name.clone());
        bar.enable_steady_tick(TICK);
        locked(&self.vertices).insert(id, Vertex { name, started: at, bar, parts: BTreeMap::new() });
    }

    fn progress(&self, id: VertexId, what: &str, done: u64, total: Option<u64>) {
        let mut vertices = locked(&self.vertices);
        let Some(vertex) = vertices.get_mut(&id) else { return };
        if total == Some(done) {
            if let Some(bar) = vertex.parts.remove(what) {
                self.screen.remove(&bar);
            }
            return;
        }
        let last = vertex.parts.values().next_back().unwrap_or(&vertex.bar).clone();
        let bar = vertex.parts.entry(what.to_owned()).or_insert_with(|| self.add_part(&last, what, total));
        bar.set_position(done);
        bar.set_message(amount(done, total));
    }

    fn add_part(&self, after: &ProgressBar, what: &str, total: Option<u64>) -> ProgressBar {
        let template = if total.is_some() { PART } else { UNSIZED_PART };
        let bar = ProgressBar::new(total.unwrap_or_default()).with_style(style(template));
        let bar = self.screen.insert_after(after, bar);
        bar.set_prefix(clean(what).into_owned());
        bar
    }

    fn log(&self, id: VertexId, line: &str) {
        if locked(&self.vertices).contains_key(&id) {
            self.keep(&format!("   #{} {}", id.0, clean(line)));
        }
    }

    fn finish(&self, at: Duration, id: VertexId, cached: bool, error: Option<&str>) {
        let Some(vertex) = locked(&self.vertices).remove(&id) else { return };
        for bar in vertex.parts.values().chain([&vertex.bar]) {
            self.screen.remove(bar);
        }
        self.keep(&ended(&vertex.name, at.saturating_sub(vertex.started), cached, error));
    }

    /// Puts a line above what moves.
    fn keep(&self, line: &str) {
        let _gone = self.screen.println(line);
    }
}

/// The line that stays of a vertex.
fn ended(name: &str, took: Duration, cached: bool, error: Option<&str>) -> String {
    match error {
        Some("cancelled") => format!(" - {name} canceled"),
        Some(_) => format!(" ✗ {name}"),
        None if cached => format!(" ✓ {name} cached"),
        None => format!(" ✓ {name} {}", seconds(took)),
    }
}

/// A template of this file as a style; they are constants, so the fall-back is for the type only.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl EventSink for Tty {
    fn event(&self, at: Duration, event: Event) {
        match event {
            Event::Started { id, name, .. } => self.start(at, id, &name),
            Event::Progress { id, what, done, total } => self.progress(id, &what, done, total),
            Event::Stage { .. } | Event::Job { .. } => {}
            Event::Log { id, line } => self.log(id, &line),
            Event::Finished { id, cached, error } => self.finish(at, id, cached, error.as_deref()),
            Event::Warning { message, location } => {
                let location = location.map(|location| format!(" ({})", clean(&location)));
                self.keep(&format!(" ! {}{}", clean(&message), location.unwrap_or_default()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn templates_are_well_formed() {
        for template in [VERTEX, PART, UNSIZED_PART] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn what_is_done_stays_as_one_line() {
        let took = Duration::from_millis(250);
        assert_eq!(ended("COPY a b", took, false, None), " ✓ COPY a b 0.2s");
        assert_eq!(ended("COPY a b", took, true, None), " ✓ COPY a b cached");
        assert_eq!(ended("COPY a b", took, false, Some("no")), " ✗ COPY a b");
        assert_eq!(ended("COPY a b", took, false, Some("cancelled")), " - COPY a b canceled");
    }

    #[test]
    fn parts_come_and_go_with_their_vertex() {
        let tty = Tty::new();
        tty.screen.set_draw_target(ProgressDrawTarget::hidden());
        let id = VertexId(1);
        let progress = |done, total| Event::Progress { id, what: "layer".into(), done, total };
        tty.event(Duration::ZERO, Event::Started { id, name: "push".into(), job: None });
        tty.event(Duration::ZERO, progress(1, Some(3)));
        let part = locked(&tty.vertices)[&id].parts["layer"].clone();
        assert_eq!((part.position(), part.length(), part.message()), (1, Some(3), "1B / 3B".into()));
        tty.event(Duration::ZERO, progress(3, Some(3)));
        assert!(locked(&tty.vertices)[&id].parts.is_empty());
        tty.event(Duration::ZERO, Event::Finished { id, cached: false, error: None });
        assert!(locked(&tty.vertices).is_empty());
    }
}
