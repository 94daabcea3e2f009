//! What a target takes (`--call=outline`).

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::{Dockerfile, Kind, MountKind, Span, Word};

use super::Planner;
use super::stages::BaseName;
use crate::error::Problem;
use crate::{Error, Request, ResolvedBases};

/// What can be given to a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outline {
    /// The target's name.
    pub name: Option<String>,
    /// The comment above it that begins with the name.
    pub description: Option<String>,
    /// Build arguments, in the order of the file.
    pub args: Vec<OutlineArg>,
    /// Secrets, in the order of the file.
    pub secrets: Vec<OutlineSecret>,
    /// SSH agents, in the order of the file.
    pub ssh: Vec<OutlineSecret>,
}

/// A build argument that a target uses.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OutlineArg {
    /// Its name.
    pub name: String,
    /// Its value with what the request gives; defaults that use variables of a stage are shown as written.
    pub value: Option<String>,
    /// The comment above it that begins with the name.
    pub description: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// A secret or an SSH agent that a target uses.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OutlineSecret {
    /// Its name.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
    /// The RUN that uses it.
    pub span: Span,
}

/// What the request's target takes. No base is looked at, so that triggers of bases do not count.
///
/// # Errors
/// An unknown target, and what is wrong with the FROM lines.
pub fn outline(file: &Dockerfile, request: &Request) -> Result<Outline, Error> {
    let bases = ResolvedBases::default();
    let outlined = Planner::new(file, request, &bases).and_then(Planner::outline);
    outlined.map_err(|problem| problem.within(&file.source))
}

impl Planner<'_> {
    fn outline(mut self) -> Result<Outline, Problem> {
        let target = self.target()?;
        self.add_dependencies()?;
        self.refuse_circles()?;
        let needed = self.needed(target);
        let stage = self.nodes[target].stage;
        let mut outline = Outline {
            name: stage.and_then(|stage| stage.name.as_ref()).map(|name| name.value.clone()),
            description: stage.and_then(|stage| stage.description.clone()),
            args: self.outline_args(&needed),
            ..Outline::default()
        };
        (outline.secrets, outline.ssh) = self.outline_secrets(&needed)?;
        Ok(outline)
    }

    /// Arguments that needed stages declare, and global ones that their FROM lines use. A declaration without a
    /// default stands for the global argument of the name.
    fn outline_args(&self, needed: &BTreeSet<usize>) -> Vec<OutlineArg> {
        let mut args: BTreeMap<String, OutlineArg> = BTreeMap::new();
        let mut wanted = self.used_in_from(needed);
        for index in needed {
            for command in &self.nodes[*index].commands {
                let Kind::Arg(declared) = &command.instruction.kind else { continue };
                for arg in declared {
                    let name = arg.name.raw.clone();
                    wanted.insert(name.clone());
                    if arg.value.is_none() && self.is_given_globally(&name) {
                        continue;
                    }
                    args.entry(name.clone()).or_insert_with(|| OutlineArg {
                        value: self
                            .request
                            .build_arg(&name)
                            .map(str::to_owned)
                            .or_else(|| Some(self.default_value(arg.value.as_ref()?))),
                        description: arg.description.clone(),
                        span: command.instruction.line,
                        name,
                    });
                }
            }
        }
        for name in wanted {
            if let Some(global) = self.global(&name).filter(|_| !args.contains_key(&name)) {
                args.insert(name, global);
            }
        }
        let mut args: Vec<OutlineArg> = args.into_values().collect();
        args.sort_by_key(|arg| arg.span);
        args
    }

    /// Global arguments are listed where they are declared, those of the platform nowhere.
    fn is_given_globally(&self, name: &str) -> bool {
        self.global(name).is_some() || dockerfile::expand::Environment::get(&self.globals, name).is_some()
    }

    fn default_value(&self, word: &Word) -> String {
        match self.expander.expand(word, &self.globals) {
            Ok(expanded) if expanded.used.is_empty() && expanded.unset.is_empty() => expanded.value,
            _ => word.raw.clone(),
        }
    }

    fn used_in_from(&self, needed: &BTreeSet<usize>) -> BTreeSet<String> {
        let stages = needed.iter().filter_map(|index| self.nodes[*index].stage);
        let words = stages.flat_map(|stage| [&stage.base].into_iter().chain(&stage.platform));
        let expanded = words.filter_map(|word| self.expander.expand(word, &self.globals).ok());
        expanded.flat_map(|expanded| expanded.used).collect()
    }

    /// The global argument of that name.
    fn global(&self, name: &str) -> Option<OutlineArg> {
        let mut all = self.file.global_args.iter().rev().filter_map(|instruction| match &instruction.kind {
            Kind::Arg(args) => Some((instruction, args.iter().find(|arg| arg.name.raw == name)?)),
            _ => None,
        });
        let (instruction, arg) = all.next()?;
        Some(OutlineArg {
            name: name.to_owned(),
            value: dockerfile::expand::Environment::get(&self.globals, name).map(str::to_owned),
            description: arg.description.clone(),
            span: instruction.line,
        })
    }

    fn outline_secrets(&self, needed: &BTreeSet<usize>) -> Result<(Vec<OutlineSecret>, Vec<OutlineSecret>), Problem> {
        let (mut secrets, mut agents) = (Vec::new(), Vec::new());
        for index in needed.iter().filter(|index| !matches!(self.nodes[**index].base, BaseName::Replaced(..))) {
            for command in &self.nodes[*index].commands {
                let Kind::Run(run) = &command.instruction.kind else { continue };
                for mount in &run.mounts {
                    let mount = mount.resolve(|word| Ok(word.raw.clone()))?;
                    let (list, name) = match mount.kind {
                        MountKind::Secret => (&mut secrets, super::mounts::secret_id(&mount)),
                        MountKind::Ssh => (&mut agents, super::mounts::agent_id(&mount)),
                        _ => continue,
                    };
                    let found = OutlineSecret { name, required: mount.required, span: command.instruction.line };
                    if !list.iter().any(|known: &OutlineSecret| known.name == found.name) {
                        list.push(found);
                    }
                }
            }
        }
        Ok((secrets, agents))
    }
}
