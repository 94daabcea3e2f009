//! One stage while it is planned.

use dockerfile::expand::Environment;
use dockerfile::lint::{Options, Rule};
use dockerfile::{Span, Word};
use oci::{History, ImageConfig, Platform};

use super::resolve::DEFAULT_PATH;
use super::stages::{BaseName, Command};
use super::variables::{Variables, split};
use super::{Planner, go, paths, suggest};
use crate::error::Problem;
use crate::{Copy, CopySource, ErrorKind, Input, Op, StepId, StepLabel};

/// What BuildKit writes into the comment of its history entries.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// Arguments that are no variables.
const NOT_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// What a stage has become so far; what a stage that starts from it starts with.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Its file system.
    pub(super) root: Root,
    /// Its config, the history included.
    pub(super) image: ImageConfig,
    /// The steps behind the history's entries.
    pub(super) made: Vec<Option<StepId>>,
    /// Its platform.
    pub(super) platform: Platform,
    /// ENV and ARG.
    pub(super) variables: Variables,
    /// The working directory, absolute.
    pub(super) directory: String,
    /// Arguments declared so far, for RUN's history.
    pub(super) arguments: Vec<(String, Option<String>)>,
    /// Whether an instruction has set the working directory.
    pub(super) workdir_set: bool,
}

/// A file system: made by a step, or a context that no step has touched.
#[derive(Debug, Clone)]
pub(super) enum Root {
    Step(StepId),
    Input(Input),
}

impl State {
    pub(super) fn new(root: Root, image: ImageConfig, platform: Platform) -> Self {
        Self {
            root,
            made: vec![None; image.history.len()],
            image,
            platform,
            variables: Variables::default(),
            directory: "/".to_owned(),
            arguments: Vec::new(),
            workdir_set: false,
        }
    }

    /// Its files, to copy or mount from.
    pub(super) fn input(&self) -> Input {
        match &self.root {
            Root::Step(id) => Input::Step(*id),
            Root::Input(input) => input.clone(),
        }
    }
}

/// The planning of one stage's instructions.
pub(super) struct StageBuild<'p, 'a> {
    pub(super) planner: &'p mut Planner<'a>,
    pub(super) index: usize,
    pub(super) state: State,
    /// Labels given so far.
    labelled: usize,
    pub(super) cmd: Option<Span>,
    pub(super) entrypoint: Option<Span>,
    pub(super) healthcheck: Option<Span>,
    /// Lint options at the instruction at hand.
    options: Options,
    /// Place of the instruction at hand; that of FROM for triggers.
    pub(super) line: Span,
    onbuild: bool,
}

impl<'p, 'a> StageBuild<'p, 'a> {
    pub(super) fn new(planner: &'p mut Planner<'a>, index: usize) -> Result<Self, Problem> {
        let line = planner.span(index);
        let (source, from_stage) = match planner.nodes[index].base {
            BaseName::Stage(base) => (base, true),
            _ => (index, false),
        };
        let missing = || Problem::new(line, ErrorKind::LaterStage { from: planner.nodes[source].title.clone() });
        let mut state = planner.nodes[source].state.clone().ok_or_else(missing)?;
        if from_stage {
            state.image.config.on_build.clear();
        }
        let labelled = usize::from(matches!(planner.nodes[index].base, BaseName::Image(_)));
        let options = planner.options.clone();
        Ok(Self {
            planner,
            index,
            state,
            labelled,
            cmd: None,
            entrypoint: None,
            healthcheck: None,
            options,
            line,
            onbuild: false,
        })
    }

    /// Plans the instructions and leaves the result with the stage.
    pub(super) fn build(mut self) -> Result<(), Problem> {
        self.begin();
        let commands = std::mem::take(&mut self.planner.nodes[self.index].commands);
        for command in &commands {
            self.enter(command);
            let place = self.line;
            self.apply(command).map_err(|problem| if command.onbuild { problem.at(place) } else { problem })?;
        }
        let node = &mut self.planner.nodes[self.index];
        node.commands = commands;
        node.state = Some(self.state);
        Ok(())
    }

    /// Takes over what the base's config says.
    fn begin(&mut self) {
        let config = &mut self.state.image.config;
        if !config.env.iter().any(|entry| split(entry).0 == "PATH") {
            config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        for entry in &config.env {
            let (name, value) = split(entry);
            self.state.variables.set(name, value);
        }
        if !config.working_dir.is_empty() {
            let directory = paths::resolve(&config.working_dir, &config.working_dir);
            config.working_dir.clone_from(&directory);
            self.state.directory = directory;
        }
    }

    fn enter(&mut self, command: &Command<'_>) {
        self.onbuild = command.onbuild;
        self.line = if command.onbuild { self.planner.span(self.index) } else { command.instruction.line };
        self.options = self.planner.options.with_comments(&command.instruction.comments);
    }

    /// Where to point for a word of the instruction at hand: words of triggers are not in this Dockerfile, so the FROM
    /// that brought them.
    pub(super) fn place(&self, word: Span) -> Span {
        if self.onbuild { self.line } else { word }
    }

    /// A word's value, with a finding for each variable that nothing sets.
    pub(super) fn expand(&mut self, word: &Word) -> Result<String, Problem> {
        let expanded = self.planner.expander.expand(word, &self.state.variables)?;
        self.check_unset(&expanded.unset);
        Ok(expanded.value)
    }

    pub(super) fn expand_all(&mut self, words: &[Word]) -> Result<Vec<String>, Problem> {
        words.iter().map(|word| self.expand(word)).collect()
    }

    pub(super) fn expand_some(&mut self, word: Option<&Word>) -> Result<Option<String>, Problem> {
        let value = word.map(|word| self.expand(word)).transpose()?;
        Ok(value.filter(|value| !value.is_empty()))
    }

    pub(super) fn check_unset(&mut self, unset: &[String]) {
        for name in unset {
            let declared = self.state.arguments.iter().any(|(argument, _)| argument == name);
            if declared || NOT_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let near = suggest::nearest(name, self.state.variables.names());
            let hint = near.map(|near| format!(" (did you mean ${near}?)")).unwrap_or_default();
            self.report(Rule::UndefinedVar, format!("usage of undefined variable '${name}'{hint}"));
        }
    }

    /// A finding at the instruction at hand. Triggers were written elsewhere and have none.
    pub(super) fn report(&mut self, rule: Rule, message: String) {
        self.report_at(rule, self.line, message);
    }

    pub(super) fn report_at(&mut self, rule: Rule, span: Span, message: String) {
        if !self.onbuild {
            self.planner.findings.add(&self.options, rule, span, message);
        }
    }

    /// Gives a variable a value for what follows; for an argument that is no variable nothing happens.
    pub(super) fn set_variable(&mut self, name: &str, value: &str) {
        if !NOT_VARIABLES.contains(&name) {
            self.state.variables.set(name, value);
        }
    }

    /// Adds a history entry, with the step that makes its layer.
    pub(super) fn commit(&mut self, text: String, layer: Option<StepId>) {
        self.state.made.push(layer);
        self.state.image.history.push(History {
            created: self.planner.epoch.map(go::timestamp),
            created_by: text,
            comment: COMMENT.to_owned(),
            empty_layer: layer.is_none(),
            ..History::default()
        });
    }

    /// Adds a step on top of the stage; `text` names it.
    pub(super) fn step(&mut self, op: Op, text: &str) -> StepId {
        let label = self.label(text);
        let no_cache = self.no_cache();
        let id = self.planner.steps.add(op, label, Some(self.line), no_cache);
        self.state.root = Root::Step(id);
        id
    }

    /// The stage's file system as a step: one that copies it, where it is a context.
    pub(super) fn parent(&mut self) -> StepId {
        let input = match &self.state.root {
            Root::Step(id) => return *id,
            Root::Input(input) => input.clone(),
        };
        let id = whole_input(self.planner, input);
        self.state.root = Root::Step(id);
        id
    }

    fn no_cache(&self) -> bool {
        let name = self.planner.nodes[self.index].name();
        self.planner.request.no_cache.as_ref().is_some_and(|stages| {
            stages.is_empty() || stages.iter().any(|stage| name.is_some_and(|name| name.eq_ignore_ascii_case(stage)))
        })
    }

    /// The next label of the stage.
    fn label(&mut self, text: &str) -> StepLabel {
        let node = &self.planner.nodes[self.index];
        let (word, rest) =
            text.split_once(' ').map_or((text, String::new()), |(word, rest)| (word, format!(" {rest}")));
        let text = format!("{}{rest}", word.to_uppercase());
        if node.total == 0 {
            return StepLabel::plain(&text);
        }
        self.labelled += 1;
        StepLabel {
            platform: self.planner.request.multi_platform.then(|| self.platform_label()),
            stage: (!node.title.is_empty()).then(|| node.title.clone()),
            position: Some((self.labelled, node.total)),
            onbuild: self.onbuild,
            text,
        }
    }

    /// The stage's platform, and behind an arrow the one it declares to build for where that differs.
    fn platform_label(&self) -> String {
        let own = &self.state.platform;
        match self.declared_target() {
            Some(target) if target.os != own.os => format!("{own}->{target}"),
            Some(target) if target.architecture != own.architecture => {
                let text = target.to_string();
                format!("{own}->{}", text.split_once('/').map_or(text.as_str(), |(_, rest)| rest))
            }
            _ => own.to_string(),
        }
    }

    fn declared_target(&self) -> Option<Platform> {
        let own = &self.state.platform;
        let get = |name| self.state.variables.get(name);
        if let Some(platform) = get("TARGETPLATFORM").and_then(|text| text.parse().ok()) {
            return Some(platform);
        }
        let parts = [get("TARGETOS"), get("TARGETARCH"), get("TARGETVARIANT")];
        if parts.iter().all(Option::is_none) {
            return None;
        }
        let [os, architecture, variant] = parts.map(|part| part.filter(|part| !part.is_empty()));
        let (os, architecture) = (os.unwrap_or(&own.os), architecture.unwrap_or(&own.architecture));
        Some(Platform::new(os, architecture, variant.unwrap_or("")))
    }
}

/// A step that holds all of a context.
pub(super) fn whole_input(planner: &mut Planner<'_>, input: Input) -> StepId {
    let parent = planner.steps.add(Op::Scratch, StepLabel::plain("scratch"), None, false);
    let path = if let Input::Http(file) = &input { format!("/{}", file.name) } else { "/".to_owned() };
    let source = CopySource { input, path, below: None, unpack: false, span: None };
    let op = Op::Copy(Copy {
        parent,
        sources: vec![source],
        destination: "/".to_owned(),
        destination_span: None,
        owner: None,
        mode: None,
        link: false,
        excludes: Vec::new(),
    });
    planner.steps.add(op, StepLabel::plain("load context"), None, false)
}

impl StepLabel {
    /// A label of mere text.
    pub(super) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}
