//! The walk of a build: contexts and text, plan, bases, execution, images, sinks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dockerfile::{Dockerfile, Source, Span};
use futures_util::future::{try_join, try_join_all};
use graph::{BaseNeed, BaseOrigin, Graph, NamedContext, Plan, Request, ResolvedBase, ResolvedBases, StepId, StepKey};
use layer::Compression;
use oci::{Descriptor, Digest, Platform, Reference};
use registry::Client;
use store::Store;

use crate::assemble::{Built, compression};
use crate::bases::{BaseImage, Bases};
use crate::cache::{self, Imported, Made};
use crate::cancel::Cancel;
use crate::contexts::{Contexts, Sources};
use crate::event::{EventSink, Events, Transfers};
use crate::execute::{Beneath, Executor, Shared, Work};
use crate::layers::Layers;
use crate::outbound::{Outbound, is_loopback};
use crate::output::{Outcome, Writer};
use crate::remote::{self, Remote};
use crate::run::{self, Runner};
use crate::sink::push::Sent;
use crate::snapshot::Snapshot;
use crate::steps::Setting;
use crate::tags::Tags;
use crate::{
    BuildRequest, BuilderAddress, ContextSource, DockerfileSource, Error, ImageForm, Output, PullPolicy, RunPolicy,
    TimestampPolicy,
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

pub(crate) type BaseKey = (BaseOrigin, Platform);
pub(crate) type BaseImages = BTreeMap<BaseKey, Arc<BaseImage>>;

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
        let session = Session::new(self, Events::new(sink));
        let _stop = session.cancel.on_drop();
        let planned = session.plan(request, &BTreeMap::new(), &session.events).await?;
        let own = chosen_compression(request)?;
        Ok(session.carry_out(request, &planned, &BTreeMap::new(), own, &session.events).await?.report)
    }

    pub(crate) async fn load(&self, request: &BuildRequest, events: &Events) -> Result<(Contexts, Dockerfile), Error> {
        load(request, &Arc::default(), events).await
    }

    pub(crate) fn bases(&self, request: &BuildRequest) -> Bases {
        Bases::new(Arc::clone(&self.store), self.client.clone(), request.pull)
    }
}

async fn load(
    request: &BuildRequest,
    sources: &Arc<Sources>,
    events: &Events,
) -> Result<(Contexts, Dockerfile), Error> {
    let vertex = events.start("[internal] load build definition and contexts");
    let opened = Contexts::open(&request.context, &request.named_contexts, &request.dockerfile, sources).await;
    let parsed = opened.and_then(|(contexts, source)| Ok((contexts, dockerfile::parse(source)?)));
    vertex.finish(false, parsed)
}

/// What the builds of one run share.
pub(crate) struct Session<'e> {
    store: &'e Arc<Store>,
    pub(crate) events: Events,
    pub(crate) cancel: Cancel,
    client: Client,
    transfers: Arc<Transfers>,
    sources: Arc<Sources>,
    bases: Mutex<BTreeMap<PullPolicy, Arc<Bases>>>,
    /// By whether registries may be asked.
    layers: [Layers; 2],
    shared: Arc<Shared>,
    sent: Arc<Sent>,
    tags: Arc<Tags>,
    /// The steps whose layers become part of any image.
    pub(crate) kept: OnceLock<BTreeSet<StepKey>>,
}

/// A build that is planned.
pub(crate) struct Planned {
    pub(crate) platforms: Vec<Platform>,
    /// For each of the platforms.
    pub(crate) graphs: Vec<Graph>,
    /// For each of the platforms, the builder that builds it; this process without.
    builders: Vec<Option<BuilderAddress>>,
    source: Arc<Source>,
    images: BaseImages,
    contexts: Arc<Contexts>,
    warnings: usize,
}

impl Planned {
    /// Whether anything of it is built in this process.
    fn here(&self) -> bool {
        self.builders.iter().any(Option::is_none)
    }
}

/// A build that is done.
pub(crate) struct Finished {
    pub(crate) report: BuildReport,
    platforms: Vec<Platform>,
    /// For each of the platforms, what stands beneath an image that is built upon it.
    results: Vec<Beneath>,
    built: Vec<Built>,
}

impl Finished {
    /// What was built for a platform.
    pub(crate) fn built(&self, platform: &Platform) -> Option<&Built> {
        part(&self.platforms, &self.built, platform)
    }
}

impl<'e> Session<'e> {
    pub(crate) fn new(engine: &'e Engine, events: Events) -> Self {
        let transfers = Arc::new(Transfers::new(&events));
        let client = engine.client.observed(Arc::clone(&transfers) as Arc<dyn registry::Observer>);
        let layers = |offline| Layers::new(Arc::clone(&engine.store), client.clone(), offline);
        Self {
            store: &engine.store,
            cancel: Cancel::default(),
            sources: Arc::default(),
            bases: Mutex::default(),
            layers: [layers(false), layers(true)],
            shared: Arc::new(Shared::new()),
            sent: Arc::default(),
            tags: Arc::default(),
            kept: OnceLock::new(),
            events,
            client,
            transfers,
        }
    }

    fn bases(&self, policy: PullPolicy) -> Arc<Bases> {
        let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Bases::new(Arc::clone(self.store), self.client.clone(), policy));
        Arc::clone(bases.entry(policy).or_insert_with(new))
    }

    fn layers(&self, policy: PullPolicy) -> &Layers {
        &self.layers[usize::from(policy == PullPolicy::Offline)]
    }

    /// Opens contexts, reads the Dockerfile and decides what is to be done. `needed` are the images of this run that it is
    /// built upon.
    pub(crate) async fn plan(
        &self,
        request: &BuildRequest,
        needed: &BTreeMap<String, Arc<Planned>>,
        events: &Events,
    ) -> Result<Planned, Error> {
        check(request)?;
        let (contexts, file) = load(request, &self.sources, events).await?;
        let platforms = platforms(request);
        let bases = self.bases(request.pull);
        let plans = platforms.iter().map(|platform| async {
            let multi_platform = platforms.len() > 1;
            let request = Request { multi_platform, ..graph_request(request, platform, Some(&contexts))? };
            plan_one(&file, &request, &bases, needed, events).await
        });
        let (graphs, images): (Vec<Graph>, Vec<BaseImages>) = try_join_all(plans).await?.into_iter().unzip();
        let warnings = report_plans(&file.source, &graphs, events);
        let builders = remote::choose(request, &graphs, events)?;
        for step in graphs.iter().flat_map(|graph| &graph.steps) {
            run::allowed(step, &request.sandbox).map_err(|error| error.within(&file.source, step.span))?;
        }
        let images = images.into_iter().flatten().collect();
        Ok(Planned { platforms, graphs, builders, source: file.source, images, contexts: Arc::new(contexts), warnings })
    }

    /// Looks up the bases of a build whose contexts are not there yet, as far as they can be told.
    pub(crate) async fn warm(
        &self,
        request: &BuildRequest,
        needed: &BTreeMap<String, Arc<Planned>>,
        events: &Events,
    ) -> Result<(), Error> {
        let source = match &request.dockerfile {
            DockerfileSource::Text(text) => Source::from_bytes("Dockerfile".to_owned(), text.as_bytes()),
            DockerfileSource::Path(path) => {
                Source::from_bytes(path.display().to_string(), &context::read_dockerfile(path)?)
            }
            DockerfileSource::Default => return Ok(()),
        };
        let (file, bases) = (dockerfile::parse(source)?, self.bases(request.pull));
        for platform in platforms(request) {
            plan_one(&file, &graph_request(request, &platform, None)?, &bases, needed, events).await?;
        }
        Ok(())
    }

    /// Executes what was planned and writes the result to where it is wanted. `needed` are the images of this run that it
    /// is built upon.
    pub(crate) async fn carry_out(
        &self,
        request: &BuildRequest,
        planned: &Planned,
        needed: &BTreeMap<String, Arc<Finished>>,
        compression: Compression,
        events: &Events,
    ) -> Result<Finished, Error> {
        let work = self.work(request, planned, compression, events).await;
        if request.outputs.iter().any(Output::wants_blobs) {
            let bottoms = planned.graphs.iter().filter_map(|graph| bottom(graph, &planned.images));
            bottoms.for_each(|base| work.layers.want_blobs(&base.layers));
        }
        let (mut outcome, results) = self.execute(request, &work, planned, needed, events).await?;
        if planned.here() && request.cache_to.iter().any(|target| target.place.is_none()) {
            outcome.built.iter_mut().try_for_each(|built| cache::inline(built, &outcome.made))?;
        }
        let (client, transfers) = (self.client.clone(), Arc::clone(&self.transfers));
        let (sent, tags) = (&self.sent, &*self.tags);
        let writer = Writer { store: self.store, client, transfers, request, work: &work, events, sent, tags };
        let mut report = writer.write_all(&outcome).await?;
        if planned.here() {
            writer.write_caches(&outcome).await?;
        }
        report.warnings = planned.warnings;
        report.platforms = outcome.built.iter().map(|built| built.platform.clone()).collect();
        let bases = planned.images.values();
        report.bases = bases.map(|image| (image.name.clone(), image.named_digest.clone())).collect();
        Ok(Finished { report, platforms: planned.platforms.clone(), results, built: outcome.built })
    }

    async fn work(&self, request: &BuildRequest, planned: &Planned, compression: Compression, events: &Events) -> Work {
        let times = timestamp(request, &planned.graphs);
        let layers = self.layers(request.pull).clone();
        Work {
            source: Arc::clone(&planned.source),
            setting: Setting { timestamp: times, normalize_modes: request.normalize_modes },
            compression,
            runner: Runner::new(layers.clone(), request.sandbox.clone(), times, self.cancel.clone()),
            process: format!("{:?} {:?}", request.sandbox, request.cache_from),
            imported: match planned.here() {
                true => Imported::read(&request.cache_from, &self.client, events).await,
                false => Imported::default(),
            },
            layers,
            outbound: Outbound::of(request, &self.client, &self.sent, &self.tags),
            contexts: Arc::clone(&planned.contexts),
            cancel: self.cancel.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Builds some platforms in this process and the others on builders, side by side.
    async fn execute(
        &self,
        request: &BuildRequest,
        work: &Work,
        planned: &Planned,
        needed: &BTreeMap<String, Arc<Finished>>,
        events: &Events,
    ) -> Result<(Outcome, Vec<Beneath>), Error> {
        let (graphs, builders) = (&planned.graphs, &planned.builders);
        let mine = graphs.iter().zip(builders).filter_map(|(graph, builder)| builder.is_none().then_some(graph));
        let theirs: Vec<_> =
            graphs.iter().zip(builders).filter_map(|(graph, builder)| Some((graph, builder.as_ref()?))).collect();
        let (mine, client) = (mine.collect(), &self.client);
        let remote = Remote { client, request, work, source: &planned.source, images: &planned.images, needed, events };
        let here = self.execute_here(mine, work, planned, needed, events);
        let (here, there) = try_join(here, remote.build_all(&theirs)).await?;
        let fresh = here.fresh || !there.is_empty();
        let (mut results, mut there) = (here.results.into_iter(), there.into_iter());
        let ordered = builders.iter().filter_map(|builder| match builder {
            None => results.next(),
            Some(_) => there.next(),
        });
        let (built, results): (Vec<Built>, Vec<Beneath>) = ordered.unzip();
        let snapshots = results.iter().map(|result| Arc::clone(&result.snapshot)).collect();
        Ok((Outcome::new(built, snapshots, here.made, fresh), results))
    }

    async fn execute_here(
        &self,
        graphs: Vec<&Graph>,
        work: &Work,
        planned: &Planned,
        needed: &BTreeMap<String, Arc<Finished>>,
        events: &Events,
    ) -> Result<Here, Error> {
        let merged = graph::merge(&graphs);
        let places = |graph: &Graph, places: &[StepId]| -> Vec<StepId> {
            graph.chain().into_iter().filter_map(|step| places.get(step.0).copied()).collect()
        };
        let chains: Vec<Vec<StepId>> = graphs.iter().zip(&merged.places).map(|(g, p)| places(g, p)).collect();
        let elsewhere = self.kept.get();
        let elsewhere = merged.steps.iter().filter(|step| elsewhere.is_some_and(|kept| kept.contains(&step.key)));
        let kept: BTreeSet<StepId> = chains.iter().flatten().copied().chain(elsewhere.map(|step| step.id)).collect();
        let base = |base: &graph::Base| beneath(base, &planned.images, needed);
        let executor = Executor::new(&merged.steps, kept, work, &base, events);
        let roots: Vec<StepId> = chains.iter().filter_map(|chain| chain.last().copied()).collect();
        let snapshots = try_join_all(roots.iter().map(|root| executor.snapshot(*root))).await?;
        let results = graphs.iter().zip(roots).zip(snapshots).map(|((graph, root), snapshot)| {
            let built = Built::new(graph, snapshot.layers());
            (built, Beneath { snapshot, identity: executor.key(root).clone() })
        });
        Ok(Here { results: results.collect(), made: executor.made(), fresh: executor.fresh() })
    }
}

/// What this process built.
struct Here {
    results: Vec<(Built, Beneath)>,
    made: Vec<Made>,
    fresh: bool,
}

/// The one of `parts` for `wanted`; of an image for one platform, that one.
fn part<'p, T>(platforms: &[Platform], parts: &'p [T], wanted: &Platform) -> Option<&'p T> {
    match parts {
        [only] => Some(only),
        _ => parts.get(platforms.iter().position(|platform| platform == wanted)?),
    }
}

fn beneath(base: &graph::Base, images: &BaseImages, needed: &BTreeMap<String, Arc<Finished>>) -> Option<Beneath> {
    if let BaseOrigin::Target(name) = &base.need.origin {
        let finished = needed.get(name)?;
        return part(&finished.platforms, &finished.results, &base.need.platform).cloned();
    }
    let image = images.get(&(base.need.origin.clone(), base.need.platform.clone()))?;
    let snapshot = Arc::new(Snapshot::of_layers(image.layers.clone()));
    Some(Beneath { snapshot, identity: base.digest.clone() })
}

/// Plans, and plans again with the bases resolved that were found to be needed.
async fn plan_one(
    file: &Dockerfile,
    request: &Request,
    bases: &Bases,
    needed: &BTreeMap<String, Arc<Planned>>,
    events: &Events,
) -> Result<(Graph, BaseImages), Error> {
    let mut resolved = ResolvedBases::default();
    let mut images = BaseImages::new();
    loop {
        let needs = match graph::plan(file, request, &resolved)? {
            Plan::Ready(graph) => return Ok((*graph, images)),
            Plan::Needs(needs) => needs,
        };
        let (own, foreign): (Vec<_>, Vec<_>) = needs.into_iter().partition(|need| is_of(need, needed));
        for need in &own {
            resolved.insert(need, planned_base(need, needed).map_err(|error| error.within(&file.source, need.span))?);
        }
        let found = bases.resolve_all(&foreign, &file.source, events).await?;
        for (need, image) in foreign.iter().zip(found) {
            resolved.insert(need, image.resolved.clone());
            images.insert((need.origin.clone(), need.platform.clone()), image);
        }
    }
}

fn is_of(need: &BaseNeed, needed: &BTreeMap<String, Arc<Planned>>) -> bool {
    matches!(&need.origin, BaseOrigin::Target(name) if needed.contains_key(name))
}

/// An image of this run as a base: its config is known before it is built.
fn planned_base(need: &BaseNeed, needed: &BTreeMap<String, Arc<Planned>>) -> Result<ResolvedBase, Error> {
    let BaseOrigin::Target(name) = &need.origin else { return Err(Error::Internal("no image of this run".into())) };
    let planned = needed.get(name).ok_or_else(|| Error::Internal(format!("{name} is not planned")))?;
    let graph = part(&planned.platforms, &planned.graphs, &need.platform).ok_or_else(|| Error::JobPlatform {
        needed: name.clone(),
        wanted: Box::new(need.platform.clone()),
        offered: planned.platforms.clone(),
    })?;
    Ok(ResolvedBase { digest: graph.step(graph.root).key.0.clone(), config: graph.config.clone() })
}

/// The image that the graph's result is built upon.
fn bottom<'i>(graph: &Graph, images: &'i BaseImages) -> Option<&'i Arc<BaseImage>> {
    let first = graph.chain().into_iter().next()?;
    match &graph.steps.get(first.0)?.op {
        graph::Op::Base(base) => images.get(&(base.need.origin.clone(), base.need.platform.clone())),
        _ => None,
    }
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
    contexts: Option<&Contexts>,
) -> Result<Request, Error> {
    let named = request.named_contexts.iter().map(|(name, source)| Ok((name.clone(), named_context(source)?)));
    let build_args = request.build_args.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    Ok(Request {
        target: request.target.clone(),
        build_args: build_args.collect(),
        build_platform: Platform::host(),
        platform_is_explicit: !request.platforms.is_empty(),
        labels: request.labels.clone(),
        context: contexts.map(|contexts| contexts.main_for(platform)).unwrap_or_default(),
        named_contexts: named.collect::<Result<_, Error>>()?,
        ignored: contexts.and_then(Contexts::ignored).cloned(),
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
        ContextSource::Platforms(_) => {
            return Err(Error::Conflict("only the main build context can be another for each platform".into()));
        }
        ContextSource::Stdin => {
            return Err(Error::Conflict("standard input can only be the main build context".into()));
        }
        ContextSource::Job(name) => NamedContext::Target(name.clone()),
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

pub(crate) fn chosen_compression(request: &BuildRequest) -> Result<Compression, Error> {
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
