//! Which rules count: `# check=skip=..;error=..;experimental=..`.

use std::collections::BTreeSet;

use thiserror::Error;

use super::Rule;

/// Which rules count, and whether a finding fails the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    skipped: Names,
    experimental: Names,
    /// Whether findings are errors.
    pub error: bool,
}

/// Names of rules. Unknown ones are kept: files name rules of newer versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    all: bool,
    some: BTreeSet<String>,
}

/// Why options were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid check option {0:?}")]
pub struct OptionsError(String);

impl OptionsError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(
            "use skip=Rule,Rule or skip=all, experimental=Rule or experimental=all, error=true, separated by `;`"
                .to_owned(),
        )
    }
}

impl Names {
    fn parse(text: &str) -> Self {
        match text.trim() {
            "all" => Self { all: true, some: BTreeSet::new() },
            names => Self { all: false, some: names.split(',').map(|name| name.trim().to_owned()).collect() },
        }
    }

    fn contain(&self, rule: Rule) -> bool {
        self.all || self.some.contains(rule.name())
    }

    fn merge(&mut self, other: &Self) {
        self.all |= other.all;
        self.some.extend(other.some.iter().cloned());
    }
}

impl Options {
    /// Reads what follows `# check=`, which is also what `--build-arg BUILDKIT_DOCKERFILE_CHECK=` takes.
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        if text.trim().is_empty() {
            return Ok(options);
        }
        for part in text.trim().splitn(3, ';') {
            let refuse = || OptionsError(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(refuse)?;
            match key.trim() {
                "skip" => options.skipped = Names::parse(value),
                "experimental" => options.experimental = Names::parse(value),
                "error" => options.error = parse_bool(value.trim()).ok_or_else(refuse)?,
                _ => return Err(refuse()),
            }
        }
        Ok(options)
    }

    /// These options and, for one instruction, those in a `# check=` comment above it. Whether findings are errors is
    /// decided for the whole file only.
    pub fn with_comments(&self, comments: &[String]) -> Self {
        let mut merged = self.clone();
        let written = comments.iter().find_map(|comment| check_comment(comment));
        if let Some(Ok(local)) = written.map(Self::parse) {
            merged.skipped.merge(&local.skipped);
            merged.experimental.merge(&local.experimental);
        }
        merged
    }

    /// Whether violations of the rule count.
    pub fn allow(&self, rule: Rule) -> bool {
        if rule.is_experimental() { self.experimental.contain(rule) } else { !self.skipped.contain(rule) }
    }
}

/// `check=options and anything after a space`.
fn check_comment(comment: &str) -> Option<&str> {
    let (key, value) = comment.trim().split_once('=')?;
    key.trim().eq_ignore_ascii_case("check").then(|| value.trim().split(' ').next().unwrap_or(""))
}

/// As Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Rule};

    #[test]
    fn options_choose_rules() {
        let cases = [
            ("", Rule::StageNameCasing, true),
            ("skip=StageNameCasing, FromAsCasing", Rule::FromAsCasing, false),
            ("skip=StageNameCasing", Rule::FromAsCasing, true),
            ("skip=all", Rule::FromAsCasing, false),
            ("skip=all", Rule::InvalidDefinitionDescription, false),
            ("experimental=all", Rule::InvalidDefinitionDescription, true),
            ("experimental=InvalidDefinitionDescription;skip=all", Rule::InvalidDefinitionDescription, true),
            ("skip=JSONArgsRecommended;error=true", Rule::JsonArgsRecommended, false),
        ];
        for (text, rule, expected) in cases {
            assert_eq!(Options::parse(text).expect("well formed").allow(rule), expected, "{text} {rule}");
        }
        assert!(Options::parse("error=1").expect("well formed").error);
    }

    #[test]
    fn comments_add_to_the_file() {
        let file = Options::parse("skip=StageNameCasing").expect("well formed");
        let merged = file.with_comments(&["nothing".to_owned(), "check=skip=FromAsCasing because of it".to_owned()]);
        assert!(!merged.allow(Rule::StageNameCasing) && !merged.allow(Rule::FromAsCasing));
        assert_eq!(file.with_comments(&["check=nonsense".to_owned()]), file);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["skip", "error=maybe", "other=1", "skip=a;b"] {
            assert!(Options::parse(text).is_err(), "{text}");
        }
    }
}
