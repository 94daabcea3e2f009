//! What the command line means: from what was typed to what the engine is asked.
//!
//! Pure, but for [`Surroundings`], through which the environment, the clock and standard input
//! come in. What the engine cannot do yet is refused here, with a reason and a hint.

mod agent;
mod annotation;
mod attest;
pub(crate) mod bake;
pub(crate) mod builder;
mod cache;
mod call;
mod context;
mod csv;
mod display;
mod error;
mod output;
pub(crate) mod pkg;
pub(crate) mod plan;
mod prune;
mod refused;
mod sandbox;
mod secret;
mod suggest;
mod surroundings;
mod tags;

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::{BuildRequest, PullPolicy, RunPolicy, TimestampPolicy};
use oci::Platform;

use crate::args::{BuildArgs, PullWhen, RunMode, TimestampMode};

pub(crate) use call::{Call, Method};
pub(crate) use display::{Display, display};
pub(crate) use error::RequestError;
pub(crate) use output::parse as output;
pub(crate) use prune::prune;
pub(crate) use surroundings::{Process, Surroundings};
pub(crate) use tags::{one as tag, reference};

/// A `shipsmith build`, understood.
#[derive(Debug)]
pub(crate) struct Build {
    /// What the engine is asked.
    pub(crate) request: BuildRequest,
    /// What is wanted of it: an image, or words about the Dockerfile.
    pub(crate) call: Call,
    /// How progress is shown.
    pub(crate) display: Display,
    /// Where the image's id goes.
    pub(crate) iidfile: Option<PathBuf>,
    /// Where the metadata goes.
    pub(crate) metadata_file: Option<PathBuf>,
    /// Whether the user wants to know where the time went, and where a trace goes.
    pub(crate) timings: Option<Timings>,
}

/// `--timings[=FILE]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timings {
    /// A trace file, beside the table on standard error.
    pub(crate) trace: Option<PathBuf>,
}

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Understands a `shipsmith build`.
pub(crate) fn build(args: &BuildArgs, around: &dyn Surroundings) -> Result<Build, RequestError> {
    refused::check(args)?;
    let display = display(args.progress, args.quiet, around)?;
    let timings = args.timings.as_ref().map(|file| Timings { trace: (!file.is_empty()).then(|| file.into()) });
    let call = call::call(args)?;
    let request = request(args, around)?;
    if call.method == Method::Build {
        refused::conflicts(args, &request, around)?;
    }
    let (iidfile, metadata_file) = (args.iidfile.clone(), args.metadata_file.clone());
    Ok(Build { request, call, display, iidfile, metadata_file, timings })
}

fn request(args: &BuildArgs, around: &dyn Surroundings) -> Result<BuildRequest, RequestError> {
    let build_args = build_args(&args.build_args, around)?;
    let sources = context::sources(args, around)?;
    Ok(BuildRequest {
        dockerfile: sources.dockerfile,
        context: sources.context,
        named_contexts: context::named(&args.build_contexts)?,
        target: args.target.clone().filter(|target| !target.is_empty()),
        timestamp: timestamp(args, &build_args, around)?,
        build_args,
        platforms: platforms("--platform", &args.platform)?,
        labels: pairs("--label", &args.labels)?,
        annotations: annotations(&args.annotations)?,
        tags: tags::parse(&args.tags)?,
        outputs: output::all(args)?,
        pull: pull(args),
        no_cache: no_cache(args),
        cache_from: cache::sources(&args.cache_from)?,
        cache_to: cache::targets(&args.cache_to)?,
        run: match args.run {
            RunMode::Execute => RunPolicy::Execute,
            RunMode::Skip => RunPolicy::Skip,
            RunMode::Refuse => RunPolicy::Refuse,
        },
        normalize_modes: args.normalize_modes,
        sandbox: sandbox::options(args, around)?,
        builders: builder::builders(args.builder.as_deref(), &args.builders, around)?,
        attestations: attest::attestations(args)?,
    })
}

/// The stages that take nothing from the cache; an empty list is all of them.
fn no_cache(args: &BuildArgs) -> Option<Vec<String>> {
    match &args.no_cache_filter[..] {
        _ if args.no_cache => Some(Vec::new()),
        [] => None,
        stages => Some(stages.to_vec()),
    }
}

fn pull(args: &BuildArgs) -> PullPolicy {
    match args.pull {
        _ if args.offline => PullPolicy::Offline,
        Some(PullWhen::Always) => PullPolicy::Always,
        Some(PullWhen::Missing) => PullPolicy::Missing,
        Some(PullWhen::Never) | None => PullPolicy::Resolve,
    }
}

/// `KEY=VALUE`, or `KEY` for an empty value.
fn pairs(flag: &'static str, texts: &[String]) -> Result<BTreeMap<String, String>, RequestError> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        match key {
            "" => Err(RequestError::invalid(flag, text, "the name is empty")),
            key => Ok((key.to_owned(), value.to_owned())),
        }
    };
    texts.iter().map(pair).collect()
}

/// As [`pairs`], but a name alone takes the environment's value, and is left out where there is
/// none. The environment's SOURCE_DATE_EPOCH is always taken, as buildx takes it.
fn build_args(texts: &[String], around: &dyn Surroundings) -> Result<BTreeMap<String, String>, RequestError> {
    let mut found = pairs("--build-arg", texts)?;
    for name in texts.iter().filter(|text| !text.contains('=')) {
        match around.variable(name) {
            Some(value) => found.insert(name.clone(), value),
            None => found.remove(name),
        };
    }
    if let Some(value) = around.variable(EPOCH).filter(|value| !value.is_empty()) {
        found.entry(EPOCH.to_owned()).or_insert(value);
    }
    Ok(found)
}

/// A typed build argument, then `--timestamp`, then the environment.
fn timestamp(
    args: &BuildArgs,
    build_args: &BTreeMap<String, String>,
    around: &dyn Surroundings,
) -> Result<TimestampPolicy, RequestError> {
    let typed = args.build_args.iter().any(|text| text.split('=').next() == Some(EPOCH));
    match (args.timestamp, build_args.get(EPOCH)) {
        (Some(TimestampMode::Fixed), _) if !typed => Ok(TimestampPolicy::Default),
        (Some(TimestampMode::Now), _) if !typed => Ok(TimestampPolicy::Now(around.now())),
        (Some(TimestampMode::Source), _) if !typed => Ok(TimestampPolicy::Source),
        (Some(_), Some(_)) => Err(RequestError::conflict(
            "--timestamp and --build-arg SOURCE_DATE_EPOCH both say what the time is",
            "leave one of them out",
        )),
        (_, Some(epoch)) if !epoch.is_empty() => parse_epoch(epoch),
        _ => Ok(TimestampPolicy::Default),
    }
}

fn parse_epoch(text: &str) -> Result<TimestampPolicy, RequestError> {
    let seconds = text.parse().ok().filter(|seconds: &i64| *seconds >= 0);
    seconds.map(TimestampPolicy::Epoch).ok_or_else(|| {
        RequestError::invalid(EPOCH, text, "it is no number of seconds")
            .or_hint("seconds since 1970, such as the output of `git log -1 --format=%ct`")
    })
}

/// Comma-separated platforms, each once; `local` is this machine's.
pub(crate) fn platforms(flag: &'static str, texts: &[String]) -> Result<Vec<Platform>, RequestError> {
    let mut platforms: Vec<Platform> = Vec::new();
    for text in texts.iter().flat_map(|list| list.split(',')).map(str::trim) {
        let platform = match text {
            "" => continue,
            "local" => Platform::host(),
            text => text.parse().map_err(|error: oci::PlatformError| {
                RequestError::invalid(flag, text, error.to_string()).or_hint("such as linux/amd64 or linux/arm/v7")
            })?,
        };
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

fn annotations(texts: &[String]) -> Result<Vec<engine::Annotation>, RequestError> {
    let texts = texts.iter().filter(|text| !text.is_empty());
    let parsed = texts.map(|text| annotation::parse(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(parsed.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
