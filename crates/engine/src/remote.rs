//! Builds on BuildKit builders: from a request to a solve, and from its result to what is built.

mod attributes;
mod files;
mod import;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use buildkit::{Address, Builder, Progress, Services, Solve};
use dockerfile::Source;
use futures_util::future::try_join_all;
use graph::{Graph, Op};
use oci::{Digest, Platform};
use registry::Client;
use store::Store;

use crate::assemble::Built;
use crate::contexts::{Contexts, MAIN};
use crate::event::{Events, Vertex};
use crate::layers::blocking;
use crate::{BuildRequest, ContextSource, Error, RunPolicy, SecretSource, TimestampPolicy};
use files::{OneFile, Shown};

/// Which builders build what; nothing is built on any by default.
#[derive(Debug, Clone, Default)]
pub struct Builders {
    /// `--builder`: builds every platform that has none of its own.
    pub default: Option<Address>,
    /// `--builders`: build one platform each, where there is something to run.
    pub by_platform: BTreeMap<Platform, Address>,
}

impl Builders {
    /// The builder for a graph; `None` when it is built in this process.
    fn of(&self, graph: &Graph) -> Option<&Address> {
        let runs = graph.steps.iter().any(|step| matches!(step.op, Op::Run(_)));
        let own = self.by_platform.get(&graph.platform);
        if own.is_some() && !runs { None } else { own.or(self.default.as_ref()) }
    }
}

/// What all solves of a build share.
pub(crate) struct Remote<'a> {
    pub(crate) store: &'a Arc<Store>,
    pub(crate) client: &'a Client,
    pub(crate) request: &'a BuildRequest,
    pub(crate) contexts: &'a Contexts,
    pub(crate) source: &'a Source,
    pub(crate) times: TimestampPolicy,
    pub(crate) events: &'a Events,
}

/// Who builds each graph: `None` is this process. Says so where anything else than this process was asked for.
pub(crate) fn choose(request: &BuildRequest, graphs: &[Graph], events: &Events) -> Result<Vec<Option<Address>>, Error> {
    let chosen: Vec<_> = graphs.iter().map(|graph| request.builders.of(graph).cloned()).collect();
    if request.builders.default.is_none() && request.builders.by_platform.is_empty() {
        return Ok(chosen);
    }
    let vertex = events.start("[internal] choose builders");
    for (graph, builder) in graphs.iter().zip(&chosen) {
        let place = builder.as_ref().map_or("in this process".to_owned(), |builder| format!("on {builder}"));
        vertex.log(format!("{} is built {place}", graph.platform));
    }
    let checked = if chosen.iter().any(Option::is_some) { check(request) } else { Ok(()) };
    vertex.finish(false, checked).map(|()| chosen)
}

/// Refuses what means nothing to a builder.
fn check(request: &BuildRequest) -> Result<(), Error> {
    let refused = [
        (request.run != RunPolicy::Execute, "--run=skip or --run=refuse on a builder"),
        (!request.cache_from.is_empty(), "--cache-from on a builder"),
        (!request.cache_to.is_empty(), "--cache-to on a builder"),
        (request.normalize_modes, "--normalize-modes on a builder"),
        (request.timestamp == TimestampPolicy::Source, "--timestamp=source on a builder"),
    ];
    match refused.into_iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(Error::Unsupported {
            what: what.into(),
            hint: "leave it out, or build in this process (without --builder)".into(),
        }),
        None => Ok(()),
    }
}

impl Remote<'_> {
    /// Builds every platform on its builder, side by side.
    pub(crate) async fn build_all(&self, jobs: &[(&Platform, &Address)]) -> Result<Vec<Built>, Error> {
        try_join_all(jobs.iter().map(|(platform, address)| self.build(platform, address))).await
    }

    async fn build(&self, platform: &Platform, address: &Address) -> Result<Built, Error> {
        let vertex = self.events.start(format!("[{platform}] build on {address}"));
        let built = self.solve(platform, address, &vertex).await;
        vertex.finish(false, built)
    }

    async fn solve(&self, platform: &Platform, address: &Address, vertex: &Vertex) -> Result<Built, Error> {
        let builder = Builder::connect(address).await?;
        builder.require(platform).await?;
        let archive = blocking(|| tempfile::tempfile().map_err(result_error)).await?;
        let archive = Arc::new(archive);
        let services = self.services(&archive)?;
        let sent = Arc::clone(&services.sent);
        let name = import::temporary_name();
        let solve = Solve {
            id: name.id.clone(),
            shared_key: self.shared_key(),
            attributes: attributes::of(self.request, platform)?,
            entitlements: attributes::entitlements(self.request),
            exporter: Some(import::exporter(address, &name, self.times)),
        };
        let told = Told { events: self.events, platform, open: Mutex::default() };
        builder.solve(&solve, services, &|progress| told.tell(progress)).await?;
        vertex.log(format!("sent {} bytes of files", sent.load(Ordering::Relaxed)));
        import::import(self.store, address, &name, &archive, platform).await
    }

    /// Tells a builder that trees of one build are those of the next, so that it asks for what changed only.
    fn shared_key(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        Digest::of(format!("{}\0{:?}", here.display(), self.request.context).as_bytes()).hex().to_owned()
    }

    fn services(&self, archive: &Arc<File>) -> Result<Services, Error> {
        Ok(Services {
            directories: self.directories()?,
            secrets: self.request.sandbox.secrets.iter().map(|(id, source)| (id.clone(), secret(source))).collect(),
            agents: self.request.sandbox.agents.clone(),
            credential: credentials(self.client),
            result: Some(Arc::clone(archive)),
            sent: Arc::new(AtomicU64::new(0)),
        })
    }

    fn directories(&self) -> Result<BTreeMap<String, Arc<dyn buildkit::Files>>, Error> {
        let text = self.source.text.clone().into_bytes();
        let mut directories: BTreeMap<String, Arc<dyn buildkit::Files>> = BTreeMap::new();
        directories.insert("dockerfile".into(), Arc::new(OneFile { name: attributes::DOCKERFILE, content: text }));
        directories.insert("context".into(), Arc::new(Shown(self.contexts.named(MAIN)?)));
        for (name, source) in &self.request.named_contexts {
            if matches!(source, ContextSource::Directory(_) | ContextSource::Mapped(_) | ContextSource::Empty) {
                directories.insert(name.clone(), Arc::new(Shown(self.contexts.named(name)?)));
            }
        }
        Ok(directories)
    }
}

pub(crate) fn result_error(error: std::io::Error) -> Error {
    buildkit::Error::Result(error).into()
}

fn secret(source: &SecretSource) -> buildkit::ReadSecret {
    let source = source.clone();
    Arc::new(move || match &source {
        SecretSource::File(path) => std::fs::read(path),
        SecretSource::Variable(name) => {
            let value = std::env::var_os(name).ok_or_else(|| std::io::Error::other(format!("{name} is not set")))?;
            Ok(std::os::unix::ffi::OsStringExt::into_vec(value))
        }
    })
}

/// Credentials for the one host that the builder talks to.
fn credentials(client: &Client) -> buildkit::FindCredential {
    let (client, handle) = (client.clone(), tokio::runtime::Handle::current());
    Arc::new(move |host| {
        let host = if host == "registry-1.docker.io" { "docker.io" } else { host };
        match handle.block_on(client.credential(host)).ok()?? {
            registry::Credential::Basic { username, password } => {
                Some(buildkit::Credential { user: username, password: password.reveal().to_owned() })
            }
            registry::Credential::IdentityToken(token) => {
                Some(buildkit::Credential { user: String::new(), password: token.reveal().to_owned() })
            }
            registry::Credential::RegistryToken(_) => None,
        }
    })
}

/// Shows a builder's vertices as our own.
struct Told<'a> {
    events: &'a Events,
    platform: &'a Platform,
    open: Mutex<BTreeMap<String, Vertex>>,
}

impl Told<'_> {
    fn tell(&self, progress: Progress) {
        let mut open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match progress {
            Progress::Started { vertex, name } => {
                open.insert(vertex, self.events.start(format!("[{}] {name}", self.platform)));
            }
            Progress::Moved { vertex, what, done, total } => {
                if let Some(vertex) = open.get(&vertex) {
                    vertex.moved(what, done, total);
                }
            }
            Progress::Line { vertex, line } => {
                if let Some(vertex) = open.get(&vertex) {
                    vertex.log(line);
                }
            }
            Progress::Finished { vertex, cached, error } => {
                if let Some(vertex) = open.remove(&vertex) {
                    let _ = vertex.finish(cached, error.map_or(Ok(()), Err));
                }
            }
            Progress::Warning { message } => self.events.warn(message, None),
        }
    }
}
