//! The rules by name.

use std::fmt;

use serde::Serialize;

/// A lint rule, named as BuildKit names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs)]
pub enum Rule {
    ConsistentInstructionCasing,
    CopyIgnoredFile,
    DuplicateStageName,
    ExposeInvalidFormat,
    ExposeProtoCasing,
    FromAsCasing,
    FromPlatformFlagConstDisallowed,
    InvalidBaseImagePlatform,
    InvalidDefaultArgInFrom,
    InvalidDefinitionDescription,
    #[serde(rename = "JSONArgsRecommended")]
    JsonArgsRecommended,
    LegacyKeyValueFormat,
    MaintainerDeprecated,
    MultipleInstructionsDisallowed,
    NoEmptyContinuation,
    RedundantTargetPlatform,
    ReservedStageName,
    SecretsUsedInArgOrEnv,
    StageNameCasing,
    UndefinedArgInFrom,
    UndefinedVar,
    WorkdirRelativePath,
}

impl Rule {
    /// Every rule, by name.
    pub const ALL: [Rule; 22] = [
        Rule::ConsistentInstructionCasing,
        Rule::CopyIgnoredFile,
        Rule::DuplicateStageName,
        Rule::ExposeInvalidFormat,
        Rule::ExposeProtoCasing,
        Rule::FromAsCasing,
        Rule::FromPlatformFlagConstDisallowed,
        Rule::InvalidBaseImagePlatform,
        Rule::InvalidDefaultArgInFrom,
        Rule::InvalidDefinitionDescription,
        Rule::JsonArgsRecommended,
        Rule::LegacyKeyValueFormat,
        Rule::MaintainerDeprecated,
        Rule::MultipleInstructionsDisallowed,
        Rule::NoEmptyContinuation,
        Rule::RedundantTargetPlatform,
        Rule::ReservedStageName,
        Rule::SecretsUsedInArgOrEnv,
        Rule::StageNameCasing,
        Rule::UndefinedArgInFrom,
        Rule::UndefinedVar,
        Rule::WorkdirRelativePath,
    ];

    /// The rule called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// Its name, as `# check=skip=` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ConsistentInstructionCasing => "ConsistentInstructionCasing",
            Rule::CopyIgnoredFile => "CopyIgnoredFile",
            Rule::DuplicateStageName => "DuplicateStageName",
            Rule::ExposeInvalidFormat => "ExposeInvalidFormat",
            Rule::ExposeProtoCasing => "ExposeProtoCasing",
            Rule::FromAsCasing => "FromAsCasing",
            Rule::FromPlatformFlagConstDisallowed => "FromPlatformFlagConstDisallowed",
            Rule::InvalidBaseImagePlatform => "InvalidBaseImagePlatform",
            Rule::InvalidDefaultArgInFrom => "InvalidDefaultArgInFrom",
            Rule::InvalidDefinitionDescription => "InvalidDefinitionDescription",
            Rule::JsonArgsRecommended => "JSONArgsRecommended",
            Rule::LegacyKeyValueFormat => "LegacyKeyValueFormat",
            Rule::MaintainerDeprecated => "MaintainerDeprecated",
            Rule::MultipleInstructionsDisallowed => "MultipleInstructionsDisallowed",
            Rule::NoEmptyContinuation => "NoEmptyContinuation",
            Rule::RedundantTargetPlatform => "RedundantTargetPlatform",
            Rule::ReservedStageName => "ReservedStageName",
            Rule::SecretsUsedInArgOrEnv => "SecretsUsedInArgOrEnv",
            Rule::StageNameCasing => "StageNameCasing",
            Rule::UndefinedArgInFrom => "UndefinedArgInFrom",
            Rule::UndefinedVar => "UndefinedVar",
            Rule::WorkdirRelativePath => "WorkdirRelativePath",
        }
    }

    /// One sentence on what it wants, and why.
    pub fn summary(self) -> &'static str {
        match self {
            Rule::ConsistentInstructionCasing => "write all instructions in upper case or all in lower case",
            Rule::CopyIgnoredFile => "a source that the ignore file leaves out cannot be copied",
            Rule::DuplicateStageName => "give every stage a name of its own; of two equal names only the last is found",
            Rule::ExposeInvalidFormat => "EXPOSE takes ports of the container only, no addresses and no host ports",
            Rule::ExposeProtoCasing => "write the protocol of EXPOSE in lower case",
            Rule::FromAsCasing => "write AS in the same case as its FROM",
            Rule::FromPlatformFlagConstDisallowed => {
                "a constant --platform makes the stage ignore the platform asked for"
            }
            Rule::InvalidBaseImagePlatform => "the base is made for another platform than the stage",
            Rule::InvalidDefaultArgInFrom => "FROM should name an image even when no build argument is given",
            Rule::InvalidDefinitionDescription => {
                "a comment right above a stage or an argument describes it: begin it with the name, or put an empty line between"
            }
            Rule::JsonArgsRecommended => {
                "the shell form of CMD and ENTRYPOINT puts a shell between signals and the program"
            }
            Rule::LegacyKeyValueFormat => "write NAME=value; the form with a space is kept for old files only",
            Rule::MaintainerDeprecated => "MAINTAINER is deprecated, use the label org.opencontainers.image.authors",
            Rule::MultipleInstructionsDisallowed => {
                "only the last of several CMD, ENTRYPOINT or HEALTHCHECK in a stage counts"
            }
            Rule::NoEmptyContinuation => "an empty line inside a continued instruction will become an error",
            Rule::RedundantTargetPlatform => "--platform=$TARGETPLATFORM says what holds without it",
            Rule::ReservedStageName => "a stage called scratch or context can never be referred to",
            Rule::SecretsUsedInArgOrEnv => "ARG and ENV end up in the image for everybody to read, use a secret mount",
            Rule::StageNameCasing => "write stage names in lower case; they are compared without regard to case",
            Rule::UndefinedArgInFrom => "FROM sees only the arguments declared before the first FROM",
            Rule::UndefinedVar => "a variable that nothing sets expands to nothing",
            Rule::WorkdirRelativePath => "a relative WORKDIR depends on the base's, which may change",
        }
    }

    /// Whether it counts only when asked for (`# check=experimental=..`).
    pub fn is_experimental(self) -> bool {
        self == Rule::InvalidDefinitionDescription
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
