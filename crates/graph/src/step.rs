//! A plan's result: steps in an order in which they can be executed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dockerfile::{Source, Span, lint::Finding};
use oci::{Digest, ImageConfig, Platform};

use crate::Op;

/// A step's place in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// Digest over a step's definition: its op, its parents' keys and its base's digest, but no file contents.
/// Equal keys mean equal work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepKey(pub Digest);

/// One change of a file system, named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place.
    pub id: StepId,
    /// What it does.
    pub op: Op,
    /// What it is called in progress output.
    pub label: StepLabel,
    /// The instruction behind it.
    pub span: Option<Span>,
    /// What it is known by.
    pub key: StepKey,
    /// Whether a cached result is refused.
    pub no_cache: bool,
}

/// A step's name, as BuildKit prints it: `[linux/arm64 stage 2/5] COPY a b`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepLabel {
    /// The platform, and after `->` the one it builds for, where a build has several platforms.
    pub platform: Option<String>,
    /// The stage's name, or another word for what is not in a stage.
    pub stage: Option<String>,
    /// The step's number in its stage, from one, and how many there are.
    pub position: Option<(usize, usize)>,
    /// Whether it came from a base's ONBUILD.
    pub onbuild: bool,
    /// The instruction, expanded.
    pub text: String,
}

/// What is to be done for one platform.
#[derive(Debug, Clone)]
pub struct Graph {
    /// What spans point into.
    pub source: Arc<Source>,
    /// Each after all it depends on.
    pub steps: Vec<Step>,
    /// The step whose file system is the result.
    pub root: StepId,
    /// The image's config but for its layers and its time: `diff_ids` is empty, `created` is `None`.
    pub config: ImageConfig,
    /// For each entry of the config's history, the step of this graph that makes its layer. `None` for entries of
    /// a base and for those without a layer.
    pub history: Vec<Option<StepId>>,
    /// The platform of the stage that was built.
    pub platform: Platform,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub epoch: Option<i64>,
    /// Lint findings, in the order of the Dockerfile.
    pub warnings: Vec<Finding>,
    /// RUN instructions that were left out.
    pub skipped: Vec<Skipped>,
}

/// A RUN that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The instruction as written.
    pub text: String,
    /// Where.
    pub span: Option<Span>,
}

impl Graph {
    /// The step with this id.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.0]
    }

    /// The steps from the bottom of the result's file system to its top.
    pub fn chain(&self) -> Vec<StepId> {
        let mut chain = vec![self.root];
        let mut at = self.root;
        while let Some(parent) = self.step(at).op.parent() {
            chain.push(parent);
            at = parent;
        }
        chain.reverse();
        chain
    }
}

/// The work of several graphs, each distinct step once.
#[derive(Debug, Clone)]
pub struct Merged {
    /// Each after all it depends on.
    pub steps: Vec<Step>,
    /// For each graph, for each of its steps, the same step here.
    pub places: Vec<Vec<StepId>>,
}

/// Joins graphs (one per platform, say) so that equal steps are one.
pub fn merge(graphs: &[&Graph]) -> Merged {
    let mut merged = Merged { steps: Vec::new(), places: Vec::new() };
    let mut known: BTreeMap<StepKey, StepId> = BTreeMap::new();
    for graph in graphs {
        let mut places: Vec<StepId> = Vec::with_capacity(graph.steps.len());
        for step in &graph.steps {
            let id = *known.entry(step.key.clone()).or_insert_with(|| {
                let id = StepId(merged.steps.len());
                let op = step.op.with_inputs(|old| places[old.0]);
                merged.steps.push(Step { id, op, ..step.clone() });
                id
            });
            places.push(id);
        }
        merged.places.push(places);
    }
    merged
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for StepLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = self.position.map(|(index, total)| {
            let width = total.checked_ilog10().map_or(1, |digits| digits as usize + 1);
            format!("{index:>width$}/{total}")
        });
        let words: Vec<&str> =
            [&self.platform, &self.stage, &position].into_iter().filter_map(|word| word.as_deref()).collect();
        if !words.is_empty() {
            write!(f, "[{}] ", words.join(" "))?;
        }
        if self.onbuild {
            f.write_str("ONBUILD ")?;
        }
        f.write_str(&self.text)
    }
}
