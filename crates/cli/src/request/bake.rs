//! What a target of a bake file comes to: the `shipsmith build` that it stands for.

use std::collections::BTreeMap;
use std::path::Path;

use engine::{Batch, ContextSource, DockerfileSource, Job, Output};
use project::bake::{Bake, ListFormat, Target};

use super::{Build, Method, RequestError, Surroundings, context, csv, suggest};
use crate::args::{BakeArgs, BuildWords};

/// The context that is another target's result.
const TARGET: &str = "target:";
/// A path that begins so is one of the working directory, wherever the file came from.
const WORKING_DIRECTORY: &str = "cwd://";
/// What targets can be granted, and ask for here.
const GRANTED: [&str; 2] = ["network.host", "security.insecure"];
/// What buildx asks to be granted, and is free here: the files and agents of whoever starts it.
const FREE: [&str; 8] = ["fs", "fs.read", "fs.write", "ssh", "image", "image.push", "image.load", "*"];

/// The overrides that flags stand for, after those of `--set`.
pub(crate) fn sets(args: &BakeArgs) -> Vec<String> {
    let file = &args.file_args;
    let flags = [
        args.push.then(|| "*.push=true".to_owned()),
        file.load.then(|| "*.load=true".to_owned()),
        args.no_cache.map(|value| format!("*.no-cache={value}")),
        file.pull.map(|value| format!("*.pull={value}")),
        file.provenance.as_ref().map(|value| attest("provenance", value)),
        file.sbom.as_ref().map(|value| attest("sbom", value)),
    ];
    file.sets.iter().cloned().chain(flags.into_iter().flatten()).collect()
}

fn attest(kind: &str, value: &str) -> String {
    match crate::args::parse_bool(value) {
        Ok(true) => format!("*.attest=type={kind}"),
        Ok(false) => format!("*.attest=type={kind},disabled=true"),
        Err(_) => format!("*.attest=type={kind},{value}"),
    }
}

/// What `--list` shows.
pub(crate) struct List {
    pub(crate) kind: ListKind,
    pub(crate) format: ListFormat,
}

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    Targets,
    Variables,
}

/// `targets`, `variables`, or `type=...,format=table|json`.
pub(crate) fn list(text: &str) -> Result<List, RequestError> {
    const FLAG: &str = "--list";
    let bad = |reason: String| {
        RequestError::invalid(FLAG, text, reason).or_hint("targets or variables; type=targets,format=json")
    };
    let (mut kind, mut format) = (None, ListFormat::Table);
    for field in csv::fields(FLAG, text)? {
        match field.split_once('=').unwrap_or(("type", &field)) {
            ("type", "targets") => kind = Some(ListKind::Targets),
            ("type", "variables") => kind = Some(ListKind::Variables),
            ("format", "json") => format = ListFormat::Json,
            ("format", "table") => format = ListFormat::Table,
            _ => return Err(bad(format!("unknown {field:?}"))),
        }
    }
    kind.map(|kind| List { kind, format }).ok_or_else(|| bad("it does not say of what".into()))
}

/// The builds of all targets, by name.
pub(crate) fn builds(
    bake: &Bake,
    args: &BakeArgs,
    around: &dyn Surroundings,
) -> Result<BTreeMap<String, Build>, RequestError> {
    granted(args)?;
    let mut reader = BuildWords::new();
    let build =
        |(name, target): (&String, &Target)| Ok((name.clone(), build(name, target, args, &mut reader, around)?));
    let builds = bake.targets.iter().map(build).collect::<Result<_, RequestError>>()?;
    refuse_shared_tags(&builds)?;
    Ok(builds)
}

/// All of them, for the engine.
pub(crate) fn batch(builds: &BTreeMap<String, Build>, keep_going: bool) -> Batch {
    let job = |(name, build): (&String, &Build)| Job {
        name: name.clone(),
        request: build.request.clone(),
        commands: std::collections::BTreeSet::new(),
    };
    Batch { commands: Vec::new(), jobs: builds.iter().map(job).collect(), keep_going }
}

fn granted(args: &BakeArgs) -> Result<(), RequestError> {
    for text in &args.file_args.allow {
        let kind = text.split('=').next().unwrap_or_default();
        if !GRANTED.contains(&kind) && !FREE.contains(&kind) {
            return Err(RequestError::invalid("--allow", text, "there is no such privilege")
                .or_hint(suggest::hint(kind, &GRANTED)));
        }
    }
    Ok(())
}

fn build(
    name: &str,
    target: &Target,
    args: &BakeArgs,
    reader: &mut BuildWords,
    around: &dyn Surroundings,
) -> Result<Build, RequestError> {
    let of_target = |error: RequestError| error.of_target(name);
    let entitlements = entitlements(target, args).map_err(of_target)?;
    let words = words(target, args, &entitlements);
    let mut typed = reader.read(words).map_err(|error| {
        RequestError::conflict(format!("target {name}: {}", error.kind()), "`shipsmith bake --print` shows the target")
    })?;
    typed.platform = target.platforms.clone().unwrap_or_default();
    typed.progress = args.progress;
    typed.builder.clone_from(&args.builder);
    typed.builders.clone_from(&args.builders);
    let mut build = super::build(&typed, around).map_err(of_target)?;
    for (key, place) in &target.contexts {
        if let Some(other) = place.strip_prefix(TARGET) {
            let bad = |error: oci::ReferenceError| RequestError::invalid("contexts", key, error.to_string());
            let key = context::name(key).map_err(bad).map_err(of_target)?;
            build.request.named_contexts.insert(key, ContextSource::Job(other.to_owned()));
        }
    }
    if let Some(text) = &target.dockerfile_inline {
        build.request.dockerfile = DockerfileSource::Text(text.clone());
    }
    Ok(build)
}

/// What the target asks for and was granted.
fn entitlements(target: &Target, args: &BakeArgs) -> Result<Vec<String>, RequestError> {
    let allowed = |asked: &str| args.file_args.allow.iter().any(|allowed| allowed == asked || allowed == "*");
    match target.entitlements.iter().find(|asked| GRANTED.contains(&asked.as_str()) && !allowed(asked)) {
        Some(asked) => {
            let hint = format!("add --allow {asked} if you trust the file");
            Err(RequestError::conflict(format!("it asks for {asked}, which is not granted"), hint))
        }
        None => Ok(target.entitlements.clone()),
    }
}

/// The target as a command line.
fn words(target: &Target, args: &BakeArgs, entitlements: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    let mut put = |flag: &str, values: &mut dyn Iterator<Item = String>| {
        words.extend(values.map(|value| format!("--{flag}={value}")));
    };
    let pairs = |map: &BTreeMap<String, String>| map.iter().map(pair).collect::<Vec<_>>().into_iter();
    put("build-arg", &mut pairs(&target.args));
    put("label", &mut pairs(&target.labels));
    put("annotation", &mut target.annotations.iter().cloned());
    put("attest", &mut target.attest.iter().map(project::bake::Attest::to_flag));
    let others = target.contexts.iter().filter(|(_, place)| !place.starts_with(TARGET));
    put("build-context", &mut others.map(|(name, place)| format!("{name}={}", local(place))));
    put("tag", &mut target.tags.iter().flatten().cloned());
    put("cache-from", &mut target.cache_from.iter().map(project::bake::Entry::to_flag));
    put("cache-to", &mut target.cache_to.iter().flatten().map(project::bake::Entry::to_flag));
    put("target", &mut target.target.iter().cloned());
    put("secret", &mut target.secret.iter().map(project::bake::Secret::to_flag));
    put("ssh", &mut target.ssh.iter().map(project::bake::Ssh::to_flag));
    put("output", &mut target.output.iter().flatten().map(|entry| output(entry, args.push)));
    put("pull", &mut (target.pull == Some(true)).then(|| "always".to_owned()).into_iter());
    put("no-cache", &mut target.no_cache.iter().map(ToString::to_string));
    put("network", &mut target.network.iter().cloned());
    put("no-cache-filter", &mut target.no_cache_filter.iter().cloned());
    put("shm-size", &mut target.shm_size.iter().cloned());
    put("ulimit", &mut target.ulimits.iter().cloned());
    put("add-host", &mut hosts(&target.extra_hosts));
    put("allow", &mut entitlements.iter().filter(|asked| GRANTED.contains(&asked.as_str())).cloned());
    put("call", &mut call(target, args).into_iter());
    put("run", &mut args.run.iter().map(|mode| mode.name().to_owned()));
    put("isolation", &mut args.isolation.iter().cloned());
    put("file", &mut dockerfile(target).into_iter());
    words.extend(["--".to_owned(), main_context(target).to_owned()]);
    words
}

/// What `--push` makes of targets is printed as an image that is pushed, and meant as `build --push`: it is not kept here.
fn output(entry: &project::bake::Entry, push: bool) -> String {
    let flag = entry.to_flag();
    match push && entry.get("push") == Some("true") {
        true => flag.replacen("type=image", "type=registry", 1),
        false => flag,
    }
}

fn pair((key, value): (&String, &String)) -> String {
    format!("{key}={value}")
}

/// One name may have several addresses, with commas between.
fn hosts(hosts: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    hosts.iter().flat_map(|(name, addresses)| addresses.split(',').map(move |address| format!("{name}={address}")))
}

/// The command line's method comes before the target's.
fn call(target: &Target, args: &BakeArgs) -> Option<String> {
    let file = &args.file_args;
    file.check.then(|| "check".to_owned()).or_else(|| file.call.clone()).or_else(|| target.call.clone())
}

fn main_context(target: &Target) -> &str {
    target.context.as_deref().map_or(".", local)
}

fn local(place: &str) -> &str {
    match place.strip_prefix(WORKING_DIRECTORY) {
        Some("") => ".",
        Some(path) => path,
        None => place,
    }
}

/// The Dockerfile's path: where the context is a directory, from there.
fn dockerfile(target: &Target) -> Option<String> {
    let file = target.dockerfile.as_ref().filter(|_| target.dockerfile_inline.is_none())?;
    if let Some(path) = file.strip_prefix(WORKING_DIRECTORY) {
        return Some(path.to_owned());
    }
    match context::is_remote(main_context(target)) {
        true => Some(file.clone()),
        false => Some(Path::new(main_context(target)).join(file).display().to_string()),
    }
}

/// Of two images with one name, one would be lost.
fn refuse_shared_tags(builds: &BTreeMap<String, Build>) -> Result<(), RequestError> {
    let mut owners = BTreeMap::new();
    for (target, build) in builds.iter().filter(|(_, build)| build.call.method == Method::Build && is_named(build)) {
        for tag in &build.request.tags {
            if let Some(other) = owners.insert(tag.clone().or_latest(), target) {
                let message = format!("the targets {other} and {target} are both called {}", tag.familiar());
                return Err(RequestError::conflict(message, "one would replace the other: give each its own tag"));
            }
        }
    }
    Ok(())
}

/// Whether its tags name it anywhere but in a file.
fn is_named(build: &Build) -> bool {
    let outputs = &build.request.outputs;
    outputs.is_empty() || outputs.iter().any(|output| matches!(output, Output::Image(_) | Output::Load(_)))
}
