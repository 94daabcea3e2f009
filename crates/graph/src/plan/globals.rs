//! Arguments before the first FROM, and those that are always there.

use std::collections::BTreeSet;

use dockerfile::expand::Environment;
use dockerfile::lint::Rule;
use dockerfile::{ArgDecl, Instruction, Kind};
use oci::Reference;

use super::variables::Variables;
use super::{Planner, suggest};
use crate::ErrorKind;
use crate::error::Problem;

impl Planner<'_> {
    /// Gives the global arguments their values: the platforms' first, then those of the file.
    pub(super) fn set_globals(&mut self) -> Result<(), Problem> {
        let automatic = self.automatic_args();
        self.check_defaults(&automatic);
        self.globals = self.meta_args(automatic, true)?;
        Ok(())
    }

    fn automatic_args(&self) -> Variables {
        let (build, target) = (&self.request.build_platform, &self.request.platform);
        let last = || self.file.stages.last().and_then(|stage| stage.name.as_ref()).map(|name| name.value.as_str());
        let stage = self.request.target.as_deref().or_else(last).unwrap_or("default");
        let (build_text, target_text) = (build.to_string(), target.to_string());
        let pairs = [
            ("BUILDPLATFORM", build_text.as_str()),
            ("BUILDOS", &build.os),
            ("BUILDOSVERSION", &build.os_version),
            ("BUILDARCH", &build.architecture),
            ("BUILDVARIANT", &build.variant),
            ("TARGETPLATFORM", &target_text),
            ("TARGETOS", &target.os),
            ("TARGETOSVERSION", &target.os_version),
            ("TARGETARCH", &target.architecture),
            ("TARGETVARIANT", &target.variant),
            ("TARGETSTAGE", stage),
        ];
        let mut variables = Variables::default();
        for (name, value) in pairs {
            variables.set(name, self.request.build_arg(name).unwrap_or(value));
        }
        variables
    }

    /// The file's global arguments on top of `variables`; `given` tells whether build arguments count.
    fn meta_args(&self, mut variables: Variables, given: bool) -> Result<Variables, Problem> {
        for arg in self.file.global_args.iter().flat_map(arguments) {
            let given = if given { self.request.build_arg(&arg.name.raw) } else { None };
            let value = match (given, &arg.value) {
                (Some(given), _) => Some(given.to_owned()),
                (None, Some(default)) => Some(self.expander.expand(default, &variables)?.value),
                (None, None) => None,
            };
            if let Some(value) = value {
                variables.set(&arg.name.raw, &value);
            }
        }
        Ok(variables)
    }

    /// FROM should name an image even when no build argument is given.
    fn check_defaults(&mut self, automatic: &Variables) {
        let Ok(defaults) = self.meta_args(automatic.clone(), false) else { return };
        for stage in &self.file.stages {
            let Ok(base) = self.expander.expand(&stage.base, &defaults) else { return };
            if base.value.parse::<Reference>().is_err() {
                let message = format!("the default arguments make no image name of {}", stage.base.raw);
                self.findings.add(&self.options, Rule::InvalidDefaultArgInFrom, stage.from.line, message);
            }
        }
    }

    /// Names a FROM line may use.
    fn known_in_from(&self) -> BTreeSet<&str> {
        let declared = self.file.global_args.iter().flat_map(arguments).map(|arg| arg.name.raw.as_str());
        declared.chain(self.globals.names()).collect()
    }

    /// Reports variables of a FROM line that no global argument declares.
    pub(super) fn check_from(&mut self, from: &Instruction, unset: &[String]) {
        let known = self.known_in_from();
        let unknown: Vec<(String, Option<String>)> = unset
            .iter()
            .filter(|name| !known.contains(name.as_str()))
            .map(|name| (name.clone(), suggest::nearest(name, known.iter().copied())))
            .collect();
        let options = self.options.with_comments(&from.comments);
        for (name, suggestion) in unknown {
            let hint = suggestion.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
            let message = format!("FROM argument {name:?} is not declared{hint}");
            self.findings.add(&options, Rule::UndefinedArgInFrom, from.line, message);
        }
    }

    /// `SOURCE_DATE_EPOCH`, as a build argument or as a global one with a value.
    pub(super) fn set_epoch(&mut self) -> Result<(), Problem> {
        let given = self.request.build_arg("SOURCE_DATE_EPOCH").or_else(|| self.globals.get("SOURCE_DATE_EPOCH"));
        let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(()) };
        let seconds = text.parse().map_err(|_| ErrorKind::Epoch(text.to_owned()))?;
        self.epoch = Some(seconds);
        Ok(())
    }
}

fn arguments(instruction: &Instruction) -> &[ArgDecl] {
    match &instruction.kind {
        Kind::Arg(args) => args,
        _ => &[],
    }
}
