//! Lint rules: BuildKit's build checks under their names.
//!
//! [`check`] applies the rules that need nothing but the file. The others are applied while a build is planned, where
//! variables have values and bases are known; they use the same [`Rule`], [`Options`] and [`Finding`].

mod check;
mod options;
mod rule;

use crate::source::Span;

pub use check::check;
pub use options::{Options, OptionsError};
pub use rule::Rule;

/// One violation of a rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// Where: mostly a whole instruction.
    pub span: Span,
    /// What, with the names of the case at hand.
    pub message: String,
}

/// Findings gathered under options.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Adds a finding, unless `options` say the rule does not count.
    pub fn add(&mut self, options: &Options, rule: Rule, span: Span, message: impl Into<String>) {
        let finding = Finding { rule, span, message: message.into() };
        if options.allow(rule) && !self.list.contains(&finding) {
            self.list.push(finding);
        }
    }

    /// All of them in the order of the file, each once.
    pub fn into_sorted(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.span, finding.rule));
        self.list
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        self.list.extend(findings);
    }
}
