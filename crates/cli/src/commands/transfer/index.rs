//! An index over images that are in a registry: what a matrix of CI jobs ends with.

use oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference};

use super::super::inspect::platform_of;
use super::{Transfer, copy, parse};
use crate::args::IndexCreateArgs;
use crate::failure::{Exit, Failure};
use crate::request::{self, RequestError};

/// The largest configuration that is read.
const MAX_CONFIG: u64 = 16 << 20;

/// An entry of the index and where its image is.
struct Source {
    reference: Reference,
    entry: Descriptor,
}

/// Makes the index; says its digest, or with `--dry-run` all of it.
pub(super) async fn create(transfer: &Transfer, args: &IndexCreateArgs, tags: &[Reference]) -> Result<String, Failure> {
    let mut sources = Vec::new();
    for text in &args.sources {
        sources.extend(entries(transfer, &located(text, tags)?).await?);
    }
    let index = index(&sources, &args.annotations)?;
    let bytes = serde_json::to_vec_pretty(&index);
    let bytes = bytes.map_err(|error| Failure::new(Exit::Internal, format!("cannot write the index: {error}")))?;
    if args.dry_run {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let media_type = index.media_type.unwrap_or(oci::MediaType::OCI_INDEX);
    for tag in tags {
        for source in &sources {
            copy::image(transfer, &source.reference, tag.repository()).await?;
        }
        transfer.client.put_manifest(tag, &media_type, bytes.clone().into()).await?;
    }
    Ok(Digest::of(&bytes).to_string())
}

/// A reference, or a digest in the repository of the first tag.
fn located(text: &str, tags: &[Reference]) -> Result<Reference, Failure> {
    match (Digest::parse(text), tags.first()) {
        (Ok(digest), Some(tag)) => Ok(tag.with_digest(digest)),
        _ => Ok(request::reference(text)?.or_latest()),
    }
}

/// The image's entry, or those of an index.
async fn entries(transfer: &Transfer, reference: &Reference) -> Result<Vec<Source>, Failure> {
    let (mut root, bytes) = transfer.client.get_manifest(reference).await?;
    let source = |entry: Descriptor| Source { reference: reference.with_digest(entry.digest.clone()), entry };
    if root.media_type.is_index() {
        let index: Index = parse(&root.digest, &bytes)?;
        return Ok(index.manifests.into_iter().map(source).collect());
    }
    root.platform = Some(platform(transfer, reference, &parse(&root.digest, &bytes)?).await?);
    Ok(vec![source(root)])
}

async fn platform(transfer: &Transfer, reference: &Reference, manifest: &Manifest) -> Result<Platform, Failure> {
    let config = &manifest.config;
    let bytes = transfer.client.get_blob_bytes(reference.repository(), config, MAX_CONFIG).await?;
    Ok(platform_of(&parse::<ImageConfig>(&config.digest, &bytes)?))
}

/// The index: Docker's only when all its images are, as Docker's index may hold no other.
fn index(sources: &[Source], annotations: &[String]) -> Result<Index, Failure> {
    let mut entries: Vec<Descriptor> = Vec::new();
    for Source { entry, .. } in sources {
        if !entries.iter().any(|other| other.digest == entry.digest) {
            entries.push(entry.clone());
        }
    }
    let docker = annotations.is_empty() && entries.iter().all(|entry| entry.media_type.is_docker());
    let mut index = Index::new(entries, docker);
    for text in annotations {
        let pair = text.strip_prefix("index:").unwrap_or(text).split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) = pair.ok_or_else(|| RequestError::invalid("--annotation", text, "it is not KEY=VALUE"))?;
        index.annotations.insert(key.to_owned(), value.to_owned());
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use oci::MediaType;

    use super::*;

    fn source(media_type: MediaType, content: &str) -> Source {
        let entry = Descriptor::of(media_type, content.as_bytes());
        let reference: Reference = "example.org/a".parse().unwrap();
        Source { reference: reference.with_digest(entry.digest.clone()), entry }
    }

    #[test]
    fn each_image_is_listed_once_and_annotations_make_it_oci() {
        let docker = || vec![source(MediaType::DOCKER_MANIFEST, "a"), source(MediaType::DOCKER_MANIFEST, "a")];
        let plain = index(&docker(), &[]).unwrap();
        assert_eq!((plain.manifests.len(), plain.media_type), (1, Some(MediaType::DOCKER_INDEX)));
        let annotated = index(&docker(), &["index:a=b".into()]).unwrap();
        assert_eq!(annotated.media_type, Some(MediaType::OCI_INDEX));
        assert_eq!(annotated.annotations["a"], "b");
        assert!(index(&docker(), &["a".into()]).is_err());
    }

    #[test]
    fn a_bare_digest_is_in_the_first_tags_repository() {
        let tags = ["example.org/a:1".parse().unwrap()];
        let digest = Digest::of(b"x");
        assert_eq!(located(digest.as_str(), &tags).unwrap().to_string(), format!("example.org/a@{digest}"));
        assert_eq!(located("example.org/b", &tags).unwrap().to_string(), "example.org/b:latest");
    }
}
