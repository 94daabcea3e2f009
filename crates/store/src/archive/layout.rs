//! Importing an OCI layout, be it a directory or an archive.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci::{Descriptor, Digest, Index, layout};

use crate::archive::import::Imported;
use crate::archive::staged::StagedArchive;
use crate::document::{self, Document};
use crate::error::At;
use crate::place::LayoutMarker;
use crate::tags::{name_of, unnamed};
use crate::{DOCUMENT_LIMIT, Error, Store};

/// Where the parts of a layout come from.
pub(super) trait Parts {
    /// A small file; `None` when there is none of this name.
    fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Makes a file a verified blob of the store; `false` when there is none of this name.
    fn adopt(&self, store: &Store, name: &str, expected: &Descriptor) -> Result<bool, Error>;
}

impl Parts for StagedArchive {
    fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.document(name)
    }

    fn adopt(&self, store: &Store, name: &str, expected: &Descriptor) -> Result<bool, Error> {
        self.adopt(store, name, expected)
    }
}

/// A layout in a directory.
pub(super) struct LayoutDir(pub(super) PathBuf);

impl LayoutDir {
    fn open(&self, name: &str) -> Result<Option<(PathBuf, File)>, Error> {
        let path = self.0.join(name);
        let no_links = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        match File::options().read(true).custom_flags(no_links.bits().cast_signed()).open(&path) {
            Ok(file) => Ok(Some((path, file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("open", &path),
        }
    }
}

impl Parts for LayoutDir {
    fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some((path, file)) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).at("read", &path)?;
        let size = bytes.len() as u64;
        if size > DOCUMENT_LIMIT {
            return Err(Error::TooLarge { digest: Digest::of(&bytes), size, limit: DOCUMENT_LIMIT });
        }
        Ok(Some(bytes))
    }

    fn adopt(&self, store: &Store, name: &str, expected: &Descriptor) -> Result<bool, Error> {
        let Some((path, file)) = self.open(name)? else { return Ok(false) };
        let mut writer = store.writer(None)?;
        // One byte more than expected is enough to see that it is something else.
        io::copy(&mut file.take(expected.size.saturating_add(1)), &mut writer).map_err(|error| {
            error.downcast::<Error>().unwrap_or_else(|cause| Error::Io { action: "copy", path, cause })
        })?;
        writer.verified(expected)?;
        Ok(true)
    }
}

/// Brings all images of a layout: contents first, then documents.
pub(super) fn read(store: &Store, parts: &dyn Parts) -> Result<Vec<Imported>, Error> {
    let marker = parts.document("oci-layout")?.ok_or_else(|| Error::Archive("it has no oci-layout".into()))?;
    LayoutMarker::check(&marker).map_err(Error::Archive)?;
    let index = parts.document("index.json")?.ok_or_else(|| Error::Archive("it has no index.json".into()))?;
    let index: Index = serde_json::from_slice(&index).map_err(|error| Error::malformed("index.json", error))?;
    let contents = Contents::of(store, parts, &index.manifests)?;
    for descriptor in contents.leaves.iter().chain(contents.documents.iter().rev()) {
        let here = parts.adopt(store, &layout::blob(&descriptor.digest), descriptor)?;
        if !here && !store.contains(&descriptor.digest) {
            return Err(Error::Archive(format!("it lacks blob {}", descriptor.digest)));
        }
    }
    Ok(index.manifests.iter().map(|entry| Imported { reference: name_of(entry), image: unnamed(entry) }).collect())
}

/// Everything images consist of: documents, parents before children, and what they name.
#[derive(Default)]
struct Contents {
    documents: Vec<Descriptor>,
    leaves: Vec<Descriptor>,
}

impl Contents {
    fn of(store: &Store, parts: &dyn Parts, images: &[Descriptor]) -> Result<Self, Error> {
        let mut contents = Self::default();
        let mut seen = BTreeSet::new();
        let mut open: Vec<_> = images.iter().filter(|image| seen.insert(image.digest.clone())).cloned().collect();
        while let Some(descriptor) = open.pop() {
            match read_document(store, parts, &descriptor)? {
                Document::Index(index) => {
                    open.extend(index.manifests.into_iter().filter(|child| seen.insert(child.digest.clone())));
                }
                Document::Manifest(manifest) => {
                    let named = std::iter::once(manifest.config).chain(manifest.layers);
                    contents.leaves.extend(named.filter(|leaf| seen.insert(leaf.digest.clone())));
                }
            }
            contents.documents.push(descriptor);
        }
        Ok(contents)
    }
}

fn read_document(store: &Store, parts: &dyn Parts, descriptor: &Descriptor) -> Result<Document, Error> {
    let bytes = match parts.document(&layout::blob(&descriptor.digest))? {
        Some(bytes) => bytes,
        None if store.contains(&descriptor.digest) => store.read(&descriptor.digest)?,
        None => return Err(Error::Archive(format!("it lacks manifest {}", descriptor.digest))),
    };
    let found = Digest::of(&bytes);
    if found != descriptor.digest || bytes.len() as u64 != descriptor.size {
        return Err(Error::Mismatch {
            expected: descriptor.digest.clone(),
            expected_size: descriptor.size,
            found,
            found_size: bytes.len() as u64,
        });
    }
    document::image(&descriptor.digest, &bytes)
}

/// Whether `dir` looks like an OCI layout.
pub(super) fn is_layout(dir: &Path) -> bool {
    dir.join("oci-layout").is_file()
}
