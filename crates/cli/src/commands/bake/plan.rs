//! `shipsmith bake -f PLAN`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use dockerfile::Source;
use engine::{Engine, JobOutcome, JobReport};
use futures_util::future::try_join_all;
use layer::Compression;
use oci::Platform;
use project::plan::{self, Around, File, Planned, PlannedImage, Profile};
use serde_json::{Value, json};

use super::run::{carry_out, close};
use crate::args::{GlobalArgs, PlanArgs};
use crate::commands::output::print_line;
use crate::commands::runtime::block_on;
use crate::commands::{client, open_store};
use crate::failure::{Exit, Failure};
use crate::request::plan::{Manner, Saved, Shared, ask, batch, names};
use crate::request::{Display, Process};

/// What was asked of a plan.
pub(super) struct Plan<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) args: &'a PlanArgs,
    pub(super) shared: Shared,
    pub(super) print: bool,
    pub(super) display: Display,
}

/// Plans, and builds or says what would be built.
pub(super) fn run(asked: &Plan<'_>, global: &GlobalArgs) -> Result<Exit, Failure> {
    let ask = ask(asked.args, &asked.shared)?;
    let root = std::env::current_dir().map_err(|error| Failure::file("find", Path::new("."), &error))?;
    let file = File::parse(asked.name, asked.text)?;
    let profile = profile(asked, &file)?;
    let environment: BTreeMap<String, String> = variables();
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let around = Around { environment: &environment, root: root.clone(), host: Platform::host(), read: &read };
    let planned = plan::plan(&file, &profile, &ask, &around)?;
    if asked.print {
        return print_line(&format!("{:#}", printed(&planned))).map(|()| Exit::Done);
    }
    if asked.args.dry_run {
        return print_line(words(&planned, asked.shared.push)?.trim_end()).map(|()| Exit::Done);
    }
    for skipped in &planned.skipped {
        say(&format!("skipped {}: {}", skipped.what, skipped.because));
    }
    let habits = (profile.skips_run(), profile.normalizes_modes());
    let manner = Manner::of(&asked.shared, habits, &Process)?;
    build(asked, &planned, manner, global)
}

fn read(path: &Path) -> Result<String, Failure> {
    let read = fs::read_to_string(path);
    read.map_err(|error| Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display())))
}

/// The one that is named on the command line, else in the plan, beside which it lies, else Istio's.
fn profile(asked: &Plan<'_>, file: &File) -> Result<Profile, Failure> {
    let beside = |name: &String| Path::new(asked.name).parent().unwrap_or(Path::new("")).join(name);
    match asked.args.profile.clone().or_else(|| file.profile.as_ref().map(beside)) {
        Some(path) => Ok(Profile::parse(&path.display().to_string(), &read(&path)?)?),
        None => Ok(Profile::istio()?),
    }
}

/// The environment, as far as it is text.
fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn say(line: &str) {
    let _gone = io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn build(asked: &Plan<'_>, planned: &Planned, manner: Manner, global: &GlobalArgs) -> Result<Exit, Failure> {
    let aside = aside(planned)?;
    let directory = aside.as_ref().map_or(Path::new(""), tempfile::TempDir::path);
    let (batch, saved) = batch(planned, &manner, directory)?;
    let store = open_store(global)?;
    let reports = block_on(async {
        let client = client()?;
        if asked.args.no_clobber {
            refuse_taken(&client, planned).await?;
        }
        carry_out(&Engine::new(store, client), &batch, asked.display).await
    })?;
    for saved in saved.iter().filter(|saved| is_done(&reports, &saved.job)) {
        compress(saved)?;
    }
    close(reports, asked.display, global.debug)
}

/// A directory for archives that are not compressed yet, beside where they go.
fn aside(planned: &Planned) -> Result<Option<tempfile::TempDir>, Failure> {
    let archives = planned.images.iter().flat_map(|image| &image.archives);
    let Some(directory) = archives.filter_map(|archive| archive.path.parent()).next() else { return Ok(None) };
    let made = fs::create_dir_all(directory).and_then(|()| tempfile::TempDir::new_in(directory));
    made.map(Some).map_err(|error| Failure::file("write into", directory, &error))
}

/// Asks for every name but `:latest`, side by side, whether it is there.
async fn refuse_taken(client: &registry::Client, planned: &Planned) -> Result<(), Failure> {
    let tags = planned.images.iter().flat_map(|image| &image.tags).filter(|tag| !tag.ends_with(":latest"));
    let tags = names(&tags.cloned().collect::<Vec<_>>())?;
    let asked = tags.iter().map(|tag| async move { Ok::<_, Failure>((tag, client.head_manifest(tag).await?)) });
    match try_join_all(asked).await?.into_iter().find(|(_, found)| found.is_some()) {
        None => Ok(()),
        Some((tag, _)) => {
            let hint = "choose another tag, or leave --no-clobber out";
            Err(Failure::new(Exit::Registry, format!("{tag} is there already")).with_hint(Some(hint.into())))
        }
    }
}

fn is_done(reports: &[JobReport], name: &str) -> bool {
    reports.iter().any(|report| report.name == name && matches!(report.outcome, JobOutcome::Done(_)))
}

/// The tar as gzip in its place, whole or not at all, and the same bytes under its other names.
fn compress(saved: &Saved) -> Result<(), Failure> {
    let path = &saved.archive.path;
    let failed = |error: io::Error| Failure::file("write", path, &error);
    let tar = fs::File::open(&saved.tar).map_err(failed)?;
    let packed = saved.tar.with_extension("tar.gz");
    let sink = fs::File::create(&packed).map_err(failed)?;
    layer::recompress(tar, sink, Compression::default())
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot compress {}: {error}", path.display())))?;
    for alias in &saved.archive.aliases {
        let copy = saved.tar.with_extension("alias");
        fs::copy(&packed, &copy).and_then(|_| fs::rename(&copy, alias)).map_err(failed)?;
    }
    fs::rename(&packed, path).and_then(|()| fs::remove_file(&saved.tar)).map_err(failed)
}

/// The plan as JSON.
fn printed(planned: &Planned) -> Value {
    let image = |image: &PlannedImage| {
        let contexts = image.contexts.iter().map(|(platform, files)| (platform.to_string(), json!(files)));
        json!({
            "name": image.name,
            "variants": image.variants,
            "dockerfile": image.dockerfile,
            "args": image.arguments,
            "platforms": image.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "contexts": contexts.collect::<serde_json::Map<_, _>>(),
            "tags": image.tags,
            "archives": image.archives.iter().map(|archive| &archive.path).collect::<Vec<&PathBuf>>(),
            "commands": image.makes,
        })
    };
    let make = |make: &plan::Make| {
        json!({
            "platform": make.platform.to_string(),
            "command": make.argv,
            "environment": make.environment,
            "directory": make.directory,
        })
    };
    let skipped = planned.skipped.iter().map(|skipped| json!({"what": skipped.what, "because": skipped.because}));
    json!({
        "commands": planned.makes.iter().map(make).collect::<Vec<_>>(),
        "images": planned.images.iter().map(image).collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
    })
}

/// The plan for people.
fn words(planned: &Planned, push: bool) -> Result<String, Failure> {
    let mut text = String::new();
    for make in &planned.makes {
        let _ = writeln!(text, "run {}", make.argv.join(" "));
    }
    for image in &planned.images {
        let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "build {} ({}) for {}", image.title(), image.variants.join(", "), platforms.join(", "));
        let source = Source::from_bytes(image.dockerfile.display().to_string(), read(&image.dockerfile)?.as_bytes());
        let file = dockerfile::parse(source)?;
        let _ = writeln!(text, "  Dockerfile {}", image.dockerfile.display());
        let bases = image.bases(&file).map_err(|error| Failure::from(engine::Error::from(error)))?;
        bases.iter().for_each(|base| {
            let _ = writeln!(text, "  from {base}");
        });
        let verb = if push { "push" } else { "name" };
        image.tags.iter().for_each(|tag| {
            let _ = writeln!(text, "  {verb} {tag}");
        });
        let paths = image.archives.iter().flat_map(|archive| std::iter::once(&archive.path).chain(&archive.aliases));
        paths.for_each(|path| {
            let _ = writeln!(text, "  save {}", path.display());
        });
    }
    for skipped in &planned.skipped {
        let _ = writeln!(text, "skip {}: {}", skipped.what, skipped.because);
    }
    Ok(text)
}
