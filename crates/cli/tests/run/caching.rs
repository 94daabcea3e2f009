//! What is known is not run again; what must not be known is never looked up.

use serde_json::Value;

use crate::support::Ground;

/// Another value each time it is run.
const RANDOM: &str = "RUN cat /proc/sys/kernel/random/uuid > /id\n";
const SANDBOX: &str = "prepare a sandbox";

#[test]
fn an_unchanged_step_is_not_run_again() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = format!("FROM base\nENV A=1\n{RANDOM}RUN cat /id > /copy\n");
    let first = ground.digest(&dockerfile, &[]);
    assert_eq!(ground.digest(&dockerfile, &[]), first);
    assert_eq!(ground.digest(&dockerfile, &["--build-arg=UNUSED=1"]), first);
    let said = ground.builds(&dockerfile, &[]);
    assert!(!said.contains(SANDBOX), "nothing has to be prepared: {said}");
    assert_ne!(ground.digest(&dockerfile, &["--no-cache"]), first);
    assert_ne!(ground.digest(&dockerfile.replace("A=1", "A=2"), &[]), first);
    ground.is_clean();
}

#[test]
fn arguments_and_variables_in_scope_are_part_of_the_key() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = format!("FROM base\nARG A=1\n{RANDOM}ARG B=1\n");
    let layers = |flags: &[&str]| ground.image(&dockerfile, flags).files["/id"].sha256.clone();
    let first = layers(&[]);
    assert_eq!(layers(&["--build-arg=B=2"]), first, "it is declared later");
    assert_ne!(layers(&["--build-arg=A=2"]), first);
    assert_eq!(layers(&["--build-arg=HTTP_PROXY=http://p:1"]), first, "a proxy changes no result");
    ground.is_clean();
}

#[test]
fn no_cache_filter_is_for_its_stage_alone() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = format!(
        "FROM base AS one\nENV N=1\n{RANDOM}FROM base AS two\nENV N=2\n{RANDOM}FROM scratch\n\
         COPY --from=one /id /one\nCOPY --from=two /id /two\n"
    );
    let ids = |flags: &[&str]| {
        let files = ground.image(&dockerfile, flags).files;
        (files["/one"].sha256.clone(), files["/two"].sha256.clone())
    };
    let first = ids(&[]);
    assert_eq!(ids(&[]), first);
    let second = ids(&["--no-cache-filter=two"]);
    assert_eq!(second.0, first.0);
    assert_ne!(second.1, first.1);
    ground.is_clean();
}

#[test]
fn contents_of_bind_mounts_are_part_of_the_key() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = format!("FROM base AS files\nCOPY <<EOF /f\nCONTENT\nEOF\nFROM base\n{}", RANDOM);
    let dockerfile = dockerfile.replace("RUN cat", "RUN --mount=from=files,source=/f,target=/f cat");
    let id = |content: &str| ground.image(&dockerfile.replace("CONTENT", content), &[]).files["/id"].sha256.clone();
    let first = id("one");
    assert_eq!(id("one"), first);
    assert_ne!(id("two"), first);
    ground.is_clean();
}

#[test]
fn a_cache_mount_lives_on_and_is_in_no_layer() {
    let Some(ground) = Ground::new() else { return };
    let step = "FROM base\nRUN --mount=type=cache,target=/c echo x >> /c/lines && wc -l < /c/lines > /count\n";
    let count = || ground.image(step, &["--no-cache"]);
    let first = count();
    let second = count();
    assert_eq!(first.files["/count"].sha256, sha256("1\n"));
    assert_eq!(second.files["/count"].sha256, sha256("2\n"));
    assert!(second.files.keys().all(|path| !path.starts_with("/c/") && path != "/c"), "{:?}", second.files.keys());
    ground.is_clean();
}

/// Names that would lead out of the directory of caches, if they were names of directories.
#[test]
fn ids_of_caches_are_only_names() {
    let Some(ground) = Ground::new() else { return };
    let up = "../".repeat(12);
    let outside = ground.canary().display().to_string();
    for id in [
        format!("{up}{outside}"),
        outside.clone(),
        "..".into(),
        ".".into(),
        "/".into(),
        format!("a/{up}b"),
        "x".repeat(5000),
    ] {
        let step = format!("FROM base\nRUN --mount=type=cache,id={id},target=/c rm -rf /c/file; touch /c/new\n");
        ground.builds(&step, &["--no-cache"]);
        ground.is_clean();
    }
}

#[test]
fn proxies_are_in_no_history_and_no_config() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = "FROM base\nRUN test ${#http_proxy} = 21 && test \"$HTTP_PROXY\" = \"$http_proxy\"\n";
    let image = ground.image(dockerfile, &["--build-arg=HTTP_PROXY=http://proxy-canary:1"]);
    let text: Value = serde_json::to_value(&image).expect("JSON");
    assert!(!text.to_string().contains("proxy-canary"), "{text}");
    ground.is_clean();
}

#[test]
fn without_a_step_to_run_there_is_no_sandbox() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = "FROM base AS unused\nRUN exit 1\nFROM base AS files\nCOPY Dockerfile /f\nWORKDIR /w\n\
         FROM base AS later\nRUN exit 2\nFROM scratch AS wanted\nCOPY --from=files /f /f\nFROM wanted\nRUN exit 3\n";
    let said = ground.builds(dockerfile, &["--target=wanted"]);
    assert!(!said.contains(SANDBOX), "{said}");
    assert!(!ground.environment().store().join("shipsmith/trees").exists(), "nothing was unpacked");
    ground.is_clean();
}

#[test]
fn a_deterministic_step_gives_the_same_bits_in_every_store() {
    let (Some(one), Some(two)) = (Ground::new(), Ground::new()) else { return };
    let dockerfile = "FROM base\nRUN mkdir /d && for i in 3 1 2; do echo $i > /d/$i; done && ln /d/1 /d/one && rm -r /tmp\n\
         RUN cp -a /d /e && chown -R app:app /e && touch -d '2001-02-03 04:05:06' /e/2\n";
    assert_eq!(one.digest(dockerfile, &[]), two.digest(dockerfile, &["--no-cache"]));
    let epoch = ["--build-arg=SOURCE_DATE_EPOCH=1600000000"];
    assert_eq!(one.digest(dockerfile, &epoch), two.digest(dockerfile, &epoch));
}

fn sha256(text: &str) -> Option<String> {
    use oci::Digest;
    Digest::of(text.as_bytes()).as_str().strip_prefix("sha256:").map(str::to_owned)
}
