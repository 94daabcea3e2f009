//! Every case of the corpus through the engine: the image BuildKit made, or a refusal at the line it refused.

mod refusals;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use registry::Client;
use shipsmith_engine::{
    ArchiveOptions, BuildRequest, ContextSource, Destination, DockerfileSource, Engine, Entitlement, Error, ImageForm,
    Level, Network, Output, PullPolicy, RunPolicy, SandboxOptions, SecretSource, Silent, TimestampPolicy, Ulimit,
    become_worker,
};
use store::Store;
use testkit::canonical::{CanonicalImage, read_images};
use testkit::corpus::{Case, Corpus, Expectation, MaterializedCase, NamedContext, Verdict, root};
use testkit::tools::as_root;

use refusals::Refusals;

/// Processes are run in workers, which are this program again.
#[ctor::ctor(unsafe)]
fn worker() {
    become_worker();
}

/// Refusals whose line we name more exactly than BuildKit, which marks where a continued instruction, a heredoc or the
/// file begins.
const BETTER_PLACES: [&str; 9] = [
    "add-archive/below-a-file",
    "copy/below-a-file-of-the-base",
    "copy/directory-onto-a-file-of-the-base",
    "directives/escape-twice",
    "heredoc/required-variable",
    "lines/continuation-with-comment-at-the-end",
    "lines/only-comments",
    "lines/only-empty-lines",
    "lines/very-long-line",
];

/// Cases that end otherwise than with BuildKit, on purpose, and why.
const ON_PURPOSE: [(&str, &str); 8] = [
    ("add-archive/removed-device", "a file that a layer cannot hold is refused, not lost"),
    ("run-failure/first-process-cannot-kill-itself", "the command is not process 1: an init is, which reaps"),
    ("run-files/name-of-a-whiteout", "a file that a layer cannot hold is refused, not lost"),
    ("run-secret/mount-options", "the secret's file system is as closed as the secret"),
    ("run-system/dev-is-a-link", "nothing is mounted through a link called /dev"),
    ("run-system/first-process", "the command is not process 1: an init is, which reaps"),
    ("run-system/mounts", "device nodes are bound one by one: /dev itself is nodev"),
    ("run-tmpfs/options", "a tmpfs holds no devices"),
];

/// One engine for all cases, whose store has the bases: many builds at once share it.
struct Bench {
    corpus: Corpus,
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    refusals: Refusals,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let corpus = Corpus::open(&root()).expect("the corpus");
        let store = Store::open(dir.path().join("store")).expect("a store");
        for (name, base) in corpus.bases() {
            let layout = dir.path().join(name);
            base.write_layout(&layout).expect("a layout");
            let imported = store.import(&layout).expect("a base");
            store.tag(&format!("{name}:latest").parse().expect("a reference"), &imported[0].image).expect("a tag");
        }
        let engine = Engine::new(store, Client::new(registry::Config::default()));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        Self { corpus, engine, runtime, refusals: Refusals::default(), _dir: dir }
    }

    /// Builds a case into an OCI layout and reads that back.
    fn build(
        &self,
        case: &Case,
        on_disk: &MaterializedCase,
        dir: &Path,
    ) -> Result<BTreeMap<String, CanonicalImage>, Error> {
        let layout = dir.join("layout");
        self.runtime.block_on(self.engine.build(&request(case, on_disk, &layout), Arc::new(Silent)))?;
        Ok(read_images(&layout).expect("a layout"))
    }
}

fn request(case: &Case, on_disk: &MaterializedCase, layout: &Path) -> BuildRequest {
    let named = on_disk.named_contexts.iter().map(|(name, context)| {
        let source = match context {
            NamedContext::Directory(path) => ContextSource::Directory(path.clone()),
            NamedContext::DockerImage(name) => ContextSource::Image(name.parse().expect("a reference")),
            NamedContext::OciLayout(path) => {
                ContextSource::Layout { directory: path.clone(), object: Some("latest".into()) }
            }
        };
        (name.clone(), source)
    });
    BuildRequest {
        dockerfile: match &on_disk.context_url {
            None => DockerfileSource::Path(on_disk.dockerfile.clone()),
            Some(_) => case
                .request
                .dockerfile
                .clone()
                .map_or(DockerfileSource::Default, |path| DockerfileSource::Path(path.into())),
        },
        context: match &on_disk.context_url {
            None => ContextSource::Directory(on_disk.context_dir.clone()),
            Some(url) if url.contains(".git") => ContextSource::Git(url.clone()),
            Some(url) => ContextSource::Http(url.clone()),
        },
        named_contexts: named.collect(),
        target: case.request.target.clone(),
        build_args: on_disk.build_args.clone(),
        platforms: case.platforms().iter().map(|platform| platform.parse().expect("a platform")).collect(),
        labels: case.request.labels.clone(),
        annotations: Vec::new(),
        tags: Vec::new(),
        outputs: vec![Output::Oci(ArchiveOptions {
            destination: Destination::File(layout.to_owned()),
            tar: false,
            names: Vec::new(),
            form: ImageForm::default(),
        })],
        pull: PullPolicy::Offline,
        no_cache: None,
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        run: RunPolicy::Execute,
        timestamp: TimestampPolicy::Default,
        normalize_modes: false,
        sandbox: sandbox(case, on_disk),
        builders: shipsmith_engine::Builders::default(),
        attestations: BTreeMap::new(),
    }
}

/// What the case gives to RUN, as the strongest isolation there is: BuildKit's.
fn sandbox(case: &Case, on_disk: &MaterializedCase) -> SandboxOptions {
    let asked = &case.request;
    let entitlement = |name: &String| match name.as_str() {
        "network.host" => Entitlement::NetworkHost,
        "security.insecure" => Entitlement::SecurityInsecure,
        other => panic!("{} allows {other}, which nobody knows", case.name),
    };
    let network = match asked.network.as_deref() {
        None | Some("default") => Network::Default,
        Some("none") => Network::None,
        Some(other) => panic!("{} has the network {other}, which nobody knows", case.name),
    };
    let limit = |(name, limits): (&String, &(i64, i64))| Ulimit { name: name.clone(), soft: limits.0, hard: limits.1 };
    let secrets = on_disk.secrets.iter().map(|(id, path)| (id.clone(), SecretSource::File(path.clone())));
    SandboxOptions {
        network,
        add_hosts: asked.add_hosts.clone().into_iter().collect(),
        shm_size: asked.shm_size,
        ulimits: asked.ulimits.iter().map(limit).collect(),
        secrets: secrets.collect(),
        allowed: asked.allow.iter().map(entitlement).collect(),
        isolation: Some(Level::Root),
        ..SandboxOptions::default()
    }
}

/// What is wrong with our outcome of a case; nothing when it is BuildKit's.
fn judge(bench: &Bench, case: &Case) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let on_disk = bench.corpus.materialize(case, dir.path()).expect("a case on disk");
    match (bench.build(case, &on_disk, dir.path()), &case.expectation) {
        (Ok(images), Expectation::Images(expected)) => compare(&on_disk, expected, &images),
        (Ok(_), Expectation::Error(expected)) => vec![format!("built, but BuildKit refuses: {}", expected.message)],
        (Err(error), Expectation::Images(_)) => vec![format!("refused: {error}")],
        (Err(error), Expectation::Error(expected)) => {
            bench.refusals.note(&case.name, &error, &on_disk, dir.path());
            let line = error.location().map(|(source, span)| source.line_column(span.start).line);
            let line = line.and_then(|line| u32::try_from(line).ok());
            let better = BETTER_PLACES.contains(&case.name.as_str());
            // What a command says when it fails is its own.
            if error.hint().is_none() && !case.name.starts_with("run-") {
                return vec![format!("refused without a hint: {error}")];
            }
            if expected.line.is_none() || line == expected.line || better {
                return Vec::new();
            }
            vec![format!("refused at line {line:?}, BuildKit at {:?}: {error} / {}", expected.line, expected.message)]
        }
    }
}

fn compare(
    on_disk: &MaterializedCase,
    expected: &BTreeMap<String, CanonicalImage>,
    images: &BTreeMap<String, CanonicalImage>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if !expected.keys().eq(images.keys()) {
        wrong.push(format!("platforms: expected {:?}, found {:?}", expected.keys(), images.keys()));
    }
    for (platform, expected) in expected {
        if let Some(image) = images.get(platform) {
            let image = on_disk.canonical(image);
            wrong.extend(expected.differences(&image).iter().map(|difference| format!("{platform}: {difference}")));
        }
    }
    wrong
}

/// What is wrong with a case: that it differs, or that it agrees though it is said to differ.
fn check(bench: &Bench, case: &Case) -> Vec<String> {
    let wrong = judge(bench, case);
    match ON_PURPOSE.iter().find(|(name, _)| *name == case.name) {
        None => wrong,
        Some((_, why)) if wrong.is_empty() => vec![format!("it agrees with BuildKit, and should not: {why}")],
        Some(_) => Vec::new(),
    }
}

/// Judges all cases on a few threads; `CORPUS_CASE` limits them to names that contain it.
#[test]
fn the_corpus_builds_as_buildkit_builds_it() {
    let bench = Bench::new();
    let only = std::env::var("CORPUS_CASE").unwrap_or_default();
    let can_run = as_root();
    let is_judged = |case: &Case| case.name.contains(&only) && (can_run || !case.name.starts_with("run-"));
    let cases: Vec<Case> = bench.corpus.cases().expect("the cases").into_iter().filter(is_judged).collect();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    Verdict::of(&cases, threads, |_, case| check(&bench, case)).expect_agreement();
    bench.refusals.expect_as_written(only.is_empty() && can_run);
}
