//! `shipsmith cache`: the local store under linuxkit's names.

use std::sync::Arc;

use ::store::{ArchiveFormat, NamedImage, Prune, Store};
use engine::{Engine, PackagePush};
use oci::{Descriptor, Platform, Reference};
use registry::Client;

use super::super::mounts;
use super::super::output::print_line;
use super::super::runtime::block_on;
use super::super::store as images;
use super::super::transfer;
use super::tags::eprint_line;
use super::{client, here, store};
use crate::args::{
    CacheCommand, CacheExportArgs, CachePushArgs, ExportFormat, GlobalArgs, ImportArgs, PackageArgs, PullArgs,
};
use crate::failure::{Exit, Failure};
use crate::request;

/// Runs a command on the local store.
pub(crate) fn run(command: CacheCommand, global: &GlobalArgs) -> Result<(), Failure> {
    let global = &here(global);
    match command {
        CacheCommand::Ls(args) => images::images(&args, global),
        CacheCommand::Rm(args) => remove(global, named(global, &args.references)?, args.published_only),
        CacheCommand::Clean(args) => remove(global, store(global)?.tags()?, args.published_only),
        CacheCommand::Pull(args) => {
            transfer::pull(&PullArgs { references: args.references, platform: None, progress: args.progress }, global)
        }
        CacheCommand::Push(args) => push(&args, global),
        CacheCommand::Import(args) => images::import(&ImportArgs { archive: args.archive, tags: Vec::new() }, global),
        CacheCommand::Export(args) => export(&args, global),
        CacheCommand::Prune(args) => images::prune(&args, global),
        CacheCommand::ExportMounts(args) => mounts::export(&args, global),
        CacheCommand::ImportMounts(args) => mounts::import(&args, global),
    }
}

fn named(global: &GlobalArgs, texts: &[String]) -> Result<Vec<(Reference, Descriptor)>, Failure> {
    let store = store(global)?;
    let one = |text: &String| {
        let name = request::reference(text)?.or_latest();
        let image = images::resolve(&store, &name)?;
        Ok((name, image))
    };
    texts.iter().map(one).collect()
}

/// Takes names away, and then what only they needed.
fn remove(global: &GlobalArgs, named: Vec<(Reference, Descriptor)>, published_only: bool) -> Result<(), Failure> {
    let store = store(global)?;
    let client = client(&PackageArgs::default())?;
    for (name, image) in named {
        if published_only && !is_published(&client, &name, &image)? {
            continue;
        }
        store.untag(&name)?;
        print_line(&format!("removed {}", name.familiar()))?;
    }
    store.prune(&Prune::default())?;
    Ok(())
}

/// Whether the registry has just this. One that cannot be asked does not confirm it.
fn is_published(client: &Client, name: &Reference, image: &Descriptor) -> Result<bool, Failure> {
    let stays = |why: String| eprint_line(&format!("{} stays: {why}", name.familiar()));
    block_on(async {
        Ok(match client.head_manifest(name).await {
            Ok(Some(there)) if there.digest == image.digest => true,
            Ok(Some(there)) => {
                stays(format!("its registry has {} instead of {}", there.digest, image.digest));
                false
            }
            Ok(None) => {
                stays("its registry does not have it".into());
                false
            }
            Err(error) => {
                stays(error.to_string());
                false
            }
        })
    })
}

fn push(args: &CachePushArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let remote_name = args.remote_name.as_deref().map(|name| request::tag("--remote-name", name)).transpose()?;
    if remote_name.is_some() && args.references.len() > 1 {
        let hint = "push them one at a time";
        return Err(
            request::RequestError::conflict("--remote-name names one image, and several are given", hint).into()
        );
    }
    let engine = Engine::new(store(global)?, client(&PackageArgs::default())?);
    for text in &args.references {
        let local = request::reference(text)?.or_latest();
        let image = images::resolve(engine.store(), &local)?;
        let remote = remote_name.clone().unwrap_or_else(|| local.clone()).or_latest();
        let push = PackagePush {
            local,
            remote: remote.clone(),
            replace: args.r#override,
            index: true,
            arch_tags: args.with_arch_tags && image.media_type.is_index(),
        };
        let digest = block_on(async { Ok(engine.push_image(&push).await?) })?;
        print_line(&format!("{remote}@{digest}"))?;
    }
    Ok(())
}

fn export(args: &CacheExportArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let store = Arc::new(store(global)?);
    let platform = request::platforms("--platform", args.platform.as_slice())?.pop().unwrap_or_else(Platform::host);
    let (name, image) = images::find(&store, &args.reference)?;
    let image = of_platform(&store, image, &platform, &args.reference)?;
    transfer::complete(&store, &image, args.progress)?;
    let name = match &args.name {
        Some(name) => Some(request::tag("--name", name)?.or_latest()),
        None => name.filter(|name| name.digest().is_none()).map(Reference::or_latest),
    };
    let images = [NamedImage { image: image.clone(), names: name.into_iter().collect() }];
    match args.format {
        ExportFormat::Oci => images::write(&store, &images, ArchiveFormat::Oci, &args.outfile),
        ExportFormat::Docker => images::write(&store, &images, ArchiveFormat::Docker, &args.outfile),
        ExportFormat::Filesystem => {
            let engine = Engine::new((*store).clone(), client(&PackageArgs::default())?);
            let to = images::destination(&args.outfile);
            block_on(async { Ok(engine.export_files(&image, &to).await?) })
        }
    }
}

/// The image for a platform, where there are several.
fn of_platform(store: &Store, image: Descriptor, platform: &Platform, name: &str) -> Result<Descriptor, Failure> {
    if !image.media_type.is_index() {
        return Ok(image);
    }
    let index = store.image_index(&image.digest)?;
    let offered = index.manifests.iter().filter(|entry| !entry.is_attestation());
    let offered: Vec<String> = offered.filter_map(|entry| entry.platform.as_ref()).map(ToString::to_string).collect();
    let chosen = index.select(platform).filter(|entry| store.contains(&entry.digest)).cloned();
    chosen.ok_or_else(|| {
        let hint = Some(format!("it has {}; choose with --platform", offered.join(", ")));
        Failure::new(Exit::Build, format!("the local store has no {name} for {platform}")).with_hint(hint)
    })
}
