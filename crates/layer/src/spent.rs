//! Where a layer's time went, stage by stage.

use std::time::{Duration, Instant};

/// One stage of a layer's way.
#[derive(Debug, Clone)]
pub struct Span {
    /// What was done, such as `compress`.
    pub stage: &'static str,
    /// When it was first done.
    pub began: Instant,
    /// When it was last done.
    pub ended: Instant,
    /// How long it was done in all, summed over threads.
    pub busy: Duration,
}

/// The stages of a layer. How long something took is no part of what it is: all are equal.
#[derive(Debug, Clone, Default)]
pub struct Spent(pub Vec<Span>);

impl PartialEq for Spent {
    fn eq(&self, _: &Spent) -> bool {
        true
    }
}

impl Eq for Spent {}

impl Spent {
    /// Takes a stage in; what several threads did becomes one.
    pub(crate) fn add(&mut self, watch: Watch) {
        let Some((began, ended)) = watch.between else { return };
        match self.0.iter_mut().find(|span| span.stage == watch.stage) {
            Some(span) => {
                span.began = span.began.min(began);
                span.ended = span.ended.max(ended);
                span.busy += watch.busy;
            }
            None => self.0.push(Span { stage: watch.stage, began, ended, busy: watch.busy }),
        }
    }
}

/// Takes the time of one stage in one thread.
pub(crate) struct Watch {
    stage: &'static str,
    between: Option<(Instant, Instant)>,
    busy: Duration,
}

impl Watch {
    pub(crate) fn new(stage: &'static str) -> Watch {
        Watch { stage, between: None, busy: Duration::ZERO }
    }

    /// Does `work` and takes its time.
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        let ended = Instant::now();
        self.busy += ended - began;
        self.between = Some((self.between.map_or(began, |(first, _)| first), ended));
        result
    }
}
