//! The digest of files as they lie on the disk, for trees that git has no hash of.

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oci::{Digest, Hasher};

use super::{Error, Repository};

/// The digest of what is at each of `paths`: path, type, mode, link target and content of all files that git does not ignore.
///
/// # Errors
/// When git cannot be asked, or a file not be read.
pub(crate) fn of(paths: &[&Path]) -> Result<Digest, Error> {
    let mut hasher = Hasher::new();
    for path in paths {
        let Some(repository) = Repository::find(path)? else { return Err(Error::NoRepository((*path).to_owned())) };
        record(&mut hasher, b"source", &[]);
        repository_files(&mut hasher, &repository, path)?;
    }
    Ok(hasher.finish())
}

fn repository_files(hasher: &mut Hasher, repository: &Repository, path: &Path) -> Result<(), Error> {
    let below = repository.below(path)?;
    for file in repository.files(path)? {
        let name = file.strip_prefix(&below).unwrap_or(&file);
        entry(hasher, name, &repository.root().join(&file))?;
    }
    Ok(())
}

/// One file; a directory among files is another repository, or what git did not look into.
fn entry(hasher: &mut Hasher, name: &Path, path: &Path) -> Result<(), Error> {
    let found = match fs::symlink_metadata(path) {
        // Tracked and removed: its absence is what shows.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(Error::read(path))?,
    };
    record(hasher, b"path", name.as_os_str().as_bytes());
    let kind = found.file_type();
    if kind.is_symlink() {
        record(hasher, b"link", fs::read_link(path).map_err(Error::read(path))?.as_os_str().as_bytes());
    } else if kind.is_dir() {
        record(hasher, b"directory", &[]);
        directory(hasher, name, path)?;
    } else {
        let mode = found.permissions().mode() & 0o7777;
        record(hasher, b"mode", format!("{mode:o}").as_bytes());
        match kind.is_file() {
            true => record(hasher, b"file", content(path)?.as_str().as_bytes()),
            false => record(hasher, b"special", format!("{kind:?}").as_bytes()),
        }
    }
    Ok(())
}

fn directory(hasher: &mut Hasher, name: &Path, path: &Path) -> Result<(), Error> {
    if path.join(".git").exists()
        && let Some(inner) = Repository::find(path)?
    {
        return repository_files(hasher, &inner, path);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(Error::read(path))?;
    let mut names: Vec<_> = entries.iter().map(fs::DirEntry::file_name).collect();
    names.sort();
    names.iter().try_for_each(|child| entry(hasher, &name.join(child), &path.join(child)))
}

fn content(path: &Path) -> Result<Digest, Error> {
    let mut file = fs::File::open(path).map_err(Error::read(path))?;
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 128 << 10]);
    loop {
        match file.read(&mut buffer).map_err(Error::read(path))? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// A piece that cannot be taken for another: its kind, its length, itself.
pub(crate) fn record(hasher: &mut Hasher, kind: &[u8], bytes: &[u8]) {
    hasher.update(kind);
    hasher.update(format!(" {}\n", bytes.len()).as_bytes());
    hasher.update(bytes);
    hasher.update(b"\n");
}
