//! `shipsmith bake` of bake and compose files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use engine::{Engine, EventSink, JobOutcome, JobReport, Silent};
use oci::Platform;
use project::Input;
use project::bake::{self, Bake, Options};
use serde_json::{Map, Value, json};

use super::run::{carry_out, close};
use crate::args::{BakeArgs, GlobalArgs};
use crate::commands::call::{Said, answer};
use crate::commands::output::{print, print_json, print_line};
use crate::commands::runtime::block_on;
use crate::commands::{client, metadata, open_store};
use crate::failure::{Exit, Failure};
use crate::request::bake::{ListKind, batch, builds, list, sets};
use crate::request::{Build, Display, Method, Process};

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Reads what is to be built; builds it, or says what was asked about it.
pub(super) fn run(args: &BakeArgs, inputs: Vec<Input>, display: Display, global: &GlobalArgs) -> Result<Exit, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let options = Options {
        inputs,
        targets: args.names.clone(),
        sets: sets(args),
        vars: args.file_args.vars.clone(),
        environment: &environment,
        read: &read,
        local_platform: Platform::host().to_string(),
        command_context: None,
        now: SystemTime::now(),
    };
    if let Some(what) = &args.file_args.list {
        return print(listed(what, &options)?).map(|()| Exit::Done);
    }
    let mut bake = bake::resolve(&options)?;
    with_epoch(&mut bake);
    if args.print {
        return print_line(&bake.to_json()).map(|()| Exit::Done);
    }
    let builds = builds(&bake, args, &Process)?;
    match builds.values().any(|build| build.call.method != Method::Build) {
        true => call(&bake, builds, global),
        false => build(&builds, args, display, global),
    }
}

/// `--list WHAT`, or `--list type=WHAT,format=json`.
fn listed(what: &str, options: &Options<'_>) -> Result<String, Failure> {
    let list = list(what)?;
    Ok(match list.kind {
        ListKind::Targets => bake::list_targets(options, list.format)?,
        ListKind::Variables => bake::list_variables(options, list.format)?,
    })
}

/// As buildx has it: the environment's time is every target's that has none.
fn with_epoch(bake: &mut Bake) {
    let Some(epoch) = std::env::var(EPOCH).ok().filter(|epoch| !epoch.is_empty()) else { return };
    for target in bake.targets.values_mut() {
        target.args.entry(EPOCH.to_owned()).or_insert_with(|| epoch.clone());
    }
}

fn build(
    builds: &BTreeMap<String, Build>,
    args: &BakeArgs,
    display: Display,
    global: &GlobalArgs,
) -> Result<Exit, Failure> {
    let (store, batch) = (open_store(global)?, batch(builds, args.keep_going));
    let reports = block_on(async { carry_out(&Engine::new(store, client()?), &batch, display).await })?;
    if let Some(path) = &args.file_args.metadata_file {
        write_metadata(path, &reports)?;
    }
    close(reports, display, global.debug)
}

/// What was built, by target, as buildx writes it.
fn write_metadata(path: &Path, reports: &[JobReport]) -> Result<(), Failure> {
    let done = reports.iter().filter_map(|report| match &report.outcome {
        JobOutcome::Done(built) => Some((report.name.clone(), metadata::value(built))),
        _ => None,
    });
    let all = Value::Object(done.collect());
    std::fs::write(path, format!("{all:#}\n")).map_err(|error| Failure::file("write", path, &error))
}

/// Words about every target's Dockerfile, in the shapes of buildx.
fn call(bake: &Bake, builds: BTreeMap<String, Build>, global: &GlobalArgs) -> Result<Exit, Failure> {
    let store = open_store(global)?;
    let answers = block_on(async {
        let engine = Engine::new(store, client()?);
        let mut answers = Vec::new();
        for (name, build) in builds.into_iter().filter(|(_, build)| build.call.method != Method::Build) {
            let silent: Arc<dyn EventSink> = Arc::new(Silent);
            let answer = answer(&build, &engine, silent).await.map_err(|failure| failure.of(&name))?;
            answers.push((name, build, answer));
        }
        Ok(answers)
    })?;
    let exit = if answers.iter().all(|(.., answer)| answer.exit == Exit::Done) { Exit::Done } else { Exit::Build };
    let (mut texts, mut values) = (Vec::new(), Map::new());
    for (name, build, answer) in answers {
        match answer.said {
            Said::Text(text) => texts.push(titled(bake, &name, &text)),
            Said::Json(value) => drop(values.insert(name, json!({ build.call.method.name(): value }))),
        }
    }
    if !texts.is_empty() {
        print(texts.join("\n"))?;
    }
    if !values.is_empty() {
        print_json(&described(bake, values))?;
    }
    Ok(exit)
}

fn titled(bake: &Bake, name: &str, text: &str) -> String {
    let description = bake.targets.get(name).map_or("", |target| target.description.as_str());
    let description = if description.is_empty() { String::new() } else { format!("{description}\n") };
    format!("{name}\n{description}\n{text}")
}

/// The definition of `--print`, and what was said of each target beside it.
fn described(bake: &Bake, said: Map<String, Value>) -> Value {
    let mut definition = json!(bake);
    for (name, said) in said {
        let target = definition["target"][&name].take();
        let mut all = said;
        all["build"] = target;
        definition["target"][&name] = all;
    }
    definition
}
