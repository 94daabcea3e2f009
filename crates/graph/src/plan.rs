//! From stages to steps: what BuildKit's `dockerfile2llb` does, without doing any of it.
//!
//! In order: values of global arguments ([`globals`]), the stages and what they start from ([`stages`]), which of them
//! the target needs and which bases those need ([`resolve`]), then, stage by stage in the order of the file, every
//! instruction ([`stage`], [`instruction`], [`transfer`], [`run`]).

mod finish;
mod globals;
mod go;
mod instruction;
mod mounts;
mod outline;
mod paths;
mod ports;
mod resolve;
mod run;
mod signal;
mod stage;
mod stages;
mod steps;
mod suggest;
mod transfer;
mod variables;

use dockerfile::expand::Expander;
use dockerfile::lint::{self, Findings, Options};
use dockerfile::{Dockerfile, Span};

use crate::error::Problem;
use crate::{BaseNeed, Error, ErrorKind, Graph, Request, ResolvedBases, Skipped};
pub use outline::{Outline, OutlineArg, OutlineSecret, outline};
use resolve::Resolution;
use stage::StageBuild;
use stages::Node;
use steps::Steps;
use variables::Variables;

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
pub fn plan(file: &Dockerfile, request: &Request, bases: &ResolvedBases) -> Result<Plan, Error> {
    let planned = Planner::new(file, request, bases).and_then(Planner::run);
    planned.map_err(|problem| problem.within(&file.source))
}

/// What is known while planning.
struct Planner<'a> {
    file: &'a Dockerfile,
    request: &'a Request,
    bases: &'a ResolvedBases,
    expander: Expander,
    globals: Variables,
    epoch: Option<i64>,
    options: Options,
    findings: Findings,
    nodes: Vec<Node<'a>>,
    steps: Steps,
    skipped: Vec<Skipped>,
}

impl<'a> Planner<'a> {
    fn new(file: &'a Dockerfile, request: &'a Request, bases: &'a ResolvedBases) -> Result<Self, Problem> {
        refuse_frontend(request)?;
        let options = lint_options(file, request)?;
        let mut findings = Findings::default();
        findings.extend(lint::check(file, &options));
        let mut planner = Self {
            file,
            request,
            bases,
            expander: Expander::new(file.directives.escape),
            globals: Variables::default(),
            epoch: None,
            options,
            findings,
            nodes: Vec::new(),
            steps: Steps::default(),
            skipped: Vec::new(),
        };
        planner.set_globals()?;
        planner.set_epoch()?;
        planner.add_stages()?;
        Ok(planner)
    }

    fn run(mut self) -> Result<Plan, Problem> {
        let target = self.target()?;
        self.add_dependencies()?;
        self.refuse_circles()?;
        if let [only] = self.nodes.as_mut_slice() {
            only.title.clear();
        }
        let needed = match self.resolve(target)? {
            Resolution::Needs(needs) => return Ok(Plan::Needs(needs)),
            Resolution::Stages(needed) => needed,
        };
        for index in needed {
            if !self.nodes[index].done {
                self.nodes[index].done = true;
                StageBuild::new(&mut self, index)?.build()?;
            }
        }
        self.finish(target).map(|graph| Plan::Ready(Box::new(graph)))
    }

    /// Where a stage starts in the file.
    fn span(&self, index: usize) -> Span {
        self.nodes[index].span
    }
}

/// `BUILDKIT_SYNTAX` overrides the `# syntax=` line, and means as little here.
fn refuse_frontend(request: &Request) -> Result<(), Problem> {
    let Some(frontend) = request.build_arg("BUILDKIT_SYNTAX").filter(|frontend| !frontend.is_empty()) else {
        return Ok(());
    };
    let reference: Option<oci::Reference> = frontend.parse().ok();
    let path = reference.as_ref().map(|reference| reference.repository().to_string());
    match path.as_deref() {
        Some("docker.io/docker/dockerfile" | "docker.io/docker/dockerfile-upstream") => Ok(()),
        _ => Err(ErrorKind::ForeignFrontend(frontend.to_owned()).into()),
    }
}

fn lint_options(file: &Dockerfile, request: &Request) -> Result<Options, Problem> {
    let refuse = |error: lint::OptionsError| ErrorKind::LintOptions(error.to_string());
    match (request.build_arg("BUILDKIT_DOCKERFILE_CHECK"), &file.directives.check) {
        (Some(given), _) => Options::parse(given).map_err(|error| refuse(error).into()),
        (None, Some(written)) => {
            Options::parse(&written.value).map_err(|error| Problem::new(written.span, refuse(error)))
        }
        (None, None) => Ok(Options::default()),
    }
}
