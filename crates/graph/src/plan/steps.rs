//! Steps, each distinct one once.

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::Span;

use crate::{CopySource, Op, Step, StepId, StepKey, StepLabel};

/// Steps in the order in which they were first needed.
#[derive(Debug, Default)]
pub(super) struct Steps {
    list: Vec<Step>,
    known: BTreeMap<StepKey, StepId>,
}

impl Steps {
    /// The step that does `op`, made now unless there is one.
    pub(super) fn add(&mut self, op: Op, label: StepLabel, span: Option<Span>, no_cache: bool) -> StepId {
        let key = op.key(&|id| self.list[id.0].key.0.to_string());
        let id = StepId(self.list.len());
        let found = *self.known.entry(key.clone()).or_insert(id);
        if found == id {
            self.list.push(Step { id, op, label, span, key, no_cache });
        }
        found
    }

    /// At the bottom of a file system, the step that holds all of a context, and the context's name.
    pub(super) fn whole_context_below(&self, root: StepId) -> Option<(StepId, String)> {
        let mut at = root;
        loop {
            let op = &self.list[at.0].op;
            if let Op::Copy(copy) = op
                && let ([CopySource { input, span: None, .. }], Op::Scratch) =
                    (copy.sources.as_slice(), &self.list[copy.parent.0].op)
            {
                return Some((at, input.name()));
            }
            at = op.parent()?;
        }
    }

    /// The steps that `root` needs, renumbered, and the new number of each old one.
    pub(super) fn needed_by(self, root: StepId) -> (Vec<Step>, BTreeMap<StepId, StepId>) {
        let mut needed = BTreeSet::from([root]);
        for step in self.list.iter().rev() {
            if needed.contains(&step.id) {
                needed.extend(step.op.inputs());
            }
        }
        let places: BTreeMap<StepId, StepId> =
            needed.iter().enumerate().map(|(new, old)| (*old, StepId(new))).collect();
        let kept = self.list.into_iter().filter(|step| needed.contains(&step.id));
        let steps = kept.map(|step| Step { id: places[&step.id], op: step.op.with_inputs(|id| places[&id]), ..step });
        (steps.collect(), places)
    }
}
