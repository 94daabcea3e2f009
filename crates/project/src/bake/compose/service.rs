//! A service's `build` section as a target.

use std::collections::BTreeMap;

use super::interpolate::Variables;
use super::yaml::{Node, Yaml};
use super::{Environment, Error, Options, dotenv, merge, xbake};
use crate::bake::entry::{Attest, Entry, Secret, Ssh};
use crate::bake::resolve::clean;
use crate::bake::syntax::Word;
use crate::bake::target::Target;
use crate::bake::types::go_bool;
use crate::bake::value::Value;

/// The keys of a `build` section.
const KEYS: [&str; 20] = [
    "additional_contexts",
    "args",
    "cache_from",
    "cache_to",
    "context",
    "dockerfile",
    "dockerfile_inline",
    "extra_hosts",
    "labels",
    "network",
    "no_cache",
    "platforms",
    "provenance",
    "pull",
    "sbom",
    "secrets",
    "shm_size",
    "ssh",
    "tags",
    "target",
];

/// Keys that compose has and bake has no meaning for.
const REFUSED: [(&str, &str); 3] = [
    ("entitlements", "bake leaves it out: use --set SERVICE.entitlements=NAME"),
    ("isolation", "it is for Windows only"),
    ("privileged", "bake leaves it out: use --set SERVICE.entitlements=security.insecure"),
];

/// All files as one.
pub(super) struct Project<'p> {
    node: &'p Node,
    variables: &'p Variables<'p>,
    options: &'p Options<'p>,
}

impl<'p> Project<'p> {
    pub(super) fn of(node: &'p Node, variables: &'p Variables<'p>, options: &'p Options<'p>) -> Result<Self, Error> {
        if let Some(services) = node.get("services") {
            services.map()?;
            if matches!(services.kind, Yaml::Null) {
                return Err(services
                    .error("there are no services")
                    .with_hint("services: NAME: build: ... makes targets"));
            }
        }
        Ok(Self { node, variables, options })
    }

    pub(super) fn services(&self) -> Option<&'p [(Word, Node)]> {
        self.node.get("services")?.map().ok()
    }

    /// What the service builds, if it does.
    pub(super) fn target(&self, name: &str, service: &Node) -> Result<Option<Target>, Error> {
        let service = self.extended(service, &mut vec![name.to_owned()])?;
        service.map()?;
        let Some(build) = service.get("build") else {
            let hint = "build: DIR, or image: NAME if it is not built";
            let bare = || service.error(format!("service {name} has no build and no image")).with_hint(hint);
            return service.get("image").ok_or_else(bare).map(|_| None);
        };
        if matches!(build.kind, Yaml::Null) {
            return Err(build.error("a directory or a mapping is needed here"));
        }
        let environment = self.environment(&service)?;
        let mut target = Target::default();
        for (key, value) in build.map()? {
            self.field(&mut target, key, value, &environment)?;
        }
        if let Some(extension) = build.get("x-bake") {
            xbake::extend(&mut target, extension)?;
        }
        if target.tags.as_ref().is_none_or(Vec::is_empty)
            && let Some(image) = service.get("image").filter(|image| !matches!(image.kind, Yaml::Null))
        {
            target.tags = Some(vec![image.text()?.to_owned()]).filter(|tags| tags[..] != [""]);
        }
        Ok(Some(target))
    }

    /// With what it `extends`, of the same files.
    fn extended(&self, service: &Node, path: &mut Vec<String>) -> Result<Node, Error> {
        let Some(extends) = service.get("extends") else { return Ok(service.clone()) };
        if let Some(file) = extends.get("file") {
            return Err(file.error("extends from another file is not supported").with_hint("name both files with -f"));
        }
        let name = extends.get("service").unwrap_or(extends);
        let name = (name.text()?, name);
        if path.iter().any(|open| open == name.0) {
            return Err(extends.error(format!("services extend each other: {} -> {}", path.join(" -> "), name.0)));
        }
        let services = self.services().unwrap_or_default();
        let Some((_, base)) = services.iter().find(|(key, _)| key.text == name.0) else {
            let known = services.iter().map(|(key, _)| key.text.as_str());
            return Err(name.1.error(format!("there is no service {}", name.0)).meant(name.0, known));
        };
        path.push(name.0.to_owned());
        let mut whole = self.extended(base, path)?;
        merge::merge(&mut whole, service.clone());
        Ok(whole)
    }

    fn field(&self, target: &mut Target, key: &Word, value: &Node, environment: &Environment) -> Result<(), Error> {
        match key.text.as_str() {
            "context" => target.context = Some(self.path(value.text()?)).filter(|text| !text.is_empty()),
            "dockerfile" => target.dockerfile = filled(value)?,
            "dockerfile_inline" => target.dockerfile_inline = filled(value)?,
            "target" => target.target = filled(value)?,
            "network" => target.network = filled(value)?,
            "tags" => target.tags = Some(value.texts()?),
            "platforms" => target.platforms = Some(value.texts()?),
            "no_cache" => target.no_cache = value.bool()?.then_some(true),
            "pull" => target.pull = value.bool()?.then_some(true),
            "shm_size" => target.shm_size = Some(shm_size(value)?),
            "args" => target.args = self.args(value, environment)?,
            "labels" => target.labels = labels(value)?,
            "additional_contexts" => target.contexts = contexts(value, |path| self.path(path))?,
            "extra_hosts" => target.extra_hosts = hosts(value)?,
            "cache_from" => target.cache_from = entries(value, Entry::caches)?,
            "cache_to" => target.cache_to = Some(entries(value, Entry::caches)?),
            "ssh" => target.ssh = ssh(value)?,
            "secrets" => target.secret = value.list()?.iter().map(|it| self.secret(it)).collect::<Result<_, _>>()?,
            "ulimits" => target.ulimits = value.map()?.iter().map(ulimit).collect::<Result<_, _>>()?,
            "sbom" | "provenance" => target.attest.extend(attest(&key.text, value)?),
            other if other.starts_with("x-") => {}
            other => return Err(unknown(other).at(key.span)),
        }
        Ok(())
    }

    /// A path as compose writes it: local ones without `.` and doubled `/`, `~` is the home directory.
    fn path(&self, text: &str) -> String {
        let home = || self.options.variable_of_environment("HOME").unwrap_or_default();
        match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => clean(&format!("{}{rest}", home())),
            _ if text.contains("://") || text.starts_with('/') || text.is_empty() => text.to_owned(),
            _ => clean(text),
        }
    }

    /// The service's own variables: `env_file`, then `environment`.
    fn environment(&self, service: &Node) -> Result<Environment, Error> {
        let mut all = Environment::new();
        if let Some(files) = service.get("env_file") {
            let one = std::slice::from_ref(files);
            for file in files.list().unwrap_or(one) {
                self.env_file(file, &mut all)?;
            }
        }
        let Some(environment) = service.get("environment") else { return Ok(all) };
        for (key, value) in environment.map()? {
            let value = match value.kind {
                Yaml::Null => self.variables.get(&key.text),
                _ => Some(value.text()?.to_owned()),
            };
            all.extend(value.map(|value| (key.text.clone(), value)));
        }
        Ok(all)
    }

    fn env_file(&self, file: &Node, all: &mut Environment) -> Result<(), Error> {
        let optional = file.get("required").map_or(Ok(false), |required| required.bool().map(|yes| !yes))?;
        let path = file.get("path").unwrap_or(file).text()?;
        match (self.options.read)(path) {
            Some(text) => all.extend(dotenv::parse(path, &text, self.variables).map_err(|error| error.at(file.span))?),
            None if optional => {}
            None => return Err(file.error(format!("there is no file {path}"))),
        }
        Ok(())
    }

    /// An argument without a value takes that of the service, or of the environment.
    fn args(&self, value: &Node, environment: &Environment) -> Result<BTreeMap<String, String>, Error> {
        let mut args = BTreeMap::new();
        for (key, value) in value.map()? {
            let text = match value.kind {
                Yaml::Null => environment.get(&key.text).cloned().or_else(|| self.variables.get(&key.text)),
                _ => Some(value.text()?.to_owned()),
            };
            args.extend(text.map(|text| (key.text.clone(), text)));
        }
        Ok(args)
    }

    fn secret(&self, node: &Node) -> Result<Secret, Error> {
        let id = node.get("source").unwrap_or(node).text()?;
        let declared = self.node.get("secrets").map_or(Ok(&[][..]), Node::map)?;
        let Some((_, source)) = declared.iter().find(|(key, _)| key.text == id) else {
            let known = declared.iter().map(|(key, _)| key.text.as_str());
            return Err(node.error(format!("there is no secret {id}")).meant(id, known));
        };
        if let Some(external) = source.get("external").filter(|external| external.bool().unwrap_or(true)) {
            return Err(external
                .error(format!("the secret {id} is external"))
                .with_hint("file or environment says where it is"));
        }
        let text = |key| source.get(key).map_or(Ok(String::new()), |value| value.text().map(str::to_owned));
        let src = text("file")?;
        let src = if src.is_empty() { src } else { clean(&self.path(&src)) };
        Ok(Secret { id: id.to_owned(), src, env: text("environment")? })
    }
}

fn unknown(key: &str) -> Error {
    if let Some((_, hint)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
        return Error::new(format!("{key} is not supported")).with_hint(*hint);
    }
    Error::new(format!("build has no {key}")).meant(key, KEYS.into_iter().chain(["ulimits", "x-bake"]))
}

fn filled(value: &Node) -> Result<Option<String>, Error> {
    Ok(Some(value.text()?.to_owned()).filter(|text| !text.is_empty()))
}

fn labels(value: &Node) -> Result<BTreeMap<String, String>, Error> {
    let label = |(key, value): &(Word, Node)| match value.kind {
        Yaml::Null => Ok((key.text.clone(), String::new())),
        _ => Ok((key.text.clone(), value.text()?.to_owned())),
    };
    value.map()?.iter().map(label).collect()
}

/// Services are targets.
pub(super) fn contexts(value: &Node, path: impl Fn(&str) -> String) -> Result<BTreeMap<String, String>, Error> {
    let context = |(key, value): &(Word, Node)| {
        let text = value.text()?;
        let service = text.strip_prefix("service:").or_else(|| text.strip_prefix("target:"));
        let text = service.map_or_else(|| path(text), |service| format!("target:{}", service.replace('.', "_")));
        Ok((key.text.clone(), text))
    };
    value.map()?.iter().map(context).collect()
}

fn hosts(value: &Node) -> Result<BTreeMap<String, String>, Error> {
    let host = |(key, value): &(Word, Node)| {
        let addresses =
            if matches!(value.kind, Yaml::List(_)) { value.texts()? } else { vec![value.text()?.to_owned()] };
        let bare = addresses.iter().flat_map(|all| all.split(',')).map(|address| address.trim_matches(['[', ']']));
        Ok((key.text.clone(), bare.collect::<Vec<_>>().join(",")))
    };
    value.map()?.iter().map(host).collect()
}

/// Entries of a list of texts.
pub(super) fn entries<T>(value: &Node, read: fn(&Value) -> Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    for item in value.list()? {
        let text = item.text()?;
        if !text.is_empty() {
            all.extend(read(&text.into()).map_err(|error| error.at(item.span))?);
        }
    }
    Ok(all)
}

fn ssh(value: &Node) -> Result<Vec<Ssh>, Error> {
    let mut all = match &value.kind {
        Yaml::List(_) => entries(value, |text| {
            let text = text.text()?;
            let (id, path) = text.split_once('=').unwrap_or((&text, ""));
            Ok(vec![key_of(id, path)])
        })?,
        Yaml::Map(fields) => {
            let key = |(key, value): &(Word, Node)| match value.kind {
                Yaml::Null => Ok(key_of(&key.text, "")),
                _ => Ok(key_of(&key.text, value.text()?)),
            };
            fields.iter().map(key).collect::<Result<_, Error>>()?
        }
        _ => vec![key_of(value.text()?, "")],
    };
    all.sort();
    Ok(all)
}

fn key_of(id: &str, path: &str) -> Ssh {
    let paths = if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
    Ssh { id: id.to_owned(), paths }
}

/// `NAME: N` or `NAME: {soft: N, hard: M}`.
fn ulimit((key, value): &(Word, Node)) -> Result<String, Error> {
    let number = |node: &Node| {
        let number = node.text()?.parse::<i64>();
        number.map_err(|_| node.error("a limit is a number"))
    };
    let part = |name| value.get(name).map_or_else(|| Err(value.error(format!("{name} is missing"))), number);
    let (soft, hard) = match value.kind {
        Yaml::Map(_) => (part("soft")?, part("hard")?),
        _ => (number(value)?, number(value)?),
    };
    Ok(format!("{}={soft}:{hard}", key.text))
}

/// `true`, `false`, or what the attestation is to have.
fn attest(kind: &str, value: &Node) -> Result<Vec<Attest>, Error> {
    let text = value.text()?;
    let entry = match go_bool(text) {
        Some(yes) => format!("type={kind},disabled={}", !yes),
        None => format!("type={kind},{text}"),
    };
    Attest::of(&entry.into()).map_err(|error| error.at(value.span))
}

/// A size such as `64m`, as it is printed: `64MiB`.
fn shm_size(value: &Node) -> Result<String, Error> {
    let text = value.text()?.trim().to_lowercase();
    let bytes = || -> Option<f64> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let number: f64 = text[..end].parse().ok()?;
        let unit = text[end..].trim_start().trim_end_matches('b').trim_end_matches('i');
        let power = ["", "k", "m", "g", "t", "p"].iter().position(|known| *known == unit)?;
        Some(number * 1024_f64.powi(i32::try_from(power).ok()?))
    };
    let bytes = bytes().ok_or_else(|| value.error(format!("{text:?} is no size")).with_hint("such as 64m"))?;
    Ok(size(bytes))
}

/// Four digits and a unit.
fn size(mut bytes: f64) -> String {
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].iter();
    let mut unit = units.next();
    while bytes >= 1024.0 {
        let Some(next) = units.next() else { break };
        (bytes, unit) = (bytes / 1024.0, Some(next));
    }
    let digits = if bytes >= 1000.0 { 0 } else { 3 - bytes.max(1.0).log10().floor() as usize };
    let text = format!("{bytes:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", unit.copied().unwrap_or_default())
}
