//! What BuildKit's linter says about the cases that build.

use std::collections::BTreeMap;

/// One finding of BuildKit's linter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LintFinding {
    /// The first line it marks, from one.
    pub line: u32,
    /// The rule, for example `StageNameCasing`.
    pub rule: String,
    /// The sentence.
    pub detail: String,
}

/// Reads lines of the form `AREA/NAME: LINES RULE DETAIL`, where LINES is like `2`, `2-4` or `2,3,4`, or `AREA/NAME: nothing`.
/// `None` if one is neither.
pub(super) fn parse(text: &str) -> Option<BTreeMap<String, Vec<LintFinding>>> {
    let mut findings: BTreeMap<String, Vec<LintFinding>> = BTreeMap::new();
    for line in text.lines() {
        let (case, finding) = line.split_once(": ")?;
        let found = findings.entry(case.to_owned()).or_default();
        if finding != "nothing" {
            found.push(parse_finding(finding)?);
        }
    }
    Some(findings)
}

fn parse_finding(text: &str) -> Option<LintFinding> {
    let mut words = text.splitn(3, ' ');
    let lines = words.next()?;
    let line = lines.split([',', '-']).next()?.parse().ok()?;
    Some(LintFinding { line, rule: words.next()?.to_owned(), detail: words.next()?.to_owned() })
}
