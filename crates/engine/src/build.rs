//! The walk of a build: contexts and text, plan, bases, execution, images, sinks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use dockerfile::{Dockerfile, Source, Span};
use futures_util::future::try_join_all;
use graph::{BaseOrigin, Graph, NamedContext, Plan, Request, ResolvedBases, StepId};
use layer::Compression;
use oci::{Descriptor, Digest, Platform, Reference};
use registry::Client;
use store::Store;

use crate::assemble::{Built, compression};
use crate::bases::{BaseImage, Bases};
use crate::cache::{self, Imported};
use crate::cancel::Cancel;
use crate::contexts::Contexts;
use crate::event::{EventSink, Events, Transfers};
use crate::execute::{Executor, Work};
use crate::layers::Layers;
use crate::outbound::{Outbound, is_loopback};
use crate::output::{Outcome, Writer};
use crate::remote::{self, Remote};
use crate::run::{self, Runner};
use crate::snapshot::Snapshot;
use crate::steps::Setting;
use crate::{
    BuildRequest, BuilderAddress, ContextSource, Error, ImageForm, Output, PullPolicy, RunPolicy, TimestampPolicy,
};

/// What builds share: the store and the registries.
#[derive(Clone)]
pub struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) client: Client,
}

/// What came out of a build.
#[derive(Debug, Clone, Default)]
pub struct BuildReport {
    /// The image or index that the names point to; `None` when no image was asked for.
    pub image: Option<Descriptor>,
    /// The config, when there is one platform.
    pub config: Option<Digest>,
    /// The names it was given.
    pub names: Vec<Reference>,
    /// The platforms built, in the order asked for.
    pub platforms: Vec<Platform>,
    /// How many warnings of the linter were shown.
    pub warnings: usize,
    /// Bases by the name asked for, and the digest it stood for.
    pub bases: BTreeMap<String, Digest>,
}

type BaseKey = (BaseOrigin, Platform);
type BaseImages = BTreeMap<BaseKey, Arc<BaseImage>>;

impl Engine {
    /// An engine over a store and a client of registries.
    #[must_use]
    pub fn new(store: Store, client: Client) -> Self {
        Self { store: Arc::new(store), client }
    }

    /// The local store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The client of registries.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Builds what `request` asks for. Dropping the future stops it: no name is left behind for what is not whole.
    ///
    /// # Errors
    /// When the Dockerfile, a context, a base, a step or a destination fails.
    pub async fn build(&self, request: &BuildRequest, sink: Arc<dyn EventSink>) -> Result<BuildReport, Error> {
        let events = Events::new(sink);
        let cancel = Cancel::default();
        let _stop = cancel.on_drop();
        check(request)?;
        let (contexts, file) = self.load(request, &events).await?;
        let (graphs, images) = self.plan_all(&file, request, &contexts, &events).await?;
        let warnings = report_plans(&file.source, &graphs, &events);
        let chosen = remote::choose(request, &graphs, &events)?;
        for step in graphs.iter().flat_map(|graph| &graph.steps) {
            run::allowed(step, &request.sandbox).map_err(|error| error.within(&file.source, step.span))?;
        }
        let transfers = Arc::new(Transfers::new(&events));
        let client = self.client.observed(Arc::clone(&transfers) as Arc<dyn registry::Observer>);
        let layers = Layers::new(Arc::clone(&self.store), client.clone(), request.pull == PullPolicy::Offline);
        let times = timestamp(request, &graphs);
        let work = Work {
            source: Arc::clone(&file.source),
            setting: Setting { timestamp: times, normalize_modes: request.normalize_modes },
            compression: chosen_compression(request)?,
            runner: Runner::new(layers.clone(), request.sandbox.clone(), times, cancel.clone()),
            imported: Imported::read(&request.cache_from, &client, &events).await,
            layers,
            outbound: Outbound::of(request, &client),
            contexts: Arc::new(contexts),
            cancel,
            fresh: AtomicBool::new(false),
        };
        if request.outputs.iter().any(Output::wants_blobs) {
            graphs
                .iter()
                .filter_map(|graph| bottom(graph, &images))
                .for_each(|base| work.layers.want_blobs(&base.layers));
        }
        let remote = Remote {
            store: &self.store,
            client: &self.client,
            request,
            contexts: &work.contexts,
            source: &file.source,
            times,
            events: &events,
        };
        let mut outcome = execute(&work, &remote, &graphs, &chosen, &images, &events).await?;
        if request.cache_to.iter().any(|target| target.place.is_none()) {
            outcome.built.iter_mut().try_for_each(|built| cache::inline(built, &outcome.made))?;
        }
        let writer = Writer { store: &self.store, client, transfers, request, work: &work, events: &events };
        let mut report = writer.write_all(&outcome).await?;
        writer.write_caches(&outcome.made).await?;
        report.warnings = warnings;
        report.platforms = outcome.built.iter().map(|built| built.platform.clone()).collect();
        report.bases = images.values().map(|image| (image.name.clone(), image.named_digest.clone())).collect();
        Ok(report)
    }

    pub(crate) async fn load(&self, request: &BuildRequest, events: &Events) -> Result<(Contexts, Dockerfile), Error> {
        let vertex = events.start("[internal] load build definition and contexts");
        let opened = Contexts::open(&request.context, &request.named_contexts, &request.dockerfile).await;
        let parsed = opened.and_then(|(contexts, source)| Ok((contexts, dockerfile::parse(source)?)));
        vertex.finish(false, parsed)
    }

    pub(crate) fn bases(&self, request: &BuildRequest) -> Bases {
        Bases::new(Arc::clone(&self.store), self.client.clone(), request.pull)
    }

    async fn plan_all(
        &self,
        file: &Dockerfile,
        request: &BuildRequest,
        contexts: &Contexts,
        events: &Events,
    ) -> Result<(Vec<Graph>, BaseImages), Error> {
        let bases = self.bases(request);
        let platforms = platforms(request);
        let plans = platforms.iter().map(|platform| async {
            let multi_platform = platforms.len() > 1;
            let request = Request { multi_platform, ..graph_request(request, platform, contexts)? };
            plan_one(file, &request, &bases, events).await
        });
        let (graphs, images): (Vec<Graph>, Vec<BaseImages>) = try_join_all(plans).await?.into_iter().unzip();
        Ok((graphs, images.into_iter().flatten().collect()))
    }
}

/// Plans, and plans again with the bases resolved that were found to be needed.
async fn plan_one(
    file: &Dockerfile,
    request: &Request,
    bases: &Bases,
    events: &Events,
) -> Result<(Graph, BaseImages), Error> {
    let mut resolved = ResolvedBases::default();
    let mut images = BaseImages::new();
    loop {
        let needs = match graph::plan(file, request, &resolved)? {
            Plan::Ready(graph) => return Ok((*graph, images)),
            Plan::Needs(needs) => needs,
        };
        let found = bases.resolve_all(&needs, &file.source, events).await?;
        for (need, image) in needs.iter().zip(found) {
            resolved.insert(need, image.resolved.clone());
            images.insert((need.origin.clone(), need.platform.clone()), image);
        }
    }
}

/// The image that the graph's result is built upon.
fn bottom<'i>(graph: &Graph, images: &'i BaseImages) -> Option<&'i Arc<BaseImage>> {
    let first = graph.chain().into_iter().next()?;
    match &graph.steps.get(first.0)?.op {
        graph::Op::Base(base) => images.get(&(base.need.origin.clone(), base.need.platform.clone())),
        _ => None,
    }
}

/// Builds some graphs in this process and the others on builders, side by side; the outcome is in the graphs' order.
async fn execute(
    work: &Work,
    remote: &Remote<'_>,
    graphs: &[Graph],
    chosen: &[Option<BuilderAddress>],
    images: &BaseImages,
    events: &Events,
) -> Result<Outcome, Error> {
    let mine: Vec<&Graph> = graphs.iter().zip(chosen).filter_map(|(graph, to)| to.is_none().then_some(graph)).collect();
    let theirs = graphs.iter().zip(chosen).filter_map(|(graph, to)| Some((&graph.platform, to.as_ref()?)));
    let theirs: Vec<_> = theirs.collect();
    let here = execute_here(work, &mine, images, events);
    let (here, there) = futures_util::try_join!(here, remote.build_all(&theirs))?;
    let (pairs, made) = here;
    let snapshot = |built: Built| (Arc::new(Snapshot::of_layers(built.layers.clone())), built);
    let (mut pairs, mut there) = (pairs.into_iter(), there.into_iter().map(snapshot));
    let ordered = chosen.iter().filter_map(|to| if to.is_none() { pairs.next() } else { there.next() });
    let (snapshots, built) = ordered.unzip();
    Ok(Outcome::new(built, snapshots, made))
}

type Pairs = Vec<(Arc<Snapshot>, Built)>;

async fn execute_here(
    work: &Work,
    graphs: &[&Graph],
    images: &BaseImages,
    events: &Events,
) -> Result<(Pairs, Vec<cache::Made>), Error> {
    let merged = graph::merge(graphs);
    let places = |graph: &Graph, places: &[StepId]| -> Vec<StepId> {
        graph.chain().into_iter().filter_map(|step| places.get(step.0).copied()).collect()
    };
    let chains: Vec<Vec<StepId>> = graphs.iter().zip(&merged.places).map(|(g, p)| places(g, p)).collect();
    let kept: BTreeSet<StepId> = chains.iter().flatten().copied().collect();
    let base = |base: &graph::Base| images.get(&(base.need.origin.clone(), base.need.platform.clone())).cloned();
    let executor = Executor::new(&merged.steps, kept, work, &base, events);
    let roots = chains.iter().filter_map(|chain| chain.last()).map(|root| executor.snapshot(*root));
    let snapshots = try_join_all(roots).await?;
    let pairs = graphs.iter().zip(snapshots).map(|(graph, snapshot)| {
        let built = Built::new(graph, snapshot.layers());
        (snapshot, built)
    });
    Ok((pairs.collect(), executor.made()))
}

fn check(request: &BuildRequest) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match request.tags.iter().find(|tag| !seen.insert((*tag).clone().or_latest())) {
        Some(tag) => Err(Error::TagTwice(tag.clone())),
        None => Ok(()),
    }
}

pub(crate) fn platforms(request: &BuildRequest) -> Vec<Platform> {
    match &request.platforms[..] {
        [] => vec![Platform::host()],
        several => several.to_vec(),
    }
}

/// What planning for one of the platforms is asked.
pub(crate) fn graph_request(
    request: &BuildRequest,
    platform: &Platform,
    contexts: &Contexts,
) -> Result<Request, Error> {
    let named = request.named_contexts.iter().map(|(name, source)| Ok((name.clone(), named_context(source)?)));
    let build_args = request.build_args.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    Ok(Request {
        target: request.target.clone(),
        build_args: build_args.collect(),
        build_platform: Platform::host(),
        platform_is_explicit: !request.platforms.is_empty(),
        labels: request.labels.clone(),
        named_contexts: named.collect::<Result<_, Error>>()?,
        ignored: contexts.ignored().cloned(),
        run: match request.run {
            RunPolicy::Execute => graph::RunPolicy::Execute,
            RunPolicy::Skip => graph::RunPolicy::Skip,
            RunPolicy::Refuse => graph::RunPolicy::Refuse,
        },
        no_cache: request.no_cache.clone(),
        network: request.sandbox.network,
        extra_hosts: request.sandbox.add_hosts.clone(),
        shm_size: request.sandbox.shm_size,
        ulimits: request.sandbox.ulimits.clone(),
        cgroup_parent: request.sandbox.cgroup_parent.clone(),
        ..Request::new(platform.clone())
    })
}

fn named_context(source: &ContextSource) -> Result<NamedContext, Error> {
    Ok(match source {
        ContextSource::Directory(_) | ContextSource::Mapped(_) | ContextSource::Empty => NamedContext::Local,
        ContextSource::Image(reference) => NamedContext::Image(reference.clone()),
        ContextSource::Layout { directory, object } => {
            NamedContext::OciLayout { directory: directory.display().to_string(), object: object.clone() }
        }
        ContextSource::Http(url) => NamedContext::Http(url.clone()),
        ContextSource::Git(text) => match graph::GitSource::parse(text) {
            Some(parsed) => NamedContext::Git(parsed.map_err(Error::Conflict)?),
            None => return Err(Error::Conflict(format!("{text} is no git repository"))),
        },
        ContextSource::Stdin => {
            return Err(Error::Conflict("standard input can only be the main build context".into()));
        }
        ContextSource::Job(name) => {
            return Err(Error::Conflict(format!("{name} is not built here, so its image cannot be a context")));
        }
    })
}

/// The Dockerfile's own SOURCE_DATE_EPOCH argument wins over the default, never over what was asked for.
fn timestamp(request: &BuildRequest, graphs: &[Graph]) -> TimestampPolicy {
    let epoch = graphs.iter().find_map(|graph| graph.epoch);
    match (request.timestamp, epoch) {
        (TimestampPolicy::Default, Some(seconds)) => TimestampPolicy::Epoch(seconds),
        (policy, _) => policy,
    }
}

fn chosen_compression(request: &BuildRequest) -> Result<Compression, Error> {
    let asked: Vec<Option<Compression>> =
        request.outputs.iter().filter_map(Output::form).map(|form| form.compression).collect();
    let local = |output: &Output| match output {
        Output::Image(options) if options.push && !options.store => {
            let names = if options.names.is_empty() { &request.tags } else { &options.names };
            names.iter().all(|name| is_loopback(name.repository().registry()))
        }
        _ => false,
    };
    compression(&asked, !request.outputs.is_empty() && request.outputs.iter().all(local))
}

impl Output {
    /// Whether it holds the blobs of bases too.
    fn wants_blobs(&self) -> bool {
        matches!(self, Self::Oci(_) | Self::Docker(_) | Self::Load(_))
    }

    /// How its image is written, if it is one.
    pub(crate) fn form(&self) -> Option<&ImageForm> {
        match self {
            Self::Image(options) | Self::Load(options) => Some(&options.form),
            Self::Oci(options) | Self::Docker(options) => Some(&options.form),
            Self::Local(_) | Self::Tar(_) | Self::CacheOnly => None,
        }
    }
}

/// Shows what plans warn of and leave out, each once; says how many findings of the linter there are.
fn report_plans(source: &Source, graphs: &[Graph], events: &Events) -> usize {
    let place = |span: Span| format!("{}:{}", source.name, source.line_column(span.start).line);
    let mut said = BTreeSet::new();
    let mut findings = 0;
    for graph in graphs {
        for finding in &graph.warnings {
            let message = format!("{}: {}", finding.rule.name(), finding.message);
            if said.insert((message.clone(), finding.span.start)) {
                events.warn(message, Some(place(finding.span)));
                findings += 1;
            }
        }
        for skipped in &graph.skipped {
            let message = format!("skipped: {}", skipped.text);
            if said.insert((message.clone(), skipped.span.map_or(0, |span| span.start))) {
                events.warn(message, skipped.span.map(place));
            }
        }
    }
    findings
}

/// Brings every layer's blob into the store.
pub(crate) async fn fetch_blobs(layers: &Layers, built: &[Built]) -> Result<(), Error> {
    let wanted = built.iter().flat_map(|built| &built.layers).map(|layer| layers.ensure_blob(layer));
    try_join_all(wanted).await.map(drop)
}
