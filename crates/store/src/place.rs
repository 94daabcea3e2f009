//! Where the store lies and how its directory is laid out.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oci::{DiffId, Digest};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::error::At;
use crate::{Error, ingest};

/// The layout of `shipsmith/`; raised when an older version could misread it.
const FORMAT: u32 = 1;
/// The one version of the OCI image layout there is (image-spec, image-layout.md).
const LAYOUT_VERSION: &str = "1.0.0";
/// What an OCI image layout and we put into the directory.
const KNOWN: [&str; 4] = ["oci-layout", "index.json", "blobs", "shipsmith"];

/// The content of `oci-layout`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayoutMarker {
    image_layout_version: String,
}

impl LayoutMarker {
    /// The file as it is written.
    pub(crate) fn current() -> Vec<u8> {
        format!("{{\"imageLayoutVersion\":\"{LAYOUT_VERSION}\"}}").into_bytes()
    }

    /// Refuses anything but a version we know.
    pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
        let marker: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("oci-layout is malformed: {error}"))?;
        match marker.image_layout_version.as_str() {
            LAYOUT_VERSION => Ok(()),
            other => Err(format!("its OCI image layout has version {other:?}, only {LAYOUT_VERSION} is known")),
        }
    }
}

/// The files of a store. Digests are validated when they are parsed, so none can lead out of here.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// Opens the layout in `root`, or makes one.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let place = Self { root: root.to_owned() };
        match fs::read_to_string(place.format()) {
            Ok(text) => place.check_format(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => place.create()?,
            Err(error) => return Err(error).at("read", &place.format()),
        }
        place.check_layout()?;
        Ok(place)
    }

    fn check_format(&self, text: &str) -> Result<(), Error> {
        let path = self.format();
        let found: u32 =
            text.trim().parse().map_err(|_| Error::malformed(path.display().to_string(), "not a number"))?;
        if found > FORMAT {
            return Err(Error::NewerFormat { path: self.root.clone(), found, known: FORMAT });
        }
        Ok(())
    }

    fn check_layout(&self) -> Result<(), Error> {
        let marker = self.root.join("oci-layout");
        let bytes = fs::read(&marker).at("read", &marker)?;
        LayoutMarker::check(&bytes).map_err(|reason| Error::NotAStore { path: self.root.clone(), reason })
    }

    /// Makes what is missing; several processes may do so at once. The format number comes last: with it, all is there.
    fn create(&self) -> Result<(), Error> {
        make_dir(&self.root)?;
        self.refuse_foreign()?;
        for dir in [self.blobs(), self.ingest(), self.leases(), self.tars(), self.indexes()] {
            make_dir(&dir)?;
        }
        self.write_new(&self.root.join("oci-layout"), &LayoutMarker::current())?;
        self.write_new(
            &self.index_json(),
            b"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}",
        )?;
        self.write_new(&self.format(), format!("{FORMAT}\n").as_bytes())
    }

    /// A directory with other people's files in it was surely not meant.
    fn refuse_foreign(&self) -> Result<(), Error> {
        if self.root.join("oci-layout").exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.root).at("list", &self.root)? {
            let name = entry.at("list", &self.root)?.file_name();
            if !KNOWN.iter().any(|known| name == *known) {
                let reason = format!("it holds {} and is no OCI image layout", Path::new(&name).display());
                return Err(Error::NotAStore { path: self.root.clone(), reason });
            }
        }
        Ok(())
    }

    /// Writes `path` unless it exists.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        match self.written_aside(path, bytes).and_then(durable)?.persist_noclobber(path) {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.error).at("create", path),
        }
    }

    /// Replaces `path` by `bytes`, whole and durably or not at all.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        rename(self.written_aside(path, bytes).and_then(durable)?, path)
    }

    /// Replaces `path` by `bytes`, whole or not at all; only a power cut can leave them cut off. For what can be made again, and
    /// shows that it is whole: to wait for the disk takes longer than many a step.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        rename(self.written_aside(path, bytes)?, path)
    }

    fn written_aside(&self, path: &Path, bytes: &[u8]) -> Result<NamedTempFile, Error> {
        let mut temp = ingest::file(self, &self.ingest())?;
        temp.write_all(bytes).map_err(|cause| Error::writing(path, bytes.len() as u64, cause))?;
        Ok(temp)
    }

    /// The directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `blobs/sha256`.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    /// A blob's file.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join(oci::layout::blob(digest))
    }

    /// The index of the layout: tags and kept images.
    pub(crate) fn index_json(&self) -> PathBuf {
        self.root.join("index.json")
    }

    /// What only one may do at a time ([`crate::Store::exclusive`]), a file each.
    pub(crate) fn locks(&self) -> PathBuf {
        self.ours("locks")
    }

    /// Held exclusively by whoever changes `index.json` or decides what is garbage.
    pub(crate) fn index_lock(&self) -> PathBuf {
        self.ours("index.lock")
    }

    /// Held exclusively while one file of garbage is removed, shared while a file's last use is renewed.
    pub(crate) fn sweep_lock(&self) -> PathBuf {
        self.ours("sweep.lock")
    }

    /// Files being written.
    pub(crate) fn ingest(&self) -> PathBuf {
        self.ours("ingest")
    }

    /// One locked file per process that uses the store.
    pub(crate) fn leases(&self) -> PathBuf {
        self.ours("leases")
    }

    /// Uncompressed layers.
    pub(crate) fn tars(&self) -> PathBuf {
        self.ours("tars/sha256")
    }

    /// One uncompressed layer.
    pub(crate) fn tar(&self, diff_id: &DiffId) -> PathBuf {
        self.ours("tars").join(diff_id.0.algorithm()).join(diff_id.0.hex())
    }

    /// Header indexes.
    pub(crate) fn indexes(&self) -> PathBuf {
        self.ours("indexes/sha256")
    }

    /// One layer's header index.
    pub(crate) fn index(&self, diff_id: &DiffId) -> PathBuf {
        self.ours("indexes").join(diff_id.0.algorithm()).join(diff_id.0.hex())
    }

    /// Unpacked layers, by scheme.
    pub(crate) fn trees(&self) -> PathBuf {
        self.ours("trees")
    }

    /// The directory that holds one unpacked layer.
    pub(crate) fn tree(&self, scheme: &str, layer: &DiffId) -> PathBuf {
        self.trees().join(scheme).join(layer.0.algorithm()).join(layer.0.hex())
    }

    /// Directories of cache mounts, by scheme.
    pub(crate) fn caches(&self) -> PathBuf {
        self.ours("caches")
    }

    /// Directories in the making.
    pub(crate) fn scratches(&self) -> PathBuf {
        self.ours("scratch")
    }

    /// The cache database.
    pub(crate) fn database(&self) -> PathBuf {
        self.ours("cache.db")
    }

    fn format(&self) -> PathBuf {
        self.ours("format")
    }

    fn ours(&self, name: &str) -> PathBuf {
        self.root.join("shipsmith").join(name)
    }
}

/// Waits until the bytes are on the disk.
fn durable(file: NamedTempFile) -> Result<NamedTempFile, Error> {
    file.as_file().sync_all().at("sync", file.path())?;
    Ok(file)
}

fn rename(file: NamedTempFile, path: &Path) -> Result<(), Error> {
    file.persist(path).map(drop).map_err(|error| error.error).at("rename to", path)
}

/// Makes `dir` and its parents, for its owner only.
pub(crate) fn make_dir(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).at("create", dir)
}

/// Where the store lies when the command line names no place: `SHIPSMITH_STORE`, else `shipsmith/store` in
/// `XDG_DATA_HOME`, else in `HOME/.local/share` (XDG Base Directory specification: relative ones do not count).
///
/// `variable` looks up an environment variable.
#[must_use]
pub fn default_dir(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let chosen = variable("SHIPSMITH_STORE").filter(|path| !path.is_empty()).map(PathBuf::from);
    chosen
        .or_else(|| absolute("XDG_DATA_HOME").map(|dir| dir.join("shipsmith/store")))
        .or_else(|| absolute("HOME").map(|dir| dir.join(".local/share/shipsmith/store")))
}
