//! Stages, what they start from, and which of them need which.

use std::borrow::Cow;
use std::collections::BTreeSet;

use dockerfile::expand::{Expanded, NoVariables};
use dockerfile::lint::Rule;
use dockerfile::{Instruction, Kind, Span, Stage, Word};
use oci::Platform;

use super::stage::State;
use super::{Planner, suggest};
use crate::error::Problem;
use crate::{ErrorKind, NamedContext};

/// A stage, or an image that an instruction copies or mounts from.
pub(super) struct Node<'a> {
    /// The stage; `None` for an image named elsewhere.
    pub(super) stage: Option<&'a Stage>,
    /// What it is called in labels; empty where it is the only one.
    pub(super) title: String,
    /// What it starts from.
    pub(super) base: BaseName,
    /// FROM, or the instruction that names the image.
    pub(super) span: Span,
    /// As `--platform` says.
    pub(super) platform: Option<Platform>,
    /// What is done, triggers first.
    pub(super) commands: Vec<Command<'a>>,
    /// The nodes it copies and mounts from.
    pub(super) sources: BTreeSet<usize>,
    /// The number of steps labels count to.
    pub(super) total: usize,
    /// Whether the base's triggers are among the commands.
    pub(super) triggered: bool,
    /// Whether its instructions were planned, or are not to be.
    pub(super) done: bool,
    /// What it has become so far.
    pub(super) state: Option<State>,
}

/// What a stage starts from.
#[derive(Debug, Clone)]
pub(super) enum BaseName {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, or a named context that stands for it.
    Image(String),
    /// The whole stage is replaced by a named context.
    Replaced(String, NamedContext),
}

/// An instruction of a stage.
#[derive(Clone)]
pub(super) struct Command<'a> {
    pub(super) instruction: Cow<'a, Instruction>,
    /// For COPY the node of `--from`, for RUN that of each mount.
    pub(super) sources: Vec<Option<usize>>,
    /// Whether it is a trigger of the base.
    pub(super) onbuild: bool,
}

impl<'a> Planner<'a> {
    /// Makes a node of every stage, in order.
    pub(super) fn add_stages(&mut self) -> Result<(), Problem> {
        for (number, stage) in self.file.stages.iter().enumerate() {
            let base = self.expander.expand(&stage.base, &self.globals)?;
            self.check_from(&stage.from, &base.unset);
            if base.value.is_empty() {
                return Err(Problem::new(stage.base.span, ErrorKind::BlankBase(stage.base.raw.clone())));
            }
            let platform = stage.platform.as_ref().map(|word| self.stage_platform(stage, word)).transpose()?;
            let node = self.node_of_stage(number, stage, base.value, platform);
            self.nodes.push(node);
        }
        Ok(())
    }

    fn node_of_stage(&self, number: usize, stage: &'a Stage, base: String, platform: Option<Platform>) -> Node<'a> {
        let name = stage.name.as_ref().map(|name| name.value.as_str());
        let wanted = platform.as_ref().unwrap_or(&self.request.platform);
        let replaced = name.and_then(|name| self.request.named_context(name, wanted));
        let replaced = replaced.map(|(key, context)| BaseName::Replaced(key.to_owned(), context.clone()));
        let is_replaced = replaced.is_some();
        let base = replaced.unwrap_or_else(|| self.base_name(base));
        let commands = if is_replaced { &[] } else { stage.instructions.as_slice() };
        let counted = |instruction: &&Instruction| {
            matches!(instruction.kind, Kind::Add(_) | Kind::Copy(_) | Kind::Run(_) | Kind::Workdir(_))
        };
        let total = commands.iter().filter(counted).count() + usize::from(matches!(base, BaseName::Image(_)));
        Node {
            stage: Some(stage),
            title: name.map_or_else(|| format!("stage-{number}"), str::to_owned),
            base,
            span: stage.from.line,
            platform,
            commands: commands.iter().map(Command::of).collect(),
            sources: BTreeSet::new(),
            total,
            triggered: false,
            done: is_replaced,
            state: None,
        }
    }

    /// An earlier stage of exactly that name wins over `scratch`, which wins over images.
    fn base_name(&self, base: String) -> BaseName {
        let same = |node: &Node<'_>| node.name() == Some(base.as_str());
        match self.nodes.iter().rposition(same) {
            Some(index) => BaseName::Stage(index),
            None if base == "scratch" => BaseName::Scratch,
            None => BaseName::Image(base),
        }
    }

    fn stage_platform(&mut self, stage: &Stage, word: &Word) -> Result<Platform, Problem> {
        let expanded = self.expander.expand(word, &self.globals)?;
        self.check_from(&stage.from, &expanded.unset);
        self.check_platform_flag(stage, word, &expanded);
        if expanded.value.is_empty() {
            return Err(Problem::new(word.span, ErrorKind::BlankPlatform(word.raw.clone())));
        }
        let platform: Result<Platform, _> = expanded.value.parse();
        platform.map_err(|error| Problem::new(word.span, error))
    }

    fn check_platform_flag(&mut self, stage: &Stage, word: &Word, expanded: &Expanded) {
        let options = self.options.with_comments(&stage.from.comments);
        let is_target = expanded.used == ["TARGETPLATFORM"] && expanded.unset.is_empty();
        let target = dockerfile::expand::Environment::get(&self.globals, "TARGETPLATFORM");
        if is_target && target == Some(expanded.value.as_str()) {
            let message = format!("setting the platform to {} is redundant, it is the default", word.raw);
            self.findings.add(&options, Rule::RedundantTargetPlatform, stage.from.line, message);
        }
        let constant = expanded.used.is_empty() && expanded.unset.is_empty();
        let Ok(platform) = expanded.value.parse::<Platform>() else { return };
        let name = stage.name.as_ref().map_or("", |name| name.value.as_str());
        if constant && !name.contains(&platform.os) && !name.contains(&platform.architecture) {
            let message = format!("--platform of FROM should not be the constant {:?}", expanded.value);
            self.findings.add(&options, Rule::FromPlatformFlagConstDisallowed, stage.from.line, message);
        }
    }

    /// The stage that is built.
    pub(super) fn target(&self) -> Result<usize, Problem> {
        let Some(name) = &self.request.target else { return Ok(self.file.stages.len() - 1) };
        self.find(name).ok_or_else(|| {
            let suggestion = suggest::nearest(name, self.nodes.iter().map(|node| node.title.as_str()));
            ErrorKind::UnknownTarget { name: name.clone(), suggestion }.into()
        })
    }

    /// The last stage called so, in any case.
    fn find(&self, name: &str) -> Option<usize> {
        let lower = name.to_lowercase();
        self.nodes.iter().rposition(|node| node.name() == Some(&lower))
    }

    /// Finds out what each instruction copies and mounts from.
    pub(super) fn add_dependencies(&mut self) -> Result<(), Problem> {
        for index in 0..self.nodes.len() {
            let mut commands = std::mem::take(&mut self.nodes[index].commands);
            for command in &mut commands {
                self.link(index, command)?;
            }
            self.nodes[index].commands = commands;
        }
        Ok(())
    }

    /// Finds the nodes a command of the stage `index` takes files from, making those of images.
    pub(super) fn link(&mut self, index: usize, command: &mut Command<'_>) -> Result<(), Problem> {
        let sources = match &command.instruction.kind {
            Kind::Copy(copy) => vec![copy.from.as_ref().map(|from| self.copy_source(from)).transpose()?],
            Kind::Run(run) => run.mounts.iter().map(|mount| mount.from.as_ref().map(|from| self.named(from))).collect(),
            _ => Vec::new(),
        };
        self.nodes[index].sources.extend(sources.iter().flatten());
        command.sources = sources;
        Ok(())
    }

    fn copy_source(&mut self, from: &Word) -> Result<usize, Problem> {
        if self.expander.expand(from, &NoVariables)?.value != from.raw {
            return Err(Problem::new(from.span, ErrorKind::VariableInFrom(from.raw.clone())));
        }
        match from.raw.parse::<i64>() {
            Err(_) => Ok(self.named(from)),
            Ok(number) => usize::try_from(number)
                .ok()
                .filter(|number| *number < self.nodes.len())
                .ok_or_else(|| Problem::new(from.span, ErrorKind::StageNumber(from.raw.clone()))),
        }
    }

    /// The stage called so, or else a new node for the image.
    fn named(&mut self, from: &Word) -> usize {
        self.find(&from.raw).unwrap_or_else(|| {
            let base = self.base_name(from.raw.clone());
            self.nodes.push(Node::of_image(base, from.span));
            self.nodes.len() - 1
        })
    }

    /// Stages must not take files from each other in a circle; FROM names earlier ones only.
    pub(super) fn refuse_circles(&self) -> Result<(), Problem> {
        let mut visited = BTreeSet::new();
        for index in 0..self.nodes.len() {
            self.visit(index, &mut Vec::new(), &mut visited)?;
        }
        Ok(())
    }

    fn visit(&self, index: usize, path: &mut Vec<usize>, visited: &mut BTreeSet<usize>) -> Result<(), Problem> {
        if let Some(start) = path.iter().position(|on_path| *on_path == index) {
            let circle = path[start..].iter().chain([&index]).map(|node| self.nodes[*node].title.clone()).collect();
            return Err(Problem::new(self.circle_span(path.last().copied(), index), ErrorKind::Circular(circle)));
        }
        if !visited.insert(index) {
            return Ok(());
        }
        path.push(index);
        for next in &self.nodes[index].sources {
            self.visit(*next, path, visited)?;
        }
        path.pop();
        Ok(())
    }

    /// The instruction of `from` that needs `to`.
    fn circle_span(&self, from: Option<usize>, to: usize) -> Span {
        let Some(from) = from else { return self.span(to) };
        let mut commands = self.nodes[from].commands.iter();
        let command = commands.find(|command| command.sources.contains(&Some(to)));
        command.map_or(self.span(from), |command| command.instruction.line)
    }

    fn needed_directly(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let node = &self.nodes[index];
        let base = if let BaseName::Stage(base) = node.base { Some(base) } else { None };
        base.into_iter().chain(node.sources.iter().copied())
    }

    /// Everything `target` needs, itself included, in the order of the file.
    pub(super) fn needed(&self, target: usize) -> BTreeSet<usize> {
        if self.request.all_stages {
            return (0..self.nodes.len()).collect();
        }
        let mut needed = BTreeSet::new();
        let mut todo = vec![target];
        while let Some(index) = todo.pop() {
            if needed.insert(index) {
                todo.extend(self.needed_directly(index));
            }
        }
        needed
    }
}

impl Node<'_> {
    fn of_image(base: BaseName, span: Span) -> Self {
        Self {
            stage: None,
            title: String::new(),
            base,
            span,
            platform: None,
            commands: Vec::new(),
            sources: BTreeSet::new(),
            total: 0,
            triggered: true,
            done: true,
            state: None,
        }
    }

    /// The name after AS, in lower case.
    pub(super) fn name(&self) -> Option<&str> {
        self.stage?.name.as_ref().map(|name| name.value.as_str())
    }
}

impl<'a> Command<'a> {
    fn of(instruction: &'a Instruction) -> Self {
        Self { instruction: Cow::Borrowed(instruction), sources: Vec::new(), onbuild: false }
    }

    /// A trigger of the base.
    pub(super) fn trigger(instruction: Instruction) -> Self {
        Self { instruction: Cow::Owned(instruction), sources: Vec::new(), onbuild: true }
    }
}
