//! Finding and reading the Dockerfile and the ignore file that goes with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use dockerfile::ignore::Patterns;
use layer::SourceTree;

use crate::{Directory, Error};

/// No Dockerfile and no ignore file is larger: 16 MiB, what BuildKit's messages can carry.
pub(crate) const MAX_SIZE: u64 = 16 << 20;

const NAME: &str = "Dockerfile";
const OTHER_NAME: &str = "dockerfile";
const IGNORE: &str = ".dockerignore";

/// An ignore file and what it says.
#[derive(Debug)]
pub struct IgnoreFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its patterns.
    pub patterns: Patterns,
}

/// Reads the Dockerfile at `path` on this machine. Where a `Dockerfile` is missing, a `dockerfile` will do. That an ignore
/// file names it does not matter.
///
/// # Errors
/// When it is missing or too large.
pub fn read_dockerfile(path: &Path) -> Result<Vec<u8>, Error> {
    let opened = File::open(path).or_else(|error| match other_name(path) {
        Some(other) if error.kind() == io::ErrorKind::NotFound => File::open(other),
        _ => Err(error),
    });
    let place = path.display().to_string();
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoDockerfile { place }),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
        Ok(file) => bounded(file, &place),
    }
}

fn other_name(path: &Path) -> Option<PathBuf> {
    (path.file_name()? == NAME).then(|| path.with_file_name(OTHER_NAME))
}

/// Reads the Dockerfile at `path` of a context that is no directory of this machine; links stay inside it.
///
/// # Errors
/// As [`read_dockerfile`].
pub fn read_dockerfile_in(tree: &dyn SourceTree, path: &str) -> Result<Vec<u8>, Error> {
    let found = layer::resolve(tree, path, true).or_else(|error| match path.strip_suffix(NAME) {
        Some(start) if error.is_not_found() && (start.is_empty() || start.ends_with('/')) => {
            layer::resolve(tree, format!("{start}{OTHER_NAME}"), true)
        }
        _ => Err(error),
    });
    let place = path.to_owned();
    match found {
        Err(error) if error.is_not_found() => Err(Error::NoDockerfile { place }),
        Err(error) => Err(error.into()),
        Ok(found) => bounded(tree.content(&found)?.open().map_err(Error::Stream)?, &place),
    }
}

fn bounded(reader: impl Read, place: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let failed = |source| Error::Read { path: PathBuf::from(place), source };
    reader.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(Error::TooLarge { place: place.to_owned() });
    }
    Ok(bytes)
}

/// The ignore file for a context directory: `DOCKERFILE.dockerignore` beside the Dockerfile where that exists, even empty,
/// else `.dockerignore` in the context. BuildKit applies them to directories only: archives and repositories are taken whole.
///
/// # Errors
/// When one is there but cannot be read or understood.
pub fn ignore_file(dockerfile: Option<&Path>, context: &Path) -> Result<Option<IgnoreFile>, Error> {
    if let Some((directory, name)) = dockerfile.and_then(beside) {
        let own = read_ignore(&directory, &name)?;
        if own.is_some() {
            return Ok(own);
        }
    }
    read_ignore(context, IGNORE)
}

/// The directory of the Dockerfile and the name of an ignore file of its own.
fn beside(dockerfile: &Path) -> Option<(PathBuf, String)> {
    let name = dockerfile.file_name()?.to_str()?;
    let directory = dockerfile.parent().filter(|parent| !parent.as_os_str().is_empty());
    Some((directory.unwrap_or(Path::new(".")).to_owned(), format!("{name}{IGNORE}")))
}

fn read_ignore(directory: &Path, name: &str) -> Result<Option<IgnoreFile>, Error> {
    let path = directory.join(name);
    let tree = match Directory::open(directory, None) {
        Err(Error::RootFs(error)) if error.is_not_found() => return Ok(None),
        tree => tree?,
    };
    let found = match layer::resolve(&tree, name, true) {
        Err(error) if error.is_not_found() => return Ok(None),
        found => found?,
    };
    if tree.entry(&found)?.is_some_and(|entry| entry.is_dir()) {
        return Ok(None);
    }
    let reader = tree.content(&found)?.open().map_err(|source| Error::Read { path: path.clone(), source })?;
    let bytes = bounded(reader, &path.display().to_string())?;
    let patterns = Patterns::parse(&String::from_utf8_lossy(&bytes));
    let patterns = patterns.map_err(|source| Error::Ignore { path: path.clone(), source })?;
    Ok(Some(IgnoreFile { path, patterns }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, content) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("not the root")).expect("made");
            fs::write(path, content).expect("written");
        }
        directory
    }

    fn patterns(dockerfile: &str, context: &Path) -> Vec<String> {
        let found = ignore_file(Some(&context.join(dockerfile)), context).expect("readable");
        found.map(|file| file.patterns.texts().collect()).unwrap_or_default()
    }

    #[test]
    fn the_dockerfiles_own_ignore_file_goes_first_even_empty() {
        let files =
            [(".dockerignore", "all"), ("a.Dockerfile.dockerignore", "own"), ("sub/Dockerfile.dockerignore", "")];
        let directory = written(&files);
        assert_eq!(patterns("Dockerfile", directory.path()), ["all"]);
        assert_eq!(patterns("a.Dockerfile", directory.path()), ["own"]);
        assert_eq!(patterns("sub/Dockerfile", directory.path()), [""; 0]);
    }

    #[test]
    fn an_ignore_file_that_is_a_link_out_of_the_context_is_not_there() {
        let outside = written(&[("patterns", "x")]);
        let directory = written(&[("inside", "y")]);
        symlink(outside.path().join("patterns"), directory.path().join(".dockerignore")).expect("linked");
        assert_eq!(patterns("Dockerfile", directory.path()), [""; 0]);
        fs::remove_file(directory.path().join(".dockerignore")).expect("removed");
        symlink("/inside", directory.path().join(".dockerignore")).expect("linked");
        assert_eq!(patterns("Dockerfile", directory.path()), ["y"]);
    }

    #[test]
    fn a_bad_pattern_names_its_file() {
        let directory = written(&[(".dockerignore", "a\n[")]);
        let error = ignore_file(None, directory.path()).expect_err("refused");
        assert!(error.to_string().contains(".dockerignore: "), "{error}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_dockerfile_may_be_written_small() {
        let directory = written(&[("dockerfile", "FROM scratch")]);
        let text = read_dockerfile(&directory.path().join("Dockerfile")).expect("found");
        assert_eq!(text, b"FROM scratch");
        let tree = Directory::open(directory.path(), None).expect("open");
        assert_eq!(read_dockerfile_in(&tree, "Dockerfile").expect("found"), text);
        assert!(matches!(read_dockerfile_in(&tree, "my-Dockerfile"), Err(Error::NoDockerfile { .. })));
    }

    #[test]
    fn what_is_no_dockerfile_is_told_apart() {
        let directory = written(&[]);
        let path = directory.path().join("Dockerfile");
        assert!(matches!(read_dockerfile(&path), Err(Error::NoDockerfile { .. })));
        fs::write(&path, b"FROM \xff").expect("written");
        assert_eq!(read_dockerfile(&path).expect("bytes are the parser's affair"), b"FROM \xff");
        File::create(&path).expect("created").set_len(MAX_SIZE + 1).expect("grown");
        assert!(matches!(read_dockerfile(&path), Err(Error::TooLarge { .. })));
    }
}
