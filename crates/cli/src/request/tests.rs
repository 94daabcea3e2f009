use std::io;

use clap::{CommandFactory, Parser};
use engine::{ContextSource, DockerfileSource, Output};

use super::*;
use crate::args::{Cli, Command};

/// A place that a test makes up.
#[derive(Default)]
pub(super) struct Place {
    pub(super) variables: Vec<(&'static str, &'static str)>,
    pub(super) stdin: &'static [u8],
    pub(super) terminal: bool,
}

impl Surroundings for Place {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }
    fn now(&self) -> i64 {
        1_700_000_000
    }
    fn stdout_is_terminal(&self) -> bool {
        self.terminal
    }
    fn stderr_is_terminal(&self) -> bool {
        self.terminal
    }
    fn peek_stdin(&self) -> io::Result<Vec<u8>> {
        Ok(self.stdin.to_vec())
    }
    fn read_stdin(&self) -> io::Result<String> {
        String::from_utf8(self.stdin.to_vec()).map_err(io::Error::other)
    }
}

fn args(line: &[&str]) -> BuildArgs {
    match Cli::try_parse_from(["shipsmith", "build"].iter().chain(line)).unwrap().command {
        Command::Build(args) => *args,
        other => panic!("{other:?}"),
    }
}

fn at(place: &Place, line: &[&str]) -> Result<Build, RequestError> {
    build(&args(line), place)
}

fn ok(line: &[&str]) -> Build {
    at(&Place::default(), line).unwrap()
}

fn refused(line: &[&str]) -> (String, String) {
    let error = at(&Place::default(), line).unwrap_err();
    let hint = error.hint().unwrap_or_default();
    (error.to_string(), hint)
}

#[test]
fn the_shortest_line() {
    let build = ok(&["."]);
    assert!(matches!(build.request.context, ContextSource::Directory(path) if path.as_os_str() == "."));
    assert!(matches!(build.request.dockerfile, DockerfileSource::Default));
    assert!(build.request.outputs.is_empty(), "the store is the engine's default");
    assert_eq!(build.request.pull, PullPolicy::Resolve);
    assert_eq!(build.request.timestamp, TimestampPolicy::Default);
    assert_eq!(build.call.method, Method::Build);
}

/// Every flag of `docker buildx build` (buildx 0.30, commands/build.go), hidden ones included: with
/// an example of its use, and what becomes of it.
#[test]
fn every_flag_of_buildx_is_accepted_or_refused_with_a_reason() {
    let accepted = [
        "--add-host=a:10.0.0.1",
        "--allow=network.host",
        "--annotation=a=b",
        "--attest=type=sbom,disabled=true",
        "--build-arg=A=b",
        "--build-context=a=dir",
        "--builder=docker://",
        "--cache-from=a",
        "--cache-to=type=inline",
        "--call=check",
        "--cgroup-parent=/a",
        "--check",
        "--compress",
        "--debug",
        "--file=Dockerfile",
        "--force-rm",
        "--iidfile=id",
        "--label=a=b",
        "--load",
        "--metadata-file=m",
        "--network=none",
        "--no-cache",
        "--no-cache-filter=a",
        "--output=out",
        "--platform=linux/arm64",
        "--progress=plain",
        "--provenance=false",
        "--pull",
        "--quiet",
        "--rm",
        "--sbom=false",
        "--secret=id=a,env=A",
        "--shm-size=64m",
        "--ssh=",
        "--tag=a",
        "--target=a",
        "--ulimit=nofile=1",
    ];
    let refused_flags = [
        "--cpu-period=1",
        "--cpu-quota=1",
        "--cpu-shares=1",
        "--cpuset-cpus=0",
        "--cpuset-mems=0",
        "--memory=1g",
        "--memory-swap=-1",
        "--policy=filename=a",
        "--print=outline",
        "--resource=memory=1g",
        "--security-opt=a",
        "--squash",
    ];
    for flag in accepted {
        at(&Place::default(), &[flag, "."]).unwrap_or_else(|error| panic!("{flag}: {error}"));
    }
    for flag in refused_flags {
        let (message, hint) = refused(&[flag, "."]);
        let name = flag.split('=').next().unwrap();
        assert!(message.starts_with(&format!("{name} is not supported: ")), "{flag}: {message}");
        assert!(!hint.is_empty(), "{flag}");
    }
    at(&Place::default(), &["--push", "--tag=a", "."]).unwrap();
    let known: Vec<_> = accepted.iter().chain(&refused_flags).copied().chain(["--push"]).collect();
    every_flag_is_listed(&known);
}

/// What `build` takes is in the lists above, or is ours.
fn every_flag_is_listed(known: &[&str]) {
    let ours = [
        "builders",
        "isolation",
        "merge-layers",
        "normalize-modes",
        "offline",
        "run",
        "runtime",
        "store",
        "timestamp",
        "timings",
        "help",
    ];
    let mut cli = Cli::command();
    cli.build();
    let build = cli.find_subcommand("build").unwrap();
    for long in build.get_arguments().filter_map(clap::Arg::get_long) {
        let listed = known.iter().any(|flag| flag[2..].split('=').next() == Some(long));
        assert!(listed || ours.contains(&long), "--{long} is in no list");
    }
}

#[test]
fn shorthands_and_booleans_are_buildxs() {
    let build = ok(&["-f", "a/Dockerfile", "-t", "x", "-t", "y:1", "-o", "type=image", "--push=true", "-D", "."]);
    assert!(matches!(build.request.dockerfile, DockerfileSource::Path(path) if path.as_os_str() == "a/Dockerfile"));
    assert_eq!(build.request.tags.len(), 2);
    assert!(matches!(&build.request.outputs[..], [Output::Image(image)] if image.push && image.store));
    assert!(ok(&["--push=false", "--load=0", "."]).request.outputs.is_empty());
    assert_eq!(ok(&["-q", "."]).display, Display::Quiet);
    assert_eq!(ok(&["--no-cache=true", "."]).request.no_cache, Some(Vec::new()));
    assert_eq!(ok(&["--no-cache-filter=a,b", "."]).request.no_cache, Some(vec!["a".into(), "b".into()]));
    assert_eq!(ok(&["."]).request.no_cache, None);
}

#[test]
fn push_and_load_add_outputs() {
    let build = ok(&["-t", "a", "--push", "--load", "-o", "type=oci,dest=f", "."]);
    let [Output::Oci(_), Output::Image(image), Output::Load(_)] = &build.request.outputs[..] else {
        panic!("{:?}", build.request.outputs)
    };
    assert!(image.push && !image.store);
    assert_eq!(ok(&["--load", "-o", "type=docker", "."]).request.outputs.len(), 1);
}

#[test]
fn build_arguments_come_from_the_environment_too() {
    let place = Place { variables: vec![("B", "from env"), ("C", "not asked for")], ..Place::default() };
    let build = at(&place, &["--build-arg", "A=1=2", "--build-arg", "B", "--build-arg", "D", "."]).unwrap();
    let expected = [("A".to_owned(), "1=2".to_owned()), ("B".to_owned(), "from env".to_owned())];
    assert_eq!(build.request.build_args, expected.into());
    assert!(refused(&["--build-arg", "=a", "."]).0.contains("the name is empty"));
}

#[test]
fn the_clock_is_a_build_argument_then_a_flag_then_the_environment() {
    let place = Place { variables: vec![("SOURCE_DATE_EPOCH", "5")], ..Place::default() };
    let time = |place: &Place, line: &[&str]| at(place, line).unwrap().request.timestamp;
    assert_eq!(time(&place, &["."]), TimestampPolicy::Epoch(5));
    assert_eq!(time(&place, &["--build-arg", "SOURCE_DATE_EPOCH=7", "."]), TimestampPolicy::Epoch(7));
    assert_eq!(time(&place, &["--timestamp=source", "."]), TimestampPolicy::Source);
    assert_eq!(time(&Place::default(), &["--timestamp", "now", "."]), TimestampPolicy::Now(1_700_000_000));
    assert!(refused(&["--timestamp=now", "--build-arg=SOURCE_DATE_EPOCH=1", "."]).0.contains("both say"));
    assert!(refused(&["--build-arg=SOURCE_DATE_EPOCH=yesterday", "."]).1.contains("seconds since 1970"));
    assert!(refused(&["--build-arg=SOURCE_DATE_EPOCH=-1", "."]).0.contains("no number of seconds"));
}

#[test]
fn platforms_are_lists_with_each_once() {
    let platforms = |line: &[&str]| ok(line).request.platforms.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = platforms(&["--platform", "linux/amd64, linux/arm64", "--platform=linux/arm64/v8", "."]);
    assert_eq!(found, ["linux/amd64", "linux/arm64"]);
    assert_eq!(platforms(&["."]), Vec::<String>::new());
    assert_eq!(platforms(&["--platform=local", "."]), [Platform::host().to_string()]);
    assert!(refused(&["--platform=a/b/c/d", "."]).1.contains("linux/amd64"));
}

#[test]
fn bases_are_looked_up_as_asked() {
    assert_eq!(ok(&["--pull", "."]).request.pull, PullPolicy::Always);
    assert_eq!(ok(&["--pull=missing", "."]).request.pull, PullPolicy::Missing);
    assert_eq!(ok(&["--pull=false", "."]).request.pull, PullPolicy::Resolve);
    assert_eq!(ok(&["--offline", "."]).request.pull, PullPolicy::Offline);
    let both = Cli::try_parse_from(["shipsmith", "build", "--offline", "--pull", "."]);
    assert!(both.is_err());
}

#[test]
fn standard_input_is_a_dockerfile_or_a_context() {
    let text = Place { stdin: b"FROM scratch\n", ..Place::default() };
    let build = at(&text, &["-f", "-", "dir"]).unwrap();
    assert!(matches!(build.request.dockerfile, DockerfileSource::Text(text) if text == "FROM scratch\n"));
    assert!(matches!(build.request.context, ContextSource::Directory(_)));
    let build = at(&text, &["-"]).unwrap();
    assert!(matches!(build.request.dockerfile, DockerfileSource::Text(_)));
    assert!(matches!(build.request.context, ContextSource::Empty));
    let gzip = Place { stdin: b"\x1f\x8b\x08\0\0", ..Place::default() };
    let build = at(&gzip, &["-f", "sub/Dockerfile", "-"]).unwrap();
    assert!(matches!(build.request.context, ContextSource::Stdin));
    assert!(matches!(build.request.dockerfile, DockerfileSource::Path(_)));
    assert!(at(&text, &["-f", "-", "-"]).unwrap_err().to_string().contains("both"));
    assert!(at(&text, &["-f", "a", "-"]).is_err());
}

#[test]
fn outputs_that_contradict_each_other() {
    let stdout_twice = refused(&["-o", "-", "-o", "type=oci", "."]);
    assert_eq!(stdout_twice.0, "two outputs go to standard output");
    assert!(refused(&["-q", "-o", "-", "."]).0.contains("both go to standard output"));
    assert!(refused(&["--push", "."]).1.contains("--tag"));
    assert!(refused(&["--load", "--platform=linux/amd64,linux/arm64", "."]).1.contains("--push"));
    assert!(
        refused(&["-o", "type=docker,dest=f", "--platform=linux/amd64,linux/arm64", "."]).0.contains("one platform")
    );
    assert!(refused(&["--iidfile=f", "-o", "out", "."]).0.contains("--iidfile"));
    assert!(refused(&["--offline", "-t=a", "-o", "type=registry", "."]).0.contains("--offline"));
    assert!(refused(&["-q", "--progress=plain", "."]).0.contains("--quiet"));
    let by_digest = refused(&["-t", "h.example/a:1", "-o", "type=image,push-by-digest=true,push=true", "."]);
    assert_eq!(by_digest.1, "name the repository only");
    let compressions =
        refused(&["-o", "type=oci,dest=a,compression=gzip", "-o", "type=oci,dest=b,compression=zstd", "."]);
    assert!(compressions.0.contains("different compressions"));
    let terminal = Place { terminal: true, ..Place::default() };
    assert!(at(&terminal, &["-o", "-", "."]).unwrap_err().to_string().contains("terminal"));
}

#[test]
fn a_check_needs_nothing_that_a_build_needs() {
    let build = ok(&["--check", "--push", "."]);
    assert_eq!(build.call.method, Method::Check);
    assert!(ok(&["--call", "targets,format=json", "."]).call.json);
}

#[test]
fn attestations_may_be_declined() {
    for line in
        ["--provenance=0", "--sbom=false", "--attest=type=provenance,disabled=true", "--provenance=disabled=true"]
    {
        ok(&[line, "."]);
    }
    for line in ["--provenance=true", "--provenance=mode=max", "--sbom=true", "--attest=type=sbom,generator=a"] {
        assert!(refused(&[line, "."]).0.contains("attestations are made by BuildKit builders"), "{line}");
    }
    let asked = ok(&["--builder=docker://", "--attest=type=sbom,generator=a", "--provenance=mode=max", "."]).request;
    let asked: Vec<_> = asked.attestations.iter().map(|(kind, options)| format!("{kind} {options}")).collect();
    assert_eq!(asked, ["provenance mode=max", "sbom generator=a"]);
    assert_eq!(refused(&["--attest=type=sbon", "."]).1, "did you mean \"sbom\"?");
}

#[test]
fn entitlements_are_known_by_name() {
    assert_eq!(refused(&["--allow=network.hots", "."]).1, "did you mean \"network.host\"?");
    assert!(refused(&["--allow=device", "."]).0.contains("not supported"));
}

#[test]
fn progress_is_a_flag_then_the_environment_then_the_terminal() {
    let shown = |place: &Place, line: &[&str]| at(place, line).unwrap().display;
    let terminal = Place { terminal: true, ..Place::default() };
    assert_eq!(shown(&terminal, &["."]), Display::Tty);
    assert_eq!(shown(&Place::default(), &["."]), Display::Plain);
    let variables = vec![("BUILDKIT_PROGRESS", "rawjson")];
    let place = Place { variables, ..Place::default() };
    assert_eq!(shown(&place, &["."]), Display::RawJson);
    assert_eq!(shown(&place, &["--progress=none", "."]), Display::None);
    assert_eq!(shown(&place, &["-q", "."]), Display::Quiet);
    let dumb = Place { terminal: true, variables: vec![("TERM", "dumb")], ..Place::default() };
    assert_eq!(shown(&dumb, &["."]), Display::Plain);
    assert!(refused(&["--progress=tty", "."]).0.contains("needs a terminal"));
    let wrong = Place { variables: vec![("BUILDKIT_PROGRESS", "fancy")], ..Place::default() };
    assert!(at(&wrong, &["."]).is_err());
}

#[test]
fn timings_may_have_a_trace() {
    assert_eq!(ok(&["."]).timings, None);
    assert_eq!(ok(&["--timings", "."]).timings, Some(Timings { trace: None }));
    assert_eq!(ok(&["--timings=t.json", "."]).timings, Some(Timings { trace: Some("t.json".into()) }));
}
