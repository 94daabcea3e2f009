//! The corpus's configs, histories and refusals, as far as planning decides them.

use std::collections::BTreeMap;
use std::fmt::Write;

use dockerfile::lint::{Finding, Rule};
use oci::{DiffId, Digest, History, ImageConfig, Platform};
use serde_json::{Value, json};
use shipsmith_graph::{
    BaseNeed, BaseOrigin, Error, Graph, NamedContext, Plan, Request, ResolvedBase, ResolvedBases, plan,
};
use testkit::canonical::CanonicalImage;
use testkit::corpus::{self, BaseImage, Case, ContextSource, Corpus, Expectation, LintFinding};

/// Cases where we point more closely: into the heredoc instead of at its instruction.
const CLOSER: [&str; 1] = ["heredoc/required-variable"];

/// What `$SERVER` was when the expectations were written down.
const SERVER: &str = "http://server";

/// What a case comes to, or why it stops.
type Outcome = Result<Graph, Stop>;

enum Stop {
    Parse(dockerfile::Error),
    Plan(Error),
    NoBase,
}

impl Stop {
    fn line(&self) -> Option<usize> {
        match self {
            Self::Plan(error) => error.excerpt().map(|excerpt| excerpt.position.line),
            Self::Parse(_) | Self::NoBase => None,
        }
    }
}

fn outcome(corpus: &Corpus, case: &Case, request: &Request) -> Outcome {
    let source = dockerfile::Source::from_bytes("Dockerfile", &case.dockerfile);
    let file = dockerfile::parse(source).map_err(Stop::Parse)?;
    let mut bases = ResolvedBases::default();
    loop {
        match plan(&file, request, &bases).map_err(Stop::Plan)? {
            Plan::Ready(graph) => return Ok(*graph),
            Plan::Needs(needs) => {
                for need in needs {
                    let base = resolve(corpus, &need).ok_or(Stop::NoBase)?;
                    bases.insert(&need, base);
                }
            }
        }
    }
}

fn request(case: &Case, platform: &str) -> Request {
    let mut request = Request::new(platform.parse().expect("platforms of cases are legal"));
    request.build_platform = corpus::DEFAULT_PLATFORM.parse().expect("a legal platform");
    request.platform_is_explicit = true;
    request.target = case.request.target.clone();
    request.labels = case.request.labels.clone();
    request.build_args = case.request.build_args.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
    if !case.request.http.is_empty() || !case.request.git.is_empty() {
        request.build_args.insert("SERVER".to_owned(), Some(SERVER.to_owned()));
    }
    for (name, source) in &case.request.named_contexts {
        let context = match source {
            ContextSource::Directory(_) => NamedContext::Local,
            ContextSource::DockerImage(image) => NamedContext::Image(image.parse().expect("a reference")),
            ContextSource::OciLayout(base) => NamedContext::OciLayout { directory: base.clone(), object: None },
        };
        request.named_contexts.insert(name.clone(), context);
    }
    request
}

fn resolve(corpus: &Corpus, need: &BaseNeed) -> Option<ResolvedBase> {
    let name = match &need.origin {
        BaseOrigin::Image(reference) if reference.object() != "latest" => return None,
        BaseOrigin::Image(reference) => reference.familiar().trim_end_matches(":latest").to_owned(),
        BaseOrigin::OciLayout { directory, .. } => directory.clone(),
        BaseOrigin::Target(_) => return None,
    };
    let images = &corpus.bases().get(&name)?.image;
    let of = |image: &BaseImage| image.platform.parse::<Platform>().expect("platforms of bases are legal");
    let candidates = need.platform.candidates();
    let found = candidates.iter().find_map(|wanted| images.iter().find(|image| of(image).serves(wanted)));
    let image = found.or(if images.len() == 1 { images.first() } else { None })?;
    Some(ResolvedBase { digest: Digest::of(name.as_bytes()), config: config(image, &of(image)) })
}

fn config(image: &BaseImage, platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig::empty(platform);
    let text = if image.config.is_empty() { "{}" } else { &image.config };
    config.config = serde_json::from_str(text).expect("configs of bases are legal");
    for layer in &image.layer {
        config.history.push(History { created_by: layer.created_by.clone(), ..History::default() });
        config.rootfs.diff_ids.push(DiffId(Digest::of(layer.created_by.as_bytes())));
    }
    config
}

/// Config and history as `expected.json` has them.
fn summary(graph: &Graph) -> (Value, Value) {
    let text = serde_json::to_value(&graph.config).expect("a config is JSON");
    let mut config = text["config"].clone();
    for key in ["architecture", "author", "os", "variant"] {
        if let Some(value) = text.get(key) {
            config[key] = value.clone();
        }
    }
    let mut history = text.get("history").cloned().unwrap_or(json!([]));
    for entry in history.as_array_mut().into_iter().flatten() {
        entry.as_object_mut().map(|entry| entry.remove("created"));
    }
    (config, history)
}

/// The same text whatever the order of keys.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            json!(ordered)
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// What differs, empty where nothing does.
fn differences(corpus: &Corpus, case: &Case) -> String {
    let mut report = String::new();
    for platform in case.platforms() {
        let outcome = outcome(corpus, case, &request(case, &platform));
        let text = match (&case.expectation, &outcome) {
            (Expectation::Images(images), Ok(graph)) => image_differences(images, &platform, graph),
            (Expectation::Images(_), Err(Stop::Parse(error))) => format!("refused by the parser: {error}\n"),
            (Expectation::Images(_), Err(Stop::Plan(error))) => format!("refused: {error}\n"),
            (Expectation::Images(_), Err(Stop::NoBase)) => "a base is missing\n".to_owned(),
            // Whether files exist, and images, is found out later.
            (Expectation::Error(_), Ok(_) | Err(Stop::NoBase)) => String::new(),
            (Expectation::Error(expected), Err(stop)) => line_difference(case, expected.line, stop),
        };
        report.push_str(&text);
    }
    report
}

fn line_difference(case: &Case, expected: Option<u32>, stop: &Stop) -> String {
    match (expected, stop.line()) {
        _ if CLOSER.contains(&case.name.as_str()) => String::new(),
        (Some(theirs), Some(ours)) if theirs as usize != ours => format!("refused at line {ours}, not {theirs}\n"),
        _ => String::new(),
    }
}

fn image_differences(images: &BTreeMap<String, CanonicalImage>, platform: &str, graph: &Graph) -> String {
    let normal = platform.parse::<Platform>().map(|platform| platform.to_string()).unwrap_or_default();
    let Some(image) = images.get(&normal).or_else(|| images.get(platform)) else { return "no image\n".to_owned() };
    let expected = serde_json::to_value(image).expect("an image is JSON");
    let (config, history) = summary(graph);
    let mut report = String::new();
    for (name, ours, theirs) in [("config", &config, &expected["config"]), ("history", &history, &expected["history"])]
    {
        if sorted(ours) != sorted(theirs) {
            let _ = writeln!(report, "{name} is\n  {ours}\nnot\n  {theirs}");
        }
    }
    report
}

/// Whether the Dockerfile is the case's own, not one of a context behind a URL.
fn has_its_dockerfile(case: &Case) -> bool {
    case.request.context_url.is_none()
}

#[test]
fn configs_histories_and_refusals_are_buildkits() {
    let corpus = Corpus::open(&corpus::root()).expect("the corpus is there");
    let mut report = String::new();
    for case in corpus.cases().expect("cases are legal").into_iter().filter(has_its_dockerfile) {
        let text = differences(&corpus, &case);
        if !text.is_empty() {
            let _ = writeln!(report, "{}:\n{text}", case.name);
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// Lines and rules of what the linter finds, but for the one rule that needs the context.
fn findings(graph: &Graph) -> Vec<String> {
    let line = |finding: &Finding| graph.source.line_column(finding.span.start).line;
    let mut found: Vec<String> =
        graph.warnings.iter().map(|finding| format!("{} {}", line(finding), finding.rule)).collect();
    found.sort();
    found
}

fn expected_findings(list: &[LintFinding]) -> Vec<String> {
    let needs_files = |finding: &&LintFinding| finding.rule != Rule::CopyIgnoredFile.name();
    let mut expected: Vec<String> =
        list.iter().filter(needs_files).map(|finding| format!("{} {}", finding.line, finding.rule)).collect();
    expected.sort();
    expected
}

#[test]
fn findings_are_buildkits() {
    let corpus = Corpus::open(&corpus::root()).expect("the corpus is there");
    let mut expected = corpus.lint_findings().expect("findings are legal");
    let mut report = String::new();
    for case in corpus.cases().expect("cases are legal").into_iter().filter(has_its_dockerfile) {
        let first = case.platforms().first().cloned().unwrap_or_default();
        let mut request = request(&case, &first);
        request.all_stages = request.target.is_none();
        request.platform_is_explicit = false;
        let Ok(graph) = outcome(&corpus, &case, &request) else { continue };
        let theirs = expected_findings(&expected.remove(&case.name).unwrap_or_default());
        let ours = findings(&graph);
        if matches!(case.expectation, Expectation::Images(_)) && ours != theirs {
            let _ = writeln!(report, "{}: {ours:?} not {theirs:?}", case.name);
        }
    }
    assert!(report.is_empty(), "{report}");
}
