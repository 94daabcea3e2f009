use super::*;

const MAKEFILE: &str = "BASE_VERSION ?= v7\nISTIO_BASE_REGISTRY ?= reg.example/release\n";
const DEPS: &str = r#"[{"name": "PROXY_REPO_SHA", "repoName": "p", "lastStableSHA": "abc"},
  {"name": "AGENTGATEWAY_IMAGE", "lastStableSHA": "v1"}]"#;

/// The shape of Istio's plan.
const PLAN: &str = "
example:
- name: shown
images:
- name: base
  dockerfile: docker/Dockerfile.base
  base: true
- name: proxy
  dockerfile: pilot/docker/Dockerfile.proxy
  files:
  - tools/bootstrap.json
  - ${TARGET_OUT_LINUX}/${RELEASE_MODE}/${SIDECAR}
  targets:
  - ${TARGET_OUT_LINUX}/agent
- name: app_sidecar_debian_12
  dockerfile: docker/Dockerfile.app
  files: [tests/certs]
  targets: ['${TARGET_OUT_LINUX}/client']
  emulationRequired: true
";

fn planned_with(text: &str, ask: &Ask, environment: &[(&str, &str)]) -> Result<Planned, Error> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let read = |path: &str| match path {
        "Makefile.core.mk" => Some(MAKEFILE.to_owned()),
        "istio.deps" => Some(DEPS.to_owned()),
        _ => None,
    };
    let host = Platform::new("linux", "amd64", "");
    let around = Around { environment: &environment, root: "/src".into(), host, read: &read };
    plan(&File::parse("plan.yaml", text)?, &Profile::istio()?, ask, &around)
}

fn planned(ask: &Ask) -> Planned {
    planned_with(PLAN, ask, &[]).unwrap()
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn both() -> Ask {
    Ask { architectures: words(&["linux/amd64", "linux/arm64"]), ..Ask::default() }
}

#[test]
fn every_platform_has_its_own_files_by_name_and_by_architecture() {
    let planned = planned(&both());
    let proxy = &planned.images[0];
    let arm = &proxy.contexts[&Platform::new("linux", "arm64", "")];
    let agent = PathBuf::from("/src/out/linux_arm64/agent");
    assert_eq!((&arm["agent"], &arm["arm64/agent"]), (&agent, &agent));
    assert_eq!(arm["arm64/envoy"], PathBuf::from("/src/out/linux_arm64/release/envoy"));
    assert_eq!(arm["bootstrap.json"], PathBuf::from("/src/tools/bootstrap.json"));
    assert!(!arm.contains_key("arm64/bootstrap.json") && !arm.contains_key("amd64/agent"));
}

#[test]
fn default_is_debug_under_another_name_and_built_once() {
    let ask = Ask {
        variants: words(&["default", "debug", "distroless"]),
        hubs: words(&["h1", "h2/x"]),
        tags: words(&["1"]),
        ..both()
    };
    let planned = planned(&ask);
    let proxies: Vec<&PlannedImage> = planned.images.iter().filter(|image| image.name == "proxy").collect();
    assert_eq!(proxies.len(), 2);
    assert_eq!(proxies[0].tags, ["h1/proxy:1", "h1/proxy:1-debug", "h2/x/proxy:1", "h2/x/proxy:1-debug"]);
    assert_eq!(
        (proxies[0].title(), &proxies[0].arguments["BASE_DISTRIBUTION"]),
        ("proxy-debug".into(), &"debug".into())
    );
    assert_eq!(proxies[1].tags, ["h1/proxy:1-distroless", "h2/x/proxy:1-distroless"]);
    assert_eq!(proxies[1].arguments["BASE_DISTRIBUTION"], "distroless");
}

#[test]
fn what_is_left_out_is_said() {
    let ask = Ask { variants: words(&["default", "distroless"]), ..both() };
    let planned = planned(&ask);
    assert!(planned.images.iter().all(|image| image.name != "base"));
    let app: Vec<&PlannedImage> = planned.images.iter().filter(|image| image.name.starts_with("app")).collect();
    assert_eq!((app.len(), app[0].platforms.len()), (1, 1));
    let left: Vec<&str> = planned.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
    assert_eq!(left, ["app_sidecar_debian_12 for linux/arm64", "app_sidecar_debian_12-distroless"]);
    let emulated = planned_with(PLAN, &Ask { qemu: true, ..both() }, &[]).unwrap();
    assert_eq!(emulated.images[1].platforms.len(), 2);
}

#[test]
fn arguments_come_from_files_the_environment_flags_and_the_name() {
    let planned = planned(&Ask::default());
    let arguments = &planned.images[1].arguments;
    for (name, value) in [
        ("BASE_VERSION", "v7"),
        ("ISTIO_BASE_REGISTRY", "reg.example/release"),
        ("proxy_version", "abc"),
        ("ztunnel_version", "unknown"),
        ("AGENTGATEWAY_IMAGE", "cr.agentgateway.dev/agentgateway:v1"),
        ("VM_IMAGE_NAME", "debian"),
        ("VM_IMAGE_VERSION", "12"),
    ] {
        assert_eq!(arguments[name], value, "{name}");
    }
    assert!(!planned.images[0].arguments.contains_key("VM_IMAGE_NAME"));
    let values = BTreeMap::from([("base-version".to_owned(), "v9".to_owned())]);
    let ask = Ask { values, ..Ask::default() };
    let set = [("BASE_VERSION", "v8"), ("ISTIO_BASE_REGISTRY", "r"), ("DEBUG_IMAGE", "")];
    let planned = planned_with(PLAN, &ask, &set).unwrap();
    let proxy = &planned.images[0];
    assert_eq!(
        (proxy.arguments["BASE_VERSION"].as_str(), proxy.arguments["ISTIO_BASE_REGISTRY"].as_str()),
        ("v9", "r")
    );
    assert!(proxy.contexts.values().any(|files| files["envoy"].ends_with("debug/envoy")));
}

#[test]
fn one_command_for_an_architecture_begins_with_init() {
    let planned = planned(&both());
    let [amd, arm] = &planned.makes[..] else { panic!("{:?}", planned.makes) };
    assert_eq!(
        amd.argv,
        ["make", "--no-print-directory", "init", "/src/out/linux_amd64/agent", "/src/out/linux_amd64/client"]
    );
    assert_eq!(arm.argv[2..], ["init", "/src/out/linux_arm64/agent"], "what is not built there is not made there");
    assert_eq!(arm.environment["TARGET_ARCH"], "arm64");
    assert!(!arm.environment.contains_key("BUILD_ALL"));
    assert_eq!(planned.images[0].makes, BTreeSet::from([0, 1]));
    let one = Ask { targets: words(&["proxy"]), ..Ask::default() };
    assert_eq!(planned_with(PLAN, &one, &[]).unwrap().makes[0].environment["BUILD_ALL"], "false");
    assert!(planned_with(PLAN, &one, &[("SKIP_MAKE", "true")]).unwrap().makes.is_empty());
}

#[test]
fn the_environment_says_what_flags_do_not() {
    let set = [
        ("HUBS", "a b"),
        ("TAG", "t"),
        ("DOCKER_TARGETS", "docker.proxy"),
        ("DOCKER_BUILD_VARIANTS", "distroless"),
        ("INCLUDE_UNTAGGED_DEFAULT", "true"),
        ("DOCKER_ARCHITECTURES", "linux/amd64,linux/arm64"),
    ];
    let planned = planned_with(PLAN, &Ask::default(), &set).unwrap();
    let tags: Vec<&str> = planned.images.iter().flat_map(|image| &image.tags).map(String::as_str).collect();
    assert_eq!(tags, ["a/proxy:t-distroless", "b/proxy:t-distroless", "a/proxy:t", "b/proxy:t"]);
    assert_eq!(planned.images[0].platforms.len(), 2);
}

#[test]
fn archives_are_of_one_platform_each_and_have_the_default_as_alias() {
    let ask = Ask { save: true, variants: words(&["debug", "default"]), targets: words(&["proxy"]), ..both() };
    let archives = planned(&ask).images.remove(0).archives;
    let directory = PathBuf::from("/src/out/linux_amd64/release/docker");
    assert_eq!(archives[0].path, directory.join("proxy-debug.tar.gz"));
    assert_eq!(archives[0].aliases, [directory.join("proxy.tar.gz")]);
    assert_eq!(archives[1].path, directory.join("proxy-debug-arm64.tar.gz"));
    assert_eq!(archives[1].tags, ["localhost:5000/proxy:latest-debug-arm64", "localhost:5000/proxy:latest-arm64"]);
}

fn refused(ask: &Ask) -> (String, String) {
    let error = planned_with(PLAN, ask, &[]).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default())
}

#[test]
fn what_nobody_knows_is_refused_with_what_was_meant() {
    let (message, hint) = refused(&Ask { targets: words(&["porxy"]), ..Ask::default() });
    assert_eq!((message.as_str(), hint.as_str()), ("unknown target \"porxy\"", "did you mean \"proxy\"?"));
    let (message, hint) = refused(&Ask { variants: words(&["distrolss"]), ..Ask::default() });
    assert_eq!((message.as_str(), hint.as_str()), ("unknown variant \"distrolss\"", "did you mean \"distroless\"?"));
    let text = PLAN.replace("${SIDECAR}", "${SIDECRA}");
    let error = planned_with(&text, &Ask::default(), &[]).unwrap_err();
    assert!(error.to_string().starts_with("plan.yaml:12:5: unknown variable"), "{error}");
}

#[test]
fn two_builds_do_not_push_the_same_tag() {
    let ask =
        Ask { tags: words(&["1", "1-distroless"]), variants: words(&["default", "distroless"]), ..Ask::default() };
    let (message, _) = refused(&ask);
    assert!(
        message
            .contains("proxy-default and proxy-distroless would both be pushed to localhost:5000/proxy:1-distroless"),
        "{message}"
    );
}

#[test]
fn official_hubs_are_for_ci() {
    let ask = Ask { hubs: words(&["docker.io/istio"]), push: true, ..Ask::default() };
    assert!(refused(&ask).0.contains("only CI pushes to docker.io/istio"));
    assert!(planned_with(PLAN, &ask, &[("CI", "")]).is_ok());
}

#[test]
fn a_name_that_two_files_have_is_refused_with_both() {
    let text = PLAN.replace("tools/bootstrap.json", "one/agent");
    let error = planned_with(&text, &Ask::default(), &[]).unwrap_err();
    assert!(error.to_string().contains("\"agent\" could be one/agent or out/linux_amd64/agent"), "{error}");
    let text = PLAN.replace("tools/bootstrap.json", "etc/agent: one/agent");
    assert!(planned_with(&text, &Ask::default(), &[]).is_ok(), "a place of its own");
}
