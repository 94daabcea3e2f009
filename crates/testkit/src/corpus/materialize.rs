//! From text to disk: contexts as directories, bases as OCI layouts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::entry::{make_directory, read_host, to_directory};
use super::server::Content;
use super::{Base, Case, ContextSource, CorpusError, Entry, Server, at};
use crate::canonical::{CanonicalImage, sha256};

/// Where a case lies on disk, ready to be built.
#[derive(Debug)]
pub struct MaterializedCase {
    /// The build context.
    pub context_dir: PathBuf,
    /// The build context's address, when it is not that directory.
    pub context_url: Option<String>,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// The named contexts.
    pub named_contexts: BTreeMap<String, NamedContext>,
    /// The OCI layouts of every base in the corpus whose name occurs in the case, by the full
    /// reference that FROM means, for example `docker.io/library/plain:latest`.
    pub base_layouts: BTreeMap<String, PathBuf>,
    /// The build arguments: those of the case and, if it has a server, its address as `SERVER`.
    pub build_args: BTreeMap<String, String>,
    /// Files that hold the secrets, by id.
    pub secrets: BTreeMap<String, PathBuf>,
    /// The files of this machine that bases took content from, by the hash of their content.
    hosts: BTreeMap<String, PathBuf>,
    server: Option<Server>,
}

impl MaterializedCase {
    /// The text with the address of this run's server replaced by the one in the expectations.
    #[must_use]
    pub fn anonymous(&self, text: &str) -> String {
        match &self.server {
            Some(server) => text.replace(&server.url(), "http://server"),
            None => text.to_owned(),
        }
    }

    /// The image as expectations write it: without the address of this run's server, and with the names of this machine's
    /// files in place of their content.
    #[must_use]
    pub fn canonical(&self, image: &CanonicalImage) -> CanonicalImage {
        let mut image = image.clone();
        for node in image.files.values_mut() {
            if let Some(path) = node.sha256.as_ref().and_then(|hash| self.hosts.get(hash)) {
                node.sha256 = Some(format!("host:{}", path.display()));
                node.size = None;
            }
        }
        for entry in &mut image.history {
            entry.created_by = self.anonymous(&entry.created_by);
        }
        image
    }
}

/// A named context on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory.
    Directory(PathBuf),
    /// `docker-image://` with this reference, a key of [`MaterializedCase::base_layouts`].
    DockerImage(String),
    /// `oci-layout://` with this directory; the image has the tag `latest`.
    OciLayout(PathBuf),
}

pub(super) fn materialize(
    bases: &BTreeMap<String, Base>,
    case: &Case,
    dir: &Path,
) -> Result<MaterializedCase, CorpusError> {
    let context_dir = dir.join("context");
    write_directory(&case.request.context, &context_dir)?;
    let dockerfile = write_dockerfile(case, dir, &context_dir)?;
    let base_layouts = write_bases(bases, case, dir)?;
    let mut named_contexts = BTreeMap::new();
    for (number, (name, source)) in case.request.named_contexts.iter().enumerate() {
        let place = dir.join(format!("named-{number}"));
        let context = named_context(case, source, place, &base_layouts)?;
        named_contexts.insert(name.clone(), context);
    }
    let server = start_server(case, dir)?;
    let address = server.iter().map(|server| ("SERVER".to_owned(), server.url()));
    let build_args = case.request.build_args.clone().into_iter().chain(address).collect();
    let context_url = server.iter().find_map(|server| Some(server.url() + case.request.context_url.as_deref()?));
    let secrets = write_secrets(case, dir)?;
    let hosts = hosts(bases, case)?;
    Ok(MaterializedCase {
        context_dir,
        context_url,
        dockerfile,
        named_contexts,
        base_layouts,
        build_args,
        secrets,
        hosts,
        server,
    })
}

/// Writes each secret to a file of its own, without a line end.
fn write_secrets(case: &Case, dir: &Path) -> Result<BTreeMap<String, PathBuf>, CorpusError> {
    let mut files = BTreeMap::new();
    for (number, (id, content)) in case.request.secrets.iter().enumerate() {
        let path = dir.join(format!("secret-{number}"));
        at(&path, fs::write(&path, content))?;
        files.insert(id.clone(), path);
    }
    Ok(files)
}

/// The files of this machine that the case's bases take content from, by the hash of what they hold now.
fn hosts(bases: &BTreeMap<String, Base>, case: &Case) -> Result<BTreeMap<String, PathBuf>, CorpusError> {
    let names = mentioned(bases, case);
    let images = names.iter().flat_map(|name| &bases[name].image);
    let entries = images.flat_map(|image| &image.layer).flat_map(|layer| &layer.entries);
    let paths: BTreeSet<&PathBuf> = entries.filter_map(|entry| entry.host.as_ref()).collect();
    paths.into_iter().map(|path| Ok((sha256(&at(path, read_host(path))?), path.clone()))).collect()
}

fn start_server(case: &Case, dir: &Path) -> Result<Option<Server>, CorpusError> {
    let request = &case.request;
    if request.http.is_empty() && request.git.is_empty() {
        return Ok(None);
    }
    let mut repositories = BTreeMap::new();
    for (number, repository) in request.git.iter().enumerate() {
        let place = dir.join(format!("git-{number}"));
        at(&place, repository.create(&place, &repositories))?;
        repositories.insert(repository.url.clone(), place);
    }
    let content = Content::new(&request.http, repositories);
    at(&case.dir, content.and_then(Server::start)).map(Some)
}

fn write_directory(entries: &[Entry], dir: &Path) -> Result<(), CorpusError> {
    at(dir, make_directory(dir))?;
    at(dir, to_directory(entries, dir))
}

fn write_dockerfile(case: &Case, dir: &Path, context: &Path) -> Result<PathBuf, CorpusError> {
    let request = &case.request;
    let place = if request.dockerfile_outside { dir.join("outside") } else { context.to_owned() };
    let path = place.join(request.dockerfile.as_deref().unwrap_or("Dockerfile"));
    if let Some(parent) = path.parent() {
        at(parent, make_directory(parent))?;
    }
    at(&path, fs::write(&path, &case.dockerfile))?;
    at(&path, fs::set_permissions(&path, Permissions::from_mode(0o644)))?;
    Ok(path)
}

/// Writes the bases whose names occur anywhere in the Dockerfile or in `case.toml`: a few too many
/// do no harm.
fn write_bases(
    bases: &BTreeMap<String, Base>,
    case: &Case,
    dir: &Path,
) -> Result<BTreeMap<String, PathBuf>, CorpusError> {
    let mut layouts = BTreeMap::new();
    for name in mentioned(bases, case) {
        let layout = dir.join("bases").join(&name);
        at(&layout, bases[&name].write_layout(&layout))?;
        layouts.insert(full_reference(&name), layout);
    }
    Ok(layouts)
}

fn mentioned(bases: &BTreeMap<String, Base>, case: &Case) -> BTreeSet<String> {
    let dockerfile = String::from_utf8_lossy(&case.dockerfile);
    let arguments = case.request.build_args.values();
    let sources = case.request.named_contexts.values();
    let sources = sources.filter_map(|source| match source {
        ContextSource::DockerImage(base) | ContextSource::OciLayout(base) => Some(base),
        ContextSource::Directory(_) => None,
    });
    let texts: Vec<&str> = arguments.chain(sources).map(String::as_str).collect();
    let names = bases.keys().filter(|name| {
        let name = name.as_str();
        dockerfile.contains(name) || texts.iter().any(|text| text.contains(name))
    });
    names.cloned().collect()
}

fn named_context(
    case: &Case,
    source: &ContextSource,
    place: PathBuf,
    bases: &BTreeMap<String, PathBuf>,
) -> Result<NamedContext, CorpusError> {
    let unknown = |base: &String| CorpusError::UnknownBase { case: case.name.clone(), base: base.clone() };
    match source {
        ContextSource::Directory(entries) => {
            write_directory(entries, &place)?;
            Ok(NamedContext::Directory(place))
        }
        ContextSource::DockerImage(base) => {
            let reference = full_reference(base);
            let known = bases.contains_key(&reference);
            known.then_some(NamedContext::DockerImage(reference)).ok_or_else(|| unknown(base))
        }
        ContextSource::OciLayout(base) => {
            let layout = bases.get(&full_reference(base)).cloned();
            layout.map(NamedContext::OciLayout).ok_or_else(|| unknown(base))
        }
    }
}

fn full_reference(name: &str) -> String {
    format!("docker.io/library/{name}:latest")
}
