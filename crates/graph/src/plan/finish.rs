//! The target as a graph.

use oci::{History, ImageConfig, Platform};

use super::Planner;
use super::stage::{Root, whole_input};
use crate::error::Problem;
use crate::{ErrorKind, Graph, StepId};

/// What BuildKit's exporter writes into the comment of entries it adds.
const EXPORTER_COMMENT: &str = "buildkit.exporter.image.v0";

impl Planner<'_> {
    /// The target's steps, config and findings.
    pub(super) fn finish(mut self, target: usize) -> Result<Graph, Problem> {
        let later = || Problem::new(self.file.stages[0].from.line, ErrorKind::LaterStage { from: String::new() });
        let state = self.nodes[target].state.take().ok_or_else(later)?;
        let root = match state.root {
            Root::Step(id) => id,
            Root::Input(input) => whole_input(&mut self, input),
        };
        let mut config = state.image;
        let mut made = state.made;
        if let Some((entry, step)) = self.context_entry(root) {
            config.history.push(entry);
            made.push(Some(step));
        }
        config.config.labels.extend(self.request.labels.clone());
        set_platform(&mut config, self.request.platform_is_explicit.then_some(&self.request.platform));
        let warnings = self.findings.into_sorted();
        if self.options.error && !warnings.is_empty() {
            let span = warnings.first().map(|finding| finding.span);
            return Err(Problem { span, kind: ErrorKind::Lint(warnings) });
        }
        let (steps, places) = self.steps.needed_by(root);
        Ok(Graph {
            source: self.file.source.clone(),
            steps,
            root: places[&root],
            config,
            history: made.iter().map(|made| made.and_then(|step| places.get(&step).copied())).collect(),
            platform: state.platform,
            epoch: self.epoch,
            warnings,
            skipped: self.skipped,
        })
    }
}

impl Planner<'_> {
    /// A context that a stage starts from makes a layer that no instruction stands for. BuildKit's exporter puts an
    /// entry for it behind all others.
    fn context_entry(&self, root: StepId) -> Option<(History, StepId)> {
        let (step, name) = self.steps.whole_context_below(root)?;
        let entry = History {
            created_by: format!("local source for {name}"),
            comment: EXPORTER_COMMENT.to_owned(),
            ..History::default()
        };
        Some((entry, step))
    }
}

/// The platform asked for wins over what the base says of itself.
fn set_platform(config: &mut ImageConfig, wanted: Option<&Platform>) {
    if let Some(wanted) = wanted {
        let same = config.os == wanted.os && config.architecture == wanted.architecture;
        config.os.clone_from(&wanted.os);
        config.architecture.clone_from(&wanted.architecture);
        if !wanted.variant.is_empty() || !same {
            config.variant.clone_from(&wanted.variant);
        }
        if !wanted.os_version.is_empty() || !same {
            config.os_version.clone_from(&wanted.os_version);
        }
        if !wanted.os_features.is_empty() {
            config.os_features.clone_from(&wanted.os_features);
        }
    }
    let normal = config.platform();
    config.os = normal.os;
    config.architecture = normal.architecture;
    config.variant = normal.variant;
}
