//! A build machine in a temporary directory, with canaries where a build has no business.
//!
//! ```text
//! canary            a secret
//! outside/          stands for /etc of the build host: passwd, dir/file, all secret
//! work/canary       a secret beside the context, the store and the outputs
//! work/context/     what the tests fill
//! work/store/
//! work/out/layout/  the image
//! work/out/local/   its files
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci::{Descriptor, DiffId, Digest, History, ImageConfig, Manifest, MediaType, Platform};
use registry::Client;
use shipsmith_engine::{
    ArchiveOptions, BuildRequest, ContextSource, Destination, DockerfileSource, Engine, EventSink, ImageForm, Output,
    PullPolicy, RunPolicy, SandboxOptions, Silent, TimestampPolicy,
};
use store::Store;
use testkit::canonical::{CanonicalImage, read_image};

/// What every canary holds, and no layer may.
pub(crate) const SECRET: &str = "canary 5d0c1e: not part of any image";

/// A build machine.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
    engine: Engine,
    runtime: tokio::runtime::Runtime,
}

/// What a build left behind.
pub(crate) struct Built {
    layout: PathBuf,
    /// The files of `type=local`.
    pub(crate) local: PathBuf,
}

impl Built {
    /// The image, as somebody else's reader sees it, who refuses layers with entries below links.
    pub(crate) fn image(&self) -> CanonicalImage {
        read_image(&self.layout, &platform().to_string()).expect("an image")
    }

    /// The paths of what `type=local` wrote, sorted, without directories.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = below(&self.local)
            .iter()
            .map(|path| format!("/{}", path.strip_prefix(&self.local).expect("it is below").display()))
            .collect();
        files.sort();
        files
    }

    /// The content of a file that `type=local` wrote.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.local.join(path)).expect("a file")
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for below in ["outside/dir", "work/context", "work/out/local"] {
            fs::create_dir_all(dir.path().join(below)).expect("a directory");
        }
        for canary in ["canary", "outside/passwd", "outside/dir/file", "work/canary"] {
            fs::write(dir.path().join(canary), SECRET).expect("a canary");
        }
        let store = Store::open(dir.path().join("work/store")).expect("a store");
        let engine = Engine::new(store, Client::new(registry::Config::default()));
        Self { dir, engine, runtime: tokio::runtime::Runtime::new().expect("a runtime") }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// A path outside as an archive or a link names it: absolute.
    pub(crate) fn outside(&self, below: &str) -> String {
        self.path("outside").join(below).to_str().expect("a UTF-8 path").to_owned()
    }

    /// Puts a file into the context.
    pub(crate) fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path("work/context").join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, bytes).expect("a file");
        self
    }

    /// Puts a symbolic link into the context.
    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) -> &Self {
        symlink(target, self.path("work/context").join(path)).expect("a link");
        self
    }

    /// Puts an image of these layers, plain tars, into the store: `FROM name`.
    pub(crate) fn base(&self, name: &str, layers: &[Vec<u8>]) -> &Self {
        let store = self.engine.store();
        let put = |bytes: &[u8], kind| store.put(bytes, kind).expect("a blob");
        let mut config = ImageConfig::empty(&platform());
        config.rootfs.diff_ids = layers.iter().map(|layer| DiffId(Digest::of(layer))).collect();
        config.history = layers.iter().map(|_| History::default()).collect();
        let config = serde_json::to_vec(&config).expect("a config");
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST),
            artifact_type: None,
            config: put(&config, MediaType::OCI_CONFIG),
            layers: layers.iter().map(|layer| put(layer, MediaType::OCI_LAYER)).collect(),
            subject: None,
            annotations: BTreeMap::new(),
            other: serde_json::Map::new(),
        };
        let manifest: Descriptor = put(&serde_json::to_vec(&manifest).expect("a manifest"), MediaType::OCI_MANIFEST);
        store.tag(&format!("{name}:latest").parse().expect("a reference"), &manifest).expect("a tag");
        self
    }

    /// Builds, and proves that no canary was touched or taken along.
    pub(crate) fn build(&self, dockerfile: &str) -> Built {
        self.outcome(dockerfile).expect("builds")
    }

    /// What a refused build says; nothing may have been touched either.
    pub(crate) fn refusal(&self, dockerfile: &str) -> String {
        self.outcome(dockerfile).err().expect("is refused")
    }

    pub(crate) fn outcome(&self, dockerfile: &str) -> Result<Built, String> {
        self.watched(dockerfile, Arc::new(Silent))
    }

    /// As [`Bench::outcome`], with a sink that may meddle.
    pub(crate) fn watched(&self, dockerfile: &str, sink: Arc<dyn EventSink>) -> Result<Built, String> {
        let layout = self.path("work/out/layout");
        let local = self.path("work/out/local");
        let outputs = vec![oci(&layout), Output::Local(local.clone())];
        self.guarded(&self.request(DockerfileSource::Text(dockerfile.into()), outputs), sink)?;
        self.assert_no_secret(&layout);
        Ok(Built { layout, local })
    }

    /// Builds into an image alone, which is not read back: for what is too large to look at.
    pub(crate) fn image(&self, dockerfile: &str) -> Result<PathBuf, String> {
        let layout = self.path("work/out/layout");
        self.guarded(&self.request(DockerfileSource::Text(dockerfile.into()), vec![oci(&layout)]), Arc::new(Silent))?;
        Ok(layout)
    }

    /// Builds into a tar of the files alone.
    pub(crate) fn tar(&self, dockerfile: &str) -> Result<(), String> {
        let outputs = vec![Output::Tar(Destination::File(self.path("work/out/files.tar")))];
        self.guarded(&self.request(DockerfileSource::Text(dockerfile.into()), outputs), Arc::new(Silent))
    }

    /// Builds with the context's own Dockerfile.
    pub(crate) fn default_dockerfile(&self) -> Result<(), String> {
        let outputs = vec![Output::Local(self.path("work/out/local"))];
        self.guarded(&self.request(DockerfileSource::Default, outputs), Arc::new(Silent))
    }

    pub(crate) fn request(&self, dockerfile: DockerfileSource, outputs: Vec<Output>) -> BuildRequest {
        BuildRequest {
            dockerfile,
            context: ContextSource::Directory(self.path("work/context")),
            named_contexts: BTreeMap::new(),
            target: None,
            build_args: BTreeMap::new(),
            platforms: vec![platform()],
            labels: BTreeMap::new(),
            annotations: Vec::new(),
            tags: Vec::new(),
            outputs,
            pull: PullPolicy::Offline,
            no_cache: None,
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            run: RunPolicy::Refuse,
            timestamp: TimestampPolicy::Default,
            normalize_modes: false,
            sandbox: SandboxOptions::default(),
            builders: shipsmith_engine::Builders::default(),
            attestations: BTreeMap::new(),
        }
    }

    /// Builds between two looks at the canaries.
    fn guarded(&self, request: &BuildRequest, sink: Arc<dyn EventSink>) -> Result<(), String> {
        let before = self.surroundings();
        let result = self.runtime.block_on(self.engine.build(request, sink));
        assert_eq!(before, self.surroundings(), "the surroundings were touched");
        result.map(drop).map_err(|error| error.to_string())
    }

    /// Everything in the directory but what a build may write: type, mode, owner, times, names and bytes.
    fn surroundings(&self) -> BTreeMap<PathBuf, String> {
        let mut seen = BTreeMap::new();
        let host = fs::read("/etc/passwd").expect("the host's accounts");
        seen.insert("/etc/passwd".into(), Digest::of(&host).to_string());
        let ours = ["work/context", "work/store", "work/out"].map(|path| self.path(path));
        look(self.dir.path(), &ours, &mut seen);
        seen
    }

    /// No file below `dir` holds a canary's text or the host's accounts, compressed or not.
    pub(crate) fn assert_no_secret(&self, dir: &Path) {
        let host = fs::read("/etc/passwd").expect("the host's accounts");
        for path in below(dir).into_iter().filter(|path| path.symlink_metadata().is_ok_and(|meta| meta.is_file())) {
            let (_, mut plain) = layer::decompress(File::open(&path).expect("a file")).expect("a stream");
            let mut bytes = Vec::new();
            plain.read_to_end(&mut bytes).expect("readable");
            for secret in [SECRET.as_bytes(), &host] {
                let found = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "{} holds what no build may read", path.display());
            }
        }
    }
}

pub(crate) fn platform() -> Platform {
    Platform::new("linux", "amd64", "")
}

fn oci(layout: &Path) -> Output {
    Output::Oci(ArchiveOptions {
        destination: Destination::File(layout.to_owned()),
        tar: false,
        names: Vec::new(),
        form: ImageForm::default(),
    })
}

fn look(path: &Path, except: &[PathBuf], seen: &mut BTreeMap<PathBuf, String>) {
    let meta = path.symlink_metadata().expect("it is there");
    let bytes = match meta.file_type() {
        kind if kind.is_symlink() => fs::read_link(path).expect("a link").as_os_str().as_bytes().to_vec(),
        kind if kind.is_file() => fs::read(path).expect("a file"),
        _ => Vec::new(),
    };
    let stat = (meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec(), meta.ctime_nsec(), meta.nlink());
    seen.insert(path.to_owned(), format!("{stat:?} {}", Digest::of(&bytes)));
    if meta.is_dir() && !except.iter().any(|ours| ours == path) {
        for entry in fs::read_dir(path).expect("a directory") {
            look(&entry.expect("an entry").path(), except, seen);
        }
    } else if meta.is_dir() {
        seen.remove(path);
    }
}

/// All that is below a directory and is none.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => found.extend(below(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}
