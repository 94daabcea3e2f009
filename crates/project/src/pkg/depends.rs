//! `depends.docker-images`: images that are put into the context as archives.

use std::fs;
use std::path::{Component, Path};

use oci::Reference;
use serde_saphyr::Spanned;

use super::Error;
use super::build_yml::ListedImages;
use crate::{Input, Place};

/// Images for the context, and where in it they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerImages {
    /// The images, each with a digest.
    pub images: Vec<Reference>,
    /// Below the context's root.
    pub target: String,
    /// Whether `target` is a directory with an archive for each image, rather than one archive for all.
    pub directory: bool,
}

/// A path that stays in the package's directory.
fn inside<'v>(input: &Input, key: &str, value: &'v Spanned<String>) -> Result<&'v str, Error> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let path = Path::new(&value.value);
    match path.components().all(inside) && path.components().any(|part| matches!(part, Component::Normal(_))) {
        true => Ok(&value.value),
        false => {
            let message = format!("{key} {:?} is not below the package's directory", value.value);
            let hint = "give a path relative to the directory of build.yml, without `..`";
            Err(Error::written(input, value, message, hint))
        }
    }
}

/// Understands what a file in `directory` lists.
pub(crate) fn docker_images(
    input: &Input,
    directory: &Path,
    listed: &Spanned<ListedImages>,
) -> Result<Option<DockerImages>, Error> {
    let wrong = |message: &str, hint: &str| Err(Error::written(input, listed, message, hint));
    let value = &listed.value;
    if value.target.is_some() && value.target_dir.is_some() {
        return wrong("target and target-dir exclude each other", "leave one of them out");
    }
    if value.from_file.is_some() && !value.list.is_empty() {
        return wrong("list and from-file exclude each other", "leave one of them out");
    }
    let images = images(input, directory, value)?;
    if images.is_empty() {
        return Ok(None);
    }
    let (key, target) = match (&value.target, &value.target_dir) {
        (Some(target), _) => ("target", target),
        (None, Some(target)) => ("target-dir", target),
        (None, None) => return wrong("docker-images says not where they go", "add target or target-dir"),
    };
    let directory = value.target_dir.is_some();
    Ok(Some(DockerImages { images, target: inside(input, key, target)?.to_owned(), directory }))
}

fn images(input: &Input, directory: &Path, value: &ListedImages) -> Result<Vec<Reference>, Error> {
    let Some(from_file) = &value.from_file else {
        let pinned = |image: &Spanned<String>| {
            pinned(&image.value).map_err(|(message, hint)| Error::written(input, image, message, hint))
        };
        return value.list.iter().map(pinned).collect();
    };
    let path = directory.join(inside(input, "from-file", from_file)?);
    let text = fs::read_to_string(&path).map_err(Error::read(&path))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let image = |(number, line): (usize, &str)| {
        pinned(line.trim()).map_err(|(message, hint)| {
            let place = Place::line(&path.display().to_string(), number + 1, line);
            Error::Written { message, place: Box::new(place), hint: Some(hint) }
        })
    };
    lines.map(image).collect()
}

/// A reference that always means the same image.
fn pinned(text: &str) -> Result<Reference, (String, String)> {
    let form = || "such as docker.io/library/alpine@sha256:...".to_owned();
    let reference: Reference = text.parse().map_err(|error: oci::ReferenceError| (error.to_string(), form()))?;
    match reference.digest() {
        Some(_) => Ok(reference),
        None => Err((format!("the image {text:?} has no digest"), format!("pin it, {}", form()))),
    }
}
