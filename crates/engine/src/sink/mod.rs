//! Where results go.

pub(crate) mod archive;
pub(crate) mod files;
pub(crate) mod load;
pub(crate) mod local;
pub(crate) mod push;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Destination, Error};

/// A file that gets its name only when it is whole.
pub(crate) enum Target {
    Stdout(io::Stdout),
    File {
        writer: BufWriter<tempfile::NamedTempFile>,
        path: PathBuf,
    },
    /// A device or pipe, which cannot be replaced.
    Special(File),
}

impl Target {
    pub(crate) fn create(destination: &Destination) -> Result<Self, Error> {
        let path = match destination {
            Destination::Stdout => return Ok(Self::Stdout(io::stdout())),
            Destination::File(path) => path.clone(),
        };
        let failed = |source| Error::File { operation: "create", path: path.clone(), source };
        if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Ok(Self::Special(File::options().write(true).open(&path).map_err(failed)?));
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Its error names a path that nobody typed.
        let unnamed = |error: io::Error| failed(error.kind().into());
        let file = tempfile::Builder::new().prefix(".shipsmith-").tempfile_in(parent).map_err(unnamed)?;
        Ok(Self::File { writer: BufWriter::with_capacity(1 << 20, file), path })
    }

    /// Gives the file its name.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush().map_err(Error::Stdout),
            Self::Special(_) => Ok(()),
            Self::File { writer, path } => {
                let failed = |source| Error::File { operation: "write", path: path.clone(), source };
                let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666 & !umask());
                file.as_file().set_permissions(mode).map_err(failed)?;
                file.persist(&path).map(drop).map_err(|error| failed(error.error))
            }
        }
    }
}

/// The process's mask of permissions that new files do not get. Read from /proc: umask(2) can only be read by setting it.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}

/// The failure with the file's name, and without its kind: what is full here is not the store.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File { writer, path } => writer.write(bytes).map_err(|error| named(path, &error)),
            Self::Special(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File { writer, path } => writer.flush().map_err(|error| named(path, &error)),
            Self::Special(file) => file.flush(),
        }
    }
}
