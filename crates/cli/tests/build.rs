//! Builds as a script sees them.

mod common;

use std::path::Path;

use common::{here, shipsmith, stderr, stdout};
use serde_json::Value;
use testkit::registry_server::RegistryServer;
use testkit::tools;

/// A context with a file and this Dockerfile.
fn context(dockerfile: &str) -> tempfile::TempDir {
    let directory = here();
    std::fs::write(directory.path().join("Dockerfile"), dockerfile).expect("a file");
    std::fs::write(directory.path().join("a"), "content\n").expect("a file");
    directory
}

fn ok(directory: &Path, arguments: &[&str]) -> String {
    let output = shipsmith(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output).trim_end().to_owned()
}

#[test]
fn an_image_lands_in_the_store_and_is_told_about() {
    let directory = context("FROM scratch\nCOPY a /b\n");
    let at = directory.path();
    let arguments = ["build", "-t", "app:1", "--iidfile=id", "--metadata-file=meta.json", "--timings=trace.json", "."];
    let output = shipsmith(at, &arguments);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("COPY a /b") && text.contains("  as app:1\n") && text.contains("   seconds"), "{text}");
    let read = |name: &str| std::fs::read_to_string(at.join(name)).expect("the file");
    let metadata: Value = serde_json::from_str(&read("meta.json")).expect("JSON");
    assert_eq!(metadata["image.name"], "docker.io/library/app:1");
    assert_eq!(metadata["containerimage.config.digest"], read("id").as_str());
    let trace: Value = serde_json::from_str(&read("trace.json")).expect("JSON");
    assert!(!trace["traceEvents"].as_array().expect("events").is_empty());
    assert_eq!(ok(at, &["images", "-q"]), metadata["containerimage.digest"]);
    assert_eq!(ok(at, &["build", "-q", "."]), read("id"), "the same input, the same image");
}

#[test]
fn a_run_is_refused_with_its_line_or_skipped_with_a_word() {
    let directory = context("FROM scratch\nRUN make\n");
    let at = directory.path();
    let refused = shipsmith(at, &["build", "."]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("Dockerfile:2\n  2 | RUN make\n"), "{}", stderr(&refused));
    let skipped = shipsmith(at, &["build", "--run=skip", "."]);
    assert_eq!(skipped.status.code(), Some(0), "{}", stderr(&skipped));
    assert!(stderr(&skipped).contains("RUN make"), "{}", stderr(&skipped));
}

#[test]
fn a_failed_build_leaves_no_old_id() {
    let directory = context("FROM scratch\nCOPY nowhere /\n");
    let at = directory.path();
    std::fs::write(at.join("id"), "old").expect("a file");
    let output = shipsmith(at, &["build", "--iidfile=id", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Dockerfile:2\n"), "{}", stderr(&output));
    assert!(!at.join("id").exists());
}

#[test]
fn an_archive_goes_to_standard_output_alone() {
    let directory = context("FROM scratch\nCOPY a /b\n");
    let output = shipsmith(directory.path(), &["build", "-o", "-", "."]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout.len() % 512, 0);
    assert_eq!(output.stdout.get(257..262), Some(b"ustar".as_slice()));
}

#[test]
fn progress_as_json_lines() {
    let directory = context("FROM scratch\nCOPY a /b\n");
    let output = shipsmith(directory.path(), &["build", "--progress=rawjson", "."]);
    assert!(output.status.success(), "{}", stderr(&output));
    let names: Vec<String> = stderr(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter_map(|value| Some(value["vertexes"][0]["name"].as_str()?.to_owned()))
        .collect();
    assert!(names.iter().any(|name| name.contains("COPY a /b")), "{names:?}");
}

#[test]
fn a_push_is_seen_by_skopeo() {
    let Some(registry) = RegistryServer::start() else { return };
    let Some(skopeo) = tools::require("skopeo") else { return };
    let directory = context("FROM scratch\nCOPY a /b\n");
    let name = format!("{}/app:1", registry.address());
    ok(directory.path(), &["build", "--push", "-t", &name, "--label=x=y", "."]);
    let config = skopeo.run(["inspect", "--config", "--tls-verify=false", &format!("docker://{name}")]).text();
    let config: Value = serde_json::from_str(&config).expect("JSON");
    assert_eq!(config["config"]["Labels"]["x"], "y");
}
