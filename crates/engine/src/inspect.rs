//! What can be said of a Dockerfile without building it: BuildKit's subrequests.

use std::sync::Arc;

use dockerfile::lint::{Finding, Rule};
use dockerfile::{Dockerfile, Source};
use futures_util::future::join_all;
use graph::{BaseNeed, Outline, Plan, Request, ResolvedBase, ResolvedBases, Target};
use oci::{Digest, ImageConfig};

use crate::bases::Bases;
use crate::build::{graph_request, platforms};
use crate::contexts::Contexts;
use crate::event::{EventSink, Events};
use crate::{BuildRequest, Engine, Error};

/// What the rules say of a Dockerfile.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The text that the findings are about.
    pub source: Arc<Source>,
    /// In the order of the file.
    pub findings: Vec<Finding>,
}

/// What a target takes.
#[derive(Debug, Clone)]
pub struct Outlined {
    /// The text that the places are in.
    pub source: Arc<Source>,
    /// Build arguments, secrets and SSH agents.
    pub outline: Outline,
}

/// What can be built.
#[derive(Debug, Clone)]
pub struct Targets {
    /// The text that the places are in.
    pub source: Arc<Source>,
    /// The stages, in the order of the file.
    pub targets: Vec<Target>,
}

impl Engine {
    /// Applies BuildKit's rules (`--call=check`) to all stages, or to those that the request's target needs, for the first
    /// of its platforms. Findings are findings, whether or not the file calls them errors.
    ///
    /// Bases are resolved, as their variables and platforms count. One whose registry does not answer is taken for an
    /// empty image, with a warning, and no [`Rule::UndefinedVar`] is reported then, as the variable may be the base's.
    ///
    /// # Errors
    /// When a build would fail before its first step.
    pub async fn check(&self, request: &BuildRequest, sink: Arc<dyn EventSink>) -> Result<Checked, Error> {
        let events = Events::new(sink);
        let (contexts, file) = self.load(request, &events).await?;
        let planning = Planning {
            request: Request { all_stages: request.target.is_none(), ..planned(request, &contexts)? },
            file: &file,
            bases: self.bases(request),
            events: &events,
        };
        let findings = planning.findings().await?;
        Ok(Checked { source: Arc::clone(&file.source), findings })
    }

    /// Finds out what the request's target takes (`--call=outline`).
    ///
    /// # Errors
    /// When the Dockerfile cannot be read or understood, or has no such target.
    pub async fn outline(&self, request: &BuildRequest, sink: Arc<dyn EventSink>) -> Result<Outlined, Error> {
        let (contexts, file) = self.load(request, &Events::new(sink)).await?;
        let outline = graph::outline(&file, &planned(request, &contexts)?)?;
        Ok(Outlined { source: file.source, outline })
    }

    /// Lists the stages that can be built (`--call=targets`).
    ///
    /// # Errors
    /// When the Dockerfile cannot be read or understood.
    pub async fn targets(&self, request: &BuildRequest, sink: Arc<dyn EventSink>) -> Result<Targets, Error> {
        let (_, file) = self.load(request, &Events::new(sink)).await?;
        let targets = graph::targets(&file);
        Ok(Targets { source: file.source, targets })
    }
}

/// What planning is asked where nothing will be run. As BuildKit has it, the platform asked for is no promise here that a
/// base of another one could break; that is for the build to warn of.
fn planned(request: &BuildRequest, contexts: &Contexts) -> Result<Request, Error> {
    let platform = platforms(request).swap_remove(0);
    let (run, platform_is_explicit) = (graph::RunPolicy::Execute, false);
    Ok(Request { run, platform_is_explicit, ..graph_request(request, &platform, Some(contexts))? })
}

/// Planning for the sake of what is found on the way.
struct Planning<'a> {
    file: &'a Dockerfile,
    request: Request,
    bases: Bases,
    events: &'a Events,
}

impl Planning<'_> {
    async fn findings(&self) -> Result<Vec<Finding>, Error> {
        let mut resolved = ResolvedBases::default();
        let mut all_read = true;
        loop {
            match graph::plan(self.file, &self.request, &resolved) {
                Ok(Plan::Ready(graph)) => return Ok(certain(graph.warnings, all_read)),
                Ok(Plan::Needs(needs)) => all_read &= self.resolve(&needs, &mut resolved).await?,
                Err(error) => match error.kind() {
                    graph::ErrorKind::Lint(findings) => return Ok(certain(findings.clone(), all_read)),
                    _ => return Err(error.into()),
                },
            }
        }
    }

    /// Adds what `needs` resolve to, and says whether all of them could be asked.
    async fn resolve(&self, needs: &[BaseNeed], resolved: &mut ResolvedBases) -> Result<bool, Error> {
        let source = &self.file.source;
        let all = needs.iter().map(|need| self.bases.resolve_all(std::slice::from_ref(need), source, self.events));
        let mut all_read = true;
        for (need, found) in needs.iter().zip(join_all(all).await) {
            match found {
                Ok(images) => images.iter().for_each(|image| resolved.insert(need, image.resolved.clone())),
                Err(error) if is_out_of_reach(&error) => {
                    all_read = false;
                    self.events.warn(format!("not all rules could be applied: {error}"), place(&error));
                    resolved.insert(need, unknown(need));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all_read)
    }
}

/// Without those that a base which could not be read may disprove.
fn certain(mut findings: Vec<Finding>, all_read: bool) -> Vec<Finding> {
    findings.retain(|finding| all_read || finding.rule != Rule::UndefinedVar);
    findings
}

/// Whether the machine is at fault rather than the Dockerfile.
fn is_out_of_reach(error: &Error) -> bool {
    match error {
        Error::At { cause, .. } | Error::Spanned { cause, .. } => is_out_of_reach(cause),
        Error::Shared(cause) => is_out_of_reach(cause),
        Error::Registry(_) | Error::BaseOffline(_) | Error::LayerOffline(_) => true,
        _ => false,
    }
}

fn place(error: &Error) -> Option<String> {
    let (source, span) = error.location()?;
    Some(format!("{}:{}", source.name, source.line_column(span.start).line))
}

/// Stands for a base that nothing is known of.
fn unknown(need: &BaseNeed) -> ResolvedBase {
    ResolvedBase { digest: Digest::of(&[]), config: ImageConfig::empty(&need.platform) }
}
