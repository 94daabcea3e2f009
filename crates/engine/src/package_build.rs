//! Building a package for one platform.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oci::{Platform, Reference};

use crate::event::{Event, EventSink};
use crate::package::{renumbered, with_arch};
use crate::{
    BuildRequest, ContextSource, DockerfileSource, Engine, Error, Goal, How, ImageForm, ImageOptions, Output, VertexId,
};

impl Engine {
    /// Builds, and adds the image to the index that has the goal's name.
    pub(crate) async fn build_package(&self, goal: &Goal, platform: &Platform, sinks: &Sinks) -> Result<How, Error> {
        let suffixed = with_arch(&goal.name, platform)?;
        let archives = match &goal.images {
            Some(images) => Some(self.archive_images(images, platform).await?),
            None => None,
        };
        let mut request = BuildRequest {
            platforms: vec![platform.clone()],
            tags: vec![suffixed.clone()],
            outputs: vec![Output::Image(ImageOptions { store: true, form: form(), ..ImageOptions::default() })],
            ..goal.request.clone()
        };
        if let (Some(images), Some(archives)) = (&goal.images, &archives) {
            add_to_context(&mut request, &images.target, archives.path().to_owned(), images.directory)?;
        }
        let report = self.build(&request, sinks.one()).await?;
        let image = report.image.ok_or_else(|| Error::Internal("a package's build made no image".into()))?;
        let entries = match image.media_type.is_index() {
            true => self.store.image_index(&image.digest)?.manifests,
            false => vec![self.entry_of(image)?],
        };
        self.name_package(&goal.name, entries, true).await?;
        self.store.untag(&suffixed)?;
        Ok(How::Built)
    }
}

/// Media types of the OCI, as an index of several origins needs them.
fn form() -> ImageForm {
    ImageForm { oci_media_types: Some(true), ..ImageForm::default() }
}

/// Puts a file or directory into the context of a request, whatever the context was so far.
fn add_to_context(request: &mut BuildRequest, target: &str, archives: PathBuf, directory: bool) -> Result<(), Error> {
    let mut paths = match &request.context {
        ContextSource::Mapped(paths) => paths.clone(),
        ContextSource::Directory(root) => {
            if let DockerfileSource::Path(path) = &request.dockerfile
                && let Ok(inside) = path.strip_prefix(root)
            {
                request.dockerfile = DockerfileSource::Path(inside.to_owned());
            }
            BTreeMap::from([(String::new(), root.clone())])
        }
        _ => return Err(Error::Internal("a package's context is made of directories".into())),
    };
    let host = if directory { archives } else { archives.join(crate::package_images::ONE) };
    let mut place = target.to_owned();
    while paths.contains_key(&place) {
        place.push('/');
    }
    paths.insert(place, host);
    request.context = ContextSource::Mapped(paths);
    Ok(())
}

/// One sink for several builds: their pieces of work get numbers of their own, and their package's name.
pub(crate) struct Sinks {
    inner: Arc<dyn EventSink>,
    label: String,
    began: Instant,
    last: Arc<AtomicU32>,
}

impl Sinks {
    pub(crate) fn new(inner: Arc<dyn EventSink>) -> Self {
        Self { inner, label: String::new(), began: Instant::now(), last: Arc::default() }
    }

    /// The same, with a package's name in front of all it tells.
    pub(crate) fn labelled(&self, name: &Reference) -> Self {
        let label = format!("{}: ", name.repository().path());
        Self { inner: Arc::clone(&self.inner), label, began: self.began, last: Arc::clone(&self.last) }
    }

    /// The sink for one build, whose numbers begin at one.
    pub(crate) fn one(&self) -> Arc<dyn EventSink> {
        let (inner, last) = (Arc::clone(&self.inner), Arc::clone(&self.last));
        Arc::new(Sink { inner, label: self.label.clone(), began: self.began, ids: Mutex::default(), last })
    }
}

struct Sink {
    inner: Arc<dyn EventSink>,
    label: String,
    began: Instant,
    ids: Mutex<BTreeMap<VertexId, VertexId>>,
    last: Arc<AtomicU32>,
}

impl Sink {
    fn id(&self, old: VertexId) -> VertexId {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        *ids.entry(old).or_insert_with(|| VertexId(self.last.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

impl EventSink for Sink {
    fn event(&self, _at: Duration, event: Event) {
        self.inner.event(self.began.elapsed(), renumbered(event, |old| self.id(old), &self.label));
    }
}
