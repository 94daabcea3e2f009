//! What of `deny.toml` can be checked with cargo alone: licences, banned crates, wildcards and sources. For machines
//! without cargo-deny, which knows more (licence texts, advisories, duplicates) and takes minutes to build.

use std::fs;

use serde::Deserialize;

use crate::process::{cargo, output, root};

/// The one registry that `unknown-registry` knows unless told more.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Policy {
    graph: Targets,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Targets {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
}

/// Checks every package of the lock file that a target of the policy needs.
pub(crate) fn run() -> Result<(), String> {
    let text = fs::read_to_string(root().join("deny.toml")).map_err(|error| format!("deny.toml: {error}"))?;
    let policy: Policy = toml::from_str(&text).map_err(|error| format!("deny.toml: {error}"))?;
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    for target in &policy.graph.targets {
        command.args(["--filter-platform", target]);
    }
    let metadata: Metadata = serde_json::from_str(&output(&mut command)?).map_err(|error| error.to_string())?;
    let problems: Vec<String> = metadata.packages.iter().flat_map(|package| policy.problems(package)).collect();
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    println!("licences, bans and sources of {} packages are as deny.toml wants them", metadata.packages.len());
    Ok(())
}

impl Policy {
    fn problems(&self, package: &Package) -> Vec<String> {
        let mut problems = Vec::new();
        let license = package.license.as_deref().unwrap_or("none");
        if !allowed(license, &self.licenses.allow) {
            problems.push(format!("its licence {license} is not allowed"));
        }
        if self.bans.deny.iter().any(|ban| ban.name == package.name) {
            problems.push("it is banned".to_owned());
        }
        if package.source.as_deref().is_some_and(|source| source != CRATES_IO) {
            problems.push("it comes from an unknown source".to_owned());
        }
        let ours = package.source.is_none();
        let wild = package.dependencies.iter().filter(|dependency| dependency.req == "*" && dependency.path.is_none());
        problems.extend(wild.filter(|_| ours).map(|dependency| format!("it wants any version of {}", dependency.name)));
        problems.iter().map(|problem| format!("{} {}: {problem}", package.name, package.version)).collect()
    }
}

/// Whether an SPDX expression (`/` as the old way to write `OR`) can be satisfied with what is allowed.
fn allowed(expression: &str, allow: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let answer = any(&mut words, allow);
    answer && words.next().is_none()
}

type Words<'w> = std::iter::Peekable<std::str::SplitWhitespace<'w>>;

fn any(words: &mut Words<'_>, allow: &[String]) -> bool {
    let mut answer = all(words, allow);
    while words.next_if_eq(&"OR").is_some() {
        answer |= all(words, allow);
    }
    answer
}

fn all(words: &mut Words<'_>, allow: &[String]) -> bool {
    let mut answer = one(words, allow);
    while words.next_if_eq(&"AND").is_some() {
        answer &= one(words, allow);
    }
    answer
}

fn one(words: &mut Words<'_>, allow: &[String]) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let answer = any(words, allow);
        return words.next_if_eq(&")").is_some() && answer;
    }
    let Some(mut license) = words.next().map(str::to_owned) else { return false };
    if words.next_if_eq(&"WITH").is_some() {
        license.push_str(" WITH ");
        license.push_str(words.next().unwrap_or_default());
    }
    allow.contains(&license)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_satisfied_or_not() {
        let allow = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0/MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("MIT AND (GPL-3.0 OR ISC)", true),
            ("MIT AND (GPL-3.0 OR BSD-3-Clause)", false),
            ("GPL-3.0 AND MIT OR ISC", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("(MIT", false),
            ("MIT)", false),
            ("", false),
        ] {
            assert_eq!(allowed(expression, &allow), expected, "{expression}");
        }
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let policy: Policy =
            toml::from_str("graph.targets = []\nlicenses.allow = ['MIT']\nbans.deny = [{ crate = 'openssl' }]\n")
                .expect("a policy");
        let package = |name: &str, license: &str, source: Option<&str>, req: &str| Package {
            name: name.into(),
            version: "1.0.0".into(),
            license: Some(license.into()),
            source: source.map(str::to_owned),
            dependencies: vec![Dependency { name: "other".into(), req: req.into(), path: None }],
        };
        let count = |package: &Package| policy.problems(package).len();
        assert_eq!(count(&package("a", "MIT", Some(CRATES_IO), "*")), 0);
        assert_eq!(count(&package("a", "GPL-3.0", Some(CRATES_IO), "^1")), 1);
        assert_eq!(count(&package("openssl", "MIT", Some(CRATES_IO), "^1")), 1);
        assert_eq!(count(&package("a", "MIT", Some("git+https://example.org/a"), "^1")), 1);
        assert_eq!(count(&package("ours", "MIT", None, "*")), 1);
    }
}
