//! `shipsmith bake`.

mod file;
mod plan;
mod run;

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use project::{Input, bake};

use crate::args::{BakeArgs, BakeFileArgs, GlobalArgs};
use crate::failure::{Exit, Failure};
use crate::request::plan::Shared;
use crate::request::{Process, RequestError, Surroundings, display};

/// Files to read where none is named, as buildx has it.
const FILES: &str = "BUILDX_BAKE_FILE";
/// What stands between them there.
const SEPARATOR: &str = "BUILDX_BAKE_PATH_SEPARATOR";
/// A file that is longer is none.
const MAX_FILE: u64 = 64 << 20;

/// Builds what files list: a plan, or bake and compose files.
pub(super) fn run(args: &BakeArgs, global: &GlobalArgs) -> Result<Exit, Failure> {
    let display = display(args.progress, false, &Process)?;
    let inputs = inputs(args)?;
    match &inputs[..] {
        [only] if !bake::is_bake(only) => {
            refuse_bake_flags(&args.file_args)?;
            let (name, text) = (only.name.as_str(), only.text.as_str());
            plan::run(
                &plan::Plan { name, text, args: &args.plan, shared: shared(args), print: args.print, display },
                global,
            )
        }
        _ => {
            refuse_plan_flags(args)?;
            file::run(args, inputs, display, global)
        }
    }
}

fn shared(args: &BakeArgs) -> Shared {
    Shared {
        names: args.names.clone(),
        push: args.push,
        no_cache: args.no_cache == Some(true),
        keep_going: args.keep_going,
        builder: args.builder.clone(),
        run: args.run,
        isolation: args.isolation.clone(),
    }
}

/// The files that are named, else those of the environment, else those that are here.
fn inputs(args: &BakeArgs) -> Result<Vec<Input>, Failure> {
    let named = if args.files.is_empty() { from_environment() } else { args.files.clone() };
    if !named.is_empty() {
        return named.iter().map(|name| input(name)).collect();
    }
    let found = bake::DEFAULT_FILES.iter().filter(|name| Path::new(name).is_file());
    let found: Vec<Input> = found.map(|name| input(name)).collect::<Result<_, _>>()?;
    if found.is_empty() {
        let hint = format!("name a file with -f; looked for are {}", bake::DEFAULT_FILES.join(", "));
        return Err(Failure::new(Exit::Usage, "there is no bake or compose file here").with_hint(Some(hint)));
    }
    Ok(found)
}

fn from_environment() -> Vec<String> {
    let list = Process.variable(FILES).unwrap_or_default();
    let separator = Process.variable(SEPARATOR).filter(|text| !text.is_empty()).unwrap_or_else(|| ":".to_owned());
    list.split(&separator).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn input(name: &str) -> Result<Input, Failure> {
    let failed = |error: io::Error| {
        let missing = error.kind() == ErrorKind::NotFound;
        let failure = Failure::new(Exit::Usage, format!("cannot read {name}: {error}"));
        match bake::local(name) {
            Err(elsewhere) if missing => elsewhere.into(),
            _ => failure.with_hint(missing.then(|| "paths begin at the working directory".into())),
        }
    };
    let mut text = String::new();
    match name {
        "-" => io::stdin().lock().take(MAX_FILE).read_to_string(&mut text),
        path => fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)),
    }
    .map_err(failed)?;
    Ok(Input { name: name.to_owned(), text })
}

fn refuse_bake_flags(args: &BakeFileArgs) -> Result<(), RequestError> {
    let flags = [
        ("--set", !args.sets.is_empty()),
        ("--var", !args.vars.is_empty()),
        ("--list", args.list.is_some()),
        ("--load", args.load),
        ("--pull", args.pull.is_some()),
        ("--call", args.call.is_some()),
        ("--check", args.check),
        ("--metadata-file", args.metadata_file.is_some()),
        ("--allow", !args.allow.is_empty()),
        ("--provenance", args.provenance.is_some()),
        ("--sbom", args.sbom.is_some()),
    ];
    refuse(&flags, "it is for bake and compose files, and this is a plan", "docs/plans.md lists what plans take")
}

fn refuse_plan_flags(args: &BakeArgs) -> Result<(), RequestError> {
    let plan = &args.plan;
    let flags = [
        ("--hub", !plan.hubs.is_empty()),
        ("--tag", !plan.tags.is_empty()),
        ("--targets", !plan.targets.is_empty()),
        ("--variants", !plan.variants.is_empty()),
        ("--architectures", !plan.architectures.is_empty()),
        ("--save", plan.save),
        ("--no-clobber", plan.no_clobber),
        ("--qemu", plan.qemu),
        ("--dry-run", plan.dry_run),
        ("--profile", plan.profile.is_some()),
        ("--value", !plan.values.is_empty()),
        ("--base-version", plan.base_version.is_some()),
        ("--image-base-registry", plan.image_base_registry.is_some()),
        ("--proxy-version", plan.proxy_version.is_some()),
        ("--ztunnel-version", plan.ztunnel_version.is_some()),
        ("--istio-version", plan.istio_version.is_some()),
    ];
    refuse(&flags, "it is for plans, and this is a bake or compose file", "use --set, or --print to see what there is")
}

fn refuse(flags: &[(&str, bool)], reason: &str, hint: &str) -> Result<(), RequestError> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(RequestError::unsupported(format!("{flag} here"), reason, hint)),
        None => Ok(()),
    }
}
