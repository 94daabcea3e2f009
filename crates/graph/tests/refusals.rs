//! Every kind of refusal as a person sees it: the sentence, the place, the caret and the hint.
//!
//! `refusals.txt` holds a Dockerfile for each kind and, below `----`, what is said of it. `REFUSALS=write` writes down what is
//! said now. A kind that is added without a line in [`kinds!`] does not compile; one without a case fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use dockerfile::expand::ExpandError;
use dockerfile::{ErrorKind as Syntax, FlagError, HealthcheckError, MountError, Source};
use oci::{Digest, ImageConfig};
use shipsmith_graph::{ErrorKind, ModeError, Plan, Request, ResolvedBase, ResolvedBases, RunPolicy, plan};

/// Defines the names of all kinds, and a match over them that has no arm for the rest.
macro_rules! kinds {
    ($all:ident, $name_of:ident, $type:ty: $($pattern:pat => $name:literal,)*) => {
        const $all: &[&str] = &[$($name),*];

        fn $name_of(kind: &$type) -> &'static str {
            match kind {
                $($pattern => $name,)*
            }
        }
    };
}

kinds! { SYNTAX, name_of_syntax, Syntax:
    Syntax::FileTooLarge => "FileTooLarge",
    Syntax::LineTooLong => "LineTooLong",
    Syntax::Empty => "Empty",
    Syntax::NoInstructions => "NoInstructions",
    Syntax::NoStages => "NoStages",
    Syntax::BeforeFrom(_) => "BeforeFrom",
    Syntax::DuplicateDirective(_) => "DuplicateDirective",
    Syntax::InvalidEscape(_) => "InvalidEscape",
    Syntax::ForeignFrontend(_) => "ForeignFrontend",
    Syntax::UnknownInstruction { suggestion: Some(_), .. } => "UnknownInstruction",
    Syntax::UnknownInstruction { suggestion: None, .. } => "UnknownInstruction-like-none",
    Syntax::Flag(FlagError::Unknown { suggestion: Some(_), .. }) => "Flag-Unknown",
    Syntax::Flag(FlagError::Unknown { suggestion: None, .. }) => "Flag-Unknown-like-none",
    Syntax::Flag(FlagError::Duplicate(_)) => "Flag-Duplicate",
    Syntax::Flag(FlagError::MissingValue(_)) => "Flag-MissingValue",
    Syntax::Flag(FlagError::NotBoolean { .. }) => "Flag-NotBoolean",
    Syntax::JsonNotStrings => "JsonNotStrings",
    Syntax::AtLeastOneArgument(_) => "AtLeastOneArgument",
    Syntax::ExactlyOneArgument(_) => "ExactlyOneArgument",
    Syntax::NoDestination(_) => "NoDestination",
    Syntax::FromArguments => "FromArguments",
    Syntax::InvalidStageName(_) => "InvalidStageName",
    Syntax::MissingEquals(_) => "MissingEquals",
    Syntax::MissingValue(_) => "MissingValue",
    Syntax::BlankName(_) => "BlankName",
    Syntax::UnterminatedHeredoc(_) => "UnterminatedHeredoc",
    Syntax::HeredocDestination(_) => "HeredocDestination",
    Syntax::ChainedOnbuild => "ChainedOnbuild",
    Syntax::ForbiddenTrigger(_) => "ForbiddenTrigger",
    Syntax::TriggerCount(_) => "TriggerCount",
    Syntax::EmptyVolume => "EmptyVolume",
    Syntax::ShellNotJson => "ShellNotJson",
    Syntax::Healthcheck(HealthcheckError::NoneWithArguments) => "Healthcheck-NoneWithArguments",
    Syntax::Healthcheck(HealthcheckError::NoCommand) => "Healthcheck-NoCommand",
    Syntax::Healthcheck(HealthcheckError::UnknownKind(_)) => "Healthcheck-UnknownKind",
    Syntax::Healthcheck(HealthcheckError::InvalidDuration(_)) => "Healthcheck-InvalidDuration",
    Syntax::Healthcheck(HealthcheckError::TooShort(_)) => "Healthcheck-TooShort",
    Syntax::Healthcheck(HealthcheckError::InvalidRetries(_)) => "Healthcheck-InvalidRetries",
    Syntax::InvalidNetwork(_) => "InvalidNetwork",
    Syntax::InvalidSecurity(_) => "InvalidSecurity",
    Syntax::Mount(MountError::Csv) => "Mount-Csv",
    Syntax::Mount(MountError::MissingValue(_)) => "Mount-MissingValue",
    Syntax::Mount(MountError::UnknownKey { suggestion: Some(_), .. }) => "Mount-UnknownKey",
    Syntax::Mount(MountError::UnknownKey { suggestion: None, .. }) => "Mount-UnknownKey-like-none",
    Syntax::Mount(MountError::InvalidValue { .. }) => "Mount-InvalidValue",
    Syntax::Mount(MountError::UnknownType { suggestion: Some(_), .. }) => "Mount-UnknownType",
    Syntax::Mount(MountError::UnknownType { suggestion: None, .. }) => "Mount-UnknownType-like-none",
    Syntax::Mount(MountError::UnknownSharing { suggestion: Some(_), .. }) => "Mount-UnknownSharing",
    Syntax::Mount(MountError::UnknownSharing { suggestion: None, .. }) => "Mount-UnknownSharing-like-none",
    Syntax::Mount(MountError::KeyNotAllowed { .. }) => "Mount-KeyNotAllowed",
    Syntax::Mount(MountError::VariableInFrom) => "Mount-VariableInFrom",
    Syntax::Mount(MountError::SecretWithoutName) => "Mount-SecretWithoutName",
    Syntax::Mount(MountError::SecretNamedTwice) => "Mount-SecretNamedTwice",
    Syntax::Mount(MountError::DeviceNamedTwice) => "Mount-DeviceNamedTwice",
    Syntax::Expand(ExpandError::UnclosedSingleQuote) => "Expand-UnclosedSingleQuote",
    Syntax::Expand(ExpandError::UnclosedDoubleQuote) => "Expand-UnclosedDoubleQuote",
    Syntax::Expand(ExpandError::UnclosedBrace) => "Expand-UnclosedBrace",
    Syntax::Expand(ExpandError::UnclosedPattern) => "Expand-UnclosedPattern",
    Syntax::Expand(ExpandError::BadSubstitution) => "Expand-BadSubstitution",
    Syntax::Expand(ExpandError::UnknownModifier(_)) => "Expand-UnknownModifier",
    Syntax::Expand(ExpandError::BadPattern { .. }) => "Expand-BadPattern",
    Syntax::Expand(ExpandError::Refused { .. }) => "Expand-Refused",
    Syntax::Expand(ExpandError::TooDeep) => "Expand-TooDeep",
    Syntax::Expand(ExpandError::TooLong(_)) => "Expand-TooLong",
}

kinds! { MEANING, name_of_meaning, ErrorKind:
    ErrorKind::Dockerfile(_) => "Dockerfile",
    ErrorKind::UnknownTarget { suggestion: Some(_), .. } => "UnknownTarget",
    ErrorKind::UnknownTarget { suggestion: None, .. } => "UnknownTarget-like-none",
    ErrorKind::StageNumber(_) => "StageNumber",
    ErrorKind::Circular(_) => "Circular",
    ErrorKind::BlankBase(_) => "BlankBase",
    ErrorKind::Reference(_) => "Reference",
    ErrorKind::BlankPlatform(_) => "BlankPlatform",
    ErrorKind::Platform(_) => "Platform",
    ErrorKind::LaterStage { .. } => "LaterStage",
    ErrorKind::VariableInFrom(_) => "VariableInFrom",
    ErrorKind::RunRefused => "RunRefused",
    ErrorKind::UnsupportedPlatform(_) => "UnsupportedPlatform",
    ErrorKind::Mode(ModeError::Number(_)) => "Mode-Number",
    ErrorKind::Mode(ModeError::Syntax(_)) => "Mode-Syntax",
    ErrorKind::ChecksumSources => "ChecksumSources",
    ErrorKind::ChecksumLocal => "ChecksumLocal",
    ErrorKind::Checksum(_) => "Checksum",
    ErrorKind::ChecksumConflict(..) => "ChecksumConflict",
    ErrorKind::RemoteCopy(_) => "RemoteCopy",
    ErrorKind::Git { .. } => "Git",
    ErrorKind::KeepGitDirConflict => "KeepGitDirConflict",
    ErrorKind::Port { .. } => "Port",
    ErrorKind::EmptyVolume => "EmptyVolume-expanded",
    ErrorKind::Signal(_) => "Signal",
    ErrorKind::MountTarget => "MountTarget",
    ErrorKind::SshSource => "SshSource",
    ErrorKind::Trigger { .. } => "Trigger",
    ErrorKind::Epoch(_) => "Epoch",
    ErrorKind::ForeignFrontend(_) => "ForeignFrontend-argument",
    ErrorKind::LintOptions(_) => "LintOptions",
    ErrorKind::Lint(_) => "Lint",
}

/// What is about the request, and has no place in the file.
const WITHOUT_PLACE: [&str; 4] = ["UnknownTarget", "UnknownTarget-like-none", "Epoch", "ForeignFrontend-argument"];

/// Texts too long to be written down: what stands for them, and how they begin and repeat.
const LONG: [(&str, &str, usize); 4] =
    [("{many x}", "x", 60_000), ("{many lines}", "x\n", 9 << 20), ("{many $x}", "$x", 30_000), ("{deep}", "${a:-", 70)];

/// One case: `==== NAME OPTION..`, a Dockerfile, `----`, what is said.
struct Case<'t> {
    name: &'t str,
    options: Vec<&'t str>,
    text: &'t str,
    said: &'t str,
}

fn cases(file: &str) -> Vec<Case<'_>> {
    let case = |section| {
        let (head, rest) = str::split_once(section, '\n').expect("a line of its own");
        let (text, said) = rest.split_once("----\n").expect("what is said");
        let mut words = head.split(' ');
        Case { name: words.next().expect("a name"), options: words.collect(), text, said: said.trim_end() }
    };
    file.split("==== ").skip(1).map(case).collect()
}

/// What was refused: the names of its kinds, and what is said.
struct Refusal {
    names: Vec<&'static str>,
    said: String,
}

fn refusal(case: &Case<'_>) -> Refusal {
    let text =
        LONG.iter().fold(case.text.to_owned(), |text, (mark, part, count)| text.replace(mark, &part.repeat(*count)));
    let text = if text == "(nothing)\n" { "" } else { &text };
    match dockerfile::parse(Source::new("Dockerfile", text)) {
        Err(error) => {
            let names = vec![name_of_syntax(error.kind())];
            Refusal { names, said: said(&error, Some(error.excerpt().to_string()), error.hint()) }
        }
        Ok(file) => {
            let Err(error) = planned(&file, case) else {
                return Refusal { names: Vec::new(), said: "nothing: it is planned".to_owned() };
            };
            let mut names = vec![name_of_meaning(error.kind())];
            match error.kind() {
                ErrorKind::Dockerfile(kind) => names.push(name_of_syntax(kind)),
                ErrorKind::Trigger { cause, .. } => names.push(name_of_syntax(cause)),
                _ => {}
            }
            Refusal { names, said: said(&error, error.excerpt().map(|excerpt| excerpt.to_string()), error.hint()) }
        }
    }
}

fn said(error: &dyn std::error::Error, excerpt: Option<String>, hint: Option<String>) -> String {
    let parts = [Some(error.to_string()), excerpt, hint.map(|hint| format!("hint: {hint}"))];
    let said = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
    let short = |text: String, part: &str, mark: &str| match text.find(&part.repeat(100)) {
        Some(at) => {
            let end = at + (text.len() - at - text[at..].trim_start_matches(part).len());
            format!("{}{mark}{}", &text[..at], &text[end..])
        }
        None => text,
    };
    let said = short(short(said, "^", "{many ^}"), "$x", "{many $x}");
    short(said.replace(&"${a:-".repeat(70), "{deep}"), "x", "{many x}")
}

fn planned(file: &dockerfile::Dockerfile, case: &Case<'_>) -> Result<(), shipsmith_graph::Error> {
    let mut request = Request::new("linux/amd64".parse().expect("a platform"));
    let mut triggers = Vec::new();
    for option in &case.options {
        match option.split_once('=').expect("NAME=VALUE") {
            ("target", name) => request.target = Some(name.to_owned()),
            ("platform", name) => request.platform = name.parse().expect("a platform"),
            ("run", "refuse") => request.run = RunPolicy::Refuse,
            ("trigger", text) => triggers.push(text.replace('_', " ")),
            (name, value) => drop(request.build_args.insert(name.to_owned(), Some(value.to_owned()))),
        }
    }
    let mut bases = ResolvedBases::default();
    loop {
        let Plan::Needs(needs) = plan(file, &request, &bases)? else { return Ok(()) };
        for need in needs {
            let mut config = ImageConfig::empty(&need.platform);
            config.config.on_build.clone_from(&triggers);
            bases.insert(&need, ResolvedBase { digest: Digest::of(b"manifest"), config });
        }
    }
}

#[test]
fn every_kind_of_refusal_has_a_sentence_a_place_and_a_hint() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals.txt");
    let file = fs::read_to_string(&path).expect("the cases");
    let (mut seen, mut written, mut wrong) = (BTreeSet::new(), String::new(), Vec::new());
    for case in cases(&file) {
        let found = refusal(&case);
        let head = [&[case.name], case.options.as_slice()].concat().join(" ");
        written.push_str(&format!("==== {head}\n{}----\n{}\n\n", case.text, found.said));
        let placed = found.said.contains("\nDockerfile:") || WITHOUT_PLACE.contains(&case.name);
        let right = found.names.contains(&case.name) && found.said.contains("\nhint: ") && placed;
        if !right || found.said != case.said {
            wrong.push(format!("{head} is {:?}, and is told\n{}\n", found.names, found.said));
        }
        seen.extend(found.names);
    }
    if std::env::var("REFUSALS").is_ok_and(|value| value == "write") {
        fs::write(&path, written).expect("written");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unseen: Vec<_> = SYNTAX.iter().chain(MEANING).filter(|name| !seen.contains(*name)).collect();
    assert!(unseen.is_empty(), "without a case: {unseen:?}");
}
