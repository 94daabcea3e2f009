//! Compose files: the `build:` sections of services are targets.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::target::Target;
use super::value::{Value, quoted};
use super::world::valid_name;
use super::{Definition, Error, File, Group, Input};

/// Whether the file is one: by its name, or, without an extension that says so, by what is in it.
pub(super) fn is(file: &File) -> bool {
    let name = file.name.to_lowercase();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "yml" | "yaml" => true,
        "json" | "hcl" => false,
        _ => serde_saphyr::from_str::<Json>(&file.text).is_ok_and(|json| json.get("services").is_some_and(Json::is_object)),
    }
}

/// Reads the files, later ones over earlier ones.
pub(super) fn read(files: &[&File], input: &Input) -> Result<Definition, Error> {
    let mut merged = Json::Object(Map::new());
    for file in files {
        let mut json: Json = serde_saphyr::from_str(&file.text)
            .map_err(|error| Error::new(format!("{} is no YAML: {}", file.name, first_line(&error.to_string()))))?;
        interpolate(&mut json, input)?;
        merge(&mut merged, json);
    }
    let Some(Json::Object(services)) = merged.get("services") else {
        return Err(Error::new("empty compose file").hint_of("services: NAME: build: ... makes targets"));
    };
    let secrets = merged.get("secrets").cloned().unwrap_or_default();
    let mut definition = Definition::default();
    for (name, service) in services.iter().collect::<BTreeMap<_, _>>() {
        if let Some(build) = service.get("build") {
            let name = name.replace('.', "_");
            valid_name(&name)?;
            let target = Service { service, secrets: &secrets, input }.target(build);
            definition.targets.push((name.clone(), target.map_err(|error| within(&name, &error))?));
        }
    }
    let targets = definition.targets.iter().map(|(name, _)| name.clone()).collect();
    definition.groups.push(("default".to_owned(), Group { description: String::new(), targets }));
    Ok(definition)
}

fn within(name: &str, error: &Error) -> Error {
    let outer = Error::new(format!("service {name}: {error}"));
    match error.hint() {
        Some(hint) => outer.hint_of(hint),
        None => outer,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Objects merge, lists add, everything else is replaced.
fn merge(into: &mut Json, from: Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(slot) => merge(slot, value),
                    None => drop(into.insert(key, value)),
                }
            }
        }
        (Json::Array(into), Json::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

fn interpolate(json: &mut Json, input: &Input) -> Result<(), Error> {
    match json {
        Json::String(text) => *text = expand(text, input)?,
        Json::Array(items) => items.iter_mut().try_for_each(|item| interpolate(item, input))?,
        Json::Object(items) => items.values_mut().try_for_each(|item| interpolate(item, input))?,
        _ => {}
    }
    Ok(())
}

fn lookup<'i>(name: &str, input: &'i Input) -> Option<&'i String> {
    input.variables.get(name).or_else(|| input.environment.get(name))
}

/// `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `:?`, `?`, `:+`, `+`, and `$$`.
fn expand(text: &str, input: &Input) -> Result<String, Error> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        rest = match after.chars().next() {
            Some('$') => {
                out.push('$');
                after.get(1..).unwrap_or_default()
            }
            Some('{') => {
                let end = closing(after).ok_or_else(|| Error::new(format!("{text:?} has a ${{ that is not closed")))?;
                out += &braced(after.get(1..end).unwrap_or_default(), input)?;
                after.get(end + 1..).unwrap_or_default()
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                out += lookup(after.get(..end).unwrap_or_default(), input).map_or("", String::as_str);
                after.get(end..).unwrap_or_default()
            }
            _ => return Err(Error::new(format!("{text:?} has a $ that names nothing")).hint_of("$$ is a dollar")),
        };
    }
    Ok(out + rest)
}

fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        (c == '}' && depth == 0).then_some(at)
    })
}

fn braced(inner: &str, input: &Input) -> Result<String, Error> {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, operation) = inner.split_at(end);
    let value = lookup(name, input);
    let full = value.filter(|value| !value.is_empty());
    let or = |value: Option<&String>, other: &str| value.map_or_else(|| expand(other, input), |value| Ok(value.clone()));
    let must = |value: Option<&String>, why: &str| {
        value.cloned().ok_or_else(|| Error::new(format!("required variable {name} is missing a value: {why}")))
    };
    match operation {
        "" => Ok(value.cloned().unwrap_or_default()),
        other => match other.split_at(if other.starts_with(':') { 2.min(other.len()) } else { 1 }) {
            (":-", rest) => or(full, rest),
            ("-", rest) => or(value, rest),
            (":?", rest) => must(full, rest),
            ("?", rest) => must(value, rest),
            (":+", rest) => full.map_or(Ok(String::new()), |_| expand(rest, input)),
            ("+", rest) => value.map_or(Ok(String::new()), |_| expand(rest, input)),
            _ => Err(Error::new(format!("${{{inner}}} is no variable"))),
        },
    }
}

const BUILD: [&str; 22] = [
    "additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile", "dockerfile_inline",
    "entitlements", "extra_hosts", "isolation", "labels", "network", "no_cache", "platforms", "privileged", "pull",
    "secrets", "shm_size", "ssh", "tags", "target", "ulimits",
];

struct Service<'s> {
    service: &'s Json,
    secrets: &'s Json,
    input: &'s Input,
}

impl Service<'_> {
    fn target(&self, build: &Json) -> Result<Target, Error> {
        if self.service.get("extends").is_some() {
            return Err(Error::new("extends is not supported yet").hint_of("write the build section out"));
        }
        let mut target = Target::default();
        match build {
            Json::String(context) => target.context = Some(context.clone()),
            Json::Object(fields) => {
                fields.iter().try_for_each(|(key, value)| self.field(&mut target, key, value))?;
                if let Some(extension) = fields.get("x-bake") {
                    extend(&mut target, extension)?;
                }
            }
            Json::Null => {}
            _ => return Err(Error::new("build is a directory or a section")),
        }
        let image = self.service.get("image").and_then(Json::as_str);
        if target.tags.as_ref().is_none_or(Vec::is_empty) && let Some(image) = image {
            target.tags = Some(vec![image.to_owned()]);
        }
        Ok(target)
    }

    fn field(&self, target: &mut Target, key: &str, json: &Json) -> Result<(), Error> {
        let value = Value::of_json(json);
        match key {
            "context" | "dockerfile" | "target" | "network" | "platforms" | "tags" | "pull" => target.set(key, &value),
            "no_cache" | "dockerfile_inline" | "cache_from" | "cache_to" => target.set(&key.replace('_', "-"), &value),
            "shm_size" => target.set("shm-size", &value),
            "additional_contexts" => {
                target.set("contexts", &self.pairs(json, false)?)?;
                for context in target.contexts.values_mut() {
                    if let Some(service) = context.strip_prefix("service:") {
                        *context = format!("target:{}", service.replace('.', "_"));
                    }
                }
                Ok(())
            }
            "args" => target.set("args", &self.pairs(json, true)?),
            "labels" => target.set("labels", &self.pairs(json, false)?),
            "extra_hosts" => target.set("extra-hosts", &self.pairs(json, false)?),
            "ssh" => target.set("ssh", &ssh(json)),
            "secrets" => {
                let all = json.as_array().into_iter().flatten().map(|secret| self.secret(secret));
                target.set("secret", &Value::List(all.collect::<Result<_, _>>()?))
            }
            "ulimits" => target.set("ulimits", &ulimits(json)),
            "entitlements" | "privileged" | "isolation" => Ok(()),
            other if other.starts_with("x-") => Ok(()),
            other => Err(Error::new(format!("build has no attribute {other}")).meant(other, BUILD)),
        }
    }

    /// `key: value` or a list of `key=value`; a key alone is taken from the environment.
    fn pairs(&self, json: &Json, from_environment: bool) -> Result<Value, Error> {
        let missing = |key: &str| match from_environment {
            true => lookup(key, self.input).cloned().map_or(Value::Null, Value::String),
            false => Value::String(String::new()),
        };
        let pairs = match json {
            Json::Object(items) => items.iter().map(|(key, value)| match value {
                Json::Null => (key.clone(), missing(key)),
                value => (key.clone(), Value::of_json(value)),
            }).collect(),
            Json::Array(items) => items.iter().filter_map(Json::as_str).map(|text| {
                let split = text.split_once('=').or_else(|| text.split_once(':').filter(|_| !from_environment));
                split.map_or_else(
                    || (text.to_owned(), missing(text)),
                    |(key, value)| (key.to_owned(), Value::String(value.to_owned())),
                )
            }).collect(),
            _ => return Err(Error::new("pairs of names and values are needed here")),
        };
        Ok(Value::Object(pairs))
    }

    fn secret(&self, json: &Json) -> Result<Value, Error> {
        let text = |key: &str| json.get(key).and_then(Json::as_str);
        let source = json.as_str().or_else(|| text("source")).unwrap_or_default();
        let declared = self.secrets.get(source);
        let said = |key: &str| declared.and_then(|secret| secret.get(key)).and_then(Json::as_str);
        let mut fields = vec![format!("id={}", text("target").unwrap_or(source))];
        match (said("file"), said("environment")) {
            (Some(file), _) => fields.push(quoted(&format!("src={file}"))),
            (None, Some(variable)) => fields.push(format!("env={variable}")),
            (None, None) => return Err(Error::new(format!("secret {source} is not declared"))),
        }
        Ok(Value::String(fields.join(",")))
    }
}

fn ssh(json: &Json) -> Value {
    let texts: Vec<String> = match json {
        Json::Array(items) => items.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        Json::Object(items) => items.iter().map(|(id, path)| match path.as_str() {
            Some(path) => format!("{id}={path}"),
            None => id.clone(),
        }).collect(),
        _ => Vec::new(),
    };
    let mut texts = texts;
    texts.sort();
    Value::List(texts.into_iter().map(Value::String).collect())
}

fn ulimits(json: &Json) -> Value {
    let one = |(name, limit): (&String, &Json)| {
        let number = |key: &str| limit.get(key).or(Some(limit)).map(ToString::to_string).unwrap_or_default();
        Value::String(format!("{name}={}:{}", number("soft"), number("hard")))
    };
    Value::List(json.as_object().into_iter().flatten().map(one).collect())
}

/// `x-bake`: attributes by bake's names.
fn extend(target: &mut Target, json: &Json) -> Result<(), Error> {
    let mut said = Target::default();
    for (key, value) in json.as_object().into_iter().flatten() {
        let value = match (key.as_str(), Value::of_json(value)) {
            ("tags" | "cache-from" | "cache-to" | "secret" | "ssh" | "platforms" | "output" | "no-cache-filter", Value::String(text)) => {
                Value::List(vec![Value::String(text)])
            }
            (_, value) => value,
        };
        said.set(key, &value)?;
    }
    target.merge(&said);
    Ok(())
}
