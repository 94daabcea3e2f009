//! The corpus proved again on a current BuildKit, where `buildkitd` and `buildctl` are installed: the builder that the
//! expectations come from.
//!
//! `CORPUS_BUILDKIT=all` asks it for every case, any other value for those whose name contains it; without, nothing is asked, as
//! no distribution has a current one. With `CORPUS_RECORD=1` cases that have no expectation yet get what it answers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shipsmith_testkit::canonical::{CanonicalImage, Difference, images_to_json, read_images};
use shipsmith_testkit::corpus::{
    Case, Corpus, Expectation, ExpectedError, MaterializedCase, NamedContext, Verdict, date, root,
};
use shipsmith_testkit::registry_server::RegistryServer;
use shipsmith_testkit::tools::{Tool, as_root, find, require};

/// How long the daemon may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon of one's own, whose mirror of docker.io has the bases.
struct BuildKit {
    daemon: Child,
    client: Tool,
    address: String,
    /// Cache mounts are shared: those cases are built one after the other.
    turn: Mutex<()>,
    _registry: RegistryServer,
    _dir: tempfile::TempDir,
}

impl Drop for BuildKit {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.daemon),
            rustix::process::Signal::TERM,
        );
        let _ = self.daemon.wait();
    }
}

impl BuildKit {
    fn start(corpus: &Corpus) -> Option<Self> {
        let (daemon, client, skopeo) = (find("buildkitd")?, find("buildctl")?, require("skopeo")?);
        let registry = RegistryServer::start()?;
        let dir = tempfile::tempdir().expect("a directory");
        for (name, base) in corpus.bases() {
            let layout = dir.path().join(name);
            base.write_layout(&layout).expect("a layout");
            let to = format!("docker://{}/library/{name}:latest", registry.address());
            let from = format!("oci:{}", layout.display());
            skopeo.run(["copy", "--quiet", "--all", "--dest-tls-verify=false", &from, &to]);
        }
        let address = format!("unix://{}", dir.path().join("socket").display());
        let file = dir.path().join("buildkitd.toml");
        fs::write(&file, configuration(dir.path(), &address, registry.address())).expect("written");
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let mut command = daemon.command();
        command.arg("--config").arg(&file).stdout(Stdio::null()).stderr(log);
        // To become a user, though it is the one we are, the standard library forks; see `no_signals_are_ignored`.
        let daemon = command.uid(0).spawn().expect("buildkitd can be started");
        let this = Self { daemon, client, address, turn: Mutex::default(), _registry: registry, _dir: dir };
        this.wait();
        Some(this)
    }

    fn wait(&self) {
        let begun = Instant::now();
        while !self.client(&["debug", "workers"]).output().expect("buildctl can be started").status.success() {
            assert!(begun.elapsed() < PATIENCE, "buildkitd does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = self.client.command();
        command.args(["--addr", &self.address]).args(arguments);
        command
    }

    /// What it makes of a case.
    fn build(&self, case: &Case, on_disk: &MaterializedCase, dir: &Path) -> Expectation {
        let _turn = case.name.starts_with("run-cache/").then(|| {
            let turn = self.turn.lock().expect("no build panics");
            self.client(&["prune"]).output().expect("buildctl can be started");
            turn
        });
        let archive = dir.join("image.tar");
        let mut command = self.client(&["build", "--no-cache", "--progress=plain", "--frontend=dockerfile.v0"]);
        describe(&mut command, case, on_disk);
        let output = command.arg("--output").arg(format!("type=oci,dest={}", archive.display()));
        let output = output.output().expect("buildctl can be started");
        if !output.status.success() {
            return Expectation::Error(refusal(&on_disk.anonymous(&String::from_utf8_lossy(&output.stderr))));
        }
        let images = read_images(&archive).expect("an image");
        Expectation::Images(images.iter().map(|(name, image)| (name.clone(), on_disk.canonical(image))).collect())
    }
}

fn configuration(dir: &Path, address: &str, registry: &str) -> String {
    format!(
        "root = \"{}/root\"\ninsecure-entitlements = [\"network.host\", \"security.insecure\"]\n\
         [grpc]\naddress = [\"{address}\"]\n[worker.oci]\nenabled = true\ngc = false\n[worker.containerd]\nenabled = false\n\
         [registry.\"docker.io\"]\nmirrors = [\"{registry}\"]\n[registry.\"{registry}\"]\nhttp = true\n",
        dir.display()
    )
}

/// What is asked of a build, in `buildctl`'s words.
fn describe(command: &mut Command, case: &Case, on_disk: &MaterializedCase) {
    let request = &case.request;
    let mut option = |name: &str, value: &str| {
        command.arg("--opt").arg(format!("{name}={value}"));
    };
    option("platform", &case.platforms().join(","));
    request.target.iter().for_each(|target| option("target", target));
    on_disk.build_args.iter().for_each(|(name, value)| option(&format!("build-arg:{name}"), value));
    request.labels.iter().for_each(|(name, value)| option(&format!("label:{name}"), value));
    request.network.iter().for_each(|network| option("force-network-mode", network));
    request.shm_size.iter().for_each(|size| option("shm-size", &size.to_string()));
    let pairs = |pairs: Vec<String>| pairs.join(",");
    if !request.add_hosts.is_empty() {
        let hosts = request.add_hosts.iter().map(|(name, address)| format!("{name}={address}"));
        option("add-hosts", &pairs(hosts.collect()));
    }
    if !request.ulimits.is_empty() {
        let limits = request.ulimits.iter().map(|(name, (soft, hard))| format!("{name}={soft}:{hard}"));
        option("ulimit", &pairs(limits.collect()));
    }
    match &on_disk.context_url {
        Some(url) => {
            option("context", url);
            request.dockerfile.iter().for_each(|path| option("filename", path));
        }
        None => {
            let path = |path: &Path| path.display().to_string();
            option("filename", &on_disk.dockerfile.file_name().expect("a file").to_string_lossy());
            let beside = on_disk.dockerfile.parent().expect("a directory");
            command.arg("--local").arg(format!("context={}", path(&on_disk.context_dir)));
            command.arg("--local").arg(format!("dockerfile={}", path(beside)));
        }
    }
    for (number, (name, context)) in on_disk.named_contexts.iter().enumerate() {
        let (flag, source) = match context {
            NamedContext::Directory(path) => {
                (Some(format!("--local={name}={}", path.display())), format!("local:{name}"))
            }
            NamedContext::DockerImage(image) => (None, format!("docker-image://{image}")),
            NamedContext::OciLayout(path) => {
                let digest = index_digest(path);
                (Some(format!("--oci-layout=n{number}={}", path.display())), format!("oci-layout://n{number}@{digest}"))
            }
        };
        command.args(flag).arg("--opt").arg(format!("context:{name}={source}"));
    }
    command.args(request.allow.iter().flat_map(|allowed| ["--allow".to_owned(), allowed.clone()]));
    let secret = |(id, path): (&String, &std::path::PathBuf)| format!("--secret=id={id},src={}", path.display());
    command.args(on_disk.secrets.iter().map(secret));
}

/// The digest of the one image of a layout.
fn index_digest(layout: &Path) -> String {
    let text = fs::read_to_string(layout.join("index.json")).expect("an index");
    let index: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    index["manifests"][0]["digest"].as_str().expect("a digest").to_owned()
}

/// The line it marks, and its words without what changes from run to run.
fn refusal(said: &str) -> ExpectedError {
    let marked = said.lines().find_map(|line| line.split_once(" | >>>")?.0.trim().parse().ok());
    let message = said.rsplit_once("error: failed to solve: ").map_or(said, |(_, message)| message).trim();
    ExpectedError { line: marked, message: without_mounts(&without_ids(message)) }
}

fn without_ids(message: &str) -> String {
    let Some((before, after)) = message.split_once("checksum of ref ") else { return message.to_owned() };
    let rest = after.split_once(": ").map_or("", |(_, rest)| rest);
    format!("{before}checksum of ref <id> {rest}")
}

fn without_mounts(message: &str) -> String {
    let Some(at) = message.find("/tmp/containerd-mount").or_else(|| message.find("/tmp/buildkit-mount")) else {
        return message.to_owned();
    };
    let name = message[at + 5..].find(['/', ' ', ':']).map_or(message.len(), |end| at + 5 + end);
    format!("{}<root>{}", &message[..at], &message[name..])
}

fn wrong(expected: &Expectation, found: &Expectation) -> Vec<String> {
    match (expected, found) {
        (Expectation::Images(expected), Expectation::Images(found)) => differences(expected, found),
        (Expectation::Error(expected), Expectation::Error(found)) if expected.line == found.line => Vec::new(),
        (_, found) => vec![format!("found {found:?}")],
    }
}

fn differences(expected: &BTreeMap<String, CanonicalImage>, found: &BTreeMap<String, CanonicalImage>) -> Vec<String> {
    let missing = expected.keys().filter(|name| !found.contains_key(*name)).map(|name| format!("no image for {name}"));
    let differing = expected.iter().filter_map(|(name, image)| Some((image, found.get(name)?)));
    let differing = differing.flat_map(|(image, found)| image.differences(found));
    missing.chain(differing.map(|difference: Difference| difference.to_string())).collect()
}

/// Writes down what came of a case that has no expectation.
fn record(case: &Case, found: &Expectation) {
    let (name, text) = match found {
        Expectation::Images(images) => ("expected.json", images_to_json(images)),
        Expectation::Error(error) => {
            let place = error.line.map_or_else(String::new, |line| format!(":{line}"));
            ("expected-error.txt", format!("Dockerfile{place}\n{}\n", error.message))
        }
    };
    fs::write(case.dir.join(name), text).expect("written");
}

/// Whether a container of the daemon has the signals that the kernel gives it: it inherits from the daemon what that ignores, which
/// inherits it from us. Whoever was started with the C library's `posix_spawn`, as cargo starts its tests, may ignore
/// signals of that library's own and cannot stop that. A test's program that a shell starts does not.
fn no_signals_are_ignored() -> bool {
    /// Rust ignores it from the start, but in no child.
    const SIGPIPE: u64 = 1 << 12;
    let status = fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("it tells of signals");
    u64::from_str_radix(ignored.trim(), 16).expect("a mask") & !SIGPIPE == 0
}

/// The cases to ask for, those without an expectation apart.
fn asked(corpus: &Corpus, wanted: &str) -> (Vec<Case>, Vec<Case>) {
    let dirs = corpus.case_dirs().expect("the cases");
    let has_expectation = |dir: &Path| dir.join("expected.json").exists() || dir.join("expected-error.txt").exists();
    let (known, new): (Vec<_>, Vec<_>) = dirs.into_iter().partition(|dir| has_expectation(dir));
    let known = known.iter().map(|dir| Case::load(dir).expect("a case"));
    let new = new.iter().map(|dir| Case::load_request(dir).expect("a case"));
    let is_asked = |case: &Case| {
        let frontend = String::from_utf8_lossy(&case.dockerfile).to_lowercase().contains("syntax");
        let told = case.name != "run-system/signals" || no_signals_are_ignored();
        !frontend && told && (wanted == "all" || case.name.contains(wanted))
    };
    (known.filter(is_asked).collect(), new.filter(is_asked).collect())
}

#[test]
#[expect(clippy::print_stderr, reason = "how much was asked is what this test is about")]
fn buildkit_agrees_with_the_corpus() {
    let Ok(wanted) = std::env::var("CORPUS_BUILDKIT") else { return };
    let corpus = Corpus::open(&root()).expect("the corpus");
    let (known, new) = asked(&corpus, &wanted);
    let Some(buildkit) = as_root().then(|| BuildKit::start(&corpus)).flatten() else { return };
    let build = |number: usize, case: &Case| {
        let dir = tempfile::tempdir().expect("a directory");
        let on_disk = corpus.materialize(case, dir.path()).expect("a case on disk");
        date(dir.path(), number);
        buildkit.build(case, &on_disk, dir.path())
    };
    if std::env::var_os("CORPUS_RECORD").is_some() {
        new.iter().enumerate().for_each(|(number, case)| record(case, &build(10_000 + number, case)));
        eprintln!("{} cases recorded", new.len());
    }
    let judge = |number: usize, case: &Case| wrong(&case.expectation, &build(number, case));
    let first = Verdict::of(&known, 2, judge);
    // One daemon keeps what clients sent under a context's name for the next that sends one, with directories of which
    // that one asks nothing: a wildcard may find another case's.
    let again: Vec<Case> = known.into_iter().filter(|case| first.wrong.contains_key(&case.name)).collect();
    let verdict = Verdict::of(&again, 1, |number, case| {
        buildkit.client(&["prune", "--all"]).output().expect("buildctl can be started");
        judge(20_000 + number, case)
    });
    eprintln!("{} cases agree, {} differ", first.judged - verdict.wrong.len(), verdict.wrong.len());
    assert!(verdict.wrong.is_empty(), "{verdict}");
}
