//! Build contexts and what ADD fetches, as trees; each opened or fetched once for all builds of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use context::git::{self, Checkout};
use context::{Directory, Held, Mapped, TarContext, Union, http};
use dockerfile::Source;
use dockerfile::ignore::Patterns;
use graph::{GitSource, HttpSource, InlineFile};
use layer::{Content, Entry, EntryKind, FileIdentity, SourceTree, TreeError};
use oci::Platform;
use rootfs::TreePath;
use tokio::sync::OnceCell;

use crate::layers::blocking;
use crate::steps::Input;
use crate::{ContextSource, DockerfileSource, Error};

/// The context that the command line names.
pub(crate) const MAIN: &str = "";
/// The main contexts of platforms that have their own are called so, and the platform. No name of a named context begins so.
const MAIN_OF: &str = "::";
/// A Dockerfile that comes as a stream is no longer than this.
const MAX_DOCKERFILE: u64 = 16 << 20;

type Shared = Arc<dyn SourceTree>;

/// The trees of a build that are no stage's.
pub(crate) struct Contexts {
    local: BTreeMap<String, Shared>,
    /// What each of them is: equal identities, equal trees.
    identities: BTreeMap<String, String>,
    /// The names of the main contexts of platforms that have their own.
    by_platform: BTreeMap<Platform, String>,
    /// The names of those that are directories of this machine.
    directories: BTreeSet<String>,
    ignored: Option<Patterns>,
    sources: Arc<Sources>,
}

/// What builds of one run opened and fetched.
#[derive(Default)]
pub(crate) struct Sources {
    opened: Mutex<BTreeMap<String, Arc<OnceCell<Opened>>>>,
    fetched: Mutex<BTreeMap<String, Arc<OnceCell<Shared>>>>,
    http: OnceLock<reqwest::Client>,
}

/// A context, and the Dockerfile that came with it or is found in it.
#[derive(Clone)]
struct Opened {
    tree: Shared,
    dockerfile: Option<Vec<u8>>,
    /// The directory on this machine, when it is one.
    directory: Option<PathBuf>,
    /// What its ignore file leaves out.
    ignored: Option<Patterns>,
}

impl Contexts {
    /// Opens the main context and the local ones among the named, and reads the Dockerfile.
    pub(crate) async fn open(
        main: &ContextSource,
        named: &BTreeMap<String, ContextSource>,
        dockerfile: &DockerfileSource,
        sources: &Arc<Sources>,
    ) -> Result<(Self, Source), Error> {
        let mut contexts = Self {
            local: BTreeMap::new(),
            identities: BTreeMap::new(),
            by_platform: BTreeMap::new(),
            directories: directories(main, named),
            ignored: None,
            sources: Arc::clone(sources),
        };
        let path = match dockerfile {
            DockerfileSource::Path(path) => Some(path.as_path()),
            _ => None,
        };
        let (identity, opened) = sources.opened(main, path).await?;
        let source = read_dockerfile(dockerfile, &opened)?;
        contexts.insert(MAIN, identity, opened.tree);
        contexts.open_platforms(main).await?;
        contexts.ignored = opened.ignored;
        for (name, source) in named.iter().filter(|(_, source)| is_files(source)) {
            let (identity, opened) = sources.opened(source, None).await?;
            contexts.insert(name, identity, opened.tree);
        }
        Ok((contexts, source))
    }

    /// Opens the main contexts of platforms; those that are alike are one, so that their steps are.
    async fn open_platforms(&mut self, main: &ContextSource) -> Result<(), Error> {
        let ContextSource::Platforms(platforms) = main else { return Ok(()) };
        let mut names: BTreeMap<&BTreeMap<String, PathBuf>, String> = BTreeMap::new();
        for (platform, paths) in platforms {
            let name = names.entry(paths).or_insert_with(|| format!("{MAIN_OF}{platform}")).clone();
            if !self.local.contains_key(&name) {
                let sources = Arc::clone(&self.sources);
                let (identity, opened) = sources.opened(&ContextSource::Mapped(paths.clone()), None).await?;
                self.insert(&name, identity, opened.tree);
            }
            self.by_platform.insert(platform.clone(), name);
        }
        Ok(())
    }

    /// What the main context is called for a platform.
    pub(crate) fn main_for(&self, platform: &Platform) -> String {
        self.by_platform.get(platform).map_or_else(|| MAIN.to_owned(), Clone::clone)
    }

    fn insert(&mut self, name: &str, identity: String, tree: Shared) {
        self.identities.insert(name.to_owned(), identity);
        self.local.insert(name.to_owned(), tree);
    }

    /// The local contexts' names, and what stands for their files.
    pub(crate) fn identities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.identities.iter().map(|(name, identity)| (name.as_str(), identity.as_str()))
    }

    /// What the main context's ignore file leaves out.
    pub(crate) fn ignored(&self) -> Option<&Patterns> {
        self.ignored.as_ref()
    }

    /// Whether the context `name` is a directory of this machine, of which BuildKit would be sent what the build asks for.
    pub(crate) fn is_directory(&self, name: &str) -> bool {
        self.directories.contains(name)
    }

    /// The tree that a step copies from, where that is no step.
    pub(crate) async fn input(&self, input: &graph::Input) -> Result<Input, Error> {
        let local = |tree, origin: &str| Input { tree, origin: origin.to_owned(), local: true, asked: None };
        match input {
            graph::Input::Context(name) if name == MAIN || name.starts_with(MAIN_OF) => {
                Ok(local(self.named(name)?, "the build context"))
            }
            graph::Input::Context(name) => Ok(local(self.named(name)?, &format!("the build context {name}"))),
            graph::Input::Inline(file) => Ok(local(inline(file)?, "the Dockerfile")),
            graph::Input::Http(source) => Ok(local(self.sources.fetch_http(source).await?, "the download")),
            graph::Input::Git(source) => Ok(local(self.sources.fetch_git(source).await?, "the git repository")),
            graph::Input::Step(_) => Err(Error::Internal("a step was asked of the contexts".into())),
        }
    }

    /// The files of a context that was opened.
    pub(crate) fn named(&self, name: &str) -> Result<Shared, Error> {
        self.local.get(name).cloned().ok_or_else(|| Error::Internal(format!("the context {name:?} was not opened")))
    }
}

impl Sources {
    /// A context, opened by whoever asks first. What its ignore file leaves out is part of what it is.
    async fn opened(&self, source: &ContextSource, dockerfile: Option<&Path>) -> Result<(String, Opened), Error> {
        let ignored = ignored(source, dockerfile)?;
        let identity = oci::Digest::of(format!("{source:?} {ignored:?}").as_bytes()).to_string();
        let memo = {
            let mut opened = self.opened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            Arc::clone(opened.entry(identity.clone()).or_default())
        };
        let opened = memo.get_or_try_init(|| self.open_one(source, ignored)).await?.clone();
        Ok((identity, opened))
    }

    async fn open_one(&self, source: &ContextSource, ignored: Option<Patterns>) -> Result<Opened, Error> {
        let plain = |tree: Shared| Opened { tree, dockerfile: None, directory: None, ignored: None };
        match source {
            ContextSource::Directory(path) => {
                let directory = Directory::open(path, ignored.clone())?;
                Ok(Opened { directory: Some(path.clone()), ignored, ..plain(Arc::new(directory)) })
            }
            ContextSource::Stdin => {
                let scratch = std::env::temp_dir();
                blocking(move || archive_or_dockerfile(std::io::stdin(), &scratch)).await
            }
            ContextSource::Empty => Ok(plain(Arc::new(Mapped::new()))),
            ContextSource::Http(url) => {
                let download = self.download(url, None).await?;
                let scratch = std::env::temp_dir();
                blocking(move || archive_or_dockerfile(download.reader(), &scratch)).await
            }
            ContextSource::Git(text) => {
                let source = git::parse_context(text).map_err(context::Error::from)?;
                let source = source.ok_or_else(|| Error::Conflict(format!("{text} is no git repository")))?;
                Ok(plain(self.check_out(source).await?))
            }
            ContextSource::Mapped(paths) => {
                let tree = mapped(paths, ignored.as_ref())?;
                Ok(Opened { ignored, ..plain(tree) })
            }
            // Its files are opened for each platform; only the Dockerfile is read here, and its path is this machine's.
            ContextSource::Platforms(_) => {
                Ok(Opened { directory: Some(PathBuf::new()), ..plain(Arc::new(Mapped::new())) })
            }
            ContextSource::Image(_) | ContextSource::Layout { .. } | ContextSource::Job(_) => {
                Err(Error::Conflict("an image cannot be the main build context; give it with --build-context".into()))
            }
        }
    }

    fn memo(&self, key: String) -> Arc<OnceCell<Shared>> {
        let mut fetched = self.fetched.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Arc::clone(fetched.entry(key).or_default())
    }

    async fn fetch_http(&self, source: &HttpSource) -> Result<Shared, Error> {
        let memo = self.memo(format!("{source:?}"));
        let fetch = || async {
            let download = self.download(&source.url, source.checksum.as_ref()).await?;
            Ok::<Shared, Error>(Arc::new(download.into_tree(&source.name)?))
        };
        memo.get_or_try_init(fetch).await.cloned()
    }

    async fn download(&self, url: &str, checksum: Option<&oci::Digest>) -> Result<http::Download, Error> {
        let parsed = url.parse().map_err(|error| Error::Conflict(format!("{url} is no URL: {error}")))?;
        Ok(http::fetch(self.http()?, &parsed, checksum, &std::env::temp_dir()).await?)
    }

    /// The client of downloads, made when first needed: it reads the machine's certificate authorities.
    fn http(&self) -> Result<&reqwest::Client, Error> {
        if self.http.get().is_none() {
            let client = reqwest::Client::builder().build();
            let _ = self.http.set(client.map_err(|error| Error::Internal(format!("no http client: {error}")))?);
        }
        self.http.get().ok_or_else(|| Error::Internal("no http client".into()))
    }

    async fn fetch_git(&self, source: &GitSource) -> Result<Shared, Error> {
        let memo = self.memo(format!("{source:?}"));
        memo.get_or_try_init(|| self.check_out(source.clone())).await.cloned()
    }

    async fn check_out(&self, source: GitSource) -> Result<Shared, Error> {
        let scratch = std::env::temp_dir();
        let checkout = blocking(move || Ok(git::checkout(&source, &scratch)?)).await?;
        Ok(Arc::new(Repository(checkout)))
    }
}

fn directories(main: &ContextSource, named: &BTreeMap<String, ContextSource>) -> BTreeSet<String> {
    let contexts = named.iter().map(|(name, source)| (name.as_str(), source)).chain([(MAIN, main)]);
    let is_directory = |(name, source)| matches!(source, &ContextSource::Directory(_)).then_some(name);
    contexts.filter_map(is_directory).map(str::to_owned).collect()
}

fn is_files(source: &ContextSource) -> bool {
    matches!(source, ContextSource::Directory(_) | ContextSource::Mapped(_) | ContextSource::Empty)
}

/// What the ignore file of a context leaves out: of one that is mapped, that of the directory at its root.
fn ignored(source: &ContextSource, dockerfile: Option<&Path>) -> Result<Option<Patterns>, Error> {
    let (directory, dockerfile) = match source {
        ContextSource::Directory(path) => (path, dockerfile.map_or_else(|| path.join("Dockerfile"), Path::to_owned)),
        ContextSource::Mapped(paths) => match paths.iter().find(|(path, host)| is_root(path) && host.is_dir()) {
            Some((_, host)) => (host, host.join(dockerfile.unwrap_or("Dockerfile".as_ref()))),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(context::ignore_file(Some(&dockerfile), directory)?.map(|file| file.patterns))
}

fn is_root(path: &str) -> bool {
    TreePath::clean(path).is_ok_and(|path| path.is_root())
}

/// Files and directories in their places.
fn mapped(paths: &BTreeMap<String, PathBuf>, ignored: Option<&Patterns>) -> Result<Shared, Error> {
    let (mut files, mut parts) = (Mapped::new(), Vec::<(TreePath, Shared)>::new());
    for (path, host) in paths {
        let path = TreePath::clean(path).map_err(TreeError::from)?;
        if host.is_dir() {
            parts.push((path, Arc::new(Directory::open(host, None)?)));
        } else {
            files.insert_file(path, host)?;
        }
    }
    if parts.is_empty() {
        return Ok(Arc::new(files));
    }
    parts.push((TreePath::root(), Arc::new(files)));
    Ok(Arc::new(Union::new(parts, ignored.cloned())))
}

fn archive_or_dockerfile(reader: impl Read + Send, scratch: &Path) -> Result<Opened, Error> {
    let (held, mut reader) = context::detect(reader).map_err(context::Error::Stream)?;
    match held {
        Held::Archive => {
            let tree = TarContext::from_reader(reader, scratch)?;
            Ok(Opened { tree: Arc::new(tree), dockerfile: None, directory: None, ignored: None })
        }
        Held::Dockerfile => {
            let mut text = Vec::new();
            reader.by_ref().take(MAX_DOCKERFILE).read_to_end(&mut text).map_err(context::Error::Stream)?;
            Ok(Opened { tree: Arc::new(Mapped::new()), dockerfile: Some(text), directory: None, ignored: None })
        }
    }
}

fn read_dockerfile(wanted: &DockerfileSource, opened: &Opened) -> Result<Source, Error> {
    let in_context = |path: &str| match (&opened.dockerfile, &opened.directory) {
        (Some(text), _) => Ok(text.clone()),
        (None, Some(directory)) => context::read_dockerfile(&directory.join(path)),
        (None, None) => context::read_dockerfile_in(&*opened.tree, path),
    };
    let (name, text) = match wanted {
        DockerfileSource::Text(text) => ("Dockerfile".to_owned(), text.clone().into_bytes()),
        DockerfileSource::Default => ("Dockerfile".to_owned(), in_context("Dockerfile")?),
        DockerfileSource::Path(path) => {
            let shown = path.display().to_string();
            let text = match opened.directory {
                Some(_) => context::read_dockerfile(path)?,
                None => in_context(&shown)?,
            };
            (shown, text)
        }
    };
    Ok(Source::from_bytes(name, &text))
}

fn inline(file: &InlineFile) -> Result<Shared, Error> {
    if file.name.trim_start_matches('/').contains('/') {
        let (what, hint) = (format!("the heredoc name {:?}", file.name), "it names a file: leave the slash out".into());
        return Err(Error::Unsupported { what, hint });
    }
    let content = file.content.as_bytes().to_vec();
    let path = TreePath::clean(&file.name).map_err(TreeError::from)?;
    let entry = Entry::new(path, EntryKind::File { size: content.len() as u64 }, file.mode);
    let mut tree = Mapped::new();
    tree.insert(entry, Some(Arc::new(content)))?;
    Ok(Arc::new(tree))
}

/// A checkout as a tree; keeps its temporary directory while anybody reads from it.
struct Repository(Checkout);

impl SourceTree for Repository {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        self.0.tree().entry(path)
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, TreeError> {
        self.0.tree().children(dir)
    }

    fn content(&self, path: &TreePath) -> Result<Arc<dyn Content>, TreeError> {
        self.0.tree().content(path)
    }

    fn identity(&self, path: &TreePath) -> Result<Option<FileIdentity>, TreeError> {
        self.0.tree().identity(path)
    }
}
