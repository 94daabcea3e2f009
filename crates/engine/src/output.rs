//! Writes what was built to all its outputs.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join_all;
use layer::{Compression, Tree};
use oci::Reference;
use registry::Client;
use rootfs::TreePath;
use store::{ArchiveFormat, Store};
use tokio::sync::OnceCell;

use crate::assemble::{Artifact, Built, Form, assemble};
use crate::build::{BuildReport, fetch_blobs};
use crate::cache::{self, Made};
use crate::encode::in_one_encoding;
use crate::event::{Events, Transfers};
use crate::execute::Work;
use crate::layers::{Origin, blocking};
use crate::sink::push::{Pusher, Sent};
use crate::sink::{archive, files, load, local};
use crate::snapshot::Snapshot;
use crate::tags::Tags;
use crate::{ArchiveOptions, BuildRequest, Destination, Error, ImageForm, ImageOptions, Output};

/// What execution came to, per platform.
pub(crate) struct Outcome {
    pub(crate) built: Vec<Built>,
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
    /// What its RUNs made.
    pub(crate) made: Vec<Made>,
    /// Whether a layer had to be made.
    pub(crate) fresh: bool,
    /// `built` with all layers in one encoding, for the outputs that force it.
    forced: OnceCell<Vec<Built>>,
}

impl Outcome {
    pub(crate) fn new(built: Vec<Built>, snapshots: Vec<Arc<Snapshot>>, made: Vec<Made>, fresh: bool) -> Self {
        Self { built, snapshots, made, fresh, forced: OnceCell::new() }
    }
}

/// Writes outcomes to outputs.
pub(crate) struct Writer<'a> {
    pub(crate) store: &'a Arc<Store>,
    pub(crate) client: Client,
    pub(crate) transfers: Arc<Transfers>,
    pub(crate) request: &'a BuildRequest,
    pub(crate) work: &'a Work,
    pub(crate) events: &'a Events,
    /// What the run has sent.
    pub(crate) sent: &'a Sent,
    /// What the run has asked.
    pub(crate) tags: &'a Tags,
}

impl Writer<'_> {
    /// Writes to every output, side by side; to the local store when there is none.
    pub(crate) async fn write_all(&self, outcome: &Outcome) -> Result<BuildReport, Error> {
        let default = [Output::Image(ImageOptions { store: true, ..ImageOptions::default() })];
        let outputs = if self.request.outputs.is_empty() { &default[..] } else { &self.request.outputs };
        let reports = try_join_all(outputs.iter().map(|output| self.write(output, outcome))).await?;
        Ok(reports.into_iter().flatten().next().unwrap_or_default())
    }

    async fn write(&self, output: &Output, outcome: &Outcome) -> Result<Option<BuildReport>, Error> {
        match output {
            Output::Image(options) => self.image(options, outcome).await.map(Some),
            Output::Oci(options) => self.archive(options, ArchiveFormat::Oci, outcome).await.map(Some),
            Output::Docker(options) => self.archive(options, ArchiveFormat::Docker, outcome).await.map(Some),
            Output::Load(options) => self.load(options, outcome).await.map(Some),
            Output::Local(dir) => self.directory(dir, outcome).await.map(|()| None),
            Output::Tar(destination) => self.tar(destination, outcome).await.map(|()| None),
            Output::CacheOnly => Ok(None),
        }
    }

    async fn image(&self, options: &ImageOptions, outcome: &Outcome) -> Result<BuildReport, Error> {
        let names = self.names(&options.names);
        let built = self.built(&options.form, outcome).await?;
        let artifact = self.assemble(&options.form, true, built)?;
        if options.push && names.is_empty() {
            return Err(Error::Conflict("pushing needs a name: give --tag, or name= in the output".into()));
        }
        if options.store {
            let vertex = self.events.start("exporting to the local store");
            let kept = self.keep_layouts(built).await.and_then(|()| local::keep(self.store, &artifact, Some(&names)));
            vertex.finish(false, kept)?;
        }
        if options.push {
            self.pusher(outcome).push(&artifact, &names, options.push_by_digest).await?;
        }
        Ok(report(&artifact, names))
    }

    fn pusher(&self, outcome: &Outcome) -> Pusher<'_> {
        Pusher {
            client: &self.client,
            store: self.store,
            layers: &self.work.layers,
            events: self.events,
            transfers: &self.transfers,
            sent: self.sent,
            tags: self.tags,
            unchanged: !outcome.fresh,
        }
    }

    /// Writes what RUNs made to every `--cache-to`.
    pub(crate) async fn write_caches(&self, outcome: &Outcome) -> Result<(), Error> {
        for target in self.request.cache_to.iter().filter(|target| target.place.is_some()) {
            let vertex = self.events.start("exporting cache");
            match vertex.finish(false, cache::export(target, &outcome.made, self.work, &self.pusher(outcome)).await) {
                Err(error) if target.ignore_error => self.events.warn(format!("no cache was written: {error}"), None),
                result => result?,
            }
        }
        Ok(())
    }

    /// Layers of a layout on disk: where they are tomorrow nobody knows, so the store keeps their blobs.
    async fn keep_layouts(&self, built: &[Built]) -> Result<(), Error> {
        let layers = built.iter().flat_map(|built| &built.layers);
        let wanted = layers.filter(|layer| matches!(layer.origin, Origin::Layout(_)));
        try_join_all(wanted.map(|layer| self.work.layers.ensure_blob(layer))).await.map(drop)
    }

    async fn archive(
        &self,
        options: &ArchiveOptions,
        format: ArchiveFormat,
        outcome: &Outcome,
    ) -> Result<BuildReport, Error> {
        let vertex = self.events.start("exporting to an archive");
        let names = self.names(&options.names);
        let written = async {
            let built = self.built(&options.form, outcome).await?;
            let artifact = self.assemble(&options.form, format == ArchiveFormat::Oci, built)?;
            fetch_blobs(&self.work.layers, built).await?;
            let (store, options, report) = (Arc::clone(self.store), options.clone(), report(&artifact, names.clone()));
            blocking(move || archive::write(&store, &artifact, &names, format, &options)).await?;
            Ok(report)
        };
        vertex.finish(false, written.await)
    }

    async fn load(&self, options: &ImageOptions, outcome: &Outcome) -> Result<BuildReport, Error> {
        let vertex = self.events.start("loading into the container engine");
        let names = self.names(&options.names);
        let written = async {
            let built = self.built(&options.form, outcome).await?;
            let artifact = self.assemble(&options.form, false, built)?;
            if artifact.index.is_some() {
                let what = "loading an image of several platforms into an engine".into();
                return Err(Error::Unsupported { what, hint: "build one --platform at a time, or push".into() });
            }
            fetch_blobs(&self.work.layers, built).await?;
            let said = load::load(self.store, &artifact, &names).await?;
            said.lines().for_each(|line| vertex.log(line));
            Ok(report(&artifact, names))
        };
        let written = written.await;
        vertex.finish(false, written)
    }

    async fn directory(&self, dir: &Path, outcome: &Outcome) -> Result<(), Error> {
        let vertex = self.events.start(format!("exporting files to {}", dir.display()));
        let written = async {
            let trees = self.trees(outcome).await?;
            let dir = dir.to_owned();
            blocking(move || trees.iter().try_for_each(|(below, tree)| files::write_directory(tree, &dir, below))).await
        };
        vertex.finish(false, written.await)
    }

    async fn tar(&self, destination: &Destination, outcome: &Outcome) -> Result<(), Error> {
        let vertex = self.events.start("exporting files to a tar");
        let written = async {
            let trees = self.trees(outcome).await?;
            let destination = destination.clone();
            blocking(move || files::write_tar(&trees, &destination)).await
        };
        vertex.finish(false, written.await)
    }

    /// Each platform's tree, and the directory that it goes to: as BuildKit does, `os_arch` when there are several.
    async fn trees(&self, outcome: &Outcome) -> Result<Vec<(TreePath, Tree)>, Error> {
        let several = outcome.built.len() > 1;
        let all = outcome.built.iter().zip(&outcome.snapshots).map(|(built, snapshot)| async move {
            let name = if several { built.platform.to_string().replace('/', "_") } else { String::new() };
            let below = TreePath::clean(name).map_err(layer::Error::from)?;
            Ok((below, snapshot.tree(&self.work.layers).await?))
        });
        try_join_all(all).await
    }

    fn names(&self, own: &[Reference]) -> Vec<Reference> {
        let names = if own.is_empty() { &self.request.tags } else { own };
        names.iter().map(|name| name.clone().or_latest()).collect()
    }

    /// What was built, with the layers that this form wants.
    async fn built<'o>(&self, form: &ImageForm, outcome: &'o Outcome) -> Result<&'o [Built], Error> {
        if !form.force_compression {
            return Ok(&outcome.built);
        }
        let convert = async {
            let vertex = self.events.start("compressing the layers of bases again");
            vertex.finish(false, in_one_encoding(self.work, &outcome.built).await)
        };
        outcome.forced.get_or_try_init(|| convert).await.map(Vec::as_slice)
    }

    /// Docker's own media types where an output is for Docker, unless they cannot say what is wanted.
    fn assemble(&self, form: &ImageForm, oci: bool, built: &[Built]) -> Result<Artifact, Error> {
        let annotations: Vec<_> = self.request.annotations.iter().chain(&form.annotations).cloned().collect();
        let zstd = matches!(self.work.compression, Compression::Zstd { .. });
        if zstd && form.oci_media_types == Some(false) {
            return Err(Error::Conflict("compression=zstd needs OCI media types, not oci-mediatypes=false".into()));
        }
        let docker = !form.oci_media_types.unwrap_or(oci || zstd || !annotations.is_empty());
        let form = Form { docker, annotations: &annotations, timestamp: self.work.setting.timestamp };
        assemble(built, &form, false)
    }
}

fn report(artifact: &Artifact, names: Vec<Reference>) -> BuildReport {
    let config = match &artifact.images[..] {
        [image] if artifact.index.is_none() => Some(image.config.descriptor.digest.clone()),
        _ => None,
    };
    BuildReport { image: artifact.root().map(|root| root.descriptor.clone()), config, names, ..BuildReport::default() }
}
