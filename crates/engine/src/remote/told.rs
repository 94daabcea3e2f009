//! A builder's progress as our own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use buildkit::Progress;
use dockerfile::Source;
use graph::{Graph, Step};

use crate::event::{Events, Vertex};

/// Shows a builder's vertices as ours.
pub(crate) struct Told<'a> {
    events: &'a Events,
    graph: &'a Graph,
    source: &'a Source,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<String, (String, Vertex)>,
    failed: Option<String>,
    foreign: bool,
}

impl<'a> Told<'a> {
    pub(crate) fn new(events: &'a Events, graph: &'a Graph, source: &'a Source) -> Self {
        Self { events, graph, source, state: Mutex::default() }
    }

    /// The step whose vertex was the first to fail, by what the builder calls it.
    pub(crate) fn failed_step(&self) -> Option<&'a Step> {
        let failed = self.state().failed.clone()?;
        let is_it = |text: &str| !text.is_empty() && failed.ends_with(&format!("] {text}"));
        self.graph.steps.iter().find(|step| is_it(&step.label.text))
    }

    /// Whether a program was made for another processor: builders print that, and only say that it failed.
    pub(crate) fn foreign(&self) -> bool {
        self.state().foreign
    }

    pub(crate) fn tell(&self, progress: Progress) {
        let mut state = self.state();
        match progress {
            Progress::Started { vertex, name } => {
                let shown = self.events.start(format!("[{}] {name}", self.graph.platform));
                state.open.insert(vertex, (name, shown));
            }
            Progress::Moved { vertex, what, done, total } => {
                if let Some((_, vertex)) = state.open.get(&vertex) {
                    vertex.moved(what, done, total);
                }
            }
            Progress::Line { vertex, line } => {
                state.foreign |= buildkit::is_foreign(&line);
                if let Some((_, vertex)) = state.open.get(&vertex) {
                    vertex.log(line);
                }
            }
            Progress::Finished { vertex, cached, error } => {
                if let Some((name, vertex)) = state.open.remove(&vertex) {
                    if error.is_some() {
                        state.failed.get_or_insert(name);
                    }
                    let _told_by_the_solve = vertex.finish(cached, error.map_or(Ok(()), Err));
                }
            }
            Progress::Warning { message, line } => self.warn(message, line),
        }
    }

    /// What our own linter said already is not said again.
    fn warn(&self, message: String, line: Option<u32>) {
        let rule = message.split(':').next().unwrap_or_default();
        if self.graph.warnings.iter().all(|finding| finding.rule.name() != rule) {
            self.events.warn(message, line.map(|line| format!("{}:{line}", self.source.name)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
