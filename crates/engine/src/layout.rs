//! Reading an OCI layout that is not the store's: `oci-layout://`.

use std::fs;
use std::io;
use std::path::Path;

use oci::layout::{IMAGE_NAME, REF_NAME};
use oci::{Descriptor, Digest, Index};

use crate::Error;

/// Documents larger than this are not read.
const MAX_DOCUMENT: u64 = 16 << 20;

/// The entry of `dir`'s index that `object` names: a tag, or a digest with `@`; the only entry without.
pub(crate) fn entry(dir: &Path, object: Option<&str>) -> Result<Descriptor, Error> {
    let path = dir.join("index.json");
    let bytes = read_limited(&path)?;
    let index: Index =
        serde_json::from_slice(&bytes).map_err(|error| Error::LayoutIndex { path, reason: error.to_string() })?;
    let mut found = index.manifests.iter().filter(|entry| object.is_none_or(|object| names(entry, object)));
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry.clone()),
        (Some(entry), Some(_)) if object.is_some() => Ok(entry.clone()),
        _ => Err(Error::LayoutEntry {
            directory: dir.to_owned(),
            object: object.map(str::to_owned),
            entries: index.manifests.iter().filter_map(|entry| entry.annotations.get(REF_NAME).cloned()).collect(),
        }),
    }
}

fn names(entry: &Descriptor, object: &str) -> bool {
    let is = |key: &str| entry.annotations.get(key).is_some_and(|name| name == object || ends_with_tag(name, object));
    entry.digest.as_str() == object || is(REF_NAME) || is(IMAGE_NAME)
}

fn ends_with_tag(name: &str, tag: &str) -> bool {
    name.strip_suffix(tag).is_some_and(|rest| rest.ends_with(':'))
}

/// A manifest, index or config of the layout, its digest verified.
pub(crate) fn document(dir: &Path, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let digest = &descriptor.digest;
    let path = dir.join(oci::layout::blob(digest));
    let bytes = read_limited(&path)?;
    if Digest::of(&bytes) != *digest {
        let source =
            io::Error::new(io::ErrorKind::InvalidData, format!("its content does not have the digest {digest}"));
        return Err(Error::LayoutRead { path, source });
    }
    Ok(bytes)
}

fn read_limited(path: &Path) -> Result<Vec<u8>, Error> {
    use io::Read;
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_DOCUMENT).read_to_end(&mut bytes));
    read.map_err(|source| Error::LayoutRead { path: path.to_owned(), source })?;
    Ok(bytes)
}
