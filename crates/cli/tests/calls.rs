//! `--call` answers what BuildKit's frontend answered for the same Dockerfiles.

mod common;

use std::path::Path;

use common::{here, shipsmith, stderr, stdout};
use serde_json::Value;
use testkit::corpus::{Case, Corpus, root};

/// What the program says, without the text itself, which BuildKit adds and the corpus leaves out.
fn answer(directory: &Path, case: &Case, arguments: &[&str]) -> Value {
    let mut line = vec!["build".to_owned(), "--progress=quiet".to_owned()];
    line.extend(arguments.iter().map(|&argument| argument.to_owned()));
    line.extend(case.request.build_args.iter().map(|(name, value)| format!("--build-arg={name}={value}")));
    line.push("context".into());
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let output = shipsmith(directory, &line);
    let mut value: Value = serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    let sources = value.as_object_mut().and_then(|members| members.remove("sources"));
    assert!(sources.is_some_and(|sources| sources[0].is_string()));
    value
}

fn expected(case: &Case, file: &str) -> Value {
    let path = root().join("cases").join(&case.name).join(file);
    serde_json::from_slice(&std::fs::read(path).expect("an expectation")).expect("JSON")
}

#[test]
fn outlines_and_targets_are_buildkits() {
    let corpus = Corpus::open(&root()).expect("the corpus");
    let cases = corpus.cases().expect("the cases");
    let mut compared = 0;
    for case in cases.iter().filter(|case| case.name.starts_with("calls/")) {
        let directory = here();
        let on_disk = corpus.materialize(case, directory.path()).expect("a case on disk");
        assert_eq!(on_disk.context_dir, directory.path().join("context"));
        let file = format!("--file={}", on_disk.dockerfile.display());
        let target = case.request.target.as_ref().map(|target| format!("--target={target}"));
        let mut outline = vec!["--call=outline,format=json", &file];
        outline.extend(target.as_deref());
        assert_eq!(answer(directory.path(), case, &outline), expected(case, "expected-outline.json"), "{}", case.name);
        let targets = answer(directory.path(), case, &["--call=targets,format=json", &file]);
        assert_eq!(targets, expected(case, "expected-targets.json"), "{}", case.name);
        if root().join("cases").join(&case.name).join("expected-outline-tools.json").exists() {
            let tools = answer(directory.path(), case, &["--call=outline,format=json", "--target=tools", &file]);
            assert_eq!(tools, expected(case, "expected-outline-tools.json"), "{}", case.name);
        }
        compared += 1;
    }
    assert!(compared >= 15, "only {compared} cases were compared");
}

#[test]
fn a_check_applies_the_rules_that_need_values_and_files() {
    let directory = here();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("Dockerfile", "FROM scratch\nENV A=$nope\nCOPY a.txt \\\n  /\n");
    write(".dockerignore", "*.txt\n");
    let text = shipsmith(directory.path(), &["build", "--check", "."]);
    assert_eq!(text.status.code(), Some(1), "{}", stderr(&text));
    let shown = stdout(&text);
    assert!(shown.starts_with("check complete, 2 warnings have been found\n"), "{shown}");
    assert!(shown.contains("warning: UndefinedVar: ") && shown.contains("2 | ENV A=$nope\n"), "{shown}");
    let json = shipsmith(directory.path(), &["build", "--call=check,format=json", "."]);
    assert_eq!(json.status.code(), Some(1), "{}", stderr(&json));
    let value: Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(value["warnings"][1]["ruleName"], "CopyIgnoredFile");
    let lines = value["warnings"][1]["location"]["ranges"].as_array().expect("ranges");
    assert_eq!(lines.iter().map(|range| range["start"]["line"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(4)]);
}

#[test]
fn an_unknown_target_is_a_failed_build() {
    let directory = here();
    std::fs::write(directory.path().join("Dockerfile"), "FROM scratch AS release\n").expect("a file");
    let output = shipsmith(directory.path(), &["build", "--call=outline", "--target=relase", "."]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint: did you mean release?"), "{}", stderr(&output));
}
