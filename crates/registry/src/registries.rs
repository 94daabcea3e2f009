//! `registries.conf`, version 2: where a repository really is (containers-registries.conf(5)).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci::Repository;
use serde::Deserialize;

use crate::environment::Environment;
use crate::error::{Cause, Error, Operation};

/// Rules about registries: mirrors, other locations, missing encryption, blocks.
///
/// As in containers' own tools, locations and mirrors are for pulling; pushing goes to the registry that was named, and
/// knows of `insecure` and `blocked` only. `unqualified-search-registries`, short-name modes and aliases are ignored:
/// a short name means Docker Hub.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// By prefix, so that a later file's rule replaces an earlier one's.
    rules: BTreeMap<String, Rule>,
    /// For what no rule is about.
    mirror: Option<Mirror>,
}

/// One place where a repository may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// `host[:port]`.
    pub(crate) host: String,
    /// The repository's path there.
    pub(crate) path: String,
    /// Whether the host may be spoken to without verified encryption.
    pub(crate) insecure: bool,
    /// Whether another route follows that may do better.
    pub(crate) mirror: bool,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<Rule>,
    /// The sections of version 1.
    registries: Option<toml::Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rule {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: PullFrom,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PullFrom {
    #[default]
    #[serde(alias = "")]
    All,
    DigestOnly,
    TagOnly,
}

impl Registries {
    /// Reads one file's text.
    ///
    /// # Errors
    /// When it is not a registries.conf of version 2; `path` is only named in the error.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut registries = Self::default();
        registries.add(text).map_err(|problem| refuse(path, problem))?;
        Ok(registries)
    }

    /// The same with the rules of one more text, which replace those for the same prefixes.
    ///
    /// # Errors
    /// As [`Registries::parse`].
    pub fn and(mut self, text: &str, path: &Path) -> Result<Self, Error> {
        self.add(text).map_err(|problem| refuse(path, problem))?;
        Ok(self)
    }

    /// The same with a mirror, `host[:port][/path]`, of all registries that no rule is about; no file can say that.
    #[must_use]
    pub fn with_mirror_of_all(mut self, location: &str, insecure: bool) -> Self {
        let location = trimmed(location).to_owned();
        self.mirror = Some(Mirror { location, insecure, pull_from_mirror: PullFrom::All });
        self
    }

    /// The main file (`$CONTAINERS_REGISTRIES_CONF`, else the user's, else the system's), then the drop-in files of the
    /// system's and the user's `registries.conf.d`, in the order of their names.
    pub(crate) fn find(environment: &Environment) -> Result<Self, Error> {
        let mut registries = Self::default();
        for path in files(environment) {
            match fs::read_to_string(&path) {
                Ok(text) => registries.add(&text).map_err(|problem| refuse(&path, problem))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refuse(&path, error.to_string())),
            }
        }
        Ok(registries)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if file.registries.is_some() {
            return Err("this is version 1 of the format, which is no longer read; write [[registry]] tables".into());
        }
        for mut rule in file.registry {
            rule.complete()?;
            self.rules.insert(rule.prefix.clone(), rule);
        }
        Ok(())
    }

    /// Where to look for `repository`, best first.
    pub(crate) fn pull_routes(&self, repository: &Repository, by_digest: bool) -> Result<Vec<Route>, Cause> {
        let name = repository.to_string();
        let Some(rule) = self.rule(&name)? else {
            let mirror = self.mirror.as_ref().map(|mirror| mirror.route(&format!("/{}", repository.path())));
            return Ok(mirror.into_iter().chain([direct(repository, false)]).collect());
        };
        let mut routes = Vec::new();
        for mirror in rule.mirror.iter().filter(|mirror| rule.uses(mirror, by_digest)) {
            routes.push(mirror.route(rule.rest(&name)));
        }
        let primary = match rule.location.as_str() {
            "" => direct(repository, rule.insecure),
            location => route(location, rule.rest(&name), rule.insecure, false),
        };
        routes.push(primary);
        Ok(routes)
    }

    /// Where to push `repository`.
    pub(crate) fn push_route(&self, repository: &Repository) -> Result<Route, Cause> {
        let rule = self.rule(&repository.to_string())?;
        Ok(direct(repository, rule.is_some_and(|rule| rule.insecure)))
    }

    /// Whether the registry `host` as a whole may be spoken to without verified encryption.
    pub(crate) fn is_insecure(&self, host: &str) -> Result<bool, Cause> {
        Ok(self.rule(host)?.is_some_and(|rule| rule.insecure))
    }

    /// The rule with the longest prefix of `name`, unless it blocks.
    fn rule(&self, name: &str) -> Result<Option<&Rule>, Cause> {
        let matching = self.rules.values().filter_map(|rule| Some((rule.matched(name)?, rule)));
        match matching.max_by_key(|(length, _)| *length) {
            Some((_, rule)) if rule.blocked => Err(Cause::Blocked(rule.prefix.clone())),
            found => Ok(found.map(|(_, rule)| rule)),
        }
    }
}

impl Rule {
    /// Fills in what the format leaves out, and refuses what it forbids.
    fn complete(&mut self) -> Result<(), String> {
        self.location = trimmed(&self.location).to_owned();
        self.prefix = trimmed(&self.prefix).to_owned();
        if self.prefix.is_empty() {
            self.prefix.clone_from(&self.location);
        }
        if self.prefix.is_empty() {
            return Err("a [[registry]] has neither prefix nor location".into());
        }
        let wildcard = self.prefix.starts_with("*.");
        if !wildcard && self.prefix.contains('*') {
            return Err(format!("prefix {:?}: a wildcard is only allowed as `*.` in front of a domain", self.prefix));
        }
        if !wildcard && self.location.is_empty() {
            self.location.clone_from(&self.prefix);
        }
        match self.mirror.iter().find(|mirror| trimmed(&mirror.location).is_empty()) {
            Some(_) => Err(format!("a mirror of {} has no location", self.prefix)),
            None => Ok(()),
        }
    }

    /// How many bytes of `name` the prefix covers, when it does.
    fn matched(&self, name: &str) -> Option<usize> {
        let length = match self.prefix.strip_prefix('*') {
            Some(domain) => {
                let host = name.split(['/']).next().unwrap_or_default();
                let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
                let end = |host: &str| host.ends_with(domain).then_some(host.len());
                end(host).or_else(|| end(bare))?
            }
            None => name.starts_with(&self.prefix).then_some(self.prefix.len())?,
        };
        let rest = name.get(length..)?;
        (rest.is_empty() || rest.starts_with(['/', ':'])).then_some(length)
    }

    fn uses(&self, mirror: &Mirror, by_digest: bool) -> bool {
        match mirror.pull_from_mirror {
            PullFrom::DigestOnly => by_digest,
            PullFrom::TagOnly => !by_digest,
            PullFrom::All => by_digest || !self.mirror_by_digest_only,
        }
    }

    /// What follows the prefix in `name`.
    fn rest<'n>(&self, name: &'n str) -> &'n str {
        self.matched(name).and_then(|length| name.get(length..)).unwrap_or_default()
    }
}

impl Mirror {
    fn route(&self, rest: &str) -> Route {
        route(&self.location, rest, self.insecure, true)
    }
}

/// `rest` at another location.
fn route(location: &str, rest: &str, insecure: bool, mirror: bool) -> Route {
    let full = format!("{}{rest}", trimmed(location));
    let (host, path) = full.split_once('/').unwrap_or((&full, ""));
    Route { host: host.to_owned(), path: path.to_owned(), insecure, mirror }
}

fn direct(repository: &Repository, insecure: bool) -> Route {
    let (host, path) = (repository.registry().to_owned(), repository.path().to_owned());
    Route { host, path, insecure, mirror: false }
}

fn trimmed(location: &str) -> &str {
    location.trim_end_matches('/')
}

fn refuse(path: &Path, problem: String) -> Error {
    Cause::File { path: path.to_owned(), problem }.about(Operation::Configure, "registries")
}

fn files(environment: &Environment) -> Vec<PathBuf> {
    let user = environment.home(".config/containers/registries.conf").filter(|path| path.exists());
    let main = environment
        .path("CONTAINERS_REGISTRIES_CONF")
        .or(user)
        .unwrap_or_else(|| environment.system("etc/containers/registries.conf"));
    let system = drop_ins(&environment.system("etc/containers/registries.conf.d"));
    let own = environment.home(".config/containers/registries.conf.d").map(|dir| drop_ins(&dir));
    [vec![main], system, own.unwrap_or_default()].concat()
}

/// The `*.conf` files of a directory, sorted; none where there is no such directory.
fn drop_ins(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "conf")).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Registries {
        Registries::parse(text, Path::new("registries.conf")).expect("valid")
    }

    fn pull(registries: &Registries, name: &str, by_digest: bool) -> Vec<String> {
        let routes = registries.pull_routes(&name.parse().expect("a repository"), by_digest).expect("not blocked");
        routes.iter().map(|route| format!("{}/{}", route.host, route.path)).collect()
    }

    #[test]
    fn mirrors_come_first_and_obey_their_restrictions() {
        let registries = parse(
            r#"
            [[registry]]
            prefix = "docker.io"
            location = "hub.corp.example/proxy"
            [[registry.mirror]]
            location = "one.example/m/"
            [[registry.mirror]]
            location = "two.example"
            pull-from-mirror = "digest-only"
            "#,
        );
        let primary = "hub.corp.example/proxy/library/debian";
        assert_eq!(pull(&registries, "debian", false), ["one.example/m/library/debian", primary]);
        assert_eq!(
            pull(&registries, "debian", true),
            ["one.example/m/library/debian", "two.example/library/debian", primary]
        );
        assert_eq!(pull(&registries, "quay.io/a", false), ["quay.io/a"]);
    }

    #[test]
    fn a_mirror_of_all_is_for_what_no_rule_is_about() {
        let rules = parse("[[registry]]\nprefix = \"a.example\"\nlocation = \"b.example\"\n");
        let registries = rules.with_mirror_of_all("m.example/proxy/", true);
        assert_eq!(pull(&registries, "c.example/team/x", false), ["m.example/proxy/team/x", "c.example/team/x"]);
        assert_eq!(pull(&registries, "a.example/x", false), ["b.example/x"]);
    }

    #[test]
    fn the_longest_prefix_wins_and_ends_at_a_boundary() {
        let registries = parse(
            r#"
            [[registry]]
            location = "r.example"
            [[registry]]
            prefix = "r.example/team"
            location = "other.example/t"
            [[registry]]
            prefix = "*.wild.example"
            insecure = true
            "#,
        );
        assert_eq!(pull(&registries, "r.example/team/app", false), ["other.example/t/app"]);
        assert_eq!(pull(&registries, "r.example/teams/app", false), ["r.example/teams/app"]);
        assert_eq!(pull(&registries, "r.example:5000/app", false), ["r.example:5000/app"]);
        let route = registries.push_route(&"a.b.wild.example:5000/app".parse().expect("name")).expect("route");
        assert!(route.insecure);
        assert!(!registries.push_route(&"wild.example/app".parse().expect("name")).expect("route").insecure);
    }

    #[test]
    fn pushes_keep_the_place_that_was_named_and_respect_blocks() {
        let registries = parse(
            "[[registry]]\nprefix = \"a.example\"\nlocation = \"b.example\"\n[[registry]]\nlocation = \"c.example\"\nblocked = true\n",
        );
        let route = |name: &str| registries.push_route(&name.parse().expect("name"));
        assert_eq!(route("a.example/x").expect("route").host, "a.example");
        assert!(matches!(route("c.example/x"), Err(Cause::Blocked(_))));
    }

    #[test]
    fn what_is_no_version_2_file_is_refused() {
        for text in ["[registries.search]\nregistries = []", "[[registry]]\n", "[[registry]]\nprefix = \"a*.b\"", "]"] {
            assert!(Registries::parse(text, Path::new("x")).is_err(), "{text}");
        }
    }

    #[test]
    fn drop_ins_replace_rules_of_the_main_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let conf = dir.path().join("etc/containers/registries.conf.d");
        fs::create_dir_all(&conf).expect("made");
        let rule =
            |mirror| format!("[[registry]]\nlocation = \"r.example\"\n[[registry.mirror]]\nlocation = \"{mirror}\"\n");
        fs::write(dir.path().join("etc/containers/registries.conf"), rule("main.example")).expect("written");
        fs::write(conf.join("10-a.conf"), rule("a.example")).expect("written");
        fs::write(conf.join("20-b.conf"), rule("b.example")).expect("written");
        fs::write(conf.join("30-c.off"), "]").expect("written");
        let environment = Environment::new(dir.path(), [("HOME", dir.path())]);
        let registries = Registries::find(&environment).expect("valid");
        assert_eq!(pull(&registries, "r.example/x", false), ["b.example/x", "r.example/x"]);
    }
}
