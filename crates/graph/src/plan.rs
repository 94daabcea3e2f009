//! From stages to steps.

use dockerfile::Dockerfile;

use crate::{BaseNeed, Error, Graph, Request, ResolvedBases};

/// What planning came to.
#[derive(Debug, Clone)]
pub enum Plan {
    /// These bases must be resolved first; then plan again. ONBUILD triggers of one base may need further ones.
    Needs(Vec<BaseNeed>),
    /// All is known.
    Ready(Box<Graph>),
}

/// Plans a build.
///
/// # Errors
/// What BuildKit refuses, and what only a BuildKit builder can do.
pub fn plan(_file: &Dockerfile, _request: &Request, _bases: &ResolvedBases) -> Result<Plan, Error> {
    Ok(Plan::Needs(Vec::new()))
}
