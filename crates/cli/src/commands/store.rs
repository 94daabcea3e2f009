//! The local store's own commands: images, rm, prune, import, export.

use std::cell::OnceCell;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use ::store::{ArchiveFormat, NamedImage, Prune, Report, Store};
use engine::{Destination, Output};
use oci::{Descriptor, Digest, Reference};
use sandbox::Sandbox;
use serde_json::json;

use super::inspect::Image;
use super::output::{print_line, print_table};
use super::{open_store, transfer};
use crate::args::{ExportArgs, GlobalArgs, ImagesArgs, ImportArgs, PruneArgs, RmArgs};
use crate::failure::{Exit, Failure};
use crate::render::size;
use crate::request;

/// Lists names, then images without one.
pub(super) fn images(args: &ImagesArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let store = open_store(global)?;
    let named = store.tags()?.into_iter().map(|(name, image)| (Some(name), image));
    let unnamed = store.dangling()?.into_iter().map(|image| (None, image));
    let all: Vec<(Option<Reference>, Descriptor)> = named.chain(unnamed).collect();
    if args.quiet {
        return all.iter().try_for_each(|(_, image)| print_line(image.digest.as_str()));
    }
    if args.json {
        return all.iter().try_for_each(|(name, image)| list_json(&store, name.as_ref(), image));
    }
    let rows = all.iter().map(|(name, image)| row(&store, name.as_ref(), image));
    print_table(&["NAME", "DIGEST", "PLATFORMS", "SIZE"], &rows.collect::<Result<Vec<_>, _>>()?)
}

fn list_json(store: &Store, name: Option<&Reference>, descriptor: &Descriptor) -> Result<(), Failure> {
    let image = Image::read(store, descriptor)?;
    let line = json!({
        "name": name, "digest": descriptor.digest, "mediaType": descriptor.media_type,
        "platforms": image.platforms(), "size": image.size(),
    });
    print_line(&line.to_string())
}

fn row(store: &Store, name: Option<&Reference>, descriptor: &Descriptor) -> Result<Vec<String>, Failure> {
    let image = Image::read(store, descriptor)?;
    let name = name.map_or_else(|| "<none>".to_owned(), Reference::familiar);
    Ok(vec![name, descriptor.digest.short().to_owned(), image.platforms().join(","), size(image.size())])
}

/// Removes names, and what only they needed.
pub(super) fn rm(args: &RmArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let store = open_store(global)?;
    for text in &args.references {
        let report = match Digest::parse(text) {
            Ok(digest) => remove_digest(&store, &digest)?,
            Err(_) => {
                let name = request::reference(text)?.or_latest();
                resolve(&store, &name)?;
                store.remove(&name)?
            }
        };
        print_line(&format!("removed {text}, {} freed", size(report.bytes)))?;
    }
    Ok(())
}

fn remove_digest(store: &Store, digest: &Digest) -> Result<Report, Failure> {
    if store.forget(digest)? == 0 {
        return Err(no_image(digest.as_str()));
    }
    Ok(store.prune(&Prune::default())?)
}

/// Removes what nothing needs.
pub(super) fn prune(args: &PruneArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let store = open_store(global)?;
    let trees = store.trees_dir()?;
    let sandbox = OnceCell::new();
    let sandbox = || sandbox.get_or_init(|| sandbox::probe(&trees).choose(None));
    let report = store.prune_with(&request::prune(args)?, &|dir| remove(sandbox, dir))?;
    let (blobs, images, cached) = (report.blobs.len(), report.images.len(), report.cached);
    print_line(&format!(
        "{} freed: {blobs} blobs, {images} images without a name, {cached} entries of the cache",
        size(report.bytes)
    ))
}

/// Removes a directory; with the sandbox's help where its files belong to subordinate ids.
fn remove<'s>(sandbox: impl Fn() -> &'s Result<Sandbox, sandbox::Error>, dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let sandbox = sandbox().as_ref().map_err(|error| io::Error::other(error.clone()))?;
            sandbox.remove(dir).map_err(io::Error::other)
        }
        result => result,
    }
}

/// Takes an archive or a layout in.
pub(super) fn import(args: &ImportArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let tags = args.tags.iter().map(|tag| request::tag("--tag", tag)).collect::<Result<Vec<_>, _>>()?;
    let store = open_store(global)?;
    let imported = match args.archive.as_os_str() == "-" {
        true => store.import_archive(io::stdin())?,
        false => store.import(&args.archive)?,
    };
    if !tags.is_empty() {
        let [image] = &imported[..] else {
            let message = format!("the archive has {} images, and --tag names one", imported.len());
            return Err(Failure::new(Exit::Usage, message).with_hint(Some("leave out --tag".into())));
        };
        for tag in tags {
            store.tag(&tag.or_latest(), &image.image)?;
        }
    }
    imported.iter().try_for_each(|image| print_line(image.image.digest.as_str()))
}

/// Writes an image as an archive or a layout.
pub(super) fn export(args: &ExportArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let output = request::output(&args.output, false)?;
    let store = Arc::new(open_store(global)?);
    let (name, image) = find(&store, &args.reference)?;
    transfer::complete(&store, &image, args.progress)?;
    let names = name.into_iter().filter(|name| name.digest().is_none()).map(Reference::or_latest).collect();
    let images = [NamedImage { image, names }];
    let (options, format) = match output {
        Output::Oci(options) => (options, ArchiveFormat::Oci),
        Output::Docker(options) => (options, ArchiveFormat::Docker),
        _ => return Err(only_archives()),
    };
    match &options.destination {
        Destination::File(directory) if !options.tar => Ok(::store::export_layout(&images, &*store, directory)?),
        Destination::File(path) => write_archive(&store, &images, format, path),
        Destination::Stdout => Ok(::store::export(&images, format, &*store, io::stdout().lock()).map(drop)?),
    }
}

/// Writes an archive to a file, or to standard output.
pub(super) fn write(
    store: &Store,
    images: &[NamedImage],
    format: ArchiveFormat,
    outfile: &Path,
) -> Result<(), Failure> {
    match destination(outfile) {
        Destination::File(path) => write_archive(store, images, format, &path),
        Destination::Stdout => Ok(::store::export(images, format, store, io::stdout().lock()).map(drop)?),
    }
}

/// A file, or with `-` standard output.
pub(super) fn destination(outfile: &Path) -> Destination {
    match outfile.as_os_str() == "-" {
        true => Destination::Stdout,
        false => Destination::File(outfile.to_owned()),
    }
}

/// An archive has its name when it is whole.
fn write_archive(
    store: &Store,
    images: &[NamedImage],
    format: ArchiveFormat,
    path: &std::path::Path,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file("write", path, &error);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(".shipsmith-").permissions(Permissions::from_mode(0o666));
    let file = builder.tempfile_in(directory.unwrap_or(".".as_ref())).map_err(failed)?;
    let file = ::store::export(images, format, store, file)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn only_archives() -> Failure {
    let hint =
        "type=oci,dest=FILE, type=docker,dest=FILE or type=oci,tar=false,dest=DIR; `shipsmith push` is for registries";
    Failure::new(Exit::Usage, "an export is an archive or a layout").with_hint(Some(hint.into()))
}

/// The image of a name, which the store must have.
pub(super) fn resolve(store: &Store, reference: &Reference) -> Result<Descriptor, Failure> {
    store.resolve(reference)?.ok_or_else(|| no_image(&reference.familiar()))
}

/// An image of the store, by its name or by its digest.
pub(super) fn find(store: &Store, text: &str) -> Result<(Option<Reference>, Descriptor), Failure> {
    if let Ok(digest) = Digest::parse(text) {
        return if store.contains(&digest) { Ok((None, store.describe(&digest)?)) } else { Err(no_image(text)) };
    }
    let reference = request::reference(text)?;
    let image = resolve(store, &reference)?;
    Ok((Some(reference), image))
}

fn no_image(name: &str) -> Failure {
    let hint = "`shipsmith images` lists what there is";
    Failure::new(Exit::Build, format!("there is no image {name} in the local store")).with_hint(Some(hint.into()))
}
