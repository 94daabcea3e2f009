//! Tags and kept images: `index.json` of the layout.
//!
//! Each entry is an image. Its name stands in two annotations: `org.opencontainers.image.ref.name`, which skopeo and other
//! readers of OCI layouts look for, and `io.containerd.image.name`, which says that it is a full reference. An entry without a name
//! is an image that was built without a tag. An image whose last tag went to another one has no entry and is garbage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use oci::layout::{IMAGE_NAME, REF_NAME};
use oci::{Descriptor, Digest, Index, MediaType, Reference};

use crate::document::Document;
use crate::error::At;
use crate::lock::FileLock;
use crate::{Error, Store, document};

impl Store {
    /// Names images, all at once; each name is taken from the image that had it.
    ///
    /// # Errors
    /// [`Error::Absent`] when a manifest is not here, [`Error::NotATag`] for a reference by digest.
    pub fn tag_all(&self, tags: &[(Reference, Descriptor)]) -> Result<(), Error> {
        let full = tags.iter().map(|(reference, image)| {
            self.need(image)?;
            Ok((tag_of(reference)?, image.clone()))
        });
        self.give(full.collect::<Result<_, Error>>()?)
    }

    /// Names the image that `change` makes of the one that has the name now; no name changes in between.
    ///
    /// # Errors
    /// As [`Store::tag_all`]; and what `change` fails with.
    pub fn retag<E: From<Error>>(
        &self,
        reference: &Reference,
        change: impl FnOnce(Option<&Descriptor>) -> Result<Descriptor, E>,
    ) -> Result<Descriptor, E> {
        let reference = tag_of(reference)?;
        let lock = FileLock::exclusive(&self.place().index_lock())?;
        let now = self.entries()?.iter().find(|entry| name_of(entry).as_ref() == Some(&reference)).map(unnamed);
        let image = change(now.as_ref())?;
        self.need(&image)?;
        let tag = (reference, image);
        self.update_locked(&lock, |entries| {
            give(entries, &[&tag]);
            Ok(())
        })?;
        let (_, image) = tag;
        Ok(image)
    }

    /// Names an image.
    ///
    /// # Errors
    /// As [`Store::tag_all`].
    pub fn tag(&self, reference: &Reference, image: &Descriptor) -> Result<(), Error> {
        self.tag_all(&[(reference.clone(), image.clone())])
    }

    /// Keeps an image that has no name, until it is pruned.
    ///
    /// # Errors
    /// [`Error::Absent`] when its manifest is not here.
    pub fn keep(&self, image: &Descriptor) -> Result<(), Error> {
        self.update(|entries| {
            self.need(image)?;
            if entries.iter().all(|entry| entry.digest != image.digest) {
                entries.push(unnamed(image));
            }
            Ok(())
        })
    }

    /// Takes a name away; `false` when no image has it.
    ///
    /// # Errors
    /// When `index.json` cannot be changed; [`Error::NotATag`] for a reference by digest.
    pub fn untag(&self, reference: &Reference) -> Result<bool, Error> {
        let reference = tag_of(reference)?;
        self.update(|entries| {
            let before = entries.len();
            entries.retain(|entry| name_of(entry).as_ref() != Some(&reference));
            Ok(entries.len() < before)
        })
    }

    /// Takes all names of an image away and keeps it no longer; returns how many entries that were.
    ///
    /// # Errors
    /// When `index.json` cannot be changed.
    pub fn forget(&self, digest: &Digest) -> Result<usize, Error> {
        self.update(|entries| {
            let before = entries.len();
            entries.retain(|entry| entry.digest != *digest);
            Ok(before - entries.len())
        })
    }

    /// The image a reference names here: by digest if it has one, else by its tag (`latest` if it has none).
    ///
    /// # Errors
    /// When `index.json` or the manifest cannot be read.
    pub fn resolve(&self, reference: &Reference) -> Result<Option<Descriptor>, Error> {
        let entries = self.entries()?;
        match reference.digest() {
            None => {
                let wanted = reference.clone().or_latest();
                Ok(entries.iter().find(|entry| name_of(entry).as_ref() == Some(&wanted)).map(unnamed))
            }
            Some(digest) => match entries.iter().find(|entry| entry.digest == *digest) {
                Some(entry) => Ok(Some(unnamed(entry))),
                None if self.contains(digest) => self.describe(digest).map(Some),
                None => Ok(None),
            },
        }
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// When `index.json` cannot be read.
    pub fn tags(&self) -> Result<Vec<(Reference, Descriptor)>, Error> {
        let entries = self.entries()?;
        let mut tags: Vec<_> = entries.iter().filter_map(|entry| Some((name_of(entry)?, unnamed(entry)))).collect();
        tags.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(tags)
    }

    /// The images kept without a name.
    ///
    /// # Errors
    /// When `index.json` cannot be read.
    pub fn dangling(&self) -> Result<Vec<Descriptor>, Error> {
        Ok(self.entries()?.iter().filter(|entry| !is_named(entry)).map(unnamed).collect())
    }

    /// A descriptor for a manifest or index that is here.
    ///
    /// # Errors
    /// When it is absent or neither.
    pub fn describe(&self, digest: &Digest) -> Result<Descriptor, Error> {
        let bytes = self.read(digest)?;
        let media_type = match document::image(digest, &bytes)? {
            Document::Index(index) => index.media_type.unwrap_or(MediaType::OCI_INDEX),
            Document::Manifest(manifest) => manifest.media_type.unwrap_or(MediaType::OCI_MANIFEST),
        };
        Ok(Descriptor::new(media_type, digest.clone(), bytes.len() as u64))
    }

    fn need(&self, image: &Descriptor) -> Result<(), Error> {
        if self.contains(&image.digest) { Ok(()) } else { Err(Error::Absent(image.digest.clone())) }
    }

    /// The entries of `index.json`.
    pub(crate) fn entries(&self) -> Result<Vec<Descriptor>, Error> {
        Ok(self.layout_index()?.manifests)
    }

    fn layout_index(&self) -> Result<Index, Error> {
        let path = self.place().index_json();
        let bytes = fs::read(&path).at("read", &path)?;
        serde_json::from_slice(&bytes).map_err(|error| Error::malformed(path.display().to_string(), error))
    }

    fn update<T>(&self, change: impl FnOnce(&mut Vec<Descriptor>) -> Result<T, Error>) -> Result<T, Error> {
        let lock = FileLock::exclusive(&self.place().index_lock())?;
        self.update_locked(&lock, change)
    }

    /// Changes the entries under the index lock; what does not change is not written.
    pub(crate) fn update_locked<T>(
        &self,
        _lock: &FileLock,
        change: impl FnOnce(&mut Vec<Descriptor>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut index = self.layout_index()?;
        let before = index.manifests.clone();
        let result = change(&mut index.manifests)?;
        if index.manifests != before {
            let path = self.place().index_json();
            let bytes = serde_json::to_vec(&index).map_err(|error| Error::malformed("index.json", error))?;
            self.place().replace(&path, &bytes)?;
        }
        Ok(result)
    }
}

/// The name to store: without a digest, with a tag.
fn tag_of(reference: &Reference) -> Result<Reference, Error> {
    let full = reference.clone().or_latest();
    full.tag().and_then(|tag| full.with_tag(tag).ok()).ok_or_else(|| Error::NotATag(reference.clone()))
}

/// Whether someone, perhaps not we, gave the entry a name.
pub(crate) fn is_named(entry: &Descriptor) -> bool {
    entry.annotations.contains_key(REF_NAME) || entry.annotations.contains_key(IMAGE_NAME)
}

/// The name of an entry; other tools' short names count as Docker's short names, but for `latest`, which is a tag of no
/// repository.
pub(crate) fn name_of(entry: &Descriptor) -> Option<Reference> {
    let short = || entry.annotations.get(REF_NAME).filter(|name| *name != "latest");
    let text = entry.annotations.get(IMAGE_NAME).or_else(short)?;
    text.parse::<Reference>().ok().map(Reference::or_latest)
}

/// Takes the names from whoever has them, and gives each to its image: the last one, where two are to have it.
pub(crate) fn give(entries: &mut Vec<Descriptor>, tags: &[&(Reference, Descriptor)]) {
    let names: BTreeMap<&Reference, &Descriptor> = tags.iter().map(|(name, image)| (name, image)).collect();
    let images: BTreeSet<&Digest> = names.values().map(|image| &image.digest).collect();
    let mut lacking = names.clone();
    entries.retain_mut(|entry| match name_of(entry) {
        // In its place: what stands stays as it is, and nothing is written for it.
        Some(name) if names.contains_key(&name) => match lacking.remove(&name) {
            Some(image) => {
                *entry = named(image, &name);
                true
            }
            None => false,
        },
        Some(_) => true,
        None => is_named(entry) || !images.contains(&entry.digest),
    });
    entries.extend(lacking.into_iter().map(|(name, image)| named(image, name)));
}

/// `image` as an entry with a name.
fn named(image: &Descriptor, reference: &Reference) -> Descriptor {
    let mut entry = image.clone();
    entry.annotations.insert(REF_NAME.into(), reference.to_string());
    entry.annotations.insert(IMAGE_NAME.into(), reference.to_string());
    entry
}

/// An entry as an image without its name here.
pub(crate) fn unnamed(entry: &Descriptor) -> Descriptor {
    let mut image = entry.clone();
    image.annotations.remove(REF_NAME);
    image.annotations.remove(IMAGE_NAME);
    image
}
