//! Bases: what the stages that are needed start from.

use std::collections::BTreeSet;

use dockerfile::lint::Rule;
use dockerfile::{Kind, Source, parse_onbuild};
use oci::{ImageConfig, Platform, Reference, RunConfig};

use super::Planner;
use super::stage::{Root, State};
use super::stages::{BaseName, Command};
use crate::error::Problem;
use crate::{
    Base, BaseNeed, BaseOrigin, ErrorKind, HttpSource, Input, NamedContext, Op, ResolvedBase, StepId, StepLabel,
};

/// The search path of an image that sets none.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What resolving came to.
pub(super) enum Resolution {
    /// These bases are missing.
    Needs(Vec<BaseNeed>),
    /// All nodes that are needed, in the order of the file, each with its base.
    Stages(BTreeSet<usize>),
}

/// A base as a node starts from it: resolved, or wanted.
enum Found {
    State(Box<State>),
    Need(Box<BaseNeed>),
}

impl<'a> Planner<'a> {
    /// Finds the bases of everything `target` needs. Triggers of a base may make it need more.
    pub(super) fn resolve(&mut self, target: usize) -> Result<Resolution, Problem> {
        self.check_base_names()?;
        loop {
            let needed = self.needed(target);
            let mut needs = Vec::new();
            for index in &needed {
                needs.extend(self.resolve_node(*index)?);
            }
            if !needs.is_empty() {
                return Ok(Resolution::Needs(distinct(needs)));
            }
            let mut more = false;
            for index in &needed {
                more |= self.add_triggers(*index)?;
            }
            if !more {
                return Ok(Resolution::Stages(needed));
            }
        }
    }

    /// Names of images must be well formed, even those that are not needed.
    fn check_base_names(&self) -> Result<(), Problem> {
        for node in &self.nodes {
            if let BaseName::Image(name) = &node.base {
                name.parse::<Reference>().map_err(|error| Problem::new(node.span, error))?;
            }
        }
        Ok(())
    }

    fn resolve_node(&mut self, index: usize) -> Result<Option<BaseNeed>, Problem> {
        let node = &self.nodes[index];
        if node.state.is_some() {
            return Ok(None);
        }
        let explicit = node.platform.clone();
        let platform = explicit.unwrap_or_else(|| self.request.platform.clone());
        let found = match node.base.clone() {
            BaseName::Stage(_) => return Ok(None),
            BaseName::Scratch => Found::State(Box::new(self.scratch(self.request.platform.clone()))),
            BaseName::Replaced(key, context) => self.context(index, &key, &context, platform, true)?,
            BaseName::Image(name) => match self.request.named_context(&name, &platform) {
                Some((key, context)) => self.context(index, key, context, platform, false)?,
                None => {
                    let reference: Reference = name.parse().map_err(|error| Problem::new(node.span, error))?;
                    self.image(index, BaseOrigin::Image(reference.or_latest()), platform)?
                }
            },
        };
        match found {
            Found::Need(need) => Ok(Some(*need)),
            Found::State(state) => {
                self.refuse_windows(index, &state.platform)?;
                self.nodes[index].state = Some(*state);
                Ok(None)
            }
        }
    }

    fn refuse_windows(&self, index: usize, platform: &Platform) -> Result<(), Problem> {
        if platform.os == "windows" {
            return Err(Problem::new(self.span(index), ErrorKind::UnsupportedPlatform(platform.to_string())));
        }
        Ok(())
    }

    /// Nothing at all, with the config BuildKit gives it.
    fn scratch(&mut self, platform: Platform) -> State {
        let root = self.steps.add(Op::Scratch, StepLabel::plain("scratch"), None, false);
        let mut image = ImageConfig::empty(&platform);
        image.config.working_dir = "/".to_owned();
        image.config.env = vec![format!("PATH={DEFAULT_PATH}")];
        State::new(Root::Step(root), image, platform)
    }

    /// A named context: as the base of a stage, or in place of the stage.
    fn context(
        &mut self,
        index: usize,
        key: &str,
        context: &NamedContext,
        platform: Platform,
        replaces: bool,
    ) -> Result<Found, Problem> {
        let origin = match context {
            NamedContext::Image(reference) => BaseOrigin::Image(reference.clone().or_latest()),
            NamedContext::OciLayout { directory, object } => {
                BaseOrigin::OciLayout { directory: directory.clone(), object: object.clone() }
            }
            NamedContext::Target(target) => BaseOrigin::Target(target.clone()),
            files => return Ok(Found::State(Box::new(self.files(key, files, platform, replaces)))),
        };
        self.image(index, origin, platform)
    }

    /// A context of mere files.
    fn files(&mut self, key: &str, context: &NamedContext, platform: Platform, replaces: bool) -> State {
        let mut state = self.scratch(platform);
        if replaces {
            state.image.config = RunConfig::default();
        }
        let input = match context {
            NamedContext::Git(source) => Input::Git(source.clone()),
            NamedContext::Http(url) => {
                Input::Http(HttpSource { url: url.clone(), name: "context".to_owned(), checksum: None })
            }
            NamedContext::Local => Input::Context(key.to_owned()),
            _ => return state,
        };
        state.root = Root::Input(input);
        state
    }

    /// An image of a registry, a layout or another target.
    fn image(&mut self, index: usize, origin: BaseOrigin, platform: Platform) -> Result<Found, Problem> {
        let node = &self.nodes[index];
        let stages = self.nodes.iter().filter_map(|node| node.name()).map(str::to_owned).collect();
        let need = BaseNeed { origin, platform, span: Some(node.span), stages };
        let bases = self.bases;
        let Some(base) = bases.get(&need) else { return Ok(Found::Need(Box::new(need))) };
        self.refuse_windows(index, &base.config.platform())?;
        self.check_base_platform(index, &need, base);
        let platform = need.platform.clone();
        let root = self.base_step(index, need, base);
        Ok(Found::State(Box::new(State::new(Root::Step(root), inherited(&base.config), platform))))
    }

    fn base_step(&mut self, index: usize, need: BaseNeed, base: &ResolvedBase) -> StepId {
        let empty = base.config.rootfs.diff_ids.is_empty() && base.config.history.iter().all(|entry| entry.empty_layer);
        let label = self.base_label(index, &need, base);
        let op = if empty { Op::Scratch } else { Op::Base(Base { need, digest: base.digest.clone() }) };
        self.steps.add(op, label, Some(self.span(index)), false)
    }

    fn base_label(&self, index: usize, need: &BaseNeed, base: &ResolvedBase) -> StepLabel {
        let node = &self.nodes[index];
        let name = match &need.origin {
            BaseOrigin::Image(reference) => format!("{reference}@{}", base.digest),
            BaseOrigin::OciLayout { directory, .. } => format!("oci-layout://{directory}@{}", base.digest),
            BaseOrigin::Target(target) => format!("target:{target}"),
        };
        StepLabel {
            platform: (self.request.multi_platform && node.total > 0).then(|| need.platform.to_string()),
            stage: (node.total > 0 && !node.title.is_empty()).then(|| node.title.clone()),
            position: (node.total > 0).then_some((1, node.total)),
            onbuild: false,
            text: format!("FROM {name}"),
        }
    }

    fn check_base_platform(&mut self, index: usize, need: &BaseNeed, base: &ResolvedBase) {
        let (wanted, found) = (&need.platform, base.config.platform());
        let chosen = self.request.platform_is_explicit || self.nodes[index].platform.is_some();
        if !chosen || (&wanted.os, &wanted.architecture) == (&found.os, &found.architecture) {
            return;
        }
        let name = match &self.nodes[index].base {
            BaseName::Image(name) => name.clone(),
            _ => self.nodes[index].title.clone(),
        };
        let message = format!("base image {name} is for platform {found}, expected {wanted}");
        self.findings.add(&self.options, Rule::InvalidBaseImagePlatform, self.nodes[index].span, message);
    }

    /// Puts the triggers of its base in front of a stage's instructions, once. Tells whether it needs more now.
    fn add_triggers(&mut self, index: usize) -> Result<bool, Problem> {
        if std::mem::replace(&mut self.nodes[index].triggered, true) {
            return Ok(false);
        }
        let mut commands = Vec::new();
        for trigger in self.triggers(index) {
            let mut command = Command::trigger(self.parse_trigger(index, &trigger)?);
            self.link(index, &mut command).map_err(|problem| problem.at(self.span(index)))?;
            commands.push(command);
        }
        let needs_more = commands.iter().any(|command| command.sources.iter().any(Option::is_some));
        let node = &mut self.nodes[index];
        node.total += commands.len();
        commands.append(&mut node.commands);
        node.commands = commands;
        Ok(needs_more)
    }

    fn triggers(&mut self, index: usize) -> Vec<String> {
        if let BaseName::Stage(base) = self.nodes[index].base {
            // What a trigger of its own base left there is not told on inside of one build.
            let commands = self.nodes[base].commands.iter().filter(|command| !command.onbuild);
            return commands
                .filter_map(|command| match &command.instruction.kind {
                    Kind::Onbuild(trigger) => Some(trigger.expression.clone()),
                    _ => None,
                })
                .collect();
        }
        let state = self.nodes[index].state.as_mut();
        state.map(|state| std::mem::take(&mut state.image.config.on_build)).unwrap_or_default()
    }

    fn parse_trigger(&self, index: usize, trigger: &str) -> Result<dockerfile::Instruction, Problem> {
        let parsed = parse_onbuild(Source::new("ONBUILD", trigger)).map_err(|error| {
            let kind = ErrorKind::Trigger { trigger: trigger.to_owned(), cause: Box::new(error.kind().clone()) };
            Problem::new(self.span(index), kind)
        })?;
        Ok(parsed)
    }
}

/// A base's config as a stage inherits it: without its layers and its time, and without what Docker's image
/// specification does not know.
fn inherited(config: &ImageConfig) -> ImageConfig {
    let mut image = config.clone();
    image.created = None;
    image.rootfs.diff_ids.clear();
    image.other.clear();
    image.config.other.clear();
    // Empty is not given, as in Docker's own records.
    image.config.entrypoint.take_if(|words| words.is_empty());
    image.config.cmd.take_if(|words| words.is_empty());
    image
}

/// Each need once, in the order of first need.
fn distinct(needs: Vec<BaseNeed>) -> Vec<BaseNeed> {
    let mut seen = BTreeSet::new();
    needs.into_iter().filter(|need| seen.insert((need.origin.clone(), need.platform.clone()))).collect()
}
