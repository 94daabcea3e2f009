//! The corpus proved again on an installed engine: the BuildKit inside a Debian `dockerd`, which is not the one that the
//! expectations come from.
//!
//! That BuildKit is of 2020. What it does not know yet is left out by feature (`newer`), and where it meant something else in
//! its day the case is named with the difference (`CHANGED`). `CORPUS_WITNESS=all` asks it for every case it can answer, any
//! other value for the cases whose name contains it; without, for one in eight, always the same ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use shipsmith_testkit::canonical::{CanonicalImage, Difference, read_saved};
use shipsmith_testkit::corpus::{Case, Corpus, DEFAULT_PLATFORM, Expectation, MaterializedCase, Verdict, date, root};
use shipsmith_testkit::engines::Docker;
use shipsmith_testkit::tools::{as_root, require};

/// Of how many cases one is asked without `CORPUS_WITNESS`.
const SHARE: u32 = 8;

/// Words of Dockerfiles that came after that BuildKit, or that it passes over in silence.
const NEWER_WORDS: [&str; 12] = [
    "<<",
    "syntax",
    "--checksum",
    "--chmod",
    "--device",
    "--exclude",
    "--keep-git-dir",
    "--link",
    "--network",
    "--parents",
    "--security",
    "--unpack",
];

/// Cases that meant something else then, by the beginning of their name, and what.
const CHANGED: [(&str, &str); 18] = [
    ("add-archive/tar-zstd", "no zstd"),
    ("add-archive/with-chown", "an archive kept its owners"),
    ("arg/source-date-epoch", "the argument meant nothing"),
    ("copy-from/later-stage-is-refused", "it was taken for an image"),
    ("copy-special/fifo", "a fifo was left out"),
    ("copy-special/setuid-from-stage", "a fifo was left out, and a device an empty file"),
    ("copy-special/from-stage", "a fifo was left out, and a device an empty file"),
    ("copy-wildcard/bad-class", "a bad pattern matched nothing"),
    ("copy-wildcard/double-star-without-match", "no match was no error"),
    ("copy-wildcard/no-match", "no match was no error, or another one"),
    ("dockerignore/plus-and-dollar", "both were special"),
    ("dockerignore/star-and-negated", "a directory was left out with what is in it"),
    ("json/copy-near-miss", "a bad pattern matched nothing"),
    ("lines/only-", "the engine ends"),
    ("lint/base-image-platform", "it has one platform"),
    ("onbuild/triggers-copy-from-an-image", "the image was not looked up"),
    ("platform/", "it has one platform"),
    ("run-", "targets of mounts stayed behind, and mounts, networks and limits had fewer options"),
];

/// What a case needs that the engine has not; `None` if it can answer.
fn newer(case: &Case) -> Option<&'static str> {
    let request = &case.request;
    let text = String::from_utf8_lossy(&case.dockerfile);
    if case.platforms() != [DEFAULT_PLATFORM] {
        return Some("other platforms");
    }
    if !request.named_contexts.is_empty() {
        return Some("named contexts");
    }
    if !request.allow.is_empty() {
        return Some("entitlements");
    }
    if request.context_url.is_some() || !request.git.is_empty() {
        return Some("git and contexts by URL");
    }
    if matches!(&case.expectation, Expectation::Images(images) if images[DEFAULT_PLATFORM].layers == 0) {
        return Some("images without a layer, which it cannot save");
    }
    NEWER_WORDS.into_iter().find(|word| text.contains(word))
}

struct Bench {
    corpus: Corpus,
    docker: Docker,
}

impl Bench {
    /// An engine that has the bases under the names that FROM means.
    fn new() -> Option<Self> {
        let skopeo = require("skopeo")?;
        let docker = Docker::builder()?;
        let corpus = Corpus::open(&root()).expect("the corpus");
        let dir = tempfile::tempdir().expect("a directory");
        for (name, base) in corpus.bases() {
            let layout = dir.path().join(name);
            base.write_layout(&layout).expect("a layout");
            let from = format!("oci:{}", layout.display());
            let to = format!("docker-daemon:docker.io/library/{name}:latest");
            skopeo.run(["copy", "--quiet", "--dest-daemon-host", docker.host(), &from, &to]);
        }
        Some(Self { corpus, docker })
    }

    /// The image that the engine makes of a case, or what it says instead.
    fn build(
        &self,
        number: usize,
        case: &Case,
        on_disk: &MaterializedCase,
        dir: &Path,
    ) -> Result<CanonicalImage, String> {
        date(&on_disk.context_dir, number);
        let name = format!("witness:{number}");
        let mut command = self.docker.command(&["build", "--no-cache", "--quiet", "--tag", &name]);
        command.env("DOCKER_BUILDKIT", "1").arg("--file").arg(&on_disk.dockerfile);
        let request = &case.request;
        let pair = |(key, value): (&String, &String)| format!("{key}={value}");
        command.args(request.target.iter().flat_map(|target| ["--target", target]));
        command.args(on_disk.build_args.iter().map(pair).flat_map(|text| ["--build-arg".to_owned(), text]));
        command.args(request.labels.iter().map(pair).flat_map(|text| ["--label".to_owned(), text]));
        let secret = |(id, path): (&String, &std::path::PathBuf)| format!("id={id},src={}", path.display());
        command.args(on_disk.secrets.iter().map(secret).flat_map(|text| ["--secret".to_owned(), text]));
        let host = |(name, address): (&String, &String)| format!("{name}:{address}");
        command.args(request.add_hosts.iter().map(host).flat_map(|text| ["--add-host".to_owned(), text]));
        command.args(["--network", request.network.as_deref().unwrap_or("host")]);
        ended(command.arg(&on_disk.context_dir))?;
        let archive = dir.join("saved.tar");
        let saved = ended(&mut self.docker.command(&["save", "--output", &archive.display().to_string(), &name]));
        self.docker.forget(&name);
        saved.and_then(|()| read_saved(&archive).map_err(|error| error.to_string()))
    }

    /// In what the engine's outcome is not the expected one.
    fn judge(&self, number: usize, case: &Case) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        let on_disk = self.corpus.materialize(case, dir.path()).expect("a case on disk");
        match (self.build(number, case, &on_disk, dir.path()), &case.expectation) {
            (Ok(image), Expectation::Images(expected)) => {
                differences(&expected[DEFAULT_PLATFORM], &on_disk.canonical(&image))
            }
            (Err(_), Expectation::Error(_)) => Vec::new(),
            (Ok(_), Expectation::Error(expected)) => vec![format!("built; expected: {}", expected.message)],
            (Err(said), Expectation::Images(_)) => vec![format!("refused: {said}")],
        }
    }
}

/// What a program complains of.
fn ended(command: &mut Command) -> Result<(), String> {
    let output = command.output().expect("docker can be started");
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The words of the history have changed since; its entries, and which made a layer, have not.
fn differences(expected: &CanonicalImage, image: &CanonicalImage) -> Vec<String> {
    let wordless = |image: &CanonicalImage| {
        let mut image = image.clone();
        image.history.iter_mut().for_each(|entry| entry.created_by.clear());
        image
    };
    let differences = wordless(expected).differences(&wordless(image));
    differences.iter().map(Difference::to_string).collect()
}

/// Why a case is not asked; `None` if it is.
fn passed_over(case: &Case, wanted: Option<&str>) -> Option<String> {
    if let Some(what) = newer(case) {
        return Some(format!("needs {what}"));
    }
    if let Some((_, what)) = CHANGED.iter().find(|(name, _)| case.name.starts_with(name)) {
        return Some(format!("meant something else: {what}"));
    }
    let asked = match wanted {
        None => case.name.bytes().map(u32::from).sum::<u32>() % SHARE == 0,
        Some("all") => true,
        Some(part) => case.name.contains(part),
    };
    (!asked).then(|| "not asked for by CORPUS_WITNESS".to_owned())
}

/// Sorts out the cases to ask, and counts the others by what speaks against them.
fn chosen(cases: Vec<Case>, wanted: Option<&str>) -> (Vec<Case>, BTreeMap<String, usize>) {
    let mut skipped = BTreeMap::new();
    let mut asked = cases;
    asked.retain(|case| match passed_over(case, wanted) {
        None => true,
        Some(why) => {
            *skipped.entry(why).or_default() += 1;
            false
        }
    });
    (asked, skipped)
}

#[test]
#[expect(clippy::print_stderr, reason = "how much was asked is what this test is about")]
fn an_installed_engine_agrees_with_the_corpus() {
    if !as_root() {
        return;
    }
    let Some(bench) = Bench::new() else { return };
    let wanted = std::env::var("CORPUS_WITNESS").ok();
    let (cases, skipped) = chosen(bench.corpus.cases().expect("the cases"), wanted.as_deref());
    let verdict = Verdict::of(&cases, 4, |number, case| bench.judge(number, case));
    eprintln!("{} cases agree, {} differ", verdict.judged - verdict.wrong.len(), verdict.wrong.len());
    for (why, count) in skipped {
        eprintln!("{count} skipped: {why}");
    }
    verdict.expect_agreement();
}
