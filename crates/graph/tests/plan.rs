//! Plans of small Dockerfiles: steps, labels, needs, findings, refusals.

use dockerfile::{Dockerfile, Source};
use oci::{DiffId, Digest, ImageConfig, Platform};
use shipsmith_graph::{
    BaseOrigin, Error, ErrorKind, Graph, Input, MountKind, NamedContext, Op, Plan, Request, ResolvedBase,
    ResolvedBases, RunOp, RunPolicy, merge, outline, plan,
};

fn platform(text: &str) -> Platform {
    text.parse().expect("a platform")
}

fn request() -> Request {
    Request::new(platform("linux/amd64"))
}

fn parse(text: &str) -> Dockerfile {
    dockerfile::parse(Source::new("Dockerfile", text)).expect("a Dockerfile")
}

/// Plans with every base being an image of one layer whose triggers are `triggers`.
fn try_plan_on(text: &str, request: &Request, triggers: &[&str]) -> Result<Graph, Error> {
    let (file, mut bases) = (parse(text), ResolvedBases::default());
    loop {
        match plan(&file, request, &bases)? {
            Plan::Ready(graph) => return Ok(*graph),
            Plan::Needs(needs) => {
                for need in needs {
                    let mut config = ImageConfig::empty(&need.platform);
                    config.rootfs.diff_ids = vec![DiffId(Digest::of(b"layer"))];
                    config.config.on_build = triggers.iter().map(|trigger| (*trigger).to_owned()).collect();
                    bases.insert(&need, ResolvedBase { digest: Digest::of(b"manifest"), config });
                }
            }
        }
    }
}

fn try_plan(text: &str, request: &Request) -> Result<Graph, Error> {
    try_plan_on(text, request, &[])
}

fn planned(text: &str) -> Graph {
    try_plan(text, &request()).expect("a plan")
}

fn labels(graph: &Graph) -> Vec<String> {
    graph.steps.iter().map(|step| step.label.to_string()).collect()
}

/// The graph with the base's digest shortened.
fn printed(graph: &Graph) -> String {
    graph.to_string().replace(Digest::of(b"manifest").as_str(), "@")
}

fn only_run(graph: &Graph) -> RunOp {
    let mut runs = graph.steps.iter().filter_map(|step| match &step.op {
        Op::Run(run) => Some(run.as_ref().clone()),
        _ => None,
    });
    runs.next().expect("a RUN")
}

fn refusal(text: &str) -> (ErrorKind, usize) {
    let error = try_plan(text, &request()).expect_err("a refusal");
    let line = error.excerpt().map_or(0, |excerpt| excerpt.position.line);
    (error.kind().clone(), line)
}

#[test]
fn a_graph_prints_as_one_line_a_step() {
    let graph = planned(concat!(
        "FROM debian AS build\nWORKDIR /src\nUSER app\nWORKDIR out\nCOPY --chmod=u+x a b* ./\n",
        "FROM scratch\nCOPY --from=build --chown=1:staff --exclude=*.o /src/out /bin/\nADD --link https://h/x.tar /\n",
    ));
    let expected = "\
#0 base docker.io/library/debian:latest @ linux/amd64
#1 scratch
#2 mkdir \"/src\" mode=755 on #0
#3 mkdir \"/src/out\" mode=755 owner=\"app\" on #2
#4 copy context \"/a\", context \"/b*\" to \"/src/out/\" mode=\"u+x\" on #3
#5 copy #4 \"/src/out\" to \"/bin/\" owner=1:\"staff\" except [\"*.o\"] on #1
#6 copy http \"https://h/x.tar\" \"/x.tar\" to \"/\" link on #5
result #6
";
    assert_eq!(printed(&graph), expected);
    assert_eq!(graph.chain().len(), 3);
}

#[test]
fn labels_count_as_buildkit_counts() {
    let graph = planned("FROM debian\nENV w=/x\ncopy a $w\nWORKDIR /\nRUN echo $w $PATH $none\n");
    let texts = labels(&graph);
    let base = format!("[1/4] FROM docker.io/library/debian:latest@{}", Digest::of(b"manifest"));
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(texts, [base, "[2/4] COPY a /x".to_owned(), format!("[3/4] RUN echo /x {path} $none")]);
    let two = planned("FROM scratch AS a\nCOPY x /\nFROM a\nCOPY y /\n");
    assert_eq!(labels(&two)[1..], ["[a 1/1] COPY x /", "[stage-1 1/1] COPY y /"]);
}

#[test]
fn platforms_share_what_is_built_for_the_builder() {
    let text = concat!(
        "FROM --platform=$BUILDPLATFORM golang AS build\nCOPY . /src\n",
        "FROM --platform=$BUILDPLATFORM golang AS cross\nARG TARGETARCH\nCOPY . /$TARGETARCH\n",
        "FROM scratch\nCOPY --from=build /src /\nCOPY --from=cross / /\n",
    );
    let of = |name: &str| {
        let request = Request {
            platform: platform(name),
            build_platform: platform("linux/amd64"),
            multi_platform: true,
            ..Request::new(platform(name))
        };
        try_plan(text, &request).expect("a plan")
    };
    let (amd, arm) = (of("linux/amd64"), of("linux/arm64"));
    let merged = merge(&[&amd, &arm]);
    assert_eq!((amd.steps.len(), arm.steps.len(), merged.steps.len()), (6, 6, 8));
    assert!(labels(&arm).contains(&"[linux/amd64->arm64 cross 2/2] COPY . /arm64".to_owned()), "{:?}", labels(&arm));
    for (graph, places) in [&amd, &arm].into_iter().zip(&merged.places) {
        for (step, place) in graph.steps.iter().zip(places) {
            assert_eq!(merged.steps[place.0].key, step.key);
        }
    }
}

#[test]
fn only_what_the_target_needs_is_asked_for() {
    let file = parse("FROM one AS a\nFROM two AS b\nFROM three AS c\nCOPY --from=A /x /\nCOPY --from=four /y /\n");
    let Ok(Plan::Needs(needs)) = plan(&file, &request(), &ResolvedBases::default()) else { panic!("needs") };
    let names: Vec<String> = needs
        .iter()
        .map(|need| match &need.origin {
            BaseOrigin::Image(reference) => reference.familiar(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["one:latest", "three:latest", "four:latest"]);
}

#[test]
fn triggers_run_first_and_may_need_more() {
    let graph =
        try_plan_on("FROM base\nCOPY b /\n", &request(), &["COPY --from=other /a /", "ENV done=1"]).expect("a plan");
    let lines = printed(&graph);
    assert!(lines.contains("#1 base docker.io/library/other:latest"), "{lines}");
    assert!(lines.contains("copy #1 \"/a\" to \"/\" on #0"), "{lines}");
    assert!(labels(&graph)[2].starts_with("[2/4] ONBUILD COPY --from=other"), "{:?}", labels(&graph));
    assert_eq!(graph.config.config.env[1], "done=1");
    assert!(graph.config.config.on_build.is_empty());
}

#[test]
fn run_carries_all_it_needs() {
    let mut asked = request();
    asked.build_args.insert("http_proxy".to_owned(), Some("http://p".to_owned()));
    asked.hostname = Some("h".to_owned());
    let text = concat!(
        "FROM debian\nARG v=1\nENV e=$v\nUSER app\nWORKDIR /w\n",
        "RUN --mount=type=cache,target=c,sharing=locked --mount=type=secret,id=s,env=S,required --mount=type=bind,from=other,target=/o \\\n",
        "    --mount=type=tmpfs,target=/t,size=1m --mount=type=ssh --network=none make $v\n",
    );
    let graph = try_plan(text, &asked).expect("a plan");
    let run = only_run(&graph);
    assert_eq!(run.args, ["/bin/sh", "-c", "make $v"]);
    assert_eq!((run.directory.as_str(), run.user.as_str(), run.network), ("/w", "app", dockerfile::Network::None));
    assert_eq!(run.env[1..], [("v".to_owned(), "1".to_owned()), ("e".to_owned(), "1".to_owned())]);
    assert_eq!(run.proxy.len(), 2);
    let targets: Vec<_> = run.mounts.iter().map(|mount| mount.target.as_deref().unwrap_or("-")).collect();
    assert_eq!(targets, ["/w/c", "-", "/o", "/t", "-"]);
    assert!(matches!(&run.mounts[0].kind, MountKind::Cache { id, input: None, .. } if id == "/c"));
    assert!(matches!(&run.mounts[2].kind, MountKind::Bind { input: Input::Step(_), .. }));
    assert!(matches!(run.mounts[3].kind, MountKind::Tmpfs { size: 1_048_576 }));
    let last = graph.config.history.last().expect("an entry");
    assert_eq!(last.created_by, "RUN |1 v=1 /bin/sh -c make $v # buildkit");
    assert_eq!(graph.history.last().copied().flatten(), Some(graph.root));
}

#[test]
fn heredocs_become_scripts() {
    let script = |body: &str| only_run(&planned(&format!("FROM debian\n{body}\n")));
    assert_eq!(script("RUN <<EOF\na\nb\nEOF").args[2], "a\nb\n");
    assert_eq!(script("RUN <<-EOF\n\ta\n\tEOF").args[2], "a\n");
    assert_eq!(script("RUN cat <<A > f; cat <<B\n1\nA\n2\nB").args[2], "cat <<A > f; cat <<B\n1\nA\n2\nB");
    let shebang = script("RUN <<EOF\n#!/usr/bin/python\nx\nEOF");
    assert_eq!(shebang.args[2], "/dev/pipes/EOF");
    assert!(
        matches!(&shebang.mounts[0].kind, MountKind::Bind { input: Input::Inline(file), .. } if file.mode == 0o755)
    );
}

#[test]
fn keys_leave_proxies_out_and_nothing_else() {
    let key = |change: &dyn Fn(&mut Request), text: &str| {
        let mut asked = request();
        change(&mut asked);
        let graph = try_plan(text, &asked).expect("a plan");
        graph.step(graph.root).key.clone()
    };
    let text = "FROM debian\nARG v\nRUN true\n";
    let plain = key(&|_| {}, text);
    let with = |name: &'static str, value: &'static str| {
        move |asked: &mut Request| drop(asked.build_args.insert(name.to_owned(), Some(value.to_owned())))
    };
    assert_eq!(plain, key(&with("HTTPS_PROXY", "http://p"), text));
    assert_eq!(plain, key(&with("unused", "1"), text));
    assert_ne!(plain, key(&with("v", "1"), text));
    assert_ne!(plain, key(&|_| {}, "FROM debian\nARG v\nRUN --network=none true\n"));
    assert_ne!(plain, key(&|_| {}, "FROM debian\nARG v\nUSER a\nRUN true\n"));
}

#[test]
fn run_can_be_left_out_or_refused() {
    let text = "FROM debian AS a\nRUN make\nFROM scratch\nRUN \\\n  x\nCOPY b /\n";
    let mut asked = request();
    asked.run = RunPolicy::Skip;
    let graph = try_plan(text, &asked).expect("a plan");
    assert_eq!(graph.skipped.iter().map(|run| run.text.as_str()).collect::<Vec<_>>(), ["RUN   x"]);
    assert_eq!(graph.config.history.len(), 1);
    asked.run = RunPolicy::Refuse;
    let error = try_plan(text, &asked).expect_err("a refusal");
    assert_eq!(error.excerpt().map(|excerpt| excerpt.position.line), Some(4));
    assert!(error.hint().is_some_and(|hint| hint.contains("--run=skip")));
}

#[test]
fn named_contexts_stand_in_for_stages_and_images() {
    let mut asked = request();
    asked.named_contexts.insert("build".to_owned(), NamedContext::Local);
    asked.named_contexts.insert("debian".to_owned(), NamedContext::Image("alpine:3".parse().expect("a reference")));
    asked.named_contexts.insert("lib".to_owned(), NamedContext::Target("lib".to_owned()));
    let text = "FROM golang AS build\nRUN never\nFROM debian:latest\nCOPY --from=build /a /\nCOPY --from=lib /b /\n";
    let lines = printed(&try_plan(text, &asked).expect("a plan"));
    assert!(lines.contains("base docker.io/library/alpine:3 @"), "{lines}");
    assert!(lines.contains("copy context:\"build\" \"/a\" to \"/\""), "{lines}");
    assert!(lines.contains("base target \"lib\" @"), "{lines}");
    assert!(!lines.contains("never"), "{lines}");
}

#[test]
fn refusals_have_kinds_and_lines() {
    let lines = [
        ("FROM a AS x\nCOPY --from=y / /\nFROM x AS y\n", 2),
        ("FROM scratch\nCOPY --from=3 / /\n", 2),
        ("FROM scratch\nCOPY --from=$x / /\n", 2),
        ("FROM scratch\nCOPY https://h/x /\n", 2),
        ("FROM scratch\nADD --checksum=sha256:00 a /\n", 2),
        ("FROM scratch\nEXPOSE 99999\n", 2),
        ("FROM scratch\nSTOPSIGNAL NOPE\n", 2),
        ("FROM scratch\nCOPY --chmod=9 a /\n", 2),
        ("FROM --platform=windows/amd64 x\n", 1),
        ("FROM --platform=$nope x\n", 1),
        ("FROM $nope\n", 1),
        ("FROM Upper\n", 1),
        ("FROM debian\nRUN --mount=type=bind,target=/ x\n", 2),
        ("# check=error=true\nFROM scratch\nMAINTAINER x\n", 3),
    ];
    for (text, line) in lines {
        let (kind, found) = refusal(text);
        assert_eq!(found, line, "{text}{kind}");
    }
    let mut asked = request();
    asked.target = Some("biuld".to_owned());
    let error = try_plan("FROM scratch AS build\n", &asked).expect_err("a refusal");
    assert_eq!(error.hint().as_deref(), Some("did you mean build?"));
}

#[test]
fn findings_have_rules_and_lines() {
    let text = concat!(
        "FROM --platform=$TARGETPLATFORM debian AS Base\nENV a b\nARG API_KEY\nWORKDIR rel\nCOPY $undefined /\n",
        "CMD x\nCMD y\nEXPOSE 80/TCP 1:2\nmaintainer m\nFROM --platform=linux/arm64 debian$none as base\nCOPY --from=0 / /\n",
    );
    let graph = planned(text);
    let found: Vec<String> = graph
        .warnings
        .iter()
        .map(|finding| format!("{} {}", graph.source.line_column(finding.span.start).line, finding.rule))
        .collect();
    let expected = [
        "1 RedundantTargetPlatform",
        "1 StageNameCasing",
        "2 LegacyKeyValueFormat",
        "3 SecretsUsedInArgOrEnv",
        "4 WorkdirRelativePath",
        "5 UndefinedVar",
        "6 JSONArgsRecommended",
        "6 MultipleInstructionsDisallowed",
        "7 JSONArgsRecommended",
        "8 ExposeInvalidFormat",
        "8 ExposeProtoCasing",
        "9 ConsistentInstructionCasing",
        "9 MaintainerDeprecated",
        "10 DuplicateStageName",
        "10 FromAsCasing",
        "10 FromPlatformFlagConstDisallowed",
        "10 UndefinedArgInFrom",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_base_needs_a_default() {
    let mut asked = request();
    asked.build_args.insert("tag".to_owned(), Some("12".to_owned()));
    let graph = try_plan("ARG tag\nFROM debian:$tag\n", &asked).expect("a plan");
    let rules: Vec<&str> = graph.warnings.iter().map(|finding| finding.rule.name()).collect();
    assert_eq!(rules, ["InvalidDefaultArgInFrom"]);
}

#[test]
fn an_outline_lists_what_a_target_takes() {
    let text = concat!(
        "# tag of the base\nARG tag=12\nARG tag_unused=1\nFROM debian:$tag AS base\nARG a=1\n",
        "RUN --mount=type=secret,id=s,required --mount=type=ssh x\nFROM other AS no\nARG b\nFROM base\nARG tag\nARG c\n",
    );
    let found = outline(&parse(text), &request()).expect("an outline");
    let args: Vec<_> = found.args.iter().map(|arg| (arg.name.as_str(), arg.value.as_deref())).collect();
    assert_eq!(args, [("tag", Some("12")), ("a", Some("1")), ("c", None)]);
    assert_eq!(found.secrets.iter().map(|s| (s.name.as_str(), s.required)).collect::<Vec<_>>(), [("s", true)]);
    assert_eq!(found.ssh.iter().map(|s| (s.name.as_str(), s.required)).collect::<Vec<_>>(), [("default", false)]);
}
