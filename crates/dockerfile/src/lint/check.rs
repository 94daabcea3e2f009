//! The rules that need nothing but the file.

use std::collections::BTreeSet;

use super::{Finding, Findings, Options, Rule};
use crate::{Dockerfile, Instruction, Kind, Span, Stage};

/// Stage names that mean something else wherever a stage could be named.
const RESERVED: [&str; 2] = ["context", "scratch"];

/// Applies the rules that need nothing but the file, in the order of the file.
pub fn check(file: &Dockerfile, options: &Options) -> Vec<Finding> {
    let mut check = Check { file, options, findings: Findings::default() };
    for instruction in check.instructions() {
        check.continuation(instruction);
        check.maintainer(instruction);
        check.argument_comment(instruction);
    }
    for stage in &file.stages {
        check.stage_casing(stage);
        check.stage_comment(stage);
    }
    check.stage_names();
    check.keyword_casing();
    check.findings.into_sorted()
}

struct Check<'a> {
    file: &'a Dockerfile,
    options: &'a Options,
    findings: Findings,
}

impl<'a> Check<'a> {
    fn instructions(&self) -> Vec<&'a Instruction> {
        let stages = self.file.stages.iter().flat_map(|stage| [&stage.from].into_iter().chain(&stage.instructions));
        self.file.global_args.iter().chain(stages).collect()
    }

    /// Reports under the instruction's own comments.
    fn report(&mut self, rule: Rule, at: &Instruction, message: impl Into<String>) {
        self.findings.add(&self.options.with_comments(&at.comments), rule, at.line, message);
    }

    fn continuation(&mut self, instruction: &Instruction) {
        if !instruction.empty_continuations.is_empty() {
            let last = self.last_line(instruction);
            self.findings.add(self.options, Rule::NoEmptyContinuation, last, "empty continuation line");
        }
    }

    /// Where BuildKit marks empty lines inside an instruction: once, on its last line.
    fn last_line(&self, instruction: &Instruction) -> Span {
        let Span { start, end } = instruction.line;
        let text = self.file.source.slice(instruction.line).trim_end();
        let end = end.min(start + text.len());
        let last = Span::new(text.rfind('\n').map_or(start, |newline| start + newline + 1), end);
        instruction.empty_continuations.iter().copied().fold(last, Span::max)
    }

    fn maintainer(&mut self, instruction: &Instruction) {
        if matches!(instruction.kind, Kind::Maintainer(_)) {
            self.report(Rule::MaintainerDeprecated, instruction, "MAINTAINER is deprecated in favor of a label");
        }
    }

    fn argument_comment(&mut self, instruction: &Instruction) {
        let Kind::Arg(args) = &instruction.kind else { return };
        let names: Vec<&str> = args.iter().map(|arg| arg.name.raw.as_str()).collect();
        self.description(instruction, &names);
    }

    fn stage_comment(&mut self, stage: &Stage) {
        if let Some(name) = &stage.name {
            self.description(&stage.from, &[&name.value]);
        }
    }

    fn description(&mut self, instruction: &Instruction, names: &[&str]) {
        let Some(first) = instruction.comments.last().and_then(|comment| comment.split(' ').next()) else { return };
        if names.contains(&first) {
            return;
        }
        let example = if let [name] = names { name } else { "<argument>" };
        let message = format!("comment for {} should read `# {example} <description>`", instruction.keyword);
        self.report(Rule::InvalidDefinitionDescription, instruction, message);
    }

    fn stage_casing(&mut self, stage: &Stage) {
        let Some(name) = &stage.name else { return };
        let written = self.file.source.slice(name.span);
        if written != written.to_lowercase() {
            self.report(Rule::StageNameCasing, &stage.from, format!("stage name {written:?} should be lowercase"));
        }
        let from = self.file.source.slice(stage.from.keyword_span);
        let Some(word) = &stage.as_word else { return };
        if casing(from).is_some_and(|casing| !casing.fits(&word.raw)) {
            let message = format!("the casing of {:?} and {from:?} does not match", word.raw);
            self.report(Rule::FromAsCasing, &stage.from, message);
        }
    }

    fn stage_names(&mut self) {
        let mut seen = BTreeSet::new();
        for stage in &self.file.stages {
            let Some(name) = &stage.name else { continue };
            let name = name.value.as_str();
            if RESERVED.contains(&name) {
                let message = format!("stage name {name:?} is reserved");
                self.findings.add(self.options, Rule::ReservedStageName, stage.from.line, message);
            }
            if !seen.insert(name) {
                let message = format!("duplicate stage name {name:?}, stage names should be unique");
                self.findings.add(self.options, Rule::DuplicateStageName, stage.from.line, message);
            }
        }
    }

    fn keyword_casing(&mut self) {
        let all: Vec<_> = self.file.stages.iter().flat_map(|s| [&s.from].into_iter().chain(&s.instructions)).collect();
        let written = |instruction: &Instruction| self.file.source.slice(instruction.keyword_span);
        let count = |wanted| all.iter().filter(|instruction| casing(written(instruction)) == Some(wanted)).count();
        let majority = if count(Casing::Lower) > count(Casing::Upper) { Casing::Lower } else { Casing::Upper };
        let word = if majority == Casing::Lower { "lowercase" } else { "uppercase" };
        for instruction in &all {
            let keyword = self.file.source.slice(instruction.keyword_span);
            if !majority.fits(keyword) {
                let message = format!("{keyword:?} should match the casing of most instructions ({word})");
                self.findings.add(self.options, Rule::ConsistentInstructionCasing, instruction.line, message);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Casing {
    Lower,
    Upper,
}

impl Casing {
    fn fits(self, text: &str) -> bool {
        match self {
            Self::Lower => text == text.to_lowercase(),
            Self::Upper => text == text.to_uppercase(),
        }
    }
}

/// The casing of a word that has only one.
fn casing(text: &str) -> Option<Casing> {
    [Casing::Lower, Casing::Upper].into_iter().find(|casing| casing.fits(text))
}
