//! Every case of the corpus through the engine: the image BuildKit made, or a refusal at the line it refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use registry::Client;
use shipsmith_engine::{
    ArchiveOptions, BuildRequest, ContextSource, Destination, DockerfileSource, Engine, Error, ImageForm, Output,
    PullPolicy, RunPolicy, SandboxOptions, Silent, TimestampPolicy,
};
use store::Store;
use testkit::canonical::{CanonicalImage, read_images};
use testkit::corpus::{Case, Corpus, Expectation, MaterializedCase, NamedContext, root};

/// Builds a case into an OCI layout and reads that back.
fn build(case: &Case, on_disk: &MaterializedCase, dir: &Path) -> Result<BTreeMap<String, CanonicalImage>, Error> {
    let store = Store::open(dir.join("store")).expect("a store");
    for (name, layout) in &on_disk.base_layouts {
        let imported = store.import(layout).expect("a base");
        store.tag(&name.parse().expect("a reference"), &imported[0].image).expect("a tag");
    }
    let layout = dir.join("layout");
    let request = request(case, on_disk, &layout);
    let engine = Engine::new(store, Client::new(registry::Config::default()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(engine.build(&request, &Silent))?;
    Ok(read_images(&layout).expect("a layout"))
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
        dockerfile: DockerfileSource::Path(on_disk.dockerfile.clone()),
        context: ContextSource::Directory(on_disk.context_dir.clone()),
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
        no_cache: false,
        run: RunPolicy::Refuse,
        timestamp: TimestampPolicy::Default,
        normalize_modes: false,
        sandbox: SandboxOptions::default(),
    }
}

/// What is wrong with our outcome of a case; nothing when it is BuildKit's.
fn judge(corpus: &Corpus, case: &Case) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let on_disk = corpus.materialize(case, dir.path()).expect("a case on disk");
    match (build(case, &on_disk, dir.path()), &case.expectation) {
        (Ok(images), Expectation::Images(expected)) => compare(&on_disk, expected, &images),
        (Ok(_), Expectation::Error(expected)) => vec![format!("built, but BuildKit refuses: {}", expected.message)],
        (Err(error), Expectation::Images(_)) => vec![format!("refused: {error}")],
        (Err(error), Expectation::Error(expected)) => {
            let line = error.location().map(|(source, span)| source.line_column(span.start).line);
            let line = line.and_then(|line| u32::try_from(line).ok());
            if expected.line.is_none() || line == expected.line {
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

/// Judges all cases on a few threads; `CORPUS_CASE` limits them to names that contain it.
#[test]
fn the_corpus_builds_as_buildkit_builds_it() {
    let corpus = Corpus::open(&root()).expect("the corpus");
    let only = std::env::var("CORPUS_CASE").unwrap_or_default();
    let cases: Vec<Case> =
        corpus.cases().expect("the cases").into_iter().filter(|case| case.name.contains(&only)).collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = judge(&corpus, case);
                    if !wrong.is_empty() {
                        failures.lock().expect("a lock").insert(case.name.clone(), wrong);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("a lock");
    let shown: String =
        failures.iter().map(|(name, wrong)| format!("\n{name}\n    {}", wrong.join("\n    "))).collect();
    assert!(failures.is_empty(), "{} of {} cases differ:{shown}", failures.len(), cases.len());
}
