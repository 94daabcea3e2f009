//! Cache mounts carried between machines: for each, `HASH.tar` with what it holds and `HASH.id` with its id, in one directory.
//!
//! A cache's owners, modes and times go along, whichever isolation level reads or writes it. The id comes last: with it, all is there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use oci::Digest;
use sandbox::Sandbox;
use store::{CacheMount, Sharing, Store};
use tempfile::NamedTempFile;

use super::RunError;
use super::caches::{PATIENCE, empty};
use crate::Error;

/// The cache mounts of a store, at the isolation level that builds use here.
pub struct CacheMounts {
    store: Store,
    sandbox: Sandbox,
}

impl CacheMounts {
    /// Those of `store`. Blocks, as all of this does.
    ///
    /// # Errors
    /// When no isolation level is available.
    pub fn open(store: Store) -> Result<Self, Error> {
        let sandbox = sandbox::probe(&store.trees_dir()?).choose(None).map_err(RunError::from)?;
        Ok(Self { store, sandbox })
    }

    /// Writes every cache to the directory `to`, made if it is missing, over those of the same ids; returns the ids. Waits for
    /// caches that are in use.
    ///
    /// # Errors
    /// When a cache cannot be read or a file not be written.
    pub fn export(&self, to: &Path) -> Result<Vec<String>, Error> {
        fs::create_dir_all(to).map_err(at("create", to))?;
        let mut exported = Vec::new();
        for id in self.store.cache_ids(self.sandbox.scheme())? {
            let cache = self.wait(&id)?;
            if cache.is_new() {
                continue;
            }
            let (note, tar) = files(to, &id);
            write_whole(&tar, |file| Ok(self.sandbox.pack(&cache.path(), file).map_err(RunError::from)?))?;
            write_whole(&note, |file| file.write_all(id.as_bytes()).map_err(at("write", &note)))?;
            exported.push(id);
        }
        Ok(exported)
    }

    /// Takes every cache that lies in the directory `from`, in place of those of the same ids; returns the ids.
    ///
    /// # Errors
    /// When a file cannot be read or is not what its name says, or a cache cannot be written.
    pub fn import(&self, from: &Path) -> Result<Vec<String>, Error> {
        let mut imported = Vec::new();
        for note in notes(from)? {
            let id = fs::read_to_string(&note).map_err(at("read", &note))?;
            let (expected, tar) = files(from, &id);
            if expected != note {
                return Err(Error::Conflict(format!("{} holds the id of another cache", note.display())));
            }
            let tar = File::open(&tar).map_err(at("open", &tar))?;
            self.wait(&id)?.fill_anew(|dir| {
                empty(&self.sandbox, dir)?;
                Ok::<_, Error>(self.sandbox.unpack(tar, dir).map_err(RunError::from)?)
            })?;
            imported.push(id);
        }
        Ok(imported)
    }

    /// The cache for us alone.
    fn wait(&self, id: &str) -> Result<CacheMount, Error> {
        loop {
            match self.store.cache_mount(self.sandbox.scheme(), id, Sharing::Locked)? {
                Some(cache) => return Ok(cache),
                None => thread::sleep(PATIENCE),
            }
        }
    }
}

/// Where an id and the files of its cache lie.
fn files(dir: &Path, id: &str) -> (PathBuf, PathBuf) {
    let name = Digest::of(id.as_bytes());
    let file = |extension: &str| dir.join(format!("{}.{extension}", name.hex()));
    (file("id"), file("tar"))
}

/// The files that hold ids, sorted.
fn notes(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed =
        fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut notes = listed.map_err(at("list", dir))?;
    notes.retain(|path| path.extension().is_some_and(|extension| extension == "id"));
    notes.sort();
    Ok(notes)
}

/// Writes a file aside and gives it its name.
fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> Result<(), Error>) -> Result<(), Error> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut aside = NamedTempFile::new_in(dir).map_err(at("create a file in", dir))?;
    write(aside.as_file_mut())?;
    aside.persist(path).map_err(|error| at("rename to", path)(error.error))?;
    Ok(())
}

fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { operation, path, source }
}
