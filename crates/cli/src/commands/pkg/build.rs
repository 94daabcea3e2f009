//! `pkg build` and `pkg push`.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{Engine, EventSink, Goal, How, PackagePush, PackageReport};
use oci::{Platform, Reference};
use project::pkg::Package;

use super::super::output::print_line;
use super::super::runtime::block_on;
use super::load::{Loaded, Loader};
use super::tags::eprint_line;
use super::{client, store};
use crate::args::{GlobalArgs, PackageArgs, PkgBuildArgs};
use crate::failure::{Exit, Failure};
use crate::render::progress;
use crate::request::pkg::{Facts, check_pkg, goal, package_options, package_platforms};
use crate::request::{self, Display, Process};

/// A package, what is to be done for it, and its other names.
struct Task {
    package: Package,
    goal: Goal,
    release: Option<Reference>,
}

/// Builds what is nowhere yet, pushes and loads what is asked for.
pub(super) fn run(args: &PkgBuildArgs, package: &PackageArgs, global: &GlobalArgs) -> Result<(), Failure> {
    check_pkg(args, package, &Process)?;
    let display = request::display(args.progress, false, &Process)?;
    let engine = Engine::new(store(global)?, client(package)?);
    let tasks = tasks(args, package, &engine)?;
    if args.dry_run {
        return tasks.iter().try_for_each(say);
    }
    let goals: Vec<Goal> = tasks.iter().map(|task| task.goal.clone()).collect();
    let sink: Arc<dyn EventSink> = Arc::from(progress(display));
    block_on(async {
        if args.precache_images {
            precache(&engine, args, &tasks).await?;
        }
        let reports = engine.ensure_packages(&goals, sink).await;
        let mut failure = None;
        for (task, report) in tasks.iter().zip(reports) {
            let ended = match report {
                Ok(report) => finish(&engine, args, task, &report, display).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = ended {
                keep_first(&mut failure, task, error);
            }
        }
        failure.map_or(Ok(()), Err)
    })
}

/// All failures are told; the first one ends the program.
fn keep_first(first: &mut Option<Failure>, task: &Task, failure: Failure) {
    match first {
        None => *first = Some(failure),
        Some(_) => eprint_line(&format!("{}: {}", task.goal.name.familiar(), failure.message())),
    }
}

fn tasks(args: &PkgBuildArgs, package: &PackageArgs, engine: &Engine) -> Result<Vec<Task>, Failure> {
    let mut loader = Loader::new(package_options(package, &Process)?, package.hash_scheme, Some(engine));
    loader.dockerfile.clone_from(&args.dockerfile);
    loader.arg_files.clone_from(&args.build_arg_files);
    let all = loader.all(&args.paths)?;
    all.into_iter().map(|(loaded, needs)| task(loaded, needs, args)).collect()
}

fn task(loaded: Loaded, needs: BTreeSet<usize>, args: &PkgBuildArgs) -> Result<Task, Failure> {
    let Loaded { package, dockerfile, args: values, .. } = loaded;
    if args.push && package.dirty {
        let hint = Some("commit the changes, or leave --push out".to_owned());
        let message = format!("{} has changes that are not committed, so it is not pushed", package.tag()?);
        return Err(Failure::new(Exit::Build, message).with_hint(hint));
    }
    let platforms = package_platforms(args, package.platforms()?)?;
    if platforms.is_empty() {
        eprint_line(&format!("{} has no platforms to build for", package.tag()?));
    }
    let release = release(args, &package)?;
    let facts = facts(&package, dockerfile, values, needs)?;
    let goal = goal(&package, platforms, facts, args, &Process)?;
    Ok(Task { package, goal, release })
}

/// The tag that was asked for, or the one that git has for the commit.
fn release(args: &PkgBuildArgs, package: &Package) -> Result<Option<Reference>, Failure> {
    if !args.push {
        return Ok(None);
    }
    if let Some(release) = &args.release {
        return Ok(Some(package.release(release)?));
    }
    let tags = package.repository()?.map_or_else(|| Ok(Vec::new()), |repository| repository.tags())?;
    match &tags[..] {
        [] => Ok(None),
        [tag] => Ok(Some(package.release(tag)?)),
        several => {
            let message = format!("the commit has several tags, and one can be the release: {}", several.join(", "));
            let hint = Some(format!("choose one: --release {}", several[0]));
            Err(Failure::new(Exit::Usage, message).with_hint(hint))
        }
    }
}

fn facts(
    package: &Package,
    dockerfile: String,
    args: Vec<(String, String)>,
    needs: BTreeSet<usize>,
) -> Result<Facts, Failure> {
    let Some(repository) = package.repository()? else {
        return Ok(Facts { args, revision: None, go_version: None, dockerfile, needs });
    };
    let go_version = repository.go_version()?;
    let said = args.iter().any(|(name, _)| name == "GOPKGVERSION");
    if go_version.is_none() && !said {
        let path = package.directory.join(&dockerfile);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains("GOPKGVERSION") {
            return Err(project::pkg::Error::Shallow(package.directory.clone()).into());
        }
    }
    let revision = if package.dirty { None } else { Some(repository.head()?) };
    Ok(Facts { args, revision, go_version, dockerfile, needs })
}

/// `--dry-run`.
fn say(task: &Task) -> Result<(), Failure> {
    let request = &task.goal.request;
    print_line(&task.goal.name.to_string())?;
    for platform in &task.goal.platforms {
        print_line(&format!("  platform {platform}: {:?}", task.goal.policy))?;
    }
    print_line(&format!("  dockerfile {:?}", request.dockerfile))?;
    print_line(&format!("  network {:?}", request.sandbox.network))?;
    for source in &task.package.sources {
        print_line(&format!("  context /{} from {}", source.target, source.host.display()))?;
    }
    for (name, value) in &request.build_args {
        print_line(&format!("  build argument {name}={value}"))?;
    }
    request.labels.iter().try_for_each(|(name, value)| print_line(&format!("  label {name}={value}")))
}

/// Brings the images that Dockerfiles name into the store, under their names.
async fn precache(engine: &Engine, args: &PkgBuildArgs, tasks: &[Task]) -> Result<(), Failure> {
    let own: Vec<&Reference> = tasks.iter().map(|task| &task.goal.name).collect();
    for task in tasks {
        let path = task.package.directory.join(task.package.dockerfile(args.dockerfile.as_deref())?);
        let text = std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let values: Vec<(String, String)> = task.goal.request.build_args.clone().into_iter().collect();
        for base in project::pkg::bases(&path.display().to_string(), &text, &values)? {
            if !own.contains(&&base) {
                engine.precache(&base, &task.goal.platforms).await?;
            }
        }
    }
    Ok(())
}

/// What comes after a goal: the push, the release, the container engine, the line for people.
async fn finish(
    engine: &Engine,
    args: &PkgBuildArgs,
    task: &Task,
    report: &PackageReport,
    display: Display,
) -> Result<(), Failure> {
    let name = &task.goal.name;
    let mut digest = None;
    if args.push {
        digest = push(engine, args, task, report).await?;
    }
    if args.docker {
        let platforms: Vec<Platform> = report.platforms.iter().map(|(platform, _)| platform.clone()).collect();
        let names: Vec<Reference> = std::iter::once(name.clone()).chain(task.release.clone()).collect();
        for loaded in engine.load_package(name, &platforms, &names).await? {
            eprint_line(&format!("loaded {}", loaded.familiar()));
        }
    }
    if matches!(display, Display::Plain | Display::Tty) {
        for (platform, how) in &report.platforms {
            eprint_line(&format!("{} for {platform}: {}", name.familiar(), how.describe()));
        }
    }
    match digest {
        Some(digest) => print_line(&format!("{name}@{digest}")),
        None => print_line(&name.to_string()),
    }
}

/// Pushes what the store has; what only the registry has needs no push, but may need a release.
async fn push(
    engine: &Engine,
    args: &PkgBuildArgs,
    task: &Task,
    report: &PackageReport,
) -> Result<Option<oci::Digest>, Failure> {
    let name = &task.goal.name;
    let local = report.platforms.iter().any(|(_, how)| !matches!(how, How::Remote | How::Absent));
    if !local && report.platforms.iter().any(|(_, how)| *how == How::Absent) {
        let hint = Some("leave --nobuild out, or build it before".to_owned());
        let message = format!("there is no {} in the local store to push", name.familiar());
        return Err(Failure::new(Exit::Build, message).with_hint(hint));
    }
    let push_as = |remote: &Reference| PackagePush {
        local: name.clone(),
        remote: remote.clone(),
        replace: args.force || args.r#override,
        index: args.manifest,
        arch_tags: args.with_arch_tags || !args.manifest,
    };
    let mut digest = None;
    if local {
        let pushed = engine.push_package(&push_as(name)).await?;
        if !pushed.changed {
            eprint_line(&format!("{} is in its registry already", name.familiar()));
        }
        digest = pushed.digest;
    }
    if let Some(release) = &task.release {
        let remote = report.platforms.iter().filter(|(_, how)| *how == How::Remote);
        let missing: Vec<Platform> = remote.map(|(platform, _)| platform.clone()).collect();
        if !missing.is_empty() {
            engine.pull_package(name, &missing).await?;
        }
        engine.push_package(&push_as(release)).await?;
        eprint_line(&format!("released {}", release.familiar()));
    }
    Ok(digest)
}
