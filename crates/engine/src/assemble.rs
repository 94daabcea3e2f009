//! From snapshots to images: configs, manifests and indexes, as BuildKit's image exporter writes them.

use graph::Graph;
use layer::Compression;
use oci::calendar::Utc;
use oci::{Descriptor, ImageConfig, Index, Manifest, MediaType, Platform};

use crate::layers::LayerRef;
use crate::{Annotation, AnnotationLevel, Error, TimestampPolicy};

/// What one platform's build came to, before it is written in some form.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) platform: Platform,
    /// Without layers' digests and times.
    pub(crate) config: ImageConfig,
    /// For each history entry, whether it is of this build rather than of a base.
    pub(crate) own_history: Vec<bool>,
    pub(crate) layers: Vec<LayerRef>,
    /// The image and what is said of it, as a builder made them: attestations name an image by its digest.
    pub(crate) attested: Option<Vec<Image>>,
}

/// A document that is written as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) descriptor: Descriptor,
    pub(crate) bytes: Vec<u8>,
}

/// An image for one platform, complete but for the bytes of its layers.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) platform: Platform,
    pub(crate) manifest: Document,
    pub(crate) config: Document,
    pub(crate) layers: Vec<LayerRef>,
}

/// One image, or several under an index.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) images: Vec<Image>,
    pub(crate) index: Option<Document>,
}

impl Artifact {
    /// What a tag points to.
    pub(crate) fn root(&self) -> Option<&Document> {
        self.index.as_ref().or_else(|| self.images.first().map(|image| &image.manifest))
    }
}

/// Which media types are used, and which annotations put on.
#[derive(Debug, Clone)]
pub(crate) struct Form<'a> {
    pub(crate) docker: bool,
    pub(crate) annotations: &'a [Annotation],
    pub(crate) timestamp: TimestampPolicy,
}

impl Built {
    /// The outcome of `graph`.
    pub(crate) fn new(graph: &Graph, layers: Vec<LayerRef>) -> Self {
        let own = graph.history.iter().zip(&graph.config.history);
        let own_history = own.map(|(step, entry)| step.is_some() || entry.created.is_none()).collect();
        Self { platform: graph.platform.clone(), config: graph.config.clone(), own_history, layers, attested: None }
    }
}

/// Writes `built` in `form`: an index when there are several platforms or `indexed` asks for one.
pub(crate) fn assemble(built: &[Built], form: &Form<'_>, indexed: bool) -> Result<Artifact, Error> {
    check_annotations(built, form, indexed || built.len() > 1 || built.iter().any(|one| one.attested.is_some()))?;
    let images = built.iter().map(|one| images(one, form)).collect::<Result<Vec<_>, _>>()?.concat();
    let index = if images.len() > 1 || indexed { Some(index(&images, form)?) } else { None };
    Ok(Artifact { images, index })
}

/// The image, and what is said of it.
fn images(built: &Built, form: &Form<'_>) -> Result<Vec<Image>, Error> {
    let Some(attested) = &built.attested else { return Ok(vec![image(built, form)?]) };
    if form.docker || !annotations(form, AnnotationLevel::Manifest, Some(&built.platform)).is_empty() {
        let reason = "an image with attestations stays as its builder made it: it can have neither Docker's media types \
                      nor annotations of its manifest";
        return Err(Error::Conflict(reason.into()));
    }
    let mut images = attested.clone();
    if let Some(image) = images.first_mut() {
        image.manifest.descriptor.annotations =
            annotations(form, AnnotationLevel::ManifestDescriptor, Some(&built.platform));
    }
    Ok(images)
}

fn image(built: &Built, form: &Form<'_>) -> Result<Image, Error> {
    let config_type = if form.docker { MediaType::DOCKER_CONFIG } else { MediaType::OCI_CONFIG };
    let config = document(&config(built, form.timestamp), config_type)?;
    let layers = built.layers.iter().map(|layer| layer_descriptor(layer, form)).collect::<Result<Vec<_>, _>>()?;
    let media_type = if form.docker { MediaType::DOCKER_MANIFEST } else { MediaType::OCI_MANIFEST };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media_type.clone()),
        artifact_type: None,
        config: config.descriptor.clone(),
        layers,
        subject: None,
        annotations: annotations(form, AnnotationLevel::Manifest, Some(&built.platform)),
        other: serde_json::Map::new(),
    };
    let mut manifest = document(&manifest, media_type)?;
    manifest.descriptor.annotations = annotations(form, AnnotationLevel::ManifestDescriptor, Some(&built.platform));
    Ok(Image { platform: built.platform.clone(), manifest, config, layers: built.layers.clone() })
}

/// The config with its layers and times: what this build made gets the build's time, a base's entries keep theirs.
fn config(built: &Built, timestamp: TimestampPolicy) -> ImageConfig {
    let created = rfc3339(timestamp.seconds());
    let mut config = built.config.clone();
    config.rootfs.diff_ids = built.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    config.created = Some(created.clone());
    for (entry, own) in config.history.iter_mut().zip(&built.own_history) {
        if *own {
            entry.created = Some(created.clone());
        }
    }
    config
}

fn layer_descriptor(layer: &LayerRef, form: &Form<'_>) -> Result<Descriptor, Error> {
    let blob = layer.blob.as_ref().ok_or_else(|| Error::LayerLost(layer.diff_id.0.clone()))?;
    let encoding = blob.media_type.layer_encoding();
    let encoding = encoding
        .ok_or_else(|| Error::LayerType { digest: blob.digest.clone(), media_type: blob.media_type.clone() })?;
    let mut descriptor = Descriptor::new(MediaType::layer(encoding, form.docker), blob.digest.clone(), blob.size);
    if !form.docker {
        descriptor.annotations.clone_from(&blob.annotations);
    }
    Ok(descriptor)
}

fn index(images: &[Image], form: &Form<'_>) -> Result<Document, Error> {
    let entries = images.iter().map(|image| {
        let platform = Some(image.platform.clone());
        Descriptor { platform, ..image.manifest.descriptor.clone() }
    });
    let mut index = Index::new(entries.collect(), form.docker);
    index.annotations = annotations(form, AnnotationLevel::Index, None);
    let media_type = index.media_type.clone().unwrap_or_default();
    let mut index = document(&index, media_type)?;
    index.descriptor.annotations = annotations(form, AnnotationLevel::IndexDescriptor, None);
    Ok(index)
}

/// Refuses annotations that nothing could carry, as BuildKit does.
fn check_annotations(built: &[Built], form: &Form<'_>, indexed: bool) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::Conflict(reason));
    for Annotation { level, platform, key, .. } in form.annotations {
        if let Some(platform) = platform
            && !built.iter().any(|built| built.platform == *platform)
        {
            return refused(format!("the annotation {key} is for {platform}, which this build does not build for"));
        }
        if form.docker && *level != AnnotationLevel::Manifest {
            return refused(format!("the annotation {key} needs OCI media types, not oci-mediatypes=false"));
        }
        if !indexed && matches!(level, AnnotationLevel::Index | AnnotationLevel::IndexDescriptor) {
            return refused(format!("the annotation {key} is for an index, but one platform makes none"));
        }
    }
    Ok(())
}

fn annotations(
    form: &Form<'_>,
    level: AnnotationLevel,
    platform: Option<&Platform>,
) -> std::collections::BTreeMap<String, String> {
    let wanted = form.annotations.iter().filter(|annotation| {
        annotation.level == level && annotation.platform.as_ref().is_none_or(|only| Some(only) == platform)
    });
    wanted.map(|annotation| (annotation.key.clone(), annotation.value.clone())).collect()
}

fn document(value: &impl serde::Serialize, media_type: MediaType) -> Result<Document, Error> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Document { descriptor: Descriptor::of(media_type, &bytes), bytes })
}

/// The compression of a build's layers: what an output asks for, else none if every output is a registry on this
/// machine, else fast gzip. One build has one compression.
pub(crate) fn compression(asked: &[Option<Compression>], all_local_registries: bool) -> Result<Compression, Error> {
    let mut named: Vec<Compression> = asked.iter().copied().flatten().collect();
    named.dedup();
    match named[..] {
        [] if all_local_registries => Ok(Compression::None),
        [] => Ok(Compression::default()),
        [one] => Ok(one),
        _ => Err(Error::Conflict("the outputs ask for different compressions, but a build has one".into())),
    }
}

/// `seconds` since 1970 as RFC 3339 in UTC. Civil-from-days: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub(crate) fn rfc3339(seconds: i64) -> String {
    format!("{}Z", Utc::of_unix(seconds).to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (TimestampPolicy::DEFAULT_SECONDS, "1980-01-02T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_001, "2023-11-14T22:13:21Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn one_build_has_one_compression() {
        let zstd = Some(Compression::Zstd { level: 3 });
        assert_eq!(compression(&[None, None], true).expect("fine"), Compression::None);
        assert_eq!(compression(&[None], false).expect("fine"), Compression::Gzip { level: 1 });
        assert_eq!(compression(&[None, zstd, zstd], true).expect("fine"), Compression::Zstd { level: 3 });
        assert!(compression(&[Some(Compression::None), zstd], true).is_err());
    }
}
