//! `pkg show-tag`, `pkg manifest`, `pkg remote-tag`: packages' names.

use engine::Engine;
use oci::Reference;
use project::pkg::difference;

use super::super::output::{print, print_line};
use super::super::runtime::block_on;
use super::super::transfer;
use super::load::{Loaded, Loader};
use super::{client, store};
use crate::args::{GlobalArgs, HashScheme, ManifestArgs, PackageArgs, RemoteTagArgs, ShowTagArgs};
use crate::failure::{Exit, Failure};
use crate::request::{self, Process, RequestError};

/// Prints what packages are called, or why.
pub(super) fn show(args: &ShowTagArgs, package: &PackageArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let options = request::pkg::package_options(package, &Process)?;
    if package.hash_scheme == HashScheme::Linuxkit {
        let packages = args.paths.iter().map(|path| project::pkg::load(path, &options));
        let packages = packages.collect::<Result<Vec<_>, _>>()?;
        return print_all(args, packages);
    }
    let engine = Engine::new(store(global)?, client(package)?);
    let mut packages = Vec::new();
    for path in &args.paths {
        let mut loader = Loader::new(options.clone(), package.hash_scheme, Some(&engine));
        loader.dockerfile.clone_from(&args.dockerfile);
        loader.arg_files.clone_from(&args.build_arg_files);
        let loaded = loader.all(std::slice::from_ref(path))?;
        packages.extend(loaded.into_iter().map(|(Loaded { package, .. }, _)| package));
    }
    print_all(args, packages)
}

fn print_all(args: &ShowTagArgs, packages: Vec<project::pkg::Package>) -> Result<(), Failure> {
    match &packages[..] {
        [old, new] if args.explain => {
            let lines = difference(&old.ingredients, &new.ingredients);
            lines.iter().try_for_each(|line| print_line(line))
        }
        several if args.explain && several.len() > 2 => {
            Err(RequestError::conflict("--explain compares two packages, not more", "name one or two").into())
        }
        _ => packages.iter().try_for_each(|package| {
            match args.canonical {
                true => print_line(&package.reference()?.to_string())?,
                false => print_line(&package.tag()?)?,
            }
            let lines = package.ingredients.iter().filter(|_| args.explain).map(|one| format!("  {one}\n"));
            print(lines.collect::<String>())
        }),
    }
}

/// Gathers what the registry has under tags with an architecture.
pub(super) fn manifest(args: &ManifestArgs, package: &PackageArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let options = request::pkg::package_options(package, &Process)?;
    let package_there = project::pkg::load(&args.path, &options)?;
    let engine = Engine::new(store(global)?, client(package)?);
    let name = package_there.reference()?;
    let release = args.release.as_deref().map(|release| package_there.release(release)).transpose()?;
    let platforms = package_there.platforms()?;
    for name in std::iter::once(name).chain(release) {
        match block_on(async { Ok(engine.index_of_arch_tags(&name, &platforms).await?) })? {
            Some(digest) => print_line(&format!("{name}@{digest}"))?,
            None => eprint_line(&format!("{} has no images with an architecture in their tag", name.familiar())),
        }
    }
    Ok(())
}

/// Gives an image another name in its registry, or in another.
pub(super) fn remote(args: &RemoteTagArgs, package: &PackageArgs) -> Result<(), Failure> {
    let from = request::reference(&args.from)?.or_latest();
    let to: Reference = request::tag("TO", &args.to)?.or_latest();
    let client = client(package)?;
    let (there, already) =
        block_on(async { Ok((client.head_manifest(&from).await?, client.head_manifest(&to).await?)) })?;
    let there = there.ok_or_else(|| {
        let hint = Some("`shipsmith pkg push` puts a package into its registry".to_owned());
        Failure::new(Exit::Registry, format!("there is no {} in its registry", from.familiar())).with_hint(hint)
    })?;
    if already.is_some_and(|already| already.digest == there.digest) {
        eprint_line(&format!("{} is {} already", to.familiar(), from.familiar()));
        return print_line(&format!("{to}@{}", there.digest));
    }
    let digest = transfer::copy_with(client, &from, std::slice::from_ref(&to))?;
    print_line(&format!("{to}@{digest}"))
}

/// Tells people something that no script waits for.
pub(super) fn eprint_line(line: &str) {
    let _gone = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
}
