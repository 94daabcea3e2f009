//! What a plan comes to: jobs for the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::{
    ArchiveOptions, Batch, BuildRequest, Builders, Command, ContextSource, Destination, DockerfileSource, ImageForm,
    ImageOptions, Job, Output, PullPolicy, RunPolicy, SandboxOptions, TimestampPolicy,
};
use oci::Reference;
use project::plan::{Archive, Ask, Make, Planned, PlannedImage};

use super::{RequestError, Surroundings, parse_epoch, tags};
use crate::args::{PlanArgs, RunMode};

/// Flags that bake files and plans share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    /// The targets named without a flag.
    pub(crate) names: Vec<String>,
    /// `--push`.
    pub(crate) push: bool,
    /// `--no-cache`.
    pub(crate) no_cache: bool,
    /// `--keep-going`.
    pub(crate) keep_going: bool,
    /// `--builder`.
    pub(crate) builder: Option<String>,
    /// `--run`.
    pub(crate) run: Option<RunMode>,
    /// `--isolation`.
    pub(crate) isolation: Option<String>,
}

/// What the project room is asked.
pub(crate) fn ask(args: &PlanArgs, shared: &Shared) -> Result<Ask, RequestError> {
    refuse_builder(shared.builder.as_deref())?;
    if args.no_clobber && !shared.push {
        let hint = "add --push, or leave --no-clobber out";
        return Err(RequestError::conflict("--no-clobber protects what is pushed, and nothing is", hint));
    }
    Ok(Ask {
        hubs: args.hubs.clone(),
        tags: args.tags.clone(),
        targets: args.targets.iter().chain(&shared.names).cloned().collect(),
        variants: args.variants.clone(),
        architectures: args.architectures.clone(),
        push: shared.push,
        save: args.save,
        qemu: args.qemu,
        values: values(args)?,
    })
}

fn refuse_builder(builder: Option<&str>) -> Result<(), RequestError> {
    let Some(name) = builder else { return Ok(()) };
    let hint = match name {
        "crane" | "docker" => "leave it out: there is one way to build here, with what both of Istio's can do",
        _ => "leave it out: a plan is built by this process",
    };
    Err(RequestError::unsupported(format!("--builder {name}"), "plans know no builders", hint))
}

fn values(args: &PlanArgs) -> Result<BTreeMap<String, String>, RequestError> {
    let mut values = super::pairs("--value", &args.values)?;
    let flags = [
        ("base-version", &args.base_version),
        ("image-base-registry", &args.image_base_registry),
        ("proxy-version", &args.proxy_version),
        ("ztunnel-version", &args.ztunnel_version),
        ("istio-version", &args.istio_version),
    ];
    values.extend(flags.into_iter().filter_map(|(flag, value)| Some((flag.to_owned(), value.clone()?))));
    Ok(values)
}

/// The habits and flags that all images of a plan share.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    push: bool,
    no_cache: bool,
    keep_going: bool,
    run: RunPolicy,
    normalize_modes: bool,
    timestamp: TimestampPolicy,
    sandbox: SandboxOptions,
}

impl Manner {
    pub(crate) fn of(
        shared: &Shared,
        (skips_run, normalize_modes): (bool, bool),
        around: &dyn Surroundings,
    ) -> Result<Self, RequestError> {
        let run = match shared.run {
            None if skips_run => RunPolicy::Skip,
            None | Some(RunMode::Execute) => RunPolicy::Execute,
            Some(RunMode::Skip) => RunPolicy::Skip,
            Some(RunMode::Refuse) => RunPolicy::Refuse,
        };
        let epoch = around.variable(super::EPOCH).filter(|text| !text.is_empty());
        let timestamp = epoch.map_or(Ok(TimestampPolicy::Default), |text| parse_epoch(&text))?;
        let Shared { push, no_cache, keep_going, .. } = *shared;
        let isolation = shared.isolation.as_deref().map(super::sandbox::level).transpose()?;
        let sandbox = SandboxOptions { isolation, ..SandboxOptions::default() };
        Ok(Self { push, no_cache, keep_going, run, normalize_modes, timestamp, sandbox })
    }
}

/// An archive that a job writes as a plain tar, to be compressed afterwards.
#[derive(Debug)]
pub(crate) struct Saved {
    /// The job's name.
    pub(crate) job: String,
    /// What it writes.
    pub(crate) tar: PathBuf,
    /// Where that goes.
    pub(crate) archive: Archive,
}

/// The jobs, and the archives among what they write; `aside` is a directory for those.
pub(crate) fn batch(
    planned: &Planned,
    manner: &Manner,
    aside: &std::path::Path,
) -> Result<(Batch, Vec<Saved>), RequestError> {
    let (mut jobs, mut saved) = (Vec::new(), Vec::new());
    for image in &planned.images {
        if manner.push || image.archives.is_empty() {
            jobs.push(whole(image, manner)?);
        }
        for archive in &image.archives {
            let name = format!("{} archive {}", image.title(), archive.platform);
            let tar = aside.join(format!("{}.tar", saved.len()));
            jobs.push(archived(image, archive, name.clone(), tar.clone(), manner)?);
            saved.push(Saved { job: name, tar, archive: archive.clone() });
        }
    }
    let commands = planned.makes.iter().map(command).collect();
    Ok((Batch { commands, jobs, keep_going: manner.keep_going }, saved))
}

fn command(make: &Make) -> Command {
    Command {
        name: format!("{} for {}", make.argv.first().map_or("", String::as_str), make.platform),
        argv: make.argv.clone(),
        environment: make.environment.clone(),
        directory: make.directory.clone(),
    }
}

/// The image of all platforms, under all names.
fn whole(image: &PlannedImage, manner: &Manner) -> Result<Job, RequestError> {
    let pushed = Output::Image(ImageOptions { push: true, ..ImageOptions::default() });
    let outputs = manner.push.then_some(pushed).into_iter().collect();
    let request = BuildRequest { outputs, tags: names(&image.tags)?, ..request(image, manner) };
    Ok(Job { name: image.title(), request, commands: image.makes.clone() })
}

fn archived(
    image: &PlannedImage,
    archive: &Archive,
    name: String,
    tar: PathBuf,
    manner: &Manner,
) -> Result<Job, RequestError> {
    let options = ArchiveOptions {
        destination: Destination::File(tar),
        tar: true,
        names: Vec::new(),
        form: ImageForm::default(),
    };
    let request = BuildRequest {
        outputs: vec![Output::Docker(options)],
        tags: names(&archive.tags)?,
        platforms: vec![archive.platform.clone()],
        ..request(image, manner)
    };
    Ok(Job { name, request, commands: image.makes.clone() })
}

pub(crate) fn names(texts: &[String]) -> Result<Vec<Reference>, RequestError> {
    texts.iter().map(|text| tags::one("--hub and --tag", text)).collect()
}

fn request(image: &PlannedImage, manner: &Manner) -> BuildRequest {
    BuildRequest {
        dockerfile: DockerfileSource::Path(image.dockerfile.clone()),
        context: ContextSource::Platforms(image.contexts.clone()),
        named_contexts: BTreeMap::new(),
        target: None,
        build_args: image.arguments.clone(),
        platforms: image.platforms.clone(),
        labels: BTreeMap::new(),
        annotations: Vec::new(),
        tags: Vec::new(),
        outputs: Vec::new(),
        pull: PullPolicy::Resolve,
        no_cache: manner.no_cache.then(Vec::new),
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        run: manner.run,
        timestamp: manner.timestamp,
        normalize_modes: manner.normalize_modes,
        sandbox: manner.sandbox.clone(),
        builders: Builders::default(),
        attestations: BTreeMap::new(),
    }
}
