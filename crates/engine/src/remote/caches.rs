//! Caches in directories of this machine, which a builder reads and writes over the connection.

use std::collections::BTreeMap;
use std::path::Path;

use buildkit::{CacheDirectory, Solved};
use serde_json::{Value, json};

use super::{Remote, result_error};
use crate::event::Events;
use crate::{BuildRequest, CachePlace, Error};

/// What builders put before the name of such a place.
const KIND: &str = "local:";

/// The directories of `--cache-from` and `--cache-to`, by the names that the builder asks for them by.
pub(super) fn directories(request: &BuildRequest) -> BTreeMap<String, CacheDirectory> {
    let from = request.cache_from.iter().map(|source| (&source.place, false));
    let to = request.cache_to.iter().filter_map(|target| Some((target.place.as_ref()?, true)));
    // What is both read and written is written.
    let places = from.chain(to).filter_map(|(place, writable)| match place {
        CachePlace::Directory { path, .. } => Some((format!("{KIND}{}", name(path)), (path.clone(), writable))),
        CachePlace::Registry(_) => None,
    });
    places.map(|(name, (path, writable))| (name, CacheDirectory::new(path, writable))).collect()
}

/// What a directory is called for the builder.
pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}

/// `--cache-from`, in the builder's words; `None` without.
pub(super) fn imports(request: &BuildRequest, events: &Events) -> Option<String> {
    let mut caches = Vec::new();
    for source in &request.cache_from {
        match import(&source.place) {
            Ok(cache) => caches.push(cache),
            Err(reason) => events.warn(format!("the cache {source} cannot be used: {reason}"), None),
        }
    }
    (!caches.is_empty()).then(|| Value::from(caches).to_string())
}

/// One of them, or why it cannot be used.
fn import(place: &CachePlace) -> Result<Value, String> {
    match place {
        CachePlace::Registry(reference) => Ok(json!({ "Type": "registry", "Attrs": { "ref": reference.to_string() } })),
        CachePlace::Directory { path, tag } => {
            let found = CacheDirectory::new(path.clone(), false).find(tag).map_err(|error| error.to_string())?;
            let found = found.ok_or_else(|| format!("nothing in it is named {tag}"))?;
            Ok(json!({ "Type": "local", "Attrs": { "src": name(path), "digest": found.digest.to_string() } }))
        }
    }
}

impl Remote<'_> {
    /// Names what the builder wrote into directories.
    pub(super) fn name_caches(&self, solved: &Solved) -> Result<(), Error> {
        for target in &self.request.cache_to {
            if let (Some(CachePlace::Directory { path, tag }), Some(manifest)) = (&target.place, &solved.cache) {
                let named = CacheDirectory::new(path.clone(), true).name(manifest.clone(), tag);
                named.map_err(result_error)?;
            }
        }
        Ok(())
    }
}
