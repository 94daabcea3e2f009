//! Every flag of `shipsmith build` does something, through the whole program.

use serde_json::Value;
use testkit::environment::{Ended, Environment};
use testkit::registry_server::RegistryServer;

use crate::support::{app, assert_done, inspect, push_base, tags};

const DOCKERFILE: &str = "ARG VERSION=1\nFROM scratch AS first\nENV STAGE=first\nCOPY --chmod=0640 a /a\n\
                          FROM first AS second\nARG VERSION\nARG TARGETARCH\n\
                          ENV STAGE=second VERSION=$VERSION ARCH=$TARGETARCH\nCOPY a /b\n";

/// What is typed between `build` and `app`, and what must have come of it.
type Case = (&'static [&'static str], fn(&Environment, &Ended));

const CASES: &[Case] = &[
    (&["--tag=x", "-t", "y:1"], |at, _| assert_eq!(at.ok(["images"]).lines().count(), 3)),
    (&["--file=other/Dockerfile", "-t=x"], |at, _| assert_eq!(environment_of(at), ["OTHER=1"])),
    (&["--target=first", "-t=x"], |at, _| assert_eq!(environment_of(at), ["STAGE=first"])),
    (&["--build-arg=VERSION=7", "-t=x"], |at, _| assert_eq!(environment_of(at)[1], "VERSION=7")),
    (&["--build-context=extra=more", "-f", "extra/Dockerfile", "-o", "out"], |at, _| {
        assert_eq!(at.read("out/found"), "more\n");
    }),
    (&["--platform=linux/arm64,linux/riscv64", "-t=x"], |at, _| {
        let platforms: Vec<Value> = images(at).into_iter().map(|image| image["platform"].clone()).collect();
        assert_eq!(platforms, ["linux/arm64", "linux/riscv64"]);
    }),
    (&["--label=l=m", "-t=x"], |at, _| assert_eq!(images(at)[0]["config"]["config"]["Labels"]["l"], "m")),
    (&["--annotation=a=b", "-t=x"], |at, _| assert_eq!(images(at)[0]["annotations"]["a"], "b")),
    (&["--output=out"], |at, _| assert_eq!(at.read("out/b"), "content\n")),
    (&["--iidfile=id", "-t=x"], |at, _| {
        assert_eq!(at.read("id"), images(at)[0]["configDigest"].as_str().expect("one"))
    }),
    (&["--metadata-file=meta", "-t=x"], |at, _| {
        let meta: Value = serde_json::from_str(&at.read("meta")).expect("JSON");
        assert_eq!(meta["containerimage.digest"], inspect(at, "x")["digest"]);
    }),
    (&["--quiet", "-t=x"], |at, ended| {
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            (images(at)[0]["configDigest"].as_str().expect("one"), "")
        );
    }),
    (&["--progress=plain"], |_, ended| assert!(ended.stderr.contains("COPY a /b\n"), "{}", ended.stderr)),
    (&["--progress=none"], |_, ended| assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""))),
    (&["--progress=rawjson"], |_, ended| {
        assert!(ended.stderr.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", ended.stderr);
    }),
    (&["--timestamp=fixed", "-t=x"], |at, _| assert_eq!(images(at)[0]["config"]["created"], "1980-01-02T00:00:00Z")),
    (&["--timestamp=now", "-t=x"], |at, _| {
        let created = images(at)[0]["config"]["created"].clone();
        assert!(created.as_str().is_some_and(|time| time > "2026"), "{created}");
    }),
    (&["--build-arg=SOURCE_DATE_EPOCH=1700000000", "-t=x"], |at, _| {
        assert_eq!(images(at)[0]["config"]["created"], "2023-11-14T22:13:20Z");
    }),
    (&["--normalize-modes", "-o", "out"], |at, _| assert_eq!(mode(at, "out/b"), 0o644)),
    (&["--run=skip", "-f", "run/Dockerfile"], |_, ended| assert!(ended.stderr.contains("skipped: RUN make"))),
    (&["--timings=trace"], |at, ended| {
        assert!(at.read("trace").contains("traceEvents") && ended.stderr.contains("seconds"));
    }),
    (&["--call=targets"], |_, ended| assert!(ended.stdout.contains("second (default)"), "{}", ended.stdout)),
    (&["--check"], |at, _| assert_eq!(at.ok(["images"]).lines().count(), 1, "nothing is built")),
    (&["--store=elsewhere", "-t=x"], |at, _| assert!(at.path("elsewhere/index.json").exists() && !at.store().exists())),
    (&["--no-cache", "-t=x"], built),
    (&["--no-cache-filter=second", "-t=x"], built),
    (&["--network=none", "--add-host=h:10.0.0.1", "--shm-size=64m", "--ulimit=nofile=1024:2048", "-t=x"], built),
    (&["--allow=network.host", "--debug", "-t=x"], built),
    (&["--provenance=false", "--sbom=false", "--attest=type=sbom,disabled=true", "-t=x"], built),
];

/// Flags that have a test of their own below, or (the last two) elsewhere in this file's neighbours.
const OWN_TESTS: &[&str] = &[
    "--push",
    "--pull",
    "--offline",
    "--load",
    "--help",
    // Those of RUN: tests/run.
    "--cache-from",
    "--cache-to",
    "--secret",
    "--ssh",
    "--cgroup-parent",
    "--isolation",
    "--runtime",
    // tests/builders.
    "--builder",
    "--builders",
];

/// Options of `type=image`, `type=oci` and the like, each with its effect.
const OUTPUTS: &[Case] = &[
    (&["-o", "type=image,name=x"], built),
    (&["-o", "type=image,name=x,oci-mediatypes=false"], |at, _| {
        assert_eq!(inspect(at, "x")["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    }),
    (&["-o", "type=image,name=x,compression=zstd,compression-level=5,force-compression=true"], |at, _| {
        assert_eq!(layer(at)["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    }),
    (&["-o", "type=image,name=x,compression=uncompressed"], |at, _| {
        assert_eq!(layer(at)["mediaType"], "application/vnd.oci.image.layer.v1.tar");
    }),
    (&["-o", "type=image,name=x,annotation.a=b,rewrite-timestamp=true"], |at, _| {
        assert_eq!(images(at)[0]["annotations"]["a"], "b");
    }),
    (&["-o", "type=oci,dest=out.tar", "-t=x"], |at, _| {
        at.ok(["import", "-t", "x", "out.tar"]);
        built(at, &Ended { code: None, bytes: Vec::new(), stdout: String::new(), stderr: String::new() });
    }),
    (&["-o", "type=docker,dest=out.tar", "-t=x"], |at, _| {
        at.ok(["import", "-t", "x", "out.tar"]);
        assert_eq!(environment_of(at).len(), 3);
    }),
    (&["-o", "type=oci,tar=false,dest=out"], |at, _| assert!(at.path("out/index.json").exists())),
    (&["-o", "type=local,dest=out"], |at, _| assert_eq!(at.read("out/b"), "content\n")),
    (&["-o", "type=tar,dest=out.tar"], |at, _| {
        assert_eq!(std::fs::read(at.path("out.tar")).expect("it").len() % 512, 0)
    }),
    (&["-o", "type=tar,dest=-"], |_, ended| assert_eq!(ended.bytes.get(257..262), Some(b"ustar".as_slice()))),
    (&["-o", "type=oci,dest=1.tar", "-o", "type=image,name=x", "-o", "out"], |at, ended| {
        built(at, ended);
        assert!(at.path("1.tar").exists() && at.path("out/b").exists());
    }),
    (&["-o", "type=cacheonly"], |at, _| assert_eq!(at.ok(["images", "-q"]), "")),
];

fn images(at: &Environment) -> Vec<Value> {
    inspect(at, "x")["manifests"].as_array().expect("images").clone()
}

fn layer(at: &Environment) -> Value {
    images(at)[0]["layers"][0].clone()
}

/// The image's variables, without PATH.
fn environment_of(at: &Environment) -> Vec<String> {
    let image = &images(at)[0];
    let all = image["config"]["config"]["Env"].as_array().expect("variables");
    let text = all.iter().filter_map(Value::as_str).map(str::to_owned);
    text.filter(|variable| !variable.starts_with("PATH=")).collect()
}

fn mode(at: &Environment, name: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    at.path(name).metadata().expect("the file").permissions().mode() & 0o7777
}

/// The image is there, and is what the Dockerfile says.
fn built(at: &Environment, _: &Ended) {
    assert_eq!(environment_of(at)[..2], ["STAGE=second", "VERSION=1"]);
}

fn run(cases: &[Case]) {
    for (arguments, effect) in cases {
        let environment = app(DOCKERFILE);
        use std::os::unix::fs::PermissionsExt;
        let odd = std::fs::Permissions::from_mode(0o604);
        std::fs::set_permissions(environment.path("app/a"), odd).expect("the file is ours");
        environment.write("other/Dockerfile", "FROM scratch\nENV OTHER=1\n");
        environment.write("extra/Dockerfile", "FROM scratch\nCOPY --from=extra found /found\n");
        environment.write("more/found", "more\n");
        environment.write("run/Dockerfile", "FROM scratch\nRUN make\n");
        let ended = environment.run(["build"].iter().chain(*arguments).chain(&["app"]));
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        effect(&environment, &ended);
    }
}

#[test]
fn flags_do_what_they_say() {
    run(CASES);
}

#[test]
fn outputs_are_what_they_say() {
    run(OUTPUTS);
}

#[test]
fn every_flag_of_the_help_has_a_case() {
    let environment = crate::support::here();
    let help = environment.ok(["build", "--help"]);
    let (ours, _) = help.split_once("Known, but refused with a reason:").expect("they are at the end");
    let words = ours.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(str::split_whitespace);
    let typed: Vec<&str> = CASES.iter().flat_map(|(arguments, _)| *arguments).chain(OWN_TESTS).copied().collect();
    let is_typed = |flag: &str| typed.iter().any(|typed| typed.split('=').next() == Some(flag));
    let flag = |word: &'_ str| word.split(['=', '[', ',']).next().unwrap_or_default().to_owned();
    let missing: Vec<String> =
        words.filter(|word| word.starts_with("--")).map(flag).filter(|flag| !is_typed(flag)).collect();
    assert_eq!(missing, [] as [&str; 0]);
}

/// `--pull` always asks, `--pull=missing` only for what is not here, `--offline` never.
#[test]
fn pull_says_when_registries_are_asked() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(_) = push_base(&registry) else { return };
    let proxy = testkit::faulty_proxy::FaultyProxy::start(registry.address());
    let environment = app(&format!("FROM {}/base:1\nCOPY a /a\n", proxy.address()));
    environment.ok(["build", "-o", "type=oci,dest=out.tar", "app"]);
    let asked = |arguments: &[&str]| {
        let before = proxy.seen().len();
        environment.ok(["build"].iter().chain(arguments).chain(&["app"]));
        proxy.seen().split_off(before).into_iter().filter(|seen| seen.target.contains("/base/")).count()
    };
    assert_eq!(asked(&["--offline"]), 0);
    assert_eq!(asked(&["--pull=missing"]), 0);
    assert_eq!(asked(&[]), 1, "one HEAD");
    assert!(asked(&["--pull"]) > 1, "manifest and config anew");
}

#[test]
fn push_by_digest_gives_no_tag_and_push_does() {
    let Some(registry) = RegistryServer::start() else { return };
    let environment = app(DOCKERFILE);
    let output = format!("type=image,name={}/app,push=true,push-by-digest=true", registry.address());
    assert_done(&environment.run(["build", "-o", &output, "--metadata-file=meta", "app"]));
    assert_eq!(tags(&registry, "app"), [] as [&str; 0]);
    let meta: Value = serde_json::from_str(&environment.read("meta")).expect("JSON");
    let digest = meta["containerimage.digest"].as_str().expect("a digest");
    environment.ok(["pull", &format!("{}/app@{digest}", registry.address())]);
    let name = |tag: &str| format!("{}/app:{tag}", registry.address());
    assert_done(&environment.run(["build", "--push", "-t", &name("1"), "-t", &name("2"), "app"]));
    assert_eq!(tags(&registry, "app"), ["1", "2"]);
}
