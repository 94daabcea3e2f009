//! What only a current builder does: attestations, named contexts, images of this machine, caches, limits.

use serde_json::Value;

use crate::support::{Daemon, Ground};

/// A configuration that lets the builder talk to the tests' registry.
fn daemon(ground: &Ground) -> Option<Daemon> {
    let text = format!("[registry.\"{}\"]\nhttp = true\n", ground.registry.address());
    let config = ground.environment.write("buildkitd.toml", text).display().to_string();
    Daemon::start(&["--config", &config])
}

#[test]
fn a_current_builder_builds_the_image_that_this_process_builds() {
    let Some(ground) = Ground::new() else { return };
    let Some(daemon) = daemon(&ground) else { return };
    ground.app("FROM BASE\nRUN <<END\nmkdir /made\necho made > /made/file\nEND\nCOPY . /app/\nLABEL own=yes\n");
    let flags = ["--build-arg=SOURCE_DATE_EPOCH=1700000000", "--network=none"];
    let here = ground.image(&flags);
    let there = ground.image(&[&flags[..], &["--builder", &daemon.address()]].concat());
    let differences = here.differences(&there);
    assert!(differences.is_empty(), "{differences:?}");
}

#[test]
fn attestations_are_made_there_and_survive_the_store_a_push_and_a_merge() {
    let Some(ground) = Ground::new() else { return };
    let Some(daemon) = daemon(&ground) else { return };
    ground.app("FROM BASE\nRUN echo made > /made\n");
    let name = format!("{}/attested:1", ground.registry.address());
    let flags = ["--builder", &daemon.address(), "--provenance=mode=max", "-t", &name, "--push"];
    ground.builds(&[&flags[..], &["-o", "type=oci,dest=attested,tar=false"]].concat());
    let blob = |digest: &Value| {
        let (_, hex) = digest.as_str().and_then(|text| text.split_once(':')).expect("a digest");
        let text = ground.environment.read(&format!("attested/blobs/sha256/{hex}"));
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let top: Value = serde_json::from_str(&ground.environment.read("attested/index.json")).expect("JSON");
    let index = blob(&top["manifests"][0]["digest"]);
    let (image, about) = (&index["manifests"][0], &index["manifests"][1]);
    assert_eq!(about["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
    assert_eq!(about["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    assert_eq!(about["platform"]["os"], "unknown");
    let statement = blob(&blob(&about["digest"])["layers"][0]["digest"]);
    let subject = image["digest"].as_str().and_then(|text| text.strip_prefix("sha256:")).expect("a digest");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], subject, "it is about the image as it is");
    let skopeo = testkit::tools::require("skopeo").expect("the base was pushed with it");
    let raw = skopeo.run(["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]).text();
    let pushed: Value = serde_json::from_str(&raw).expect("JSON");
    assert_eq!(pushed["manifests"][1]["digest"], about["digest"]);
    let said = ground.fails(&[&flags[..5], &["--annotation=a=b"]].concat());
    assert!(said.contains("an image with attestations stays as its builder made it"), "{said}");
}

#[test]
fn named_contexts_reach_it_directories_and_layouts_alike() {
    let Some(ground) = Ground::new() else { return };
    let Some(daemon) = daemon(&ground) else { return };
    ground.environment.write("more/inside", "of another context\n");
    ground.environment.write("made/Dockerfile", "FROM scratch\nCOPY Dockerfile /from-layout\n");
    ground.environment.ok(["build", "-o", "type=oci,dest=layout,tar=false,name=made:1", "made"]);
    ground.app("FROM base AS first\nCOPY --from=more inside /\nCOPY --from=image /from-layout /\n");
    let base = format!("--build-context=base=docker-image://{}", ground.base());
    let flags = ["--build-context=more=more", "--build-context=image=oci-layout://layout", &base];
    let here = ground.image(&flags);
    let there = ground.image(&[&flags[..], &["--builder", &daemon.address()]].concat());
    assert!(here.differences(&there).is_empty(), "{:?}", here.differences(&there));
}

#[test]
fn what_the_store_has_is_not_pulled_by_the_builder() {
    let Some(ground) = Ground::new() else { return };
    // This one cannot talk to the registry: it is http, and nobody told it.
    let Some(daemon) = Daemon::start(&[]) else { return };
    ground.environment.ok(["pull", &ground.base()]);
    ground.app("FROM BASE\nCOPY file /\n");
    ground.builds(&["--builder", &daemon.address(), "--pull=missing"]);
}

#[test]
fn limits_caches_and_warnings_pass_both_ways() {
    let Some(ground) = Ground::new() else { return };
    let Some(daemon) = daemon(&ground) else { return };
    ground.app("FROM BASE\nRUN test \"$(ulimit -n)\" = 512 && df /dev/shm | grep 2048\nMAINTAINER nobody\n");
    let cache = format!("{}/cache:1", ground.registry.address());
    let to = format!("--cache-to=type=registry,ref={cache},mode=max");
    let limits = ["--ulimit=nofile=512:512", "--shm-size=2m", "--network=none", "--builder", &daemon.address()];
    let said = ground.builds(&[&limits[..], &[&to]].concat());
    assert_eq!(said.matches("MaintainerDeprecated").count(), 1, "the builder's linter and ours say so once: {said}");
    drop(daemon);
    let Some(other) = self::daemon(&ground) else { return };
    let from = format!("--cache-from=type=registry,ref={cache}");
    let address = other.address();
    let limits = [&limits[..4], &[&address]].concat();
    let said = ground.builds(&[&limits[..], &[&from]].concat());
    assert!(said.contains("CACHED") || said.contains("cached"), "{said}");
}

#[test]
fn a_cache_in_a_directory_serves_another_builder() {
    let Some(ground) = Ground::new() else { return };
    let Some(first) = daemon(&ground) else { return };
    // Never the same twice, unless it is not run again.
    ground.app("FROM BASE\nRUN head -c 16 /dev/urandom > /made\n");
    let directory = ground.environment.path("cache");
    let [to, from] = ["to=type=local,mode=max,dest", "from=type=local,src"]
        .map(|words| format!("--cache-{words}={}", directory.display()));
    let flags =
        |daemon: &Daemon, flag: &str| ["--network=none", "--builder", &daemon.address(), flag].map(str::to_owned);
    let image = |daemon: &Daemon, flag: &str| ground.image(&flags(daemon, flag).each_ref().map(String::as_str));
    let said = ground.builds(&flags(&first, &from).each_ref().map(String::as_str));
    assert!(said.contains("cannot be used: nothing in it is named latest"), "{said}");
    let made = image(&first, &to);
    // The same again: what is there need not be written.
    image(&first, &to);
    drop(first);
    let Some(other) = daemon(&ground) else { return };
    let differences = made.differences(&image(&other, &from));
    assert!(differences.is_empty(), "{differences:?}");
    let index: Value = serde_json::from_str(&ground.environment.read("cache/index.json")).expect("an index");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1), "{index}");
}

#[test]
fn a_builder_that_is_asked_says_what_it_keeps_and_forgets_it() {
    let Some(ground) = Ground::new() else { return };
    let Some(daemon) = daemon(&ground) else { return };
    ground.app("FROM BASE\nRUN echo made > /made\n");
    ground.builds(&["--builder", &daemon.address()]);
    let keeps = || ground.environment.ok(["pkg", "builder", "du", "--builder", &daemon.address()]);
    let before = keeps();
    assert!(before.contains("RUN") || before.contains("echo made"), "{before}");
    let said = ground.environment.ok(["pkg", "builder", "prune", "--builder", &daemon.address()]);
    assert!(said.contains("removed"), "{said}");
    assert!(!keeps().contains("echo made"), "{}", keeps());
}
