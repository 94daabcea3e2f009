//! The rules end to end: each on a Dockerfile of its own, all cases that BuildKit's linter was observed on, and the
//! warnings of a build.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dockerfile::lint::Rule;
use registry::Client;
use shipsmith_engine::{
    BuildRequest, Checked, ContextSource, DockerfileSource, Engine, Error, Event, EventSink, Output, PullPolicy,
    RunPolicy, SandboxOptions, Silent, TimestampPolicy,
};
use store::Store;
use testkit::corpus::{Case, Corpus, Expectation, MaterializedCase, NamedContext, root};

/// Built when only the target's stages count; with all stages it is refused, and BuildKit shows what it found before that,
/// too.
const REFUSED: &str = "from/unneeded-stage-with-bad-expansion";

/// Remembers warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<(String, Option<String>)>>);

impl EventSink for Warnings {
    fn event(&self, _at: Duration, event: Event) {
        if let Event::Warning { message, location } = event {
            self.0.lock().expect("a lock").push((message, location));
        }
    }
}

impl Warnings {
    fn take(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.0.lock().expect("a lock"))
    }
}

/// An engine whose store has the corpus's bases, and a context to fill.
struct Bench {
    corpus: Corpus,
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
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
        std::fs::create_dir(dir.path().join("context")).expect("a directory");
        let engine = Engine::new(store, Client::new(registry::Config::default()));
        Self { corpus, engine, runtime: tokio::runtime::Runtime::new().expect("a runtime"), dir }
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.dir.path().join("context").join(name), content).expect("a file");
    }

    /// A request for the context with this Dockerfile.
    fn request(&self, text: &str) -> BuildRequest {
        self.write("Dockerfile", text);
        request(DockerfileSource::Default, ContextSource::Directory(self.dir.path().join("context")))
    }

    fn check(&self, request: &BuildRequest) -> Result<Checked, Error> {
        self.runtime.block_on(self.engine.check(request, Arc::new(Silent)))
    }

    /// What the rules say of this Dockerfile.
    fn found(&self, text: &str) -> Vec<(usize, Rule)> {
        found(&self.check(&self.request(text)).expect("it can be checked"))
    }
}

fn request(dockerfile: DockerfileSource, context: ContextSource) -> BuildRequest {
    BuildRequest {
        dockerfile,
        context,
        named_contexts: BTreeMap::new(),
        target: None,
        build_args: BTreeMap::new(),
        platforms: vec!["linux/amd64".parse().expect("a platform")],
        labels: BTreeMap::new(),
        annotations: Vec::new(),
        tags: Vec::new(),
        outputs: vec![Output::CacheOnly],
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

/// Line and rule of every finding.
fn found(checked: &Checked) -> Vec<(usize, Rule)> {
    let line = |offset| checked.source.line_column(offset).line;
    checked.findings.iter().map(|finding| (line(finding.span.start), finding.rule)).collect()
}

/// A Dockerfile that violates one rule, and where.
const VIOLATIONS: [(Rule, usize, &str); 22] = [
    (Rule::ConsistentInstructionCasing, 2, "FROM scratch\nenv A=1\n"),
    (Rule::CopyIgnoredFile, 2, "FROM scratch\nCOPY kept.md secret.txt /\n"),
    (Rule::DuplicateStageName, 2, "FROM scratch AS a\nFROM scratch AS a\n"),
    (Rule::ExposeInvalidFormat, 2, "FROM scratch\nEXPOSE 8080:80\n"),
    (Rule::ExposeProtoCasing, 2, "FROM scratch\nEXPOSE 80/TCP\n"),
    (Rule::FromAsCasing, 1, "FROM scratch as a\n"),
    (Rule::FromPlatformFlagConstDisallowed, 1, "FROM --platform=linux/amd64 plain\n"),
    (Rule::InvalidBaseImagePlatform, 2, "ARG P=linux/arm64\nFROM --platform=$P plain\n"),
    (Rule::InvalidDefaultArgInFrom, 2, "ARG TAG\nFROM plain:$TAG\n"),
    (Rule::InvalidDefinitionDescription, 4, "# check=experimental=all\nFROM scratch\n# says nothing of it\nARG A\n"),
    (Rule::JsonArgsRecommended, 2, "FROM scratch\nCMD true\n"),
    (Rule::LegacyKeyValueFormat, 2, "FROM scratch\nENV A 1\n"),
    (Rule::MaintainerDeprecated, 2, "FROM scratch\nMAINTAINER me\n"),
    (Rule::MultipleInstructionsDisallowed, 2, "FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]\n"),
    (Rule::NoEmptyContinuation, 4, "FROM scratch\nENV A=1 \\\n\n    B=2\n"),
    (Rule::RedundantTargetPlatform, 1, "FROM --platform=$TARGETPLATFORM plain\n"),
    (Rule::ReservedStageName, 1, "FROM scratch AS context\n"),
    (Rule::SecretsUsedInArgOrEnv, 2, "FROM scratch\nENV PASSWORD=x\n"),
    (Rule::StageNameCasing, 1, "FROM scratch AS Build\n"),
    (Rule::UndefinedArgInFrom, 1, "FROM ${B:-plain}\n"),
    (Rule::UndefinedVar, 2, "FROM scratch\nENV A=$nope\n"),
    (Rule::WorkdirRelativePath, 2, "FROM scratch\nWORKDIR a\n"),
];

#[test]
fn every_rule_is_applied() {
    let bench = Bench::new();
    bench.write(".dockerignore", "*.txt\n");
    for (rule, line, text) in VIOLATIONS {
        let mut request = bench.request(text);
        request.build_args.insert("TAG".into(), "latest".into());
        assert_eq!(found(&bench.check(&request).expect("it can be checked")), [(line, rule)], "{text}");
    }
    let applied: Vec<Rule> = VIOLATIONS.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(applied, Rule::ALL);
}

#[test]
fn all_stages_are_checked_and_run_is_no_obstacle() {
    let bench = Bench::new();
    let text = "FROM scratch AS unneeded\nRUN true\nWORKDIR a\nFROM scratch AS last\nRUN true\nWORKDIR b\n";
    assert_eq!(bench.found(text), [(3, Rule::WorkdirRelativePath), (6, Rule::WorkdirRelativePath)]);
    let request = BuildRequest { target: Some("last".into()), ..bench.request(text) };
    assert_eq!(found(&bench.check(&request).expect("it can be checked")), [(6, Rule::WorkdirRelativePath)]);
}

#[test]
fn ignored_sources_are_judged_as_buildkit_judges_them() {
    let bench = Bench::new();
    let cases = [
        ("*", "COPY . /", true),
        ("**/*", "ADD / /", true),
        ("*.txt", "ADD / /", false),
        ("*.txt", "COPY . /", false),
        ("dir", "COPY dir/a /", true),
        ("dir", "COPY ./dir/../dir/ /", true),
        ("dir/*", "COPY dir /", false),
        ("*.txt\n!b.txt", "COPY a.txt /", false),
        ("*.txt", "COPY --from=plain a.txt /", false),
        ("*.txt", "ADD https://example.org/a.txt /", false),
        ("*.txt", "# check=skip=CopyIgnoredFile\nCOPY a.txt /", false),
        ("", "COPY a.txt /", false),
    ];
    for (ignored, copy, expected) in cases {
        bench.write(".dockerignore", ignored);
        let found = bench.found(&format!("FROM scratch\n{copy}\n"));
        assert_eq!(found.iter().any(|(_, rule)| *rule == Rule::CopyIgnoredFile), expected, "{ignored:?}: {copy}");
    }
}

#[test]
fn options_come_from_the_file_or_instead_of_that_from_a_build_argument() {
    let bench = Bench::new();
    let text = "# check=skip=MaintainerDeprecated;error=true\nFROM scratch\nMAINTAINER me\nWORKDIR a\n";
    assert_eq!(bench.found(text), [(4, Rule::WorkdirRelativePath)]);
    let mut request = bench.request(text);
    let built = bench.runtime.block_on(bench.engine.build(&request, Arc::new(Silent)));
    let error = built.expect_err("findings are errors of a build");
    assert_eq!(error.to_string(), "lint violations count as errors: WorkdirRelativePath");
    request.build_args.insert("BUILDKIT_DOCKERFILE_CHECK".into(), "skip=WorkdirRelativePath".into());
    assert_eq!(found(&bench.check(&request).expect("it can be checked")), [(3, Rule::MaintainerDeprecated)]);
    request.build_args.insert("BUILDKIT_DOCKERFILE_CHECK".into(), "nonsense".into());
    assert!(bench.check(&request).is_err());
}

#[test]
fn a_base_out_of_reach_leaves_the_other_rules() {
    let bench = Bench::new();
    let request = bench.request("FROM absent\nENV A=$OF_THE_BASE\nWORKDIR a\n");
    let warnings = Arc::new(Warnings::default());
    let sink = Arc::clone(&warnings) as Arc<dyn EventSink>;
    let checked = bench.runtime.block_on(bench.engine.check(&request, sink)).expect("it can be checked");
    assert_eq!(found(&checked), [(3, Rule::WorkdirRelativePath)]);
    let [(message, location)] = warnings.take().try_into().expect("one warning");
    assert!(message.starts_with("not all rules could be applied: "), "{message}");
    assert!(location.is_some_and(|place| place.ends_with("Dockerfile:1")));
    let inherited = "FROM plain\nENV A=$PATH\n";
    assert_eq!(bench.found(inherited), []);
}

#[test]
fn a_file_that_cannot_be_built_is_an_error() {
    let bench = Bench::new();
    for text in ["FROM scratch\nCPOY a b\n", "FROM scratch\nCOPY --from=9 a b\n", "FROM scratch\nCOPY a\n"] {
        let error = bench.check(&bench.request(text)).expect_err(text);
        let (source, span) = error.location().expect("a place");
        assert_eq!(source.line_column(span.start).line, 2, "{error}");
    }
}

#[test]
fn a_dockerfile_without_a_context_is_checked_too() {
    let bench = Bench::new();
    let text = DockerfileSource::Text("FROM scratch\nWORKDIR a\n".into());
    let checked = bench.check(&request(text, ContextSource::Empty)).expect("it can be checked");
    assert_eq!(found(&checked), [(2, Rule::WorkdirRelativePath)]);
}

#[test]
fn a_build_warns_of_each_finding_once() {
    let bench = Bench::new();
    bench.write(".dockerignore", "*.txt\n");
    let mut request = bench.request("FROM scratch\nMAINTAINER me\nCOPY *.txt /x/\n");
    request.platforms.push("linux/arm64".parse().expect("a platform"));
    let warnings = Arc::new(Warnings::default());
    bench.runtime.block_on(bench.engine.build(&request, Arc::clone(&warnings) as Arc<dyn EventSink>)).expect("built");
    let shown: Vec<String> =
        warnings.take().iter().map(|(message, _)| message.split(':').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(shown, ["MaintainerDeprecated", "CopyIgnoredFile"]);
}

fn case_request(case: &Case, on_disk: &MaterializedCase) -> BuildRequest {
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
    let dockerfile = DockerfileSource::Path(on_disk.dockerfile.clone());
    BuildRequest {
        named_contexts: named.collect(),
        target: case.request.target.clone(),
        build_args: on_disk.build_args.clone(),
        platforms: case.platforms().iter().map(|platform| platform.parse().expect("a platform")).collect(),
        labels: case.request.labels.clone(),
        ..request(dockerfile, ContextSource::Directory(on_disk.context_dir.clone()))
    }
}

/// Lines and rules of a case, sorted.
fn judged(bench: &Bench, case: &Case) -> Result<Vec<String>, Error> {
    let dir = tempfile::tempdir().expect("a directory");
    let on_disk = bench.corpus.materialize(case, dir.path()).expect("a case on disk");
    let checked = bench.check(&case_request(case, &on_disk))?;
    let mut found: Vec<String> = found(&checked).iter().map(|(line, rule)| format!("{line} {rule}")).collect();
    found.sort();
    Ok(found)
}

#[test]
fn the_corpus_has_buildkits_findings() {
    let bench = Bench::new();
    let expected = bench.corpus.lint_findings().expect("findings are legal");
    let mut report = String::new();
    let mut compared = 0;
    for case in bench.corpus.cases().expect("cases are legal") {
        let Some(theirs) = expected.get(&case.name) else { continue };
        if !matches!(case.expectation, Expectation::Images(_)) || case.name == REFUSED {
            continue;
        }
        let mut theirs: Vec<String> =
            theirs.iter().map(|finding| format!("{} {}", finding.line, finding.rule)).collect();
        theirs.sort();
        compared += 1;
        match judged(&bench, &case) {
            Ok(ours) if ours == theirs => {}
            Ok(ours) => drop(writeln!(report, "{}: {ours:?}, not {theirs:?}", case.name)),
            Err(error) => drop(writeln!(report, "{}: refused: {error}", case.name)),
        }
    }
    assert!(report.is_empty(), "{report}");
    assert!(compared > 500, "only {compared} cases were compared");
}
