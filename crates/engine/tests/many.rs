//! Many images in one run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use registry::Client;
use shipsmith_engine::{
    Batch, BuildReport, BuildRequest, Command, ContextSource, DockerfileSource, Engine, Error, Job, JobOutcome, Output,
    PullPolicy, RunPolicy, SandboxOptions, Silent, TimestampPolicy,
};
use store::Store;

struct Bench {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path().join("store")).expect("a store");
        fs::create_dir(dir.path().join("context")).expect("a directory");
        fs::write(dir.path().join("context/file"), "a file").expect("a file");
        let engine = Engine::new(store, Client::new(registry::Config::default()));
        Self { dir, engine }
    }

    fn job(&self, name: &str, dockerfile: &str) -> Job {
        job(name, dockerfile, &self.dir.path().join("context"))
    }

    fn run(&self, batch: &Batch) -> Result<BTreeMap<String, JobOutcome>, Error> {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let reports = runtime.block_on(self.engine.build_all(batch, Arc::new(Silent)))?;
        Ok(reports.into_iter().map(|report| (report.name, report.outcome)).collect())
    }
}

fn job(name: &str, dockerfile: &str, context: &Path) -> Job {
    let request = BuildRequest {
        dockerfile: DockerfileSource::Text(dockerfile.into()),
        context: ContextSource::Directory(context.to_owned()),
        named_contexts: BTreeMap::new(),
        target: None,
        build_args: BTreeMap::new(),
        platforms: vec!["linux/amd64".parse().expect("a platform"), "linux/arm64".parse().expect("a platform")],
        labels: BTreeMap::new(),
        annotations: Vec::new(),
        tags: Vec::new(),
        outputs: Vec::new(),
        pull: PullPolicy::Resolve,
        no_cache: None,
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        run: RunPolicy::Execute,
        timestamp: TimestampPolicy::Default,
        normalize_modes: false,
        sandbox: SandboxOptions::default(),
        builders: shipsmith_engine::Builders::default(),
        attestations: BTreeMap::new(),
    };
    Job { name: name.into(), request, commands: BTreeSet::new() }
}

fn upon(mut job: Job, context: &str, other: &str) -> Job {
    job.request.named_contexts.insert(context.into(), ContextSource::Job(other.into()));
    job
}

fn done<'o>(outcomes: &'o BTreeMap<String, JobOutcome>, name: &str) -> &'o BuildReport {
    match &outcomes[name] {
        JobOutcome::Done(report) => report,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn an_image_of_the_run_is_a_base_and_never_leaves_it() {
    let bench = Bench::new();
    let mut base = bench.job("base", "FROM scratch\nCOPY file /file\nENV A=b\n");
    base.request.outputs = vec![Output::CacheOnly];
    let above = upon(bench.job("above", "FROM base\nCOPY file /again\n"), "base", "base");
    let batch = Batch { jobs: vec![above, base], ..Batch::default() };
    let outcomes = bench.run(&batch).expect("runs");
    assert_eq!(done(&outcomes, "base").image, None);
    let one = bench.job("one", "FROM scratch\nCOPY file /file\nENV A=b\nCOPY file /again\n");
    let alone = bench.run(&Batch { jobs: vec![one], ..Batch::default() }).expect("runs");
    assert_eq!(done(&outcomes, "above").image, done(&alone, "one").image);
}

#[test]
fn the_order_of_two_hundred_images_changes_nothing() {
    let bench = Bench::new();
    let jobs: Vec<Job> = (0..200)
        .map(|n| bench.job(&format!("j{n}"), &format!("FROM scratch\nCOPY file /same\nCOPY file /{n}\n")))
        .collect();
    let back: Vec<Job> = jobs.iter().rev().cloned().collect();
    let first = bench.run(&Batch { jobs, ..Batch::default() }).expect("runs");
    let other = Bench::new();
    let back = back.into_iter().map(|mut job| {
        job.request.context = ContextSource::Directory(other.dir.path().join("context"));
        job
    });
    let second = other.run(&Batch { jobs: back.collect(), ..Batch::default() }).expect("runs");
    for name in first.keys() {
        assert_eq!(done(&first, name).image, done(&second, name).image);
    }
}

#[test]
fn a_failure_is_of_its_image_and_of_those_upon_it() {
    let bench = Bench::new();
    let jobs = vec![
        bench.job("bad", "FROM scratch\nCOPY nothing /\n"),
        bench.job("good", "FROM scratch\nCOPY file /\n"),
        upon(bench.job("above", "FROM bad\nCOPY file /\n"), "bad", "bad"),
    ];
    let outcomes = bench.run(&Batch { jobs, keep_going: true, ..Batch::default() }).expect("runs");
    done(&outcomes, "good");
    let JobOutcome::Failed(error) = &outcomes["bad"] else { panic!("{outcomes:?}") };
    let (source, span) = error.location().expect("a place");
    assert_eq!(source.line_column(span.start).line, 2);
    assert!(matches!(&outcomes["above"], JobOutcome::Skipped { because } if because == "bad failed"));
}

#[test]
fn circles_and_unknown_names_are_refused_before_anything_runs() {
    let bench = Bench::new();
    let (a, b) = (bench.job("a", "FROM b\n"), bench.job("b", "FROM a\n"));
    let circle = Batch { jobs: vec![upon(a.clone(), "b", "b"), upon(b, "a", "a")], ..Batch::default() };
    assert!(matches!(bench.run(&circle), Err(Error::Cycle(names)) if names == ["a", "b", "a"]));
    let unknown = Batch { jobs: vec![upon(a, "b", "b")], ..Batch::default() };
    assert!(matches!(bench.run(&unknown), Err(Error::UnknownJob { needed, .. }) if needed == "b"));
}

#[test]
fn a_command_makes_files_and_fails_only_those_that_need_them() {
    let bench = Bench::new();
    let command = |script: &str| Command {
        name: script.into(),
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        environment: BTreeMap::new(),
        directory: bench.dir.path().join("context"),
    };
    let mut made = bench.job("made", "FROM scratch\nCOPY made /\n");
    made.commands.insert(0);
    let mut broken = bench.job("broken", "FROM scratch\nCOPY file /\n");
    broken.commands.insert(1);
    let commands = vec![command("echo made > made"), command("echo out of luck; exit 3")];
    let outcomes = bench.run(&Batch { commands, jobs: vec![made, broken], keep_going: true }).expect("runs");
    done(&outcomes, "made");
    let JobOutcome::Failed(error) = &outcomes["broken"] else { panic!("{outcomes:?}") };
    assert!(error.to_string().contains("out of luck"), "{error}");
}
